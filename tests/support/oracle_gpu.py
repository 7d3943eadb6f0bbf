"""Oracle, part 2: kernels, launches, sync, gpu_idle and graphs.

Decisions where the definitions are silent:

* ``kernels`` and ``launches`` are about rows of the kernel table; executions of whole graphs have no name and are not
  among them.
* ``launch_storm`` is the rule over the window of the kernels that the row is about; bursts are in ``launch_storms``
  alone.
* A kernel is in the bin of its start. A storm's rate is its launches over its bins' length, its p50 over all its
  kernels.
* An op without duration ends one gap and begins the next: a gap is what lies between ops.
* ``gap_sizes`` has no row for a bucket without gaps; a bucket begins at its lower bound (1,000 ns is ``1-10 us``).
* exposed_ns is computed for calls of every kind; it is None where no calling process has an op. No blocking call at
  all: 0.
* ``graph_launches`` counts API calls. With GRAPH_TRACE rows, ``cuda_graphs`` is about those alone.
* In node mode an op is of a graph if it has a node id or its call is a graph launch; without a correlationId it is in
  no launch.
* Where no kernel starts before another ends, window and rate of one instantaneous kernel are 0 and None.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Optional

from tests.support.oracle_trace import GRAPH, KERNEL, Call, Device, Op, Trace, base_name, pid_of

Row = dict[str, Any]
Interval = tuple[int, int]

BIN_NS = 100_000_000
BUCKETS = (
    ("under 1 us", 1_000),
    ("1-10 us", 10_000),
    ("10-100 us", 100_000),
    ("0.1-1 ms", 1_000_000),
    ("1-10 ms", 10_000_000),
    ("10-100 ms", 100_000_000),
    ("over 100 ms", None),
)
BLOCKING = {
    "cudaDeviceSynchronize",
    "cudaStreamSynchronize",
    "cudaEventSynchronize",
    "cudaThreadSynchronize",
    "cuCtxSynchronize",
    "cuStreamSynchronize",
    "cuEventSynchronize",
}
ENQUEUE = {"cudaStreamWaitEvent", "cuStreamWaitEvent"}
POLL = {"cudaEventQuery", "cudaStreamQuery", "cuEventQuery", "cuStreamQuery"}
GRAPH_LAUNCH = {"cudaGraphLaunch", "cuGraphLaunch"}


def percentile(values: Iterable[int], share: float) -> Optional[float]:
    """Return numpy's default ("linear") percentile, None for no values."""
    ordered = sorted(values)
    if not ordered:
        return None
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    weight = position - below
    step = ordered[above] - ordered[below]
    return float(ordered[above] - step * (1 - weight) if weight >= 0.5 else ordered[below] + step * weight)


def ratio(part: float, whole: float) -> Optional[float]:
    """Return part / whole, None where the whole is 0."""
    return part / whole if whole else None


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the union of intervals as sorted, disjoint, non-touching intervals."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def gaps_between(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the gaps between intervals, inside the window that they span."""
    busy = union(intervals)
    return [(left[1], right[0]) for left, right in zip(busy, busy[1:])]


def intersect(left: Sequence[Interval], right: Sequence[Interval]) -> list[Interval]:
    """Return the intersection of two sorted, disjoint sets of intervals."""
    found = []
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if start < end:
            found.append((start, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return found


def measure(intervals: Iterable[Interval]) -> int:
    """Return the summed length."""
    return sum(end - start for start, end in intervals)


def spread(durations: Sequence[int], *names: str) -> Row:
    """Return the named statistics of some durations."""
    total = sum(durations)
    every: Row = {
        "total_ns": total,
        "avg_ns": ratio(total, len(durations)),
        "p50_ns": percentile(durations, 0.5),
        "p90_ns": percentile(durations, 0.9),
        "p99_ns": percentile(durations, 0.99),
        "min_ns": min(durations, default=None),
        "max_ns": max(durations, default=None),
    }
    return {name: every[name] for name in names}


def kernel_rows(trace: Trace, kernels: Sequence[Op], whole_ns: int) -> list[Row]:
    """Return one row per name and device of some kernels."""
    groups: dict[tuple[str, Device], list[int]] = defaultdict(list)
    for op in kernels:
        groups[op.name, op.device].append(op.ns)
    rows = []
    for (name, device), durations in groups.items():
        row: Row = {
            "kernel_name": name,
            "device_id": trace.ordinals[device],
            "gpu_id": device.gpu_id,
            "calls": len(durations),
        }
        row.update(spread(durations, "total_ns", "avg_ns", "p50_ns", "p90_ns", "p99_ns", "min_ns", "max_ns"))
        row["share"] = ratio(row["total_ns"], whole_ns)
        rows.append(row)
    return sorted(rows, key=lambda r: (-r["total_ns"], r["kernel_name"], r["device_id"], r["gpu_id"] or 0))


def kernels(trace: Trace) -> Row:
    """Return the section ``kernels``."""
    total = sum(op.ns for op in trace.kernels)
    return {
        "summary": {"kernels": len(trace.kernels), "total_ns": total},
        "tables": {"kernels": kernel_rows(trace, trace.kernels, total)},
    }


def is_storm(launches: int, length_ns: int, p50_ns: Optional[float]) -> bool:
    """Apply the rule of a launch storm to one window."""
    if not length_ns or p50_ns is None:
        return False
    rate = launches * 1e9 / length_ns
    return (rate >= 50_000 and p50_ns <= 10_000) or (rate >= 100_000 and p50_ns <= 20_000)


def launch_summary(kernels: Sequence[Op]) -> Row:
    """Return the figures of the launches of some kernels; ``launch_storm`` is the rule over their window."""
    durations = [op.ns for op in kernels]
    window = max(op.end for op in kernels) - min(op.start for op in kernels) if kernels else None
    row: Row = {
        "launches": len(kernels),
        "window_ns": window,
        "launches_per_s": ratio(len(kernels) * 1e9, window or 0),
        **spread(durations, "p50_ns", "p90_ns", "p99_ns"),
    }
    for limit in (5, 10, 20):
        row[f"share_under_{limit}us"] = ratio(sum(ns < limit * 1000 for ns in durations), len(durations))
    row["launch_storm"] = is_storm(len(kernels), window or 0, row["p50_ns"])
    return row


def storm_rows(trace: Trace) -> list[Row]:
    """Return the maximal runs of 100 ms bins per device that meet the rule."""
    if not trace.kernels:
        return []
    base = min(op.start for op in trace.kernels)
    window = max(op.end for op in trace.kernels) - base
    bin_ns = min(window, BIN_NS)
    rows = []
    for device in {op.device for op in trace.kernels}:
        bins: dict[int, list[int]] = defaultdict(list)
        for op in trace.kernels:
            if op.device == device:
                bins[(op.start - base) // bin_ns if window > BIN_NS else 0].append(op.ns)
        stormy = [n for n in sorted(bins) if is_storm(len(bins[n]), bin_ns, percentile(bins[n], 0.5))]
        runs: list[list[int]] = []
        for number in stormy:
            if runs and runs[-1][-1] + 1 == number:
                runs[-1].append(number)
            else:
                runs.append([number])
        for run in runs:
            durations = [ns for number in run for ns in bins[number]]
            start, end = base + run[0] * bin_ns, base + (run[-1] + 1) * bin_ns
            rows.append(
                {
                    "device_id": trace.ordinals[device],
                    "gpu_id": device.gpu_id,
                    "start_ns": start,
                    "end_ns": end,
                    "launches": len(durations),
                    "launches_per_s": len(durations) * 1e9 / (end - start),
                    "p50_ns": percentile(durations, 0.5),
                }
            )
    return sorted(rows, key=lambda r: (-r["launches"], r["start_ns"], r["device_id"], r["gpu_id"] or 0))


def launches(trace: Trace) -> Row:
    """Return the section ``launches``."""
    tiny: dict[str, list[int]] = defaultdict(list)
    for op in trace.kernels:
        if op.ns <= 5_000:
            tiny[op.name].append(op.ns)
    tiny_rows = [{"kernel_name": n, "calls": len(d), "avg_ns": sum(d) / len(d)} for n, d in tiny.items()]
    return {
        "summary": launch_summary(trace.kernels),
        "tables": {
            "launch_storms": storm_rows(trace),
            "tiny_kernels": sorted(tiny_rows, key=lambda r: (-int(str(r["calls"])), r["kernel_name"])),
        },
    }


def sync_kind(api_name: str) -> Optional[str]:
    """Return blocking, enqueue or poll, None for any other call."""
    name = base_name(api_name)
    kinds = (("blocking", BLOCKING), ("enqueue", ENQUEUE), ("poll", POLL))
    return next((kind for kind, names in kinds if name in names), None)


def idle_of_processes(trace: Trace) -> dict[int, list[Interval]]:
    """Return, per process that uses a device, the time in which all devices that it uses are idle."""
    idle: dict[int, list[Interval]] = {}
    gaps = {
        device: gaps_between((o.start, o.end) for o in trace.ops if o.device == device) for device in trace.ordinals
    }
    for process, device in sorted({(op.process, op.device) for op in trace.ops}, key=lambda pair: pair[0]):
        idle[process] = intersect(idle[process], gaps[device]) if process in idle else gaps[device]
    return idle


def exposed(call: Call, idle: Sequence[Interval]) -> int:
    """Return the part of a call in which the devices are idle."""
    return sum(max(0, min(call.end, end) - max(call.start, start)) for start, end in idle)


def sync_rows(calls: Sequence[Call], idle: dict[int, list[Interval]]) -> list[Row]:
    """Return one row per synchronising API name of some calls."""
    groups: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        if sync_kind(call.name):
            groups[call.name].append(call)
    rows = []
    for name, found in groups.items():
        row: Row = {"api_name": name, "kind": sync_kind(name), "calls": len(found)}
        row.update(spread([c.end - c.start for c in found], "total_ns", "avg_ns", "p50_ns", "p90_ns", "max_ns"))
        known = [exposed(call, idle[call.process]) for call in found if call.process in idle]
        row["exposed_ns"] = sum(known) if known else None
        rows.append(row)
    return sorted(rows, key=lambda r: (-r["total_ns"], r["api_name"]))


def sync(trace: Trace) -> Row:
    """Return the section ``sync``."""
    idle = idle_of_processes(trace)
    rows = sync_rows(trace.calls, idle)
    blocking = [row for row in rows if row["kind"] == "blocking"]
    known = [row["exposed_ns"] for row in blocking if row["exposed_ns"] is not None]
    return {
        "summary": {
            "blocking_calls": sum(row["calls"] for row in blocking),
            "blocking_ns": sum(row["total_ns"] for row in blocking),
            "blocking_exposed_ns": sum(known) if known or not blocking else None,
        },
        "tables": {"sync_calls": rows},
    }


def gpu_idle(trace: Trace) -> Row:
    """Return the section ``gpu_idle``."""
    devices: list[Row] = []
    gaps: list[Row] = []
    sizes: list[Row] = []
    order = sorted(trace.ordinals, key=lambda d: (trace.ordinals[d], -1 if d.gpu_id is None else d.gpu_id))
    for device in order:
        ops = [op for op in trace.ops if op.device == device]
        who = {"device_id": trace.ordinals[device], "gpu_id": device.gpu_id}
        first, last = min(op.start for op in ops), max(op.end for op in ops)
        busy = measure(union((op.start, op.end) for op in ops))
        device_gaps = gaps_between((op.start, op.end) for op in ops)
        devices.append(
            {
                **who,
                "gpu_name": trace.gpu_names[device],
                "window_ns": last - first,
                "busy_ns": busy,
                "idle_ns": last - first - busy,
                "idle_share": ratio(last - first - busy, last - first),
                "kernel_busy_ns": measure(union((o.start, o.end) for o in ops if o.kind in {KERNEL, GRAPH})),
                "window_start_ns": first,
                "window_end_ns": last,
            }
        )
        if measure(device_gaps) != last - first - busy:
            raise AssertionError("gaps are not the idle time")
        gaps += [{**who, "start_ns": a, "end_ns": b, "gap_ns": b - a} for a, b in device_gaps]
        lower = 0
        for bucket, upper in BUCKETS:
            found = [b - a for a, b in device_gaps if lower <= b - a and (upper is None or b - a < upper)]
            if found:
                sizes.append({**who, "bucket": bucket, "gaps": len(found), "total_ns": sum(found)})
            lower = upper or lower
    gaps.sort(key=lambda r: (-r["gap_ns"], r["start_ns"], r["device_id"], r["gpu_id"] or 0))
    totals = {name: sum(row[name] for row in devices) for name in ("window_ns", "busy_ns", "idle_ns")}
    return {
        "summary": {"devices": len(devices), **totals, "idle_share": ratio(totals["idle_ns"], totals["window_ns"])},
        "tables": {"gpu_devices": devices, "gpu_idle_gaps": gaps, "gap_sizes": sizes},
    }


def of_graph(op: Op) -> bool:
    """Tell whether an op is a node of a launched graph."""
    return op.node is not None or (op.call is not None and base_name(op.call.name) in GRAPH_LAUNCH)


def graph_mode(trace: Trace) -> str:
    """Return graph, node, unknown or none."""
    if any(op.kind == GRAPH for op in trace.ops):
        return "graph"
    if any(of_graph(op) for op in trace.kernels):
        return "node"
    return "unknown" if any(base_name(call.name) in GRAPH_LAUNCH for call in trace.calls) else "none"


def graphs(trace: Trace) -> Row:
    """Return the section ``graphs``."""
    mode = graph_mode(trace)
    launched: dict[tuple[int, Optional[int]], list[tuple[int, Optional[int]]]] = defaultdict(list)
    launches: dict[tuple[int, int], list[Op]] = defaultdict(list)
    for op in trace.ops:
        if op.kind == GRAPH:
            if trace.is_execution(op):
                launched[op.process, op.graph_id].append((op.ns, None))
        elif of_graph(op) and op.corr:
            launches[op.process, op.corr].append(op)
    for (process, _), ops in launches.items():
        graph_id = max((op.graph_id for op in ops if op.graph_id is not None), default=None)
        length = max(op.end for op in ops) - min(op.start for op in ops)
        launched[process, graph_id].append((length, sum(op.kind == KERNEL for op in ops)))
    rows = []
    for (process, graph_id), runs in launched.items():
        nodes = [count for _, count in runs if count is not None]
        row: Row = {
            "pid": pid_of(process),
            "graph_id": graph_id,
            "launches": len(runs),
            "kernels_per_launch": sum(nodes) / len(nodes) if nodes else None,
        }
        rows.append({**row, **spread([length for length, _ in runs], "total_ns", "p50_ns", "p90_ns")})
    inside = sum(of_graph(op) for op in trace.kernels)
    return {
        "summary": {
            "cuda_graph_mode": mode,
            "graph_launches": sum(base_name(call.name) in GRAPH_LAUNCH for call in trace.calls),
            "graph_kernels": inside,
            "eager_kernels": len(trace.kernels) - inside,
            "graph_kernel_share": None if mode == "graph" else ratio(inside, len(trace.kernels)),
        },
        "tables": {"cuda_graphs": sorted(rows, key=lambda r: (-r["total_ns"], r["pid"], r["graph_id"] or 0))},
    }
