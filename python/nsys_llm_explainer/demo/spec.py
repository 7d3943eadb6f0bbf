"""What a generated export holds: sizes, modes, and the causes of lost time that a scenario injects."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

GRAPH_MODES = ("node", "graph", "none")

# Bytes of the file per decode step and per prefill step, measured on generated files; only for choosing a size.
_BYTES_FIXED = 90_000
_BYTES_KERNEL = 104
_BYTES_EAGER_OP = 156
_KERNELS_PER_LAYER = 13


@dataclass(frozen=True)
class Causes:
    """What makes a run slow. The defaults are those of a healthy server; a scenario changes one.

    Attributes:
        launch_delay_ns: Host code that runs before every decode launch, with nothing of CUDA in it.
        sync_tail_ns: How long the blocking wait at the end of a step goes on after the GPU is done.
        extra_sync: A cudaStreamSynchronize between the input copies and the launch of every step.
        extra_sync_ns: How long that call holds the host while the GPU has nothing to do.
        straggler_rank: The worker whose kernels are slower, or None.
        straggler_factor: How many times slower.
        pageable_inputs: Input copies come from pageable memory, so the copy blocks the host.
        input_bytes: Bytes of each of the input copies of a step.
        scheduler_ns: How long the engine thinks between two steps.
    """

    launch_delay_ns: int = 0
    sync_tail_ns: int = 9_000
    extra_sync: bool = False
    extra_sync_ns: int = 0
    straggler_rank: int | None = None
    straggler_factor: float = 1.5
    pageable_inputs: bool = False
    input_bytes: int = 16_384
    scheduler_ns: int = 600_000


@dataclass(frozen=True)
class DemoSpec:
    """A vLLM-like serving run with tensor parallelism: one process per GPU, and an engine process that has none.

    Attributes:
        seed: The same seed gives the same rows.
        workers: Worker processes, one GPU each.
        decode_steps: Decode steps, each one CUDA graph launch per worker.
        prefill_every: A prefill step, launched eagerly, comes before every so many decode steps; 0 for none.
        layers: Transformer layers of the model.
        nvtx: Record NVTX at all.
        nvtx_ops: Record a range for each operator of eager steps (``aten::…, op_id = N``), nested in ranges of modules.
        graph_mode: ``node`` (a row per kernel of a graph), ``graph`` (a GRAPH_TRACE row per launch) or ``none``
            (decode is launched
            eagerly, as with ``--enforce-eager``).
        decode_scale: Factor on the durations of decode kernels; small values make a launch storm.
        schema: The export schema version; 3.25.0 or later.
        osrt: Record OS runtime calls.
        causes: What makes the run slow.
    """

    seed: int = 0
    workers: int = 2
    decode_steps: int = 40
    prefill_every: int = 10
    layers: int = 24
    nvtx: bool = True
    nvtx_ops: bool = True
    graph_mode: str = "node"
    decode_scale: float = 1.0
    schema: str = "3.25.0"
    osrt: bool = True
    causes: Causes = field(default_factory=Causes)

    def __post_init__(self) -> None:
        """Refuse what no run can have."""
        if self.graph_mode not in GRAPH_MODES:
            raise ValueError(f"graph_mode is {self.graph_mode!r}, not one of {', '.join(GRAPH_MODES)}")
        if min(self.workers, self.layers, self.decode_steps + self.prefill_steps) < 1 or self.prefill_every < 0:
            raise ValueError("a run has at least one worker, one layer and one step")

    @property
    def prefill_steps(self) -> int:
        """How many prefill steps the run has."""
        return -(-self.decode_steps // self.prefill_every) if self.prefill_every else 0


def spec_for_bytes(target_bytes: int, *, seed: int = 0) -> DemoSpec:
    """Return a run whose export has about ``target_bytes``: four workers, half of the kernels eager, all NVTX.

    Args:
        target_bytes: The size of the file. The result lies within a tenth of it from 10 MB on.
        seed: The seed of the run.
    """
    spec = DemoSpec(seed=seed, workers=4, layers=32, prefill_every=1)
    kernels = spec.layers * _KERNELS_PER_LAYER
    per_step = spec.workers * (2 * kernels * _BYTES_KERNEL + kernels * _BYTES_EAGER_OP)
    return replace(spec, decode_steps=max(1, round((target_bytes - _BYTES_FIXED) / per_step)))
