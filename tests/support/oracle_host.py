"""Oracle, part 4: what the explanation reads beside ops, calls and ranges, and sets of time.

Decisions where the definitions are silent:

* A row of OSRT_API or OVERHEAD without integer times, that ends before it starts, or without a thread is left out.
* Numbers of directions and kinds mean what the export's ENUM tables say, else what they mean in recent exports. They
  are called ``HtoD``, ``pageable`` and so on, after the initials of a direction's label and a kind's label in small
  letters; a number without a label is ``<N>``.
* ``bytes`` that are not an integer count as 0.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from tests.support.oracle_gpu import Interval, union
from tests.support.oracle_trace import Device, Op, Reader, Trace, integer, read

DIRECTIONS = (
    *("Unknown", "Host-to-Device", "Device-to-Host", "Host-to-Array", "Array-to-Host", "Array-to-Array"),
    *("Array-to-Device", "Device-to-Array", "Device-to-Device", "Host-to-Host", "Peer-to-Peer"),
    *("Unified Host-to-Device", "Unified Device-to-Host", "Unified Device-to-Device"),
)
KINDS = ("Pageable", "Pinned", "Device", "Array", "Managed", "Device Static", "Managed Static", "Unknown")
COMMAND_BUFFER_FULL = 8


@dataclass(frozen=True)
class Copy:
    """What a row of MEMCPY says beside its times."""

    direction: str
    src_kind: str
    dst_kind: str
    size: int

    @property
    def pageable(self) -> bool:
        """Whether a side is pageable memory."""
        return "pageable" in {self.src_kind, self.dst_kind}


@dataclass
class Capture:
    """An export, with what the explanation needs."""

    trace: Trace
    os_calls: dict[int, list[Interval]] = field(default_factory=lambda: defaultdict(list))
    buffer_full: dict[int, list[Interval]] = field(default_factory=lambda: defaultdict(list))
    has_overhead: bool = False
    copies: dict[int, Copy] = field(default_factory=dict)

    @property
    def devices(self) -> list[Device]:
        """The devices, in the order of every table."""
        ordinals = self.trace.ordinals
        return sorted(ordinals, key=lambda d: (ordinals[d], -1 if d.gpu_id is None else d.gpu_id))

    def who(self, device: Device) -> dict[str, Optional[int]]:
        """Return the columns that name a device."""
        return {"device_id": self.trace.ordinals[device], "gpu_id": device.gpu_id}

    def ops_of(self, device: Device) -> list[Op]:
        """Return the ops of a device."""
        return [op for op in self.trace.ops if op.device == device]


def read_capture(path: Path) -> Capture:
    """Read an export."""
    capture = Capture(read(path))
    reader = Reader(path)
    try:
        for start, end, tid in reader.rows("OSRT_API", "start", "end", "globalTid"):
            if _usable(start, end, tid):
                capture.os_calls[tid].append((start, end))
        table = "CUPTI_ACTIVITY_KIND_OVERHEAD"
        capture.has_overhead = table in reader.trace.tables
        for start, end, tid, kind in reader.rows(table, "start", "end", "globalTid", "overheadType"):
            if kind == COMMAND_BUFFER_FULL and _usable(start, end, tid):
                capture.buffer_full[tid].append((start, end))
        directions = _labels(reader, "ENUM_CUDA_MEMCPY_OPER", DIRECTIONS)
        kinds = _labels(reader, "ENUM_CUDA_MEM_KIND", KINDS)
        for rowid, direction, src, dst, size in reader.rows(
            "CUPTI_ACTIVITY_KIND_MEMCPY", "rowid", "copyKind", "srcKind", "dstKind", "bytes"
        ):
            capture.copies[rowid] = Copy(
                _initials(directions.get(direction, f"<{direction}>")),
                kinds.get(src, f"<{src}>").lower(),
                kinds.get(dst, f"<{dst}>").lower(),
                integer(size) or 0,
            )
    finally:
        reader.connection.close()
    return capture


def _usable(start: Any, end: Any, tid: Any) -> bool:
    return None not in (integer(start), integer(end), integer(tid)) and bool(start <= end)


def _labels(reader: Reader, table: str, fallback: Sequence[str]) -> dict[Any, str]:
    found = {number: label for number, label in reader.rows(table, "id", "label") if isinstance(label, str)}
    return found or dict(enumerate(fallback))


def _initials(label: str) -> str:
    return re.sub(r"(\w)\w*-to-(\w)\w*", r"\1to\2", label.replace("Unified", "unified"))


def solid(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the union of the intervals that have a length."""
    return union((start, end) for start, end in intervals if start < end)


def subtract(left: Sequence[Interval], right: Sequence[Interval]) -> list[Interval]:
    """Return what is in ``left`` and not in ``right``; both are sorted and disjoint, with a length each."""
    found = []
    first = 0
    for start, end in left:
        while first < len(right) and right[first][1] <= start:
            first += 1
        at = start
        for hole_start, hole_end in right[first:] if first < len(right) and right[first][0] < end else ():
            if hole_start >= end:
                break
            if at < hole_start:
                found.append((at, hole_start))
            at = max(at, hole_end)
        if at < end:
            found.append((at, end))
    return found


def clip(intervals: Sequence[Interval], start: int, end: int) -> list[Interval]:
    """Return the part of sorted, disjoint intervals that is in ``[start, end)``."""
    found = []
    for low, high in intervals[max(0, bisect_left(intervals, (start,)) - 1) :]:
        if low >= end:
            break
        if max(low, start) < min(high, end):
            found.append((max(low, start), min(high, end)))
    return found
