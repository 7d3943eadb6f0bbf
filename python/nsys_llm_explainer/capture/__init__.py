"""What to run: nsys command lines for each engine, by what an export lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from nsys_llm_explainer.capture import pytorch, sglang, tensorrt_llm, vllm
from nsys_llm_explainer.capture.needs import FLAGS
from nsys_llm_explainer.capture.recipe import CaptureRecipe, Engine, compose

__all__ = ["ENGINES", "FLAGS", "CaptureRecipe", "Engine", "recipe"]

ENGINES: Final[Mapping[str, Engine]] = MappingProxyType(
    {
        engine.name: engine
        for engine in (
            vllm.ENGINE,
            sglang.ENGINE,
            tensorrt_llm.ENGINE,
            pytorch.ENGINE,
        )
    }
)
"""Every engine that has a recipe, by name, in the order of the runbook."""


def recipe(engine: str, needs: Iterable[str] = ()) -> CaptureRecipe:
    """Returns the command lines that capture an engine so that the export holds what it lacked.

    Without needs the recipe already records CUDA calls, GPU work, the kernels inside CUDA graphs and NVTX ranges.

    Args:
        engine: A key of ``ENGINES``.
        needs: Keys of ``FLAGS``, in any order.

    Returns:
        The command lines and what to know about them.

    Raises:
        ValueError: If the engine or a need is unknown.
    """
    if engine not in ENGINES:
        raise ValueError(f"unknown engine {engine!r}: expected one of {', '.join(ENGINES)}")
    wanted = set(needs)
    unknown = sorted(wanted.difference(FLAGS))
    if unknown:
        raise ValueError(f"unknown need {unknown[0]!r}: expected one of {', '.join(FLAGS)}")
    return compose(ENGINES[engine], tuple(need for need in FLAGS if need in wanted))
