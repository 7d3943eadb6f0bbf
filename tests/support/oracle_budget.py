"""Oracle, part 6: where each device's time went.

Decisions where the definitions are silent:

* Every row of GRAPH_TRACE is a graph execution here, also beside rows of its kernels: a device is busy while it runs.
* A gap is what lies between ops; an op without duration ends one gap and begins the next.
* Of several calls that start at the same time, the one with the lowest rowid is the call of the gap.
* An earlier op is one of any device that starts before the gap ends.
* A call without a thread is on a thread of its own number 0, as everywhere in the oracle.
* A call that starts after the op leaves the whole gap to what the thread did before.
* The cause is the largest part; of equal ones the first in the order of the buckets.
* Where calls overlap on a thread, time belongs to the call of its bucket that ends last, then starts first, then has
  the lowest rowid.
* The name of the next op, where several candidates start together, is left out (None is never a name).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Optional

from tests.support.oracle_categories import is_communication
from tests.support.oracle_gpu import Interval, Row, gaps_between, measure, ratio, sync_kind
from tests.support.oracle_host import Capture, clip, solid, subtract
from tests.support.oracle_trace import COPY, GRAPH, KERNEL, SET, Call, Device, Op, pid_of

BUSY = ("compute", "communication", "copy")
IDLE = tuple(
    f"idle.{part}"
    for part in ("host_sync", "host_api", "host_os", "host_code", "launching", "inside_graph", "queued", "unmatched")
)
BUCKETS = (*BUSY, *IDLE)
SHORT_NS = 50_000
MARKS = {COPY: "[memcpy]", SET: "[memset]", GRAPH: "[graph]"}

Parts = dict[str, list[Interval]]


@dataclass
class Gap:
    """An idle gap of a device, split by cause."""

    device: Device
    start: int
    end: int
    candidates: list[Op]
    op: Optional[Op]
    parts: Parts

    @property
    def ns(self) -> int:
        """The length."""
        return self.end - self.start

    @property
    def cause(self) -> str:
        """The bucket of the largest part."""
        return max(IDLE, key=lambda bucket: measure(self.parts[bucket]))

    @property
    def call(self) -> Optional[Call]:
        """The call of the op that ends the gap."""
        return self.op.call if self.op else None

    def figures(self) -> Row:
        """Return the length of every part, by column name."""
        return {f"{bucket[5:]}_ns": measure(self.parts[bucket]) for bucket in IDLE}


class Thread:
    """What one host thread did, as three disjoint sets of time."""

    def __init__(self, calls: Iterable[Call], os_calls: Iterable[Interval]) -> None:
        self.calls = sorted(calls, key=lambda call: (call.start, call.rowid))
        self.starts = [call.start for call in self.calls]
        self.reach: list[int] = []
        for call in self.calls:
            self.reach.append(max(call.end, self.reach[-1]) if self.reach else call.end)
        blocking = [call for call in self.calls if sync_kind(call.name) == "blocking"]
        every = solid((call.start, call.end) for call in self.calls)
        self.sync = solid((call.start, call.end) for call in blocking)
        self.api = subtract(every, self.sync)
        self.os = subtract(solid(os_calls), every)

    def split(self, start: int, end: int) -> Parts:
        """Split a time by what the thread was in."""
        whole = [(start, end)] if start < end else []
        found = {
            "idle.host_sync": clip(self.sync, start, end),
            "idle.host_api": clip(self.api, start, end),
            "idle.host_os": clip(self.os, start, end),
        }
        found["idle.host_code"] = subtract(whole, solid(piece for pieces in found.values() for piece in pieces))
        return found

    def owners(self, start: int, end: int, *, blocking: bool) -> list[tuple[Call, int]]:
        """Divide a time among the calls of one bucket that it lies in; the call that ends last has it."""
        inside = []
        last = bisect_left(self.starts, end)
        while last > 0 and self.reach[last - 1] > start:
            last -= 1
            call = self.calls[last]
            if call.end > start and (sync_kind(call.name) == "blocking") is blocking:
                inside.append(call)
        edges = sorted({start, end, *(t for call in inside for t in (call.start, call.end) if start < t < end)})
        found = []
        for left, right in zip(edges, edges[1:]):
            holding = [call for call in inside if call.start <= left and right <= call.end]
            found.append((max(holding, key=lambda call: (call.end, -call.start, -call.rowid)), right - left))
        return found


class Budget:
    """The gaps of every device, and the time line of its buckets."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        calls: dict[int, list[Call]] = defaultdict(list)
        for call in capture.trace.calls:
            calls[call.tid].append(call)
        self.threads = {tid: Thread(calls[tid], capture.os_calls.get(tid, [])) for tid in {*calls, *capture.os_calls}}
        self.first_start: dict[tuple[int, Optional[int]], int] = {}
        for op in capture.trace.ops:
            key = (op.process, op.corr)
            self.first_start[key] = min(op.start, self.first_start.get(key, op.start))
        self.gaps: dict[Device, list[Gap]] = {}
        self.times: dict[Device, Parts] = {}
        for device in capture.devices:
            ops = capture.ops_of(device)
            self.gaps[device] = self._gaps(device, ops)
            self.times[device] = self._busy(ops)
            for bucket in IDLE:
                self.times[device][bucket] = [piece for gap in self.gaps[device] for piece in gap.parts[bucket]]

    @staticmethod
    def _busy(ops: Sequence[Op]) -> Parts:
        compute = solid(
            (op.start, op.end) for op in ops if op.kind == GRAPH or (op.kind == KERNEL and not is_communication(op))
        )
        kernels = solid((op.start, op.end) for op in ops if op.kind in {GRAPH, KERNEL})
        every = solid((op.start, op.end) for op in ops)
        return {"compute": compute, "communication": subtract(kernels, compute), "copy": subtract(every, kernels)}

    def _gaps(self, device: Device, ops: Sequence[Op]) -> list[Gap]:
        starting: dict[int, list[Op]] = defaultdict(list)
        for op in ops:
            starting[op.start].append(op)
        found = []
        for start, end in gaps_between((op.start, op.end) for op in ops):
            called = [(op.call.start, op.call.rowid, op) for op in starting[end] if op.call is not None]
            first = min(called, key=lambda entry: entry[:2])[2] if called else None
            candidates = [op for op in starting[end] if op.call is (first.call if first else None)]
            found.append(Gap(device, start, end, candidates, first, self._split(start, end, first)))
        return found

    def _split(self, start: int, end: int, op: Optional[Op]) -> Parts:
        parts: Parts = {bucket: [] for bucket in IDLE}
        if op is None or op.call is None:
            parts["idle.unmatched"] = [(start, end)]
            return parts
        asked = min(max(op.call.start, start), end)
        returned = min(max(op.call.end, asked), end)
        parts.update(self.threads[op.call.tid].split(start, asked))
        parts["idle.launching"] = clip([(asked, returned)], start, end)
        waited = "idle.inside_graph" if self.first_start[op.process, op.corr] < end else "idle.queued"
        parts[waited] = clip([(returned, end)], start, end)
        return parts

    def window(self, device: Device) -> int:
        """Return the length of a device's window."""
        ops = self.capture.ops_of(device)
        return max(op.end for op in ops) - min(op.start for op in ops)

    def totals(self, device: Device) -> dict[str, int]:
        """Return the time of every bucket; they sum to the window."""
        found = {bucket: measure(self.times[device][bucket]) for bucket in BUCKETS}
        if sum(found.values()) != self.window(device):
            raise AssertionError("the buckets are not the window")
        return found

    def inside(self, device: Device, start: int, end: int) -> dict[str, int]:
        """Return the time of every bucket inside a time."""
        return {bucket: measure(clip(self.times[device][bucket], start, end)) for bucket in BUCKETS}

    def every_gap(self) -> list[Gap]:
        """Return the gaps of all devices."""
        return [gap for gaps in self.gaps.values() for gap in gaps]


def cause_rows(budget: Budget) -> list[Row]:
    """Return a row per gap."""
    rows = []
    for gap in budget.every_gap():
        row: Row = {
            **budget.capture.who(gap.device),
            "start_ns": gap.start,
            "end_ns": gap.end,
            "gap_ns": gap.ns,
            "cause": gap.cause,
            **gap.figures(),
            "call_name": gap.call.name if gap.call else None,
            "pid": pid_of(gap.call.process) if gap.call else None,
            "tid": gap.call.tid & 0xFFFFFF if gap.call else None,
        }
        names = {MARKS.get(op.kind, op.name) for op in gap.candidates}
        if len(names) == 1:
            row["next_op"] = next(iter(names))
        rows.append(row)
    return rows


def group_rows(budget: Budget, steady: Optional[Interval]) -> list[Row]:
    """Return the gaps summed by what the oracle knows of the product's groups."""
    groups: dict[tuple[Device, str, Optional[str], str], list[Gap]] = defaultdict(list)
    for gap in budget.every_gap():
        size = "under 50 us" if gap.ns < SHORT_NS else "50 us and over"
        groups[gap.device, gap.cause, gap.call.name if gap.call else None, size].append(gap)
    rows = []
    for (device, cause, call, size), gaps in groups.items():
        sums = [gap.figures() for gap in gaps]
        rows.append(
            {
                **budget.capture.who(device),
                "cause": cause,
                "call_name": call,
                "size": size,
                "gaps": len(gaps),
                "total_ns": sum(gap.ns for gap in gaps),
                "max_ns": max(gap.ns for gap in gaps),
                **{name: sum(one[name] for one in sums) for name in sums[0]},
                **({"steady_ns": measure(clip([(g.start, g.end) for g in gaps], *steady))} if steady else {}),
            }
        )
    return rows


def call_rows(budget: Budget) -> list[Row]:
    """Return which calls the launching threads were in while the host had not asked yet."""
    sums: dict[tuple[int, str, str, Device], int] = defaultdict(int)
    for gap in budget.every_gap():
        if gap.call is None:
            continue
        thread = budget.threads[gap.call.tid]
        for bucket in ("idle.host_sync", "idle.host_api"):
            for start, end in gap.parts[bucket]:
                for call, ns in thread.owners(start, end, blocking=bucket == "idle.host_sync"):
                    sums[pid_of(call.process), call.name, bucket, gap.device] += ns
    return [
        {"pid": pid, "api_name": name, "bucket": bucket, **budget.capture.who(device), "idle_ns": ns}
        for (pid, name, bucket, device), ns in sums.items()
    ]


def section(budget: Budget, steady: Optional[Interval] = None) -> Row:
    """Return the section ``budget``.

    Args:
        budget: The budget.
        steady: The steady window, for the columns that are about it.
    """
    rows = []
    sums: dict[str, int] = dict.fromkeys(BUCKETS, 0)
    for device in budget.capture.devices:
        window = budget.window(device)
        for bucket, ns in budget.totals(device).items():
            sums[bucket] += ns
            row: Row = {"bucket": bucket, "total_ns": ns, "share": ratio(ns, window)}
            if steady:
                row["steady_ns"] = budget.inside(device, *steady)[bucket]
            rows.append({**budget.capture.who(device), **row})
    window, idle = sum(sums.values()), sum(sums[bucket] for bucket in IDLE)
    return {
        "summary": {
            "devices": len(budget.capture.devices),
            "window_ns": window,
            **{f"{bucket}_ns": sums[bucket] for bucket in BUSY},
            "idle_ns": idle,
            "idle_share": ratio(idle, window),
        },
        "tables": {
            "device_time": rows,
            "gap_causes": cause_rows(budget),
            "gap_groups": group_rows(budget, steady),
            "host_calls": call_rows(budget),
        },
    }
