"""Generated runs with one injected cause each, the finding that has to name it, and the twin without the cause."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nsys_llm_explainer.demo import DemoSpec, causes, healthy
from nsys_llm_explainer.demo.causes import Causes

US, MS = 1_000, 1_000_000
MIB = 1 << 20


@dataclass(frozen=True)
class Scenario:
    """A sick run.

    Attributes:
        spec: The run.
        finding: The id of the finding that comes first.
        counts: What of the generator's ledger the finding is about.
        twin: Values of the run that make it healthy, beside the causes.
        share: The device time that was injected, at least, as a share of the windows.
    """

    spec: DemoSpec
    finding: str
    counts: tuple[str, ...] = ()
    twin: tuple[tuple[str, object], ...] = ()
    share: float = 0.10

    @property
    def ledger(self) -> tuple[str, ...]:
        """What the ledger calls it."""
        return self.counts or (self.finding,)

    @property
    def healthy(self) -> DemoSpec:
        """The same run without the cause."""
        cured = Causes(
            scheduler_ns=healthy().causes.scheduler_ns,
            communication_factor=healthy().causes.communication_factor,
        )
        return replace(self.spec, causes=cured, **dict(self.twin))


def _run(**injected: object) -> DemoSpec:
    return healthy(causes=dict(injected))


SCENARIOS: dict[str, Scenario] = {
    "Python between decode steps": Scenario(_run(between_steps_ns=8 * MS), causes.BETWEEN_STEPS),
    "an engine that is waited for between steps": Scenario(
        healthy(lookahead=0, causes={"scheduler_ns": 3 * MS}), causes.BETWEEN_STEPS, twin=(("lookahead", 1),)
    ),
    "Python in the forward pass, before the graph": Scenario(_run(launch_delay_ns=8 * MS), causes.IN_STEP),
    "Python in the forward pass, between eager layers": Scenario(
        healthy(graph_mode="none", causes={"layer_code_ns": 700 * US}), causes.IN_STEP
    ),
    "kernels shorter than their launch": Scenario(
        healthy(graph_mode="none", decode_scale=0.05, layers=24, prefill_every=45, nvtx_ops=False),
        causes.LAUNCH,
        twin=(("decode_scale", 1.0), ("prefill_every", 15)),
    ),
    "slow launches": Scenario(healthy(graph_mode="none", causes={"launch_call_ns": 40 * US}), causes.LAUNCH),
    "a synchronisation before the launch": Scenario(_run(extra_sync=True, extra_sync_ns=2 * MS), causes.SYNC),
    "a late wake-up at the end of a step": Scenario(
        healthy(lookahead=0, causes={"sync_tail_ns": 3 * MS}), causes.SYNC, twin=(("lookahead", 1),)
    ),
    "offloaded weights": Scenario(_run(offload_bytes=50 * MIB), causes.COPY),
    "pageable inputs": Scenario(_run(pageable_bytes=12 * MIB), causes.PAGEABLE),
    "slow collectives": Scenario(_run(communication_factor=4.0), causes.COMMUNICATION),
    "a rank with a slow GPU": Scenario(_run(straggler_rank=1), causes.STRAGGLER),
    "allocations in every step": Scenario(_run(allocate_every=1, allocate_ns=1_500 * US), causes.ALLOCATION),
    "kernels loaded while serving": Scenario(_run(load_every=3, load_ns=9 * MS), causes.LOADING),
    "kernels compiled while serving": Scenario(_run(load_every=3, load_ns=9 * MS, load_kind=2), causes.LOADING),
    "a few kernels compiled for long": Scenario(_run(load_every=8, load_ns=25 * MS, load_kind=2), causes.LOADING),
    "a few long allocations": Scenario(_run(allocate_every=8, allocate_ns=15 * MS), causes.ALLOCATION),
    "garbage collection inside steps": Scenario(_run(pause_every=12, pause_ns=40 * MS), causes.OUTLIERS),
    "garbage collection between steps": Scenario(
        _run(pause_every=12, pause_ns=40 * MS, pause_between=True), causes.OUTLIERS
    ),
    "hundreds of short kernels": Scenario(_run(storm_kernels=500), causes.STORM),
    "most layers outside the graph": Scenario(
        healthy(decode_scale=0.5, causes={"eager_layers": 7, "launch_call_ns": 36 * US}), causes.COVERAGE
    ),
    "no requests for a while": Scenario(_run(request_gap_every=15, request_gap_ns=200 * MS), causes.REQUESTS),
    "a profiler that costs too much": Scenario(_run(profiler_ns=8 * MS), causes.PROFILER),
    "a short synchronisation beside more communication": Scenario(
        _run(extra_sync=True, extra_sync_ns=330 * US, communication_factor=0.8), causes.SYNC, share=0.05
    ),
    "waits on the GPU's side": Scenario(_run(stall_ns=4 * MS), causes.UNEXPLAINED),
}

#: Runs in which nothing is wrong.
HEALTHY: dict[str, DemoSpec] = {
    "graphs": healthy(),
    "another seed": healthy(seed=1),
    "eager": healthy(graph_mode="none"),
    "piecewise graphs": healthy(cuda_graphs="piecewise"),
    "hidden copies": _run(offload_bytes=50 * MIB, offload_hidden=True),
    "one GPU": healthy(workers=1),
    "four GPUs": healthy(workers=4, decode_steps=30),
    "a full queue": healthy(graph_mode="none", lookahead=100),
    "SGLang": healthy(markers="sglang"),
    "TensorRT-LLM": healthy(markers="tensorrt_llm"),
}

#: Runs in which nothing is wrong once they are warm.
WARMING: dict[str, DemoSpec] = {
    "graphs": healthy(warmup_steps=4, warmup_ns=60 * MS),
    "eager": healthy(graph_mode="none", warmup_steps=3, warmup_ns=60 * MS),
}

#: Two causes in one run: the run, and the two findings.
PAIRS: dict[str, tuple[DemoSpec, tuple[str, str]]] = {
    "host and copies": (_run(between_steps_ns=12 * MS, offload_bytes=50 * MIB), (causes.BETWEEN_STEPS, causes.COPY)),
    "synchronisation and collectives": (
        _run(extra_sync=True, extra_sync_ns=2 * MS, communication_factor=8.0),
        (causes.SYNC, causes.COMMUNICATION),
    ),
    "allocations and a slow GPU": (
        _run(allocate_every=1, allocate_ns=1_500 * US, straggler_rank=1),
        (causes.ALLOCATION, causes.STRAGGLER),
    ),
    "pauses and copies": (
        _run(pause_every=12, pause_ns=60 * MS, offload_bytes=25 * MIB),
        (causes.OUTLIERS, causes.COPY),
    ),
    "requests and the forward pass": (
        _run(request_gap_every=15, request_gap_ns=200 * MS, launch_delay_ns=8 * MS),
        (causes.REQUESTS, causes.IN_STEP),
    ),
    "the profiler and synchronisation": (
        _run(profiler_ns=8 * MS, extra_sync=True, extra_sync_ns=2 * MS),
        (causes.PROFILER, causes.SYNC),
    ),
    "loading and pageable copies": (
        _run(load_every=3, load_ns=9 * MS, pageable_bytes=24 * MIB),
        (causes.LOADING, causes.PAGEABLE),
    ),
    "a storm and collectives": (
        _run(storm_kernels=500, communication_factor=12.0),
        (causes.STORM, causes.COMMUNICATION),
    ),
    "host and pauses elsewhere": (
        _run(between_steps_ns=8 * MS, pause_every=12, pause_ns=60 * MS),
        (causes.BETWEEN_STEPS, causes.OUTLIERS),
    ),
    "the profiler between steps and Python inside": (
        _run(profiler_ns=8 * MS, launch_delay_ns=8 * MS),
        (causes.PROFILER, causes.IN_STEP),
    ),
    "the profiler and allocations": (
        _run(profiler_ns=8 * MS, allocate_every=1, allocate_ns=3 * MS),
        (causes.PROFILER, causes.ALLOCATION),
    ),
    "allocations and no requests": (
        _run(allocate_every=1, allocate_ns=3 * MS, request_gap_every=15, request_gap_ns=120 * MS),
        (causes.ALLOCATION, causes.REQUESTS),
    ),
    "loading and pauses": (
        _run(load_every=6, load_ns=9 * MS, pause_every=12, pause_ns=60 * MS),
        (causes.LOADING, causes.OUTLIERS),
    ),
    "allocations and waits on the GPU's side": (
        _run(allocate_every=1, allocate_ns=3 * MS, stall_ns=4 * MS),
        (causes.ALLOCATION, causes.UNEXPLAINED),
    ),
}
