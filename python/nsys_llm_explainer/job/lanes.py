"""The collectives of a trace, apart by device, stream and name; and which of them are one communicator in the file."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from nsys_llm_explainer import _native
from nsys_llm_explainer.report import StrPath

DeviceKey = tuple[Optional[int], Optional[int]]

#: Kernels that nobody leaves before the last rank has arrived; then those that each rank ends on its own; then the
#: rest, which align clocks only where there is nothing better.
TIERS: dict[str, int] = {"all": 0, "one_shot": 1, "rooted": 2, "point_to_point": 2}
SAMPLE = 200
MOST_LANES = 256
#: Times that differ by less can be added without care; those of a wall clock do, for the next decades.
FARTHEST_NS = 1 << 61
#: Ends of one collective lie closer together than this, and than an eighth of the way to the next.
TOGETHER_NS = 100_000
#: Of the sampled ends so many have to coincide for two lanes to be one communicator.
SAME_SHARE = 0.6


@dataclass(frozen=True)
class Lane:
    """The executions of one kernel name in one stream of one device, by their end.

    Attributes:
        file: Which of the files.
        device: CUDA ordinal and physical id.
        stream: The stream.
        name: The kernel's name, in full.
        kind: Who has to arrive before it can end, as ``Trace.collectives`` says.
        starts: When each started, on the file's clock in ns.
        ends: When each ended.
    """

    file: int
    device: DeviceKey
    stream: int | None
    name: str
    kind: str
    starts: Sequence[int]
    ends: Sequence[int]

    @property
    def tier(self) -> int:
        """How well its ends align clocks: 0 is best."""
        return TIERS[self.kind]

    @property
    def gap(self) -> int:
        """The median time from one end to the next."""
        return median_gap(self.ends)

    def only(self, places: Iterable[int]) -> Lane:
        """Returns the lane with some of its executions."""
        kept = list(places)
        starts = array("q", (self.starts[place] for place in kept))
        ends = array("q", (self.ends[place] for place in kept))
        return Lane(self.file, self.device, self.stream, self.name, self.kind, starts, ends)


@dataclass(frozen=True)
class Capture:
    """What a file tells of collectives.

    Attributes:
        number: Which of the files it is.
        path: Where it lies.
        lanes: Its collectives, in a total order.
        utc_base_ns: What makes its times UTC, by the clock of its host; None where it does not tell.
        other_kernels: Kernels that are no collectives.
    """

    number: int
    path: Path
    lanes: tuple[Lane, ...]
    utc_base_ns: int | None
    other_kernels: int

    @property
    def executions(self) -> int:
        """How many executions of collectives it has."""
        return sum(len(lane.ends) for lane in self.lanes)


def read(path: StrPath, number: int, categories: Sequence[tuple[str, str]] | None = None) -> Capture:
    """Reads the collectives of a trace.

    Args:
        path: An SQLite export.
        number: Which of the files it is.
        categories: Rules of the user for the categories of kernels.

    Raises:
        FileNotFoundError: There is no such file.
        NsysError: The file is no export, is damaged, or cannot be read.
    """
    trace = _native.open_trace(str(path))
    found = trace.collectives(categories=categories)
    base = trace.info()["utc_base_ns"]
    lanes = _lanes(number, found)
    return Capture(number, Path(path), lanes, base, found["other_kernels"])


def _lanes(number: int, found: dict[str, Any]) -> tuple[Lane, ...]:
    spans: list[list[tuple[int, int]]] = [[] for _ in found["lanes"]]
    for lane, start, end in zip(found["lane"], found["start_ns"], found["end_ns"]):
        if -FARTHEST_NS < start <= end < FARTHEST_NS:
            spans[lane].append((end, start))
    made = []
    for about, executions in zip(found["lanes"], spans):
        if not executions:
            continue
        executions.sort()
        starts = array("q", (start for _, start in executions))
        ends = array("q", (end for end, _ in executions))
        device = (about["device_id"], about["gpu_id"])
        made.append(Lane(number, device, about["stream_id"], about["name"], about["kind"], starts, ends))
    return tuple(made)


def median_gap(ends: Sequence[int]) -> int:
    """Returns the median time from one end to the next, over at most a thousand places; 0 without two ends."""
    stride = max(1, len(ends) // 1000)
    gaps = sorted(ends[place + 1] - ends[place] for place in range(0, len(ends) - 1, stride))
    return gaps[len(gaps) // 2] if gaps else 0


def nearest(ends: Sequence[int], moment: int) -> int:
    """Returns the place of the end that lies closest to a moment; of two the first."""
    place = bisect_left(ends, moment)
    if place and (place == len(ends) or moment - ends[place - 1] <= ends[place] - moment):
        return place - 1
    return place


def coincide(first: Sequence[int], second: Sequence[int], tolerance: int) -> bool:
    """Tells whether most ends of two lanes on one clock fall together, each way, where both lanes have any."""
    return min(meeting(first, second, tolerance), meeting(second, first, tolerance)) >= SAME_SHARE


def meeting(first: Sequence[int], second: Sequence[int], tolerance: int) -> float:
    """Returns how many of the ends of one lane, by a sample where both have any, meet one of another lane."""
    if not first or not second:
        return 0.0
    begin = bisect_left(first, second[0] - tolerance)
    end = bisect_left(first, second[-1] + tolerance + 1)
    if begin >= end:
        return 0.0
    places = range(begin, end, max(1, (end - begin) // SAMPLE))
    hits = sum(abs(second[nearest(second, first[place])] - first[place]) <= tolerance for place in places)
    return hits / len(places)


def trains(capture: Capture) -> list[Lane]:
    """Returns one lane of each communicator that the file shows, the best for alignment first."""
    found: list[Lane] = []
    fullest = sorted(capture.lanes, key=lambda lane: (lane.tier, -len(lane.ends)))
    for lane in fullest[:MOST_LANES]:
        alike = (other for other in found if other.name == lane.name)
        if not any(coincide(other.ends, lane.ends, reach(other.ends)) for other in alike):
            found.append(lane)
    return found


def reach(ends: Sequence[int]) -> int:
    """Returns how far apart the ends of one collective may lie on one clock."""
    return min(TOGETHER_NS, max(1, median_gap(ends) // 8))
