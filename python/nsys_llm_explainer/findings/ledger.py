"""The device time that no finding has claimed yet: no nanosecond of a window is given out twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Optional

DeviceKey = tuple[Optional[int], Optional[int]]
"""(device_id, gpu_id) as they stand in the tables; each of them may be None."""

COMPUTE = "compute"
COMMUNICATION = "communication"
COPY = "copy"
HOST_SYNC = "idle.host_sync"
HOST_API = "idle.host_api"
HOST_OS = "idle.host_os"
HOST_CODE = "idle.host_code"
LAUNCHING = "idle.launching"
INSIDE_GRAPH = "idle.inside_graph"
QUEUED = "idle.queued"
UNMATCHED = "idle.unmatched"
IDLE = (HOST_SYNC, HOST_API, HOST_OS, HOST_CODE, LAUNCHING, INSIDE_GRAPH, QUEUED, UNMATCHED)
BUCKETS = (COMPUTE, COMMUNICATION, COPY, *IDLE)

UNDER = "under 50 us"
OVER = "50 us and over"


@dataclass(frozen=True)
class Gaps:
    """A choice of idle gaps by where they lie; None takes all.

    Attributes:
        places: Where the next operation lies in relation to the steps.
        size: The size class of the gap.
        next_graph: Whether the next operation comes from a CUDA graph launch.
        step_kinds: The kinds of the step of the next operation.
        late: Whether the next operation was asked for so late that what it waited is launch latency, no queue.
    """

    places: frozenset[str] | None = None
    size: str | None = None
    next_graph: bool | None = None
    step_kinds: frozenset[str | None] | None = None
    late: bool | None = None

    def holds(self, gap: Mapping[str, Any]) -> bool:
        """Returns whether a row of gap_groups is among them."""
        return (
            (self.places is None or gap["place"] in self.places)
            and (self.size is None or gap["size"] == self.size)
            and (self.next_graph is None or gap["next_graph"] == self.next_graph)
            and (self.step_kinds is None or gap["step_kind"] in self.step_kinds)
            and (self.late is None or gap["late"] == self.late)
        )


@dataclass(frozen=True)
class Claim:
    """Device time that a finding accounts for.

    Attributes:
        device: Whose window.
        ns: How much.
        buckets: Where it lies; the first is taken first.
        gaps: In which gaps it lies; None where that is not known.
    """

    device: DeviceKey
    ns: int
    buckets: tuple[str, ...]
    gaps: Gaps | None = None


class Ledger:
    """What is left of every bucket of every device, divided by the place of the gaps where that is known."""

    def __init__(self, device_time: Iterable[Mapping[str, Any]], gap_groups: Iterable[Mapping[str, Any]]) -> None:
        """Starts with the rows of the tables device_time and gap_groups, nothing claimed."""
        self.windows: dict[DeviceKey, int] = {}
        self._cells: dict[tuple[DeviceKey, str], dict[_Where, _Cell]] = {}
        for gap in gap_groups:
            device = (gap["device_id"], gap["gpu_id"])
            for bucket in IDLE:
                ns = _part(gap, bucket)
                if ns:
                    cells = self._cells.setdefault((device, bucket), {})
                    cells.setdefault(_where(gap), _Cell(dict(zip(_KEYS, _where(gap))))).add(ns)
        for row in device_time:
            device = (row["device_id"], row["gpu_id"])
            self.windows[device] = self.windows.get(device, 0) + row["total_ns"]
            cells = self._cells.setdefault((device, row["bucket"]), {})
            rest = row["total_ns"] - sum(cell.ns for cell in cells.values())
            if rest > 0:
                cells.setdefault((), _Cell(None)).add(rest)
        self.total = sum(self.windows.values())

    def left(self, device: DeviceKey, bucket: str) -> int:
        """Returns how much of a bucket of a device nobody has claimed."""
        return sum(cell.ns for cell in self._cells.get((device, bucket), {}).values())

    def left_of(self, gap: Mapping[str, Any], buckets: Iterable[str] = IDLE) -> int:
        """Returns about how much of a row of gap_groups nobody has claimed: its part of what is left in its place.

        Args:
            gap: The row.
            buckets: Which parts of it.
        """
        left = 0.0
        for bucket in buckets:
            cell = self._cells.get(((gap["device_id"], gap["gpu_id"]), bucket), {}).get(_where(gap))
            if cell is not None:
                left += _part(gap, bucket) * cell.ns / cell.whole
        return round(left)

    def state(self) -> list[int]:
        """Returns what is left, for ``restore``."""
        return [cell.ns for cells in self._cells.values() for cell in cells.values()]

    def restore(self, state: list[int]) -> None:
        """Gives back what was taken since ``state`` was read."""
        left = iter(state)
        for cells in self._cells.values():
            for cell in cells.values():
                cell.ns = next(left)

    def grant(self, claim: Claim) -> int:
        """Takes what is left of a claim, and returns how much that is."""
        granted = 0
        for bucket in claim.buckets:
            cells = self._cells.get((claim.device, bucket), {}).values()
            chosen = [cell for cell in cells if claim.gaps is None or cell.is_in(claim.gaps)]
            granted += _take(chosen, claim.ns - granted)
        return granted


_KEYS = ("place", "size", "next_graph", "step_kind", "late")
_Where = tuple[object, ...]


def _where(gap: Mapping[str, Any]) -> _Where:
    return tuple(gap[key] for key in _KEYS)


def _part(gap: Mapping[str, Any], bucket: str) -> int:
    return int(gap[f"{bucket[len('idle.') :]}_ns"])


@dataclass
class _Cell:
    """Time of one bucket in gaps of one place; ``where`` is None for time that is no gap or whose place is unknown."""

    where: dict[str, Any] | None
    ns: int = 0
    whole: int = 0

    def add(self, ns: int) -> None:
        self.ns += ns
        self.whole += ns

    def is_in(self, gaps: Gaps) -> bool:
        return self.where is not None and gaps.holds(self.where)


def _take(cells: list[_Cell], wanted: int) -> int:
    """Takes an amount from cells in proportion to what they hold, as a claim does not say in which of them it lies."""
    held = sum(cell.ns for cell in cells)
    amount = min(max(wanted, 0), held)
    if not amount:
        return 0
    rest = amount
    for cell in cells:
        part = cell.ns * amount // held
        cell.ns -= part
        rest -= part
    for cell in cells:
        part = min(cell.ns, rest)
        cell.ns -= part
        rest -= part
    return amount
