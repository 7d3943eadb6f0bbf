"""How engines name what they do: the NVTX ranges of a step, and the processes that make them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Batch:
    """What one step works on.

    Attributes:
        context_requests: Requests whose prompts it computes.
        context_tokens: Tokens of those prompts.
        generation_requests: Requests that get one token each.
    """

    context_requests: int
    context_tokens: int
    generation_requests: int

    @property
    def kind(self) -> str:
        """``prefill``, ``decode`` or ``mixed``."""
        if not self.context_requests:
            return "decode"
        return "mixed" if self.generation_requests else "prefill"


@dataclass(frozen=True)
class Style:
    """The names of one engine; a part without a name has no range.

    Attributes:
        processes: The engine's process, and a worker's with its rank.
        command: The program and its first argument.
        step: The range of a whole step, from its number and batch; or None.
        schedule: The two ranges of the engine's thinking between steps.
        on_workers: The workers schedule for themselves; there is no engine process to wait for.
        preprocess: The range of preparing inputs.
        forward: The range of the forward pass.
        sample: The range of sampling.
        bookkeep: The range of copying tokens back.
        registered: The names are registered strings.
        mixes: A step may hold prompts and generation.
    """

    processes: tuple[str, str] = ("VLLM::EngineCore", "VLLM::Worker_TP{rank}")
    command: tuple[str, str] = ("vllm", "serve")
    step: Callable[[int, Batch], str] | None = None
    schedule: tuple[str, ...] = ()
    on_workers: bool = False
    preprocess: str | None = None
    forward: str | None = None
    sample: str | None = None
    bookkeep: str | None = None
    registered: bool = False
    mixes: bool = True


_VLLM_SCHEDULE = ("llm_engine step: process_outputs", "schedule: allocate_slots")


def _vllm(_: int, batch: Batch) -> str:
    context = f"{batch.context_requests}({batch.context_tokens})"
    return f"execute_context_{context}_generation_{batch.generation_requests}({batch.generation_requests})"


def _vllm_v0(_: int, batch: Batch) -> str:
    return f"execute_new_{batch.context_requests}_cached_{batch.generation_requests}"


def _sglang(_: int, batch: Batch) -> str:
    if batch.context_requests:
        return f"step[EXTEND bs={batch.context_requests} toks={batch.context_tokens}]"
    return f"step[DECODE bs={batch.generation_requests}]"


def _tensorrt_llm(number: int, batch: Batch) -> str:
    context = f"{batch.context_requests} ctx reqs, {batch.context_tokens} ctx tokens"
    return f"[Executor] _forward_step {number}: {context}, {batch.generation_requests} gen reqs"


def _runner(part: str) -> str:
    return f"gpu_model_runner: {part}"


_VLLM_PARTS = Style(
    schedule=_VLLM_SCHEDULE,
    preprocess=_runner("preprocess"),
    forward=_runner("forward"),
    sample=_runner("sample"),
    bookkeep=_runner("bookkeep"),
)

#: Name of a style -> the style. ``none`` still has NVTX, but only what libraries and frameworks write.
STYLES: Mapping[str, Style] = {
    "vllm": Style(**{**vars(_VLLM_PARTS), "step": _vllm}),
    "vllm_v0": Style(processes=("python3", "python3"), step=_vllm_v0),
    "vllm_scopes": _VLLM_PARTS,
    "sglang": Style(
        processes=("sglang::detokenizer", "sglang::scheduler_TP{rank}"),
        command=("python3", "-m"),
        step=_sglang,
        schedule=("scheduler.process_batch_result", "scheduler.get_next_batch_to_run"),
        on_workers=True,
        forward="scheduler.run_batch",
        mixes=False,
    ),
    "tensorrt_llm": Style(
        processes=("trtllm-serve", "mpi4py.futures.server"),
        command=("trtllm-serve", "MODEL"),
        step=_tensorrt_llm,
        schedule=("_fetch_new_requests", "_schedule"),
        on_workers=True,
        preprocess="_prepare_inputs",
        forward="_forward_step",
        sample="_sample_async",
        bookkeep="_update_requests",
        registered=True,
    ),
    "none": Style(),
}
