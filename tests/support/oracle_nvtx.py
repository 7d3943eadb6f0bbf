"""Oracle, part 3: NVTX ranges and phases.

Decisions where the definitions are silent:

* A range whose thread is unknown, or that ends on another thread, is counted but neither holds calls nor encloses
  other ranges.
* A range without an end is open; with neither a usable start nor an end it is rejected.
* A dangling textId is an empty name, as ``COALESCE(text, StringIds[textId], '')`` says.
* Step markers are matched over the whole name, after the cut: vLLM also without token counts, TensorRT-LLM by its
  beginning, SGLang ``step[`` … ``]``. A layer dict begins with its ``Module`` key.
* Attribution columns are None where it is impossible: no GPU op, no API row, or no op that can be joined to a process.
* ``re:`` patterns are searched as written, case included.
* ``nvtx_phases`` has every phase of the map and ``unmapped``, also where they are empty.
* Of two identical ranges of one thread, the one with the lower rowid encloses the other.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from tests.support.oracle_gpu import Row, ratio, spread
from tests.support.oracle_trace import Call, Op, Range, Trace, pid_of, process_of

_CUTS = (", op_id =", ", seq =", ", sizes =")
_STEP = re.compile(
    r"execute_context_\d+(\(\d+\))?_generation_\d+(\(\d+\))?|execute_new_\d+_cached_\d+"
    r"|\[Executor\] _forward_step .*|executeStep: .*|step\[.*\]",
    re.DOTALL,
)
_LAYER = re.compile(r"""\{\s*['"]Module['"]\s*:\s*(['"])(.*?)\1""", re.DOTALL)
_COLUMNS = ("kernels", "kernel_ns", "kernels_inclusive", "kernel_inclusive_ns", "projected_ns")


def normalised(name: str) -> str:
    """Return the name under which ranges are grouped."""
    found = [name.find(cut) for cut in _CUTS if cut in name]
    name = name[: min(found)] if found else name
    if _STEP.fullmatch(name):
        return re.sub(r"[0-9]+", "#", name)
    layer = _LAYER.match(name)
    return layer.group(2) if layer else name


def by_thread(ranges: Sequence[Range]) -> dict[int, list[Range]]:
    """Return the ranges that take part in attribution, per thread, by start."""
    threads: dict[int, list[Range]] = defaultdict(list)
    for found in ranges:
        if found.tid is not None and not found.crosses:
            threads[found.tid].append(found)
    for thread in threads.values():
        thread.sort(key=lambda r: (r.start, -r.end, r.rowid))
    return threads


def enclosing(trace: Trace) -> dict[int, list[Range]]:
    """Return, per rowid of a call that launched a GPU op, the ranges that hold the whole call, innermost first."""
    calls: dict[int, list[Call]] = defaultdict(list)
    for call in {op.call.rowid: op.call for op in trace.ops if op.call is not None}.values():
        calls[call.tid].append(call)
    threads = by_thread(trace.ranges)
    found = {}
    for tid, thread_calls in calls.items():
        waiting = list(reversed(threads.get(tid, [])))
        active: list[Range] = []
        for call in sorted(thread_calls, key=lambda c: (c.start, c.rowid)):
            while waiting and waiting[-1].start <= call.start:
                active.append(waiting.pop())
            active = [r for r in active if r.end >= call.start]
            holding = [r for r in active if call.end <= r.end]
            found[call.rowid] = sorted(holding, key=lambda r: (-r.start, r.end, -r.rowid))
    return found


def attributed(trace: Trace) -> list[tuple[Op, list[Range]]]:
    """Return every GPU op with the ranges that it belongs to, innermost first."""
    holders = enclosing(trace)
    return [(op, holders.get(op.call.rowid, []) if op.call else []) for op in trace.ops]


def coverage(trace: Trace, pairs: Sequence[tuple[Op, list[Range]]]) -> Row:
    """Return the sums that NVTX coverage is made of."""
    kernels = [(op, ranges) for op, ranges in pairs if trace.is_execution(op)]
    total = sum(op.ns for op, _ in kernels)
    inside = [op for op, ranges in kernels if ranges]
    return {
        "kernels": len(kernels),
        "correlated_kernels": sum(op.call is not None for op, _ in kernels),
        "attributed_kernels": len(inside),
        "total_kernel_ns": total,
        "attributed_kernel_ns": sum(op.ns for op in inside),
        "coverage": ratio(sum(op.ns for op in inside), total),
    }


def range_rows(
    trace: Trace,
    ranges: Sequence[Range],
    pairs: Sequence[tuple[Op, list[Range]]],
) -> list[Row]:
    """Return one row per normalised name of some ranges; ``pairs`` are the ops that may belong to them."""
    groups: dict[str, list[Range]] = defaultdict(list)
    for found in ranges:
        groups[normalised(found.text)].append(found)
    names = {found.rowid: name for name, members in groups.items() for found in members}
    sums: dict[str, dict[str, int]] = {name: dict.fromkeys(_COLUMNS, 0) for name in groups}
    spans: dict[int, tuple[int, int]] = {}
    for op, holders in pairs:
        for holder in holders:
            first, last = spans.get(holder.rowid, (op.start, op.end))
            spans[holder.rowid] = (min(first, op.start), max(last, op.end))
        if trace.is_execution(op) and holders:
            sums[names[holders[0].rowid]]["kernels"] += 1
            sums[names[holders[0].rowid]]["kernel_ns"] += op.ns
            for name in {names[holder.rowid] for holder in holders}:
                sums[name]["kernels_inclusive"] += 1
                sums[name]["kernel_inclusive_ns"] += op.ns
    for rowid, (first, last) in spans.items():
        sums[names[rowid]]["projected_ns"] += last - first
    rows = []
    for name, members in groups.items():
        row: Row = {
            "range_name": name,
            "domain": ", ".join(sorted({found.domain for found in members})),
            "count": len(members),
        }
        row.update(spread([found.ns for found in members], "total_ns", "avg_ns", "p50_ns", "p90_ns", "max_ns"))
        row.update(sums[name] if trace.joinable else dict.fromkeys(_COLUMNS))
        rows.append(row)
    return sorted(rows, key=lambda r: (-r["total_ns"], r["range_name"]))


def nvtx(trace: Trace) -> Row:
    """Return the section ``nvtx``; what was attributed is unknown, not 0, where no op can be matched to a call."""
    pairs = attributed(trace)
    covered = coverage(trace, pairs)
    if not trace.joinable:
        covered.update(dict.fromkeys(("attributed_kernels", "attributed_kernel_ns", "coverage")))
    summary = {
        "ranges": len(trace.ranges),
        "open_ranges": trace.open_ranges,
        "cross_thread_ranges": sum(found.crosses for found in trace.ranges),
        **covered,
    }
    return {"summary": summary, "tables": {"nvtx_ranges": range_rows(trace, trace.ranges, pairs)}}


def nvtx_by_pid(trace: Trace) -> list[Row]:
    """Return the table ``nvtx_by_pid``: the ranges of each process on their own."""
    pairs = attributed(trace)
    processes = sorted({process_of(found.tid) for found in trace.ranges if found.tid is not None})
    rows = []
    for process in processes:
        mine = [found for found in trace.ranges if found.tid is not None and process_of(found.tid) == process]
        inside = [pair for pair in pairs if pair[0].process == process]
        rows += [{"pid": pid_of(process), **row} for row in range_rows(trace, mine, inside)]
    return rows


def phase_of(text: str, phases: Mapping[str, Sequence[str]]) -> Optional[str]:
    """Return the first phase with a pattern that the text matches."""
    for phase, patterns in phases.items():
        for pattern in patterns:
            if pattern.startswith("re:"):
                if re.search(pattern[3:], text):
                    return phase
            elif pattern.lower() in text.lower():
                return phase
    return None


def nvtx_phases(trace: Trace, phases: Mapping[str, Sequence[str]]) -> Row:
    """Return the section ``phases``."""
    unmapped = "unmapped"
    phase = {found.rowid: phase_of(found.text, phases) or unmapped for found in trace.ranges}
    rows: dict[str, dict[str, Any]] = {
        name: {"phase": name, "count": 0, "host_ns": 0, "kernel_ns": 0, "kernel_share": None}
        for name in (*phases, unmapped)
    }
    outer = {found.rowid for found in trace.ranges if found.tid is None or found.crosses}
    for thread in by_thread(trace.ranges).values():
        active: list[Range] = []
        for found in thread:
            active = [r for r in active if r.end >= found.start]
            if not any(r.end >= found.end and phase[r.rowid] == phase[found.rowid] for r in active):
                outer.add(found.rowid)
            active.append(found)
    for found in trace.ranges:
        rows[phase[found.rowid]]["count"] += 1
        rows[phase[found.rowid]]["host_ns"] += found.ns if found.rowid in outer else 0
    total = 0
    for op, holders in attributed(trace):
        if trace.is_execution(op):
            total += op.ns
            mapped = [phase[holder.rowid] for holder in holders if phase[holder.rowid] != unmapped]
            rows[mapped[0] if mapped else unmapped]["kernel_ns"] += op.ns
    for row in rows.values():
        row["kernel_share"] = ratio(row["kernel_ns"], total) if trace.joinable else None
        row["kernel_ns"] = row["kernel_ns"] if trace.joinable else None
    ordered = sorted(rows.values(), key=lambda r: (-(r["kernel_ns"] or 0), -r["host_ns"], r["phase"]))
    return {"summary": {"phases": len(phases), "total_kernel_ns": total}, "tables": {"nvtx_phases": ordered}}
