"""How well a shift fits, and the clock that follows from it: offset, drift, residual.

Under the right shift the ends of the matched collectives differ by the clocks' offset and a few microseconds of
scatter. Under a shift by one step they differ by how uneven the steps are as well. The scatter tells the two apart,
unless the steps are as even as the ends.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from nsys_llm_explainer.job.clock import Clock
from nsys_llm_explainer.job.lanes import median_gap, nearest
from nsys_llm_explainer.job.shifts import PRIOR_NS, Guess, anchors_of, guesses

TOLERANCE_NS = 200_000
TOLERANCE_GAPS = 5
"""Ends match within this time and a fifth of the way to the next end."""
MIN_MATCHED = 8
MIN_SHARE = 0.7
MOST_SCATTER = 0.25
"""A shift fits if so many of the sampled ends match, with half of them within this part of the tolerance."""
MIN_EDGES = 16
MIN_OVERLAP = 24
"""Both files recorded eight steps, each with two edges; or so many collectives, where no gap stands out."""
CLEARLY = 2.0
"""One shift fits better than another if the other scatters this many times as much."""
NOISE_NS = 300
"""Scatter below this is that of the time stamps."""
MAX_DRIFT = 150e-6
"""Two crystals differ by less."""
UNEVEN = 2.0
UNEVEN_NS = 4_000
"""Gaps between steps differ by more than those within: so they do where steps are not the same steps."""
DRIFT_MATCHED = 64
DRIFT_SCATTERS = 3
"""Drift is told from so many matches on, where it moves the clocks by this many times the median residual."""
_SAMPLE = 400
_BINS = 64
_FITTED = 8_000
MOST_MATCHED = 20_000
_FOLLOWED = 0.05


@dataclass(frozen=True)
class Trial:
    """A shift, held against both sequences.

    Attributes:
        clock: From the first clock to the second.
        share: How many of the sampled ends match.
        scatter_ns: Median distance of the matches from their own middle.
        overlap: How many ends of the sparser sequence lie in the time that both recorded.
        edges: How many of them stand at edges of steps; None where no gap stands out.
        middle_ns: A moment of the first clock in the middle of what both recorded.
        uneven: Whether long gaps differ by much more than the others do.
    """

    clock: Clock
    share: float
    scatter_ns: int
    overlap: int
    edges: int | None
    middle_ns: int
    uneven: bool

    @property
    def offset(self) -> int:
        """What the second clock shows more than the first, in the middle."""
        return self.clock.at(self.middle_ns) - self.middle_ns


@dataclass(frozen=True)
class Fit:
    """Two clocks, aligned by ends of collectives that both files recorded.

    Attributes:
        clock: From the first clock to the second.
        matched: Pairs of executions.
        compared: Executions of the sparser file in the time that both recorded; of very many every n-th.
        residual_p50_ns: Median distance of an end from the line.
        residual_p90_ns: 90th percentile of it.
        residual_max_ns: Largest of it.
        rivals: Other shifts that fit about as well.
        runner_up: How many times the scatter of this shift the best other shift has; None without another one.
        by_wall_clock: Whether only the wall clocks told this shift from another one.
        few: Whether both recorded only a few steps together.
    """

    clock: Clock
    matched: int
    compared: int
    residual_p50_ns: int
    residual_p90_ns: int
    residual_max_ns: int
    rivals: int = 0
    runner_up: float | None = None
    by_wall_clock: bool = False
    few: bool = False

    @property
    def share(self) -> float:
        """How many of the compared executions are matched."""
        return self.matched / self.compared if self.compared else 0.0


@dataclass(frozen=True)
class Train:
    """The ends of one communicator's collectives in one file, and what every comparison needs of them.

    Attributes:
        ends: The ends, ascending.
        anchors: Places after long gaps.
        edges: Places on both sides of long gaps, the edges of steps, if some stand out. A shift by a layer opens them.
        gap: The median gap.
    """

    ends: Sequence[int]
    anchors: Sequence[int]
    edges: Sequence[int]
    gap: int


def train(ends: Sequence[int]) -> Train:
    """Returns ends, ascending, with what is looked at of them."""
    gap = median_gap(ends)
    anchors, stand_out = anchors_of(ends, gap)
    edges = sorted({place - before for place in anchors for before in (0, 1)}) if stand_out else []
    return Train(ends, anchors, edges, gap)


def fit(one: Train, two: Train, prior: int | None) -> Fit | None:
    """Aligns two clocks by the ends of one communicator's collectives; None where no shift fits.

    Args:
        one: Ends in one file.
        two: Ends in the other file.
        prior: About what the second clock shows more than the first, None where nothing tells.
    """
    first, second = one.ends, two.ends
    if min(len(first), len(second)) < MIN_MATCHED:
        return None
    tolerance = min(TOLERANCE_NS, max(1, min(one.gap, two.gap) // TOLERANCE_GAPS))
    likely = guesses(first, second, prior, (one.anchors, two.anchors))
    tried = [_try(guess, one, two, tolerance) for guess in likely]
    shorter = min(len(first), len(second))
    fitting = [trial for trial in tried if trial is not None and _fits(trial, tolerance, shorter)]
    if not fitting:
        return None
    fitting.sort(key=lambda trial: (trial.scatter_ns, -trial.share, abs(trial.offset)))
    distinct: list[Trial] = []
    for trial in fitting:
        if all(abs(trial.clock.at(other.middle_ns) - other.middle_ns - other.offset) > tolerance for other in distinct):
            distinct.append(trial)
    limit = CLEARLY * max(distinct[0].scatter_ns, NOISE_NS)
    equal = [trial for trial in distinct if trial.scatter_ns <= limit]
    near = [trial for trial in equal if prior is not None and abs(trial.offset - prior) <= PRIOR_NS]
    by_wall_clock = len(equal) > 1 and len(near) == 1
    chosen = near[0] if near else equal[0]
    others = [trial for trial in distinct if trial is not chosen]
    ratio = min((trial.scatter_ns / max(chosen.scatter_ns, NOISE_NS) for trial in others), default=None)
    rivals = 0 if by_wall_clock else len(equal) - 1
    found = _finished(chosen, first, second, tolerance)
    few = chosen.overlap < MIN_OVERLAP if chosen.edges is None else chosen.edges < MIN_EDGES
    return found and replace(found, rivals=rivals, runner_up=ratio, by_wall_clock=by_wall_clock, few=few)


def _fits(trial: Trial, tolerance: int, shorter: int) -> bool:
    """Tells whether a shift may be right: over a few steps of long captures ends fall together by chance."""
    enough = trial.overlap >= MIN_OVERLAP if trial.edges is None else trial.edges >= MIN_EDGES
    far = enough or trial.overlap * 2 >= shorter
    return far and not trial.uneven and trial.share >= MIN_SHARE and trial.scatter_ns <= MOST_SCATTER * tolerance


def _try(guess: Guess, one: Train, two: Train, tolerance: int) -> Trial | None:
    clock = _rough(guess, one.ends, two.ends)
    if clock is None:
        return None
    here, there = common(one.ends, two.ends, clock, tolerance)
    own, other, way, both = one, two, clock, here
    if len(there) < len(here):
        own, other, way, both = two, one, clock.inverse(), there
    if len(both) < MIN_MATCHED:
        return None
    places = both[:: max(1, len(both) // _SAMPLE)]
    off = _distances(places, own.ends, other.ends, way, tolerance)
    edges = [place for place in own.edges if place in both]
    if not off:
        return None
    share = len(off) / len(places)
    if edges:
        share = min(share, len(_distances(edges, own.ends, other.ends, way, tolerance)) / len(edges))
    centre = off[len(off) // 2]
    scatter = sorted(abs(distance - centre) for distance in off)[len(off) // 2]
    middle = own.ends[both[len(both) // 2]]
    known = len(edges) if own.edges else None
    uneven = known is not None and _is_uneven(own, other, way, both)
    return Trial(clock, share, scatter, len(both), known, middle if own is one else way.at(middle), uneven)


def _is_uneven(own: Train, other: Train, way: Clock, both: range) -> bool:
    """Tells whether the gaps at the edges of steps differ by more than those inside of steps do.

    Ends of the same collectives scatter alike wherever they stand. Under a wrong shift the gaps inside of steps, which
    are all alike, still fit, but those between steps are those of other steps.
    """
    at_edges = set(own.anchors)
    long = [place for place in own.anchors if place - 1 in both and place in both]
    short = [place for place in both[1 :: max(1, len(both) // _SAMPLE)] if place not in at_edges]
    off = [_gap_differences(places, own.ends, other.ends, way) for places in (long, short)]
    if not all(off):
        return False
    edge, inner = (sorted(values)[len(values) // 2] for values in off)
    return edge > max(UNEVEN * inner, UNEVEN_NS)


def _gap_differences(places: Iterable[int], own: Sequence[int], other: Sequence[int], way: Clock) -> list[int]:
    """Returns by how much the gaps before some ends differ from those of the ends that are nearest on the other."""
    differences = []
    for place in places:
        here, before = other[nearest(other, way.at(own[place]))], other[nearest(other, way.at(own[place - 1]))]
        differences.append(abs(own[place] - own[place - 1] - here + before))
    return differences


def _distances(
    places: Iterable[int], own: Sequence[int], other: Sequence[int], way: Clock, tolerance: int
) -> list[int]:
    """Returns how far the nearest ends of the other sequence lie, ascending; of those within the tolerance."""
    off = []
    for place in places:
        moment = way.at(own[place])
        distance = other[nearest(other, moment)] - moment
        if abs(distance) <= tolerance:
            off.append(distance)
    off.sort()
    return off


def common(first: Sequence[int], second: Sequence[int], clock: Clock, margin: int) -> tuple[range, range]:
    """Returns the places of each sequence in the time that both recorded.

    Args:
        first: Ends on the one clock, ascending.
        second: Ends on the other clock, ascending.
        clock: From the first clock to the second.
        margin: How far apart ends that match may lie.
    """
    back = clock.inverse()
    return (
        range(bisect_left(first, back.at(second[0]) - margin), bisect_right(first, back.at(second[-1]) + margin)),
        range(bisect_left(second, clock.at(first[0]) - margin), bisect_right(second, clock.at(first[-1]) + margin)),
    )


def _rough(guess: Guess, first: Sequence[int], second: Sequence[int]) -> Clock | None:
    """Returns the line through the gaps that fit under a shift: of a half each, where there are enough."""
    if not guess.pairs:
        return None
    points = [(first[place], second[place + guess.shift]) for place in guess.pairs]
    return line(points)


def line(points: Sequence[tuple[int, int]]) -> Clock:
    """Returns the clock through points: the median offset, and the median slope between medians of bins.

    Args:
        points: Moments of the one clock and of the other, ascending.
    """
    differences = sorted(there - here for here, there in points)
    origin = points[len(points) // 2][0]
    offset = differences[len(differences) // 2]
    if len(points) < 2 * MIN_MATCHED:
        return Clock(origin, origin + offset)
    bins = min(_BINS, len(points) // 4)
    medians = [_median_point(points[len(points) * n // bins : len(points) * (n + 1) // bins]) for n in range(bins)]
    slopes = sorted(
        (later[1] - sooner[1]) / (later[0] - sooner[0])
        for n, sooner in enumerate(medians)
        for later in medians[n + 1 :]
        if later[0] > sooner[0]
    )
    rate = slopes[len(slopes) // 2] if slopes else 0.0
    if abs(rate) > MAX_DRIFT:
        return Clock(origin, origin + offset)
    level = sorted(there - here - round(rate * (here - origin)) for here, there in points)
    return Clock(origin, origin + level[len(level) // 2], rate)


def _median_point(points: Sequence[tuple[int, int]]) -> tuple[int, int]:
    differences = sorted(there - here for here, there in points)
    return points[len(points) // 2][0], differences[len(differences) // 2]


def matches(first: Sequence[int], second: Sequence[int], clock: Clock, tolerance: int) -> list[tuple[int, int]]:
    """Returns the places of ends that fall together, following the clock where it drifts.

    Args:
        first: Ends on the one clock, ascending.
        second: Ends on the other clock, ascending.
        clock: From the first clock to the second.
        tolerance: How far apart ends that match may lie.
    """
    found = []
    moments = clock.all_at(first)
    place, all_, follow = 0, len(second), 0.0
    for number, expected in enumerate(moments):
        moment = expected + int(follow)
        earliest = moment - tolerance
        while place < all_ and second[place] < earliest:
            place += 1
        if place == all_:
            break
        distance = second[place] - moment
        if distance > tolerance:
            continue
        while place + 1 < all_ and abs(second[place + 1] - moment) < abs(distance):
            place += 1
            distance = second[place] - moment
        found.append((number, place))
        follow += _FOLLOWED * distance
        place += 1
    return found


def _finished(chosen: Trial, first: Sequence[int], second: Sequence[int], tolerance: int) -> Fit | None:
    here, there = common(first, second, chosen.clock, tolerance)
    if len(there) < len(here):
        back = _finished(_turned(chosen), second, first, tolerance)
        return None if back is None else replace(back, clock=back.clock.inverse())
    some = first[here.start : here.stop : max(1, len(here) // MOST_MATCHED)]
    pairs = matches(some, second, chosen.clock, tolerance)
    if len(pairs) < MIN_MATCHED:
        return None
    points = [(some[here], second[there]) for here, there in pairs]
    span = points[-1][0] - points[0][0]
    sloped = line(points[:: max(1, len(points) // _FITTED)])
    straight = sorted(there - here for here, there in points)
    level = Clock(sloped.origin, sloped.origin + straight[len(straight) // 2])
    off = _residuals(points, sloped)
    clock = sloped
    if len(pairs) < DRIFT_MATCHED or abs(sloped.rate) * span <= DRIFT_SCATTERS * max(off[len(off) // 2], NOISE_NS):
        # What drifts by no more than the ends scatter does not drift, as far as this capture can tell.
        clock, off = level, _residuals(points, level)
    return Fit(
        clock=clock,
        matched=len(pairs),
        compared=len(some),
        residual_p50_ns=off[len(off) // 2],
        residual_p90_ns=off[min(len(off) - 1, len(off) * 9 // 10)],
        residual_max_ns=off[-1],
    )


def _turned(trial: Trial) -> Trial:
    """Returns a trial as seen from the other clock."""
    return replace(trial, clock=trial.clock.inverse(), middle_ns=trial.clock.at(trial.middle_ns))


def _residuals(points: Sequence[tuple[int, int]], clock: Clock) -> list[int]:
    return sorted(abs(there - clock.at(here)) for here, there in points)
