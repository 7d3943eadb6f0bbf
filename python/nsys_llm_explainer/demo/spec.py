"""What a generated export holds: sizes, modes, and the causes of lost time that a scenario injects."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from nsys_llm_explainer.demo.causes import Causes
from nsys_llm_explainer.demo.markers import STYLES

GRAPH_MODES = ("node", "graph", "none")
CUDA_GRAPHS = ("full", "piecewise")

# Bytes of the file per decode step and per prefill step, measured on generated files; only for choosing a size.
_BYTES_FIXED = 90_000
_BYTES_KERNEL = 104
_BYTES_EAGER_OP = 156
_KERNELS_PER_LAYER = 13


@dataclass(frozen=True)
class DemoSpec:
    """A serving run with tensor parallelism: one process per GPU, and an engine process that has none.

    Attributes:
        seed: The same seed gives the same rows.
        workers: Worker processes, one GPU each.
        decode_steps: Decode steps, each one CUDA graph launch per worker.
        prefill_every: A prefill step, launched eagerly, comes before every so many decode steps; 0 for none.
        layers: Transformer layers of the model.
        markers: Whose names the NVTX ranges have, one of ``STYLES``.
        nvtx: Record NVTX at all.
        nvtx_ops: Record a range for each operator of eager steps (``aten::…, op_id = N``), nested in ranges of modules.
        nccl_payloads: NCCL's ranges carry jsonText: communicator, ranks, bytes.
        graph_mode: How CUDA graphs are traced: ``node`` (a row per kernel of a graph), ``graph`` (a GRAPH_TRACE row per
            launch) or ``none`` (decode is launched eagerly, as with ``--enforce-eager``).
        cuda_graphs: ``full`` (one graph holds a decode step) or ``piecewise`` (attention is launched between graphs).
        node_events: The graphs are captured inside the profile, with a record of every node.
        memory_events: Record allocations on the GPU.
        lookahead: How many steps the host may be ahead of the GPU: 0 waits for every step, 1 is asynchronous
            scheduling, more makes a queue.
        decode_scale: Factor on the durations of decode kernels; small values make them shorter than their launch.
        jitter: How far durations of kernels differ from the typical one, up and down, as a share of it.
        preprocess_ns: Host code that prepares the inputs of a step.
        weights_bytes: What every worker brings to its GPU before the first step.
        warmup_steps: The first decode steps that take longer.
        warmup_ns: Host code that each of them runs before its launch.
        drain_steps: The last decode steps, with fewer and fewer requests.
        drain_ns: How long the engine waits before each of them.
        schema: The export schema version; 3.25.0 or later.
        osrt: Record OS runtime calls.
        causes: What makes the run slow.
    """

    seed: int = 0
    workers: int = 2
    decode_steps: int = 40
    prefill_every: int = 10
    layers: int = 24
    markers: str = "vllm"
    nvtx: bool = True
    nvtx_ops: bool = True
    nccl_payloads: bool = False
    graph_mode: str = "node"
    cuda_graphs: str = "full"
    node_events: bool = False
    memory_events: bool = False
    lookahead: int = 0
    decode_scale: float = 1.0
    jitter: float = 0.06
    preprocess_ns: int = 150_000
    weights_bytes: int = 64 << 20
    warmup_steps: int = 0
    warmup_ns: int = 0
    drain_steps: int = 0
    drain_ns: int = 0
    schema: str = "3.25.0"
    osrt: bool = True
    causes: Causes = field(default_factory=Causes)

    def __post_init__(self) -> None:
        """Refuse what no run can have."""
        for name, allowed in (("graph_mode", GRAPH_MODES), ("cuda_graphs", CUDA_GRAPHS), ("markers", tuple(STYLES))):
            value = getattr(self, name)
            if value not in allowed:
                raise ValueError(f"{name} is {value!r}, not one of {', '.join(allowed)}")
        if min(self.workers, self.layers, self.decode_steps + self.prefill_steps) < 1 or self.prefill_every < 0:
            raise ValueError("a run has at least one worker, one layer and one step")
        if not 0 <= self.causes.eager_layers <= self.layers:
            raise ValueError(f"{self.causes.eager_layers} of {self.layers} layers cannot be eager")

    @property
    def prefill_steps(self) -> int:
        """How many prefill steps the run has, those after times without requests aside."""
        return -(-self.decode_steps // self.prefill_every) if self.prefill_every else 0


def healthy(*, causes: dict[str, Any] | None = None, **changes: Any) -> DemoSpec:
    """Return a small run with asynchronous scheduling, whose GPUs are busy 95 % of the time, for scenarios to spoil.

    Args:
        causes: Fields of :class:`Causes` that differ from this run's.
        changes: Fields of :class:`DemoSpec` that differ from this run's.
    """
    own = Causes(scheduler_ns=60_000, communication_factor=0.3)
    values: dict[str, Any] = {
        "decode_steps": 45,
        "prefill_every": 15,
        "layers": 8,
        "lookahead": 1,
        "jitter": 0.01,
        "preprocess_ns": 40_000,
        "weights_bytes": 1 << 20,
        "causes": replace(own, **(causes or {})),
    }
    return DemoSpec(**{**values, **changes})


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
