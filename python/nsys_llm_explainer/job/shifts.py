"""Which stretch of one sequence of ends is which stretch of another, recorded under an unknown clock.

The long gaps between collectives stand at the edges of steps and differ from each other. Two gaps of about the same
length are a vote for the shift that puts one onto the other; the shifts with most votes are looked at more closely, as
are those near the wall clocks of the hosts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

ANCHORS = 400
"""Longest gaps of each sequence that are compared."""
STANDS_OUT = 1.5
LEAST_OUT = 8
"""Where so many gaps are so many times the median, they are the edges of steps, and only they are compared."""
GAP_NS = 20_000
GAP_PPM = 200
"""Gaps are about the same within so much, and so much of their length: ends scatter, clocks drift."""
PRIOR_NS = 100_000_000
"""How far wall clocks that are kept by NTP may lie apart."""
LOOKED_AT = 160
KEPT = 12
MOST_VOTES = 240_000
_SCORED = 96
_FEW = 12


@dataclass(frozen=True)
class Guess:
    """A shift worth a closer look.

    Attributes:
        shift: Number ``i`` of the first sequence is number ``i + shift`` of the second.
        pairs: Places in the first sequence whose gap the second sequence has under this shift, ascending.
    """

    shift: int
    pairs: tuple[int, ...]


def guesses(
    first: Sequence[int], second: Sequence[int], prior: int | None, both: tuple[Sequence[int], Sequence[int]]
) -> list[Guess]:
    """Returns the shifts that may be right, the most similar gaps first.

    Args:
        first: Ends, ascending.
        second: Ends on another clock, ascending.
        prior: About what the second clock shows more than the first, None where nothing tells.
        both: The anchors of the first and of the second.
    """
    anchors, theirs = both
    votes: dict[int, int] = {}
    near: set[int] = set()
    others = sorted((second[place] - second[place - 1], place) for place in theirs)
    lengths = [gap for gap, _ in others]
    counted = 0
    for place in anchors:
        gap = first[place] - first[place - 1]
        within = _tolerance(gap)
        for number in range(bisect_left(lengths, gap - within), bisect_left(lengths, gap + within + 1)):
            other = others[number][1]
            shift = other - place
            votes[shift] = votes.get(shift, 0) + 1
            if prior is not None and abs(second[other] - first[place] - prior) <= PRIOR_NS:
                near.add(shift)
            counted += 1
        if counted > MOST_VOTES:
            break
    by_votes = sorted(votes, key=lambda shift: (-votes[shift], abs(shift), shift))
    best = _best(by_votes[:LOOKED_AT], first, second, anchors)
    close = _best([shift for shift in by_votes if shift in near][:LOOKED_AT], first, second, anchors)
    return [_guess(shift, first, second, anchors) for shift in dict.fromkeys((*best, *close))]


def anchors_of(ends: Sequence[int], gap: int) -> tuple[list[int], bool]:
    """Returns the places after the longest gaps, ascending, and whether these stand out from the median gap."""
    gaps = [after - before for before, after in zip(ends, ends[1:])]
    out = [place for place, own in enumerate(gaps, start=1) if own >= STANDS_OUT * gap]
    places = out if len(out) >= LEAST_OUT else range(1, len(ends))
    if len(places) > ANCHORS:
        least = sorted(gaps[place - 1] for place in places)[-ANCHORS]
        places = [place for place in places if gaps[place - 1] >= least][:ANCHORS]
    return list(places), len(out) >= LEAST_OUT


def _tolerance(gap: int) -> int:
    return GAP_NS + gap * GAP_PPM // 1_000_000


def _best(shifts: Sequence[int], first: Sequence[int], second: Sequence[int], anchors: Sequence[int]) -> list[int]:
    """Returns the shifts under which gaps differ least."""
    scored = []
    some = anchors[:: max(1, len(anchors) // _SCORED)]
    for shift in shifts:
        there = [place for place in some if 1 <= place + shift < len(second)]
        if len(there) < _FEW:
            there = [place for place in anchors if 1 <= place + shift < len(second)]
        off = sorted(
            [
                abs(first[place] - first[place - 1] - second[place + shift] + second[place + shift - 1])
                for place in there
            ]
        )
        if off:
            # The lower quartile: behind records that one capture lost, the rest stands under another shift.
            scored.append((off[len(off) // 4], -len(there), shift))
    return [shift for _, _, shift in sorted(scored)[:KEPT]]


def _guess(shift: int, first: Sequence[int], second: Sequence[int], anchors: Sequence[int]) -> Guess:
    pairs = []
    for place in anchors:
        if 1 <= place + shift < len(second):
            gap, other = first[place] - first[place - 1], second[place + shift] - second[place + shift - 1]
            if abs(gap - other) <= _tolerance(gap):
                pairs.append(place)
    return Guess(shift, tuple(pairs))
