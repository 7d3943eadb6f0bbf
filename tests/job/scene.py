"""Jobs whose truth is known: collectives on one true clock, then as hosts with clocks of their own record them."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from nsys_llm_explainer.job.lanes import Capture, Lane
from tests.support.export import Export

US = 1_000
MS = 1_000_000
S = 1_000_000_000
ALL_REDUCE = "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096>)"
ALL_GATHER = "ncclDevKernel_AllGather_RING_LL(ncclDevKernelArgsStorage<4096>)"
BROADCAST = "ncclDevKernel_Broadcast_RING_LL(ncclDevKernelArgsStorage<4096>)"
ONE_SHOT = "flashinfer::trtllm_allreduce_fusion::allreduce_fusion_kernel_oneshot_lamport<2>()"
TRANSFER_NS = 20 * US
UTC_NS = 1_767_225_600 * S


@dataclass(frozen=True)
class Host:
    """A host: the ranks on it, and how it records.

    Attributes:
        ranks: Its ranks, one GPU each.
        offset: What its clock shows at true time 0, in ns.
        ppm: How much faster its clock runs.
        skip: How many of the first collectives came before its capture.
        lost: Which collectives are missing in the middle.
        utc_off: How far its wall clock is wrong; None where the export does not tell it.
    """

    ranks: tuple[int, ...]
    offset: int = 0
    ppm: float = 0.0
    skip: int = 0
    lost: range = range(0)
    utc_off: int | None = None

    def shows(self, moment: int) -> int:
        """Returns what its clock shows at a true moment."""
        return self.offset + moment + round(moment * self.ppm / 1e6)


@dataclass(frozen=True)
class Collective:
    """One collective as it really was: start and end of each rank that takes part."""

    name: str
    spans: Mapping[int, tuple[int, int]]


@dataclass(frozen=True)
class Pace:
    """How regular a job is."""

    steps: int = 40
    layers: int = 10
    layer_ns: int = 200 * US
    layer_jitter_ns: int = 4 * US
    step_ns: int = 3 * MS
    step_jitter_ns: int = 150 * US
    end_jitter_ns: int = 2 * US
    arrival_jitter_ns: int = 3 * US
    name: str = ALL_REDUCE
    late: Mapping[int, int] = field(default_factory=dict)


def collectives(ranks: Sequence[int], pace: Pace = Pace(), *, seed: int = 0, start: int = 0) -> list[Collective]:
    """Returns the collectives of a communicator: ``late`` says by how much a rank comes after the others."""
    rng = Random(f"{seed} {ranks}")
    now, made = start, []
    for _ in range(pace.steps):
        now += pace.step_ns + round(rng.uniform(-1, 1) * pace.step_jitter_ns)
        for _ in range(pace.layers):
            now += pace.layer_ns + round(rng.uniform(-1, 1) * pace.layer_jitter_ns)
            arrived = {rank: now + rng.randrange(pace.arrival_jitter_ns + 1) + pace.late.get(rank, 0) for rank in ranks}
            now = max(arrived.values()) + TRANSFER_NS
            ends = {rank: now + rng.randrange(pace.end_jitter_ns + 1) for rank in ranks}
            made.append(Collective(pace.name, {rank: (arrived[rank], ends[rank]) for rank in ranks}))
    return made


def recorded(host: Host, job: Sequence[Collective]) -> list[tuple[str, int, int, int]]:
    """Returns name, rank, start and end of what a host records, on its clock."""
    rows = []
    for number, collective in enumerate(job):
        if number < host.skip or number in host.lost:
            continue
        for rank in host.ranks:
            if rank in collective.spans:
                start, end = collective.spans[rank]
                rows.append((collective.name, rank, host.shows(start), host.shows(end)))
    return rows


def write(path: Path, host: Host, *jobs: Sequence[Collective], export: Export | None = None) -> Path:
    """Writes what a host records; each communicator has a stream of its own, and compute runs between collectives."""
    export = Export() if export is None else export
    for stream, job in enumerate(jobs, start=20):
        before: dict[int, int] = {}
        for name, rank, start, end in recorded(host, job):
            device = host.ranks.index(rank)
            pid = 100 + device
            if before.get(rank, start) + 10 * US < start:
                export.kernel("gemm", before[rank] + 5 * US, start - 2 * US, device=device, pid=pid, stream=7)
            export.kernel(name, start, end, device=device, pid=pid, stream=stream)
            before[rank] = end
    if host.utc_off is not None:
        export.raw("TARGET_INFO_SESSION_START_TIME", utcEpochNs=UTC_NS - host.offset + host.utc_off)
    return export.write(path)


def capture(number: int, host: Host, *jobs: Sequence[Collective], kind: str = "all") -> Capture:
    """Returns what reading the host's file would give, without the file."""
    lanes = []
    for stream, job in enumerate(jobs, start=20):
        rows = recorded(host, job)
        for rank in host.ranks:
            spans = sorted((end, start) for _, owner, start, end in rows if owner == rank)
            starts, ends = array("q", (start for _, start in spans)), array("q", (end for end, _ in spans))
            if spans:
                lanes.append(Lane(number, (host.ranks.index(rank), None), stream, job[0].name, kind, starts, ends))
    base = None if host.utc_off is None else UTC_NS - host.offset + host.utc_off
    return Capture(number, Path(f"host{number}.sqlite"), tuple(lanes), base, 10)
