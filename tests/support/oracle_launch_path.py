"""Oracle, part 8: from the API call to the GPU.

Decisions where the definitions are silent:

* The calls are those that an op belongs to, whatever they are called.
* A call's queue time is about its first op, on whichever device; percentiles are over the calls with a positive one.
* ``command_buffer_full_ns`` is the part of the calls that lies in rows of type 8 of the same thread; None without the
  table.
"""

from __future__ import annotations

from collections import defaultdict

from tests.support.oracle_gpu import Row, measure, percentile
from tests.support.oracle_host import Capture, clip, solid
from tests.support.oracle_trace import Call, Op, base_name, pid_of


def launch_rows(capture: Capture) -> list[Row]:
    """Return a row per process and API."""
    ops_of: dict[int, list[Op]] = defaultdict(list)
    calls: dict[int, Call] = {}
    for op in capture.trace.ops:
        if op.call is not None:
            ops_of[op.call.rowid].append(op)
            calls[op.call.rowid] = op.call
    groups: dict[tuple[int, str], list[Call]] = defaultdict(list)
    for call in calls.values():
        groups[call.process, base_name(call.name)].append(call)
    full = {tid: solid(rows) for tid, rows in capture.buffer_full.items()}
    rows = []
    for (process, name), found in groups.items():
        times = [call.end - call.start for call in found]
        waits = [min(op.start for op in ops_of[call.rowid]) - call.end for call in found]
        queued = [wait for wait in waits if wait > 0]
        blocked = sum(measure(clip(full.get(call.tid, []), call.start, call.end)) for call in found)
        row: Row = {
            "pid": pid_of(process),
            "api_name": name,
            "calls": len(found),
            "ops": sum(len(ops_of[call.rowid]) for call in found),
            "api_total_ns": sum(times),
            "queued": len(queued),
            "queue_total_ns": sum(queued),
            "command_buffer_full_ns": blocked if capture.has_overhead else None,
        }
        for share in (50, 90, 99):
            row[f"api_p{share}_ns"] = percentile(times, share / 100)
            row[f"queue_p{share}_ns"] = percentile(queued, share / 100)
        rows.append(row)
    return rows


def launch_path(capture: Capture) -> Row:
    """Return the section ``launch_path``."""
    rows = launch_rows(capture)
    blocked = sum(row["command_buffer_full_ns"] or 0 for row in rows)
    return {
        "summary": {
            "launches": sum(row["calls"] for row in rows),
            "api_ns": sum(row["api_total_ns"] for row in rows),
            "command_buffer_full_ns": blocked if capture.has_overhead else None,
        },
        "tables": {"launch_calls": rows},
    }
