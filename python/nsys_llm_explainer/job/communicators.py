"""Which executions in all files of a group are one collective, once their clocks are one.

Lanes of one kernel name whose ends fall together belong to one communicator. Its executions are those of its fullest
lane; of every other lane the execution that ends with it takes part. What is left of a lane, because it serves several
communicators, is looked at again by itself.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nsys_llm_explainer.job.alignment import Place
from nsys_llm_explainer.job.clock import Clock
from nsys_llm_explainer.job.fit import common, matches
from nsys_llm_explainer.job.lanes import Lane, median_gap, meeting, reach

LEAST = 8
"""Fewer executions in common make no communicator."""
LEAST_SHARE = 0.45
"""Of the executions in the time that both recorded; by chance a third at most would end together."""
SOME = 0.35
"""Lanes of which a sample meets less often are not looked at closely."""
_ROUNDS = 4
_UNCERTAINTIES = 3


@dataclass(frozen=True)
class Member:
    """A lane that takes part in a communicator.

    Attributes:
        lane: The lane, on its file's clock.
        starts: When each execution started, on the group's clock.
        ends: When each ended.
        place_of: For each execution of the communicator that of this lane, -1 where it has none.
    """

    lane: Lane
    starts: Sequence[int]
    ends: Sequence[int]
    place_of: Sequence[int]


@dataclass(frozen=True)
class Communicator:
    """Ranks that run collectives of one kernel name together.

    Attributes:
        name: The kernel's name, in full.
        members: The lanes; one for each rank.
        executions: How many collectives it ran.
        uncertainty_ns: How far apart two moments of different members may be mistaken to lie.
    """

    name: str
    members: tuple[Member, ...]
    executions: int
    uncertainty_ns: int


@dataclass(frozen=True)
class _Aligned:
    lane: Lane
    starts: Sequence[int]
    ends: Sequence[int]


def communicators(lanes: Sequence[Lane], places: Sequence[Place]) -> list[Communicator]:
    """Returns the communicators of a group of files, in a total order.

    Args:
        lanes: The lanes of all files of the group.
        places: Where every file stands, by its number.
    """
    by_name: dict[str, list[_Aligned]] = {}
    for lane in comparable(lanes):
        clock = places[lane.file].clock
        aligned = _Aligned(lane, clock.all_at(lane.starts), clock.all_at(lane.ends))
        by_name.setdefault(lane.name, []).append(aligned)
    found: list[Communicator] = []
    for name in sorted(by_name):
        waiting = by_name[name]
        for _ in range(_ROUNDS):
            made, waiting = _round(name, waiting, places)
            found += made
            if not made:
                break
    return found


def comparable(lanes: Sequence[Lane]) -> list[Lane]:
    """Returns the lanes that tell who waited for whom: those in which all ranks meet, all where there is none."""
    meeting = [lane for lane in lanes if lane.tier < 2 and len(lane.ends) >= LEAST]
    return meeting or [lane for lane in lanes if len(lane.ends) >= LEAST]


def _round(name: str, lanes: Sequence[_Aligned], places: Sequence[Place]) -> tuple[list[Communicator], list[_Aligned]]:
    """Returns the communicators of one pass, and what of the lanes is left."""
    made: list[Communicator] = []
    rest: list[_Aligned] = []
    waiting = sorted(lanes, key=lambda one: (-len(one.ends), one.lane.file, _order(one.lane)))
    while waiting:
        head, *others = waiting
        members = [Member(head.lane, head.starts, head.ends, array("l", range(len(head.ends))))]
        taken = {_rank(head.lane)}
        waiting, uncertainties = [], [places[head.lane.file].uncertainty_ns]
        for other in others:
            place_of = None if _rank(other.lane) in taken else _places(head, other, places)
            if place_of is None:
                waiting.append(other)
                continue
            members.append(Member(other.lane, other.starts, other.ends, place_of))
            taken.add(_rank(other.lane))
            uncertainties.append(places[other.lane.file].uncertainty_ns)
            rest += _left(other, place_of)
        if len(members) > 1:
            members.sort(key=lambda member: (member.lane.file, _order(member.lane)))
            several = len({member.lane.file for member in members}) > 1
            uncertainty = sum(sorted(uncertainties)[-2:]) if several else 0
            made.append(Communicator(name, tuple(members), len(head.ends), uncertainty))
    return made, rest


def _places(head: _Aligned, other: _Aligned, places: Sequence[Place]) -> array[int] | None:
    """Returns for each execution of the head that of another lane; None where they are no communicator."""
    tolerance = reach(head.ends)
    one, two = places[head.lane.file], places[other.lane.file]
    if head.lane.file != other.lane.file:
        uncertain = _UNCERTAINTIES * (one.uncertainty_ns + two.uncertainty_ns)
        tolerance = min(max(tolerance, uncertain), max(1, median_gap(head.ends) // 6))
    both = min(map(len, common(head.ends, other.ends, Clock(), tolerance)))
    if both < LEAST or max(meeting(head.ends, other.ends, tolerance), meeting(other.ends, head.ends, tolerance)) < SOME:
        return None
    pairs = matches(head.ends, other.ends, Clock(), tolerance)
    if len(pairs) < max(LEAST, LEAST_SHARE * both):
        return None
    place_of = array("l", [-1]) * len(head.ends)
    for here, there in pairs:
        place_of[here] = there
    return place_of


def _left(lane: _Aligned, place_of: Sequence[int]) -> Iterator[_Aligned]:
    """Yields what of a lane is in no collective of the communicator, if that is a good part of it."""
    used = set(place_of)
    unused = [place for place in range(len(lane.ends)) if place not in used]
    if len(unused) >= max(LEAST, LEAST_SHARE * len(lane.ends)):
        starts = array("q", (lane.starts[place] for place in unused))
        ends = array("q", (lane.ends[place] for place in unused))
        yield _Aligned(lane.lane.only(unused), starts, ends)


def _rank(lane: Lane) -> tuple[int, int, int]:
    return (lane.file, *_order(lane)[:2])


def _order(lane: Lane) -> tuple[int, int, int]:
    device, gpu = lane.device
    return (-1 if device is None else device, -1 if gpu is None else gpu, -1 if lane.stream is None else lane.stream)
