"""Generated runs, each written and analysed once per session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nsys_llm_explainer import Report, analyze
from nsys_llm_explainer.demo import DemoSpec, generate
from tests.support.export import Export

Runs = Callable[..., Report]
SPEC = DemoSpec(decode_steps=24, prefill_every=12, layers=6)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """``runs(seed=1, causes={...})`` is the report of a small run that differs from ``SPEC`` in what is named."""
    folder = tmp_path_factory.mktemp("comparison")
    made: dict[str, Report] = {}

    def report(base: DemoSpec = SPEC, *, causes: dict[str, Any] | None = None, **changes: Any) -> Report:
        spec = replace(base, **changes)
        spec = replace(spec, causes=replace(spec.causes, **(causes or {})))
        if repr(spec) not in made:
            path = folder / f"run{len(made)}.sqlite"
            generate(path, spec)
            made[repr(spec)] = analyze(path)
        return made[repr(spec)]

    return report


@pytest.fixture(scope="session")
def plain() -> Callable[..., Export]:
    """``plain({"a": 10_000})`` is an export without steps: each kernel 40 times, for so long, one after the other."""

    def export(kernels: dict[str, int], *, gpu: str = "GPU A", gap_ns: int = 2_000, device: int = 0) -> Export:
        made = Export().process(100, "python").gpu(device, gpu)
        made.cuda_device(pid=100, ordinal=device, gpu=device)
        moment, number = 1_000_000, 0
        for turn in range(40):
            for name, ns in kernels.items():
                number += 1
                made.call("cudaLaunchKernel_v7000", moment - 1_500, moment - 500, corr=number, pid=100)
                made.kernel(name, moment, moment + ns + turn % 3, corr=number, pid=100, device=device)
                moment += ns + gap_ns + turn % 3
        return made

    return export


@pytest.fixture(scope="session")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Export], Report]:
    """``analysed(export)`` is the report of an export."""
    folder: Path = tmp_path_factory.mktemp("exports")
    written: list[Path] = []

    def report(export: Export) -> Report:
        written.append(export.write(folder / f"trace{len(written)}.sqlite"))
        return analyze(written[-1])

    return report
