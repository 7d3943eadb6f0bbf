"""Who waited for whom: of each collective the last start, what every rank waited for it, and who was last.

As in the section on communication of one trace: transfer is from the last start to the last end, the wait of a rank
from its own start to the last one. A rank is late if it starts last, by more than 10 us and more than the clocks may be
off. What it caused is the wait of all others.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from nsys_llm_explainer.job.communicators import Communicator, Member

LATE_NS = 10_000
SHOWN = 1_000
_NOBODY = -1


@dataclass(frozen=True)
class Waits:
    """What one rank waited, and what others waited for it.

    Attributes:
        collectives: Collectives that another rank took part in as well.
        wait_ns: From its own start to the last rank's, summed.
        late: How often it was the last, by more than the threshold.
        late_spread_ns: From the first start to its own in those, summed.
        alone_ns: From the second last start to its own in those, summed: how late it is by itself.
        caused_wait_ns: What the others waited in those, summed.
        transfer_ns: From the last start to the last end, summed.
    """

    collectives: int = 0
    wait_ns: int = 0
    late: int = 0
    late_spread_ns: int = 0
    alone_ns: int = 0
    caused_wait_ns: int = 0
    transfer_ns: int = 0

    def plus(self, other: Waits) -> Waits:
        """Returns the sums of both."""
        return Waits(**{name: value + getattr(other, name) for name, value in vars(self).items()})


@dataclass(frozen=True)
class Skewed:
    """One collective.

    Attributes:
        communicator: Number of its communicator.
        name: The kernel's name.
        occurrence: Which of the communicator's collectives it is, from 0.
        ranks: Ranks that took part and are in the files.
        first_start_ns: When the first started, on the group's clock.
        last_start_ns: When the last started.
        last_end_ns: When the last ended.
        late_rank: The rank that started last.
        wait_ns: What all ranks waited for it.
        is_late: Whether the spread is more than the threshold.
    """

    communicator: int
    name: str
    occurrence: int
    ranks: int
    first_start_ns: int
    last_start_ns: int
    last_end_ns: int
    late_rank: int
    wait_ns: int
    is_late: bool

    @property
    def spread_ns(self) -> int:
        """From the first start to the last."""
        return self.last_start_ns - self.first_start_ns


@dataclass(frozen=True)
class Skew:
    """One communicator's collectives over its ranks.

    Attributes:
        communicator: Its number.
        name: The kernel's name.
        ranks: The ranks that take part, ascending.
        collectives: How many several ranks took part in.
        threshold_ns: A spread up to this is not called late.
        late: How many are more spread.
        spread_p50_ns: Median spread.
        spread_p90_ns: 90th percentile of the spread.
        transfer_p50_ns: Median transfer.
        wait_ns: What all ranks waited, summed.
        waits: The same by rank.
        widest: Those with the largest spread.
    """

    communicator: int
    name: str
    ranks: tuple[int, ...]
    collectives: int
    threshold_ns: int
    late: int
    spread_p50_ns: int
    spread_p90_ns: int
    transfer_p50_ns: int
    wait_ns: int
    waits: dict[int, Waits] = field(default_factory=dict)
    widest: tuple[Skewed, ...] = ()


@dataclass(frozen=True)
class _Columns:
    """The collectives of a communicator, by their number."""

    ranks: array[int]
    first_start: array[int]
    last_start: array[int]
    second_last: array[int]
    last_end: array[int]
    late_rank: array[int]
    wait: list[int]


def skew(number: int, communicator: Communicator, ranks: Sequence[int]) -> Skew:
    """Returns who waited for whom in a communicator.

    Args:
        number: Its number.
        communicator: The communicator.
        ranks: The rank of each of its members.
    """
    columns = _columns(communicator, ranks)
    matched = [place for place, count in enumerate(columns.ranks) if count > 1]
    threshold = max(LATE_NS, communicator.uncertainty_ns, _ends_apart(communicator))
    waits: dict[int, Waits] = {}
    for member, rank in zip(communicator.members, ranks):
        own = _waits_of(columns, member.place_of, member.starts, rank, threshold)
        waits[rank] = waits.get(rank, Waits()).plus(own)
    caused: dict[int, int] = {}
    spreads, transfers, late = [], [], 0
    for place in matched:
        spread = columns.last_start[place] - columns.first_start[place]
        spreads.append(spread)
        transfers.append(columns.last_end[place] - columns.last_start[place])
        if spread > threshold:
            late += 1
            rank = columns.late_rank[place]
            caused[rank] = caused.get(rank, 0) + columns.wait[place]
    spreads.sort()
    transfers.sort()
    return Skew(
        communicator=number,
        name=communicator.name,
        ranks=tuple(sorted(set(ranks))),
        collectives=len(matched),
        threshold_ns=threshold,
        late=late,
        spread_p50_ns=_at(spreads, 0.5),
        spread_p90_ns=_at(spreads, 0.9),
        transfer_p50_ns=_at(transfers, 0.5),
        wait_ns=sum(columns.wait[place] for place in matched),
        waits={rank: replace(own, caused_wait_ns=caused.get(rank, 0)) for rank, own in sorted(waits.items())},
        widest=tuple(_widest(number, communicator.name, columns, matched, threshold)),
    )


def _ends_apart(communicator: Communicator) -> int:
    """Returns how far ranks of one file, which share a clock, end apart: the ends of files may mislead by as much."""
    files: dict[int, list[Member]] = {}
    for member in communicator.members:
        files.setdefault(member.lane.file, []).append(member)
    if len(files) < 2:
        return 0
    return max(_at(_end_spreads(members, communicator.executions), 0.9) for members in files.values())


def _end_spreads(members: Sequence[Member], executions: int) -> list[int]:
    spreads = []
    for place in range(executions):
        ends = [member.ends[member.place_of[place]] for member in members if member.place_of[place] >= 0]
        if len(ends) > 1:
            spreads.append(max(ends) - min(ends))
    return sorted(spreads)


def _columns(communicator: Communicator, ranks: Sequence[int]) -> _Columns:
    size = communicator.executions
    late = array("l", [_NOBODY]) * size
    count = array("l", [0]) * size
    first = array("q", [(1 << 63) - 1]) * size
    last, second, end = (array("q", [-(1 << 63)]) * size for _ in range(3))
    wait = [0] * size
    for member, rank in zip(communicator.members, ranks):
        starts, ends = member.starts, member.ends
        for place, own in enumerate(member.place_of):
            if own >= 0:
                start = starts[own]
                count[place] += 1
                first[place] = min(first[place], start)
                if start > last[place]:
                    second[place], last[place], late[place] = last[place], start, rank
                elif start > second[place]:
                    second[place] = start
                end[place] = max(end[place], ends[own])
    for member in communicator.members:
        starts = member.starts
        for place, own in enumerate(member.place_of):
            if own >= 0:
                wait[place] += last[place] - starts[own]
    return _Columns(count, first, last, second, end, late, wait)


def _waits_of(columns: _Columns, place_of: Sequence[int], starts: Sequence[int], rank: int, threshold: int) -> Waits:
    collectives = wait = late = late_spread = alone = transfer = 0
    for place, own in enumerate(place_of):
        if own < 0 or columns.ranks[place] < 2:
            continue
        last = columns.last_start[place]
        collectives += 1
        wait += last - starts[own]
        transfer += columns.last_end[place] - last
        spread = last - columns.first_start[place]
        if columns.late_rank[place] == rank and spread > threshold:
            late += 1
            late_spread += spread
            alone += last - columns.second_last[place]
    return Waits(collectives, wait, late, late_spread, alone, 0, transfer)


def _widest(number: int, name: str, columns: _Columns, matched: Sequence[int], threshold: int) -> list[Skewed]:
    spread = [columns.last_start[place] - columns.first_start[place] for place in range(len(columns.ranks))]
    places = heapq.nsmallest(SHOWN, matched, key=lambda place: (-spread[place], place))
    return [
        Skewed(
            communicator=number,
            name=name,
            occurrence=place,
            ranks=columns.ranks[place],
            first_start_ns=columns.first_start[place],
            last_start_ns=columns.last_start[place],
            last_end_ns=columns.last_end[place],
            late_rank=columns.late_rank[place],
            wait_ns=columns.wait[place],
            is_late=spread[place] > threshold,
        )
        for place in places
    ]


def _at(ordered: Sequence[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0
