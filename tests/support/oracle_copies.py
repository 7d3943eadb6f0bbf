"""Oracle, part 7: copies and allocations.

Decisions where the definitions are silent:

* A copy is exposed while no kernel and no graph execution runs on its device. ``exposed_ns`` and ``union_ns`` of a row
  are about the union of the row's copies.
* Only calls named cudaMemcpyAsync (base name) make a copy ``pageable_async``; its time is that of the copies.
* ``exposed_ns`` of allocations is that of section ``sync``: all devices of the calling process are idle; None where
  the process has no op.
* The summary adds rows up.
"""

from __future__ import annotations

import re
from collections import defaultdict

from tests.support.oracle_gpu import Row, idle_of_processes, measure, ratio
from tests.support.oracle_host import Capture, clip, solid, subtract
from tests.support.oracle_trace import COPY, GRAPH, KERNEL, Call, Device, Op, base_name, pid_of

ALLOCATIONS = re.compile(
    r"cuda(Malloc|Free|MallocHost|HostAlloc|FreeHost|MallocAsync|FreeAsync|MallocManaged|MallocPitch|HostRegister"
    r"|HostUnregister)|cuMem(Alloc|Free)\w*|cuMem(Create|Release|Map|Unmap|HostAlloc|HostRegister|HostUnregister)"
)


def copy_rows(capture: Capture) -> list[Row]:
    """Return a row per device, direction and kinds of memory."""
    groups: dict[tuple[Device, str, str, str], list[Op]] = defaultdict(list)
    for op in capture.trace.ops:
        if op.kind == COPY:
            copy = capture.copies[op.rowid]
            groups[op.device, copy.direction, copy.src_kind, copy.dst_kind].append(op)
    working = {
        device: solid((op.start, op.end) for op in capture.ops_of(device) if op.kind in {KERNEL, GRAPH})
        for device in capture.devices
    }
    rows = []
    for (device, direction, src, dst), ops in groups.items():
        covered = solid((op.start, op.end) for op in ops)
        size = sum(capture.copies[op.rowid].size for op in ops)
        paged = [
            op
            for op in ops
            if capture.copies[op.rowid].pageable and op.call and base_name(op.call.name) == "cudaMemcpyAsync"
        ]
        rows.append(
            {
                **capture.who(device),
                "direction": direction,
                "src_kind": src,
                "dst_kind": dst,
                "copies": len(ops),
                "bytes": size,
                "total_ns": sum(op.ns for op in ops),
                "union_ns": measure(covered),
                "bytes_per_s": ratio(size * 1e9, measure(covered)),
                "exposed_ns": measure(subtract(covered, working[device])),
                "pageable_async": len(paged),
                "pageable_async_ns": sum(op.ns for op in paged),
            }
        )
    return rows


def allocation_rows(capture: Capture) -> list[Row]:
    """Return a row per process and API that allocates or frees."""
    groups: dict[tuple[int, str], list[Call]] = defaultdict(list)
    for call in capture.trace.calls:
        if ALLOCATIONS.fullmatch(base_name(call.name)):
            groups[call.process, base_name(call.name)].append(call)
    idle = idle_of_processes(capture.trace)
    return [
        {
            "pid": pid_of(process),
            "api_name": name,
            "calls": len(calls),
            "total_ns": sum(call.end - call.start for call in calls),
            "exposed_ns": (
                sum(measure(clip(idle[process], call.start, call.end)) for call in calls) if process in idle else None
            ),
        }
        for (process, name), calls in groups.items()
    ]


def memory(capture: Capture) -> Row:
    """Return the section ``memory``."""
    copies, allocations = copy_rows(capture), allocation_rows(capture)
    return {
        "summary": {
            "copies": sum(row["copies"] for row in copies),
            "bytes": sum(row["bytes"] for row in copies),
            "copy_ns": sum(row["total_ns"] for row in copies),
            "pageable_async_copies": sum(row["pageable_async"] for row in copies),
            "pageable_async_ns": sum(row["pageable_async_ns"] for row in copies),
            "allocation_calls": sum(row["calls"] for row in allocations),
            "allocation_ns": sum(row["total_ns"] for row in allocations),
        },
        "tables": {"copies": copies, "allocations": allocations},
    }
