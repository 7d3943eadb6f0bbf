"""One clock for the files of a job: pairs of files are aligned by collectives, and the best pairs carry the rest.

Method:
    Nobody leaves a collective before the last rank has arrived, so its kernels end nearly together on all ranks. The
    ends of one communicator's kernels in two files are the same moments on two clocks. Which execution is which is
    found by the pattern of the gaps between them; the offset is the median difference, the drift a straight line
    through medians where it is larger than the scatter; the residual is how far the ends lie from that.

What it rests on:
    Ends that are together. A difference that is always the same, such as one rank that always needs a few microseconds
    longer for its part, looks like an offset and cannot be told from one. Broadcasts and reductions to a root, and
    kernels between two ranks, do not end together: they are used only where there is nothing else, with low confidence.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from nsys_llm_explainer.job.clock import PPM, Clock
from nsys_llm_explainer.job.fit import Fit, Train, fit, train
from nsys_llm_explainer.job.lanes import Capture, Lane, trains

HIGH, MEDIUM, LOW, NONE = "high", "medium", "low", "none"
CONFIDENCE = (HIGH, MEDIUM, LOW, NONE)
HIGH_MATCHED = 100
HIGH_RESIDUAL_NS = 20_000
HIGH_SHARE = 0.9
MEDIUM_MATCHED = 20
MEDIUM_RESIDUAL_NS = 50_000
WALL_CLOCK_DIFFERS_NS = 1_000_000_000
ALL_PAIRS = 6
"""Up to so many files each is compared with each other; of more, only until they hang together."""
_MOST_TRAINS = 16

Known = tuple[Lane, Train]


@dataclass(frozen=True)
class Pair:
    """Two files, compared.

    Attributes:
        first: Number of the one file.
        second: Number of the other file.
        status: ``aligned``, ``ambiguous`` (aligned by the likeliest of several shifts) or ``refused``.
        confidence: ``high``, ``medium``, ``low``, or ``none`` where refused.
        reason: Why it is not high.
        fit: The clocks, None where refused.
        name: The kernels that were matched, None where refused.
        wall_clock_off_ns: How far the hosts' wall clocks differ from this alignment, None where not known.
        used: Whether the common clock rests on it.
    """

    first: int
    second: int
    status: str
    confidence: str
    reason: str
    fit: Fit | None = None
    name: str | None = None
    wall_clock_off_ns: int | None = None
    used: bool = False

    def rank(self) -> tuple[int, int, int, int]:
        """Returns what to sort by, the best pair first."""
        residual = self.fit.residual_p90_ns if self.fit is not None else 0
        return (CONFIDENCE.index(self.confidence), residual, self.first, self.second)


@dataclass(frozen=True)
class Place:
    """Where a file stands on the common clock of its group.

    Attributes:
        group: Files with one number share a clock: that of the first of them.
        clock: From the file's clock to the group's.
        uncertainty_ns: Residuals (90th percentiles) of all pairs on the way, summed.
        confidence: The lowest on the way; ``high`` for the file whose clock it is.
    """

    group: int
    clock: Clock
    uncertainty_ns: int
    confidence: str


def align(captures: Sequence[Capture]) -> tuple[list[Place], list[Pair]]:
    """Returns where each file stands, and every pair that was compared.

    Args:
        captures: The collectives of each file.
    """
    of_file = [[(lane, train(lane.ends)) for lane in trains(capture)] for capture in captures]
    compared: list[Pair] = []
    groups = list(range(len(captures)))
    everyone = len(captures) <= ALL_PAIRS
    for first, second in _pairs(len(captures)):
        if not everyone and groups[first] == groups[second]:
            continue
        pair = compare(captures[first], captures[second], of_file[first], of_file[second])
        compared.append(pair)
        if pair.fit is not None and pair.confidence != LOW:
            groups = [groups[first] if group == groups[second] else group for group in groups]
    return _places(len(captures), compared)


def _pairs(files: int) -> Iterator[tuple[int, int]]:
    for first in range(files):
        for second in range(first + 1, files):
            yield first, second


def compare(first: Capture, second: Capture, ones: Sequence[Known], others: Sequence[Known]) -> Pair:
    """Compares two files by every communicator that may be in both, and returns what came of the best one.

    Args:
        first: The one file.
        second: The other file.
        ones: One lane of each communicator of the one file.
        others: One lane of each communicator of the other file.
    """
    if not ones or not others:
        empty = first if not ones else second
        return Pair(first.number, second.number, "refused", NONE, f"{empty.path.name} holds no collectives")
    prior = None
    if first.utc_base_ns is not None and second.utc_base_ns is not None:
        prior = first.utc_base_ns - second.utc_base_ns
    both = [(one, other) for one in ones for other in others if one[0].name == other[0].name]
    if not both:
        return Pair(first.number, second.number, "refused", NONE, "their collectives have no kernel name in common")
    both.sort(key=lambda lanes: (lanes[0][0].tier, -min(len(lane.ends) for lane, _ in lanes)))
    best: Pair | None = None
    for (one, its_train), (other, other_train) in both[:_MOST_TRAINS]:
        if best is not None and best.confidence != LOW and one.tier:
            break
        found = fit(its_train, other_train, prior)
        if found is None:
            continue
        pair = _judged(one, other, found, prior)
        if best is None or pair.rank() < best.rank():
            best = pair
    return best or Pair(first.number, second.number, "refused", NONE, _refusal(both))


def _refusal(both: Sequence[tuple[Known, Known]]) -> str:
    most = max(min(len(lane.ends) for lane, _ in lanes) for lanes in both)
    if most < MEDIUM_MATCHED:
        return f"too few collectives in common names ({most}) to tell which is which"
    return "no shift lets the ends of their collectives fall together: not the same job, or no collective in common"


def _judged(one: Lane, other: Lane, found: Fit, prior: int | None) -> Pair:
    clock = found.clock
    off = None if prior is None else clock.there - clock.origin - prior
    status, confidence, reason = "aligned", HIGH, ""
    if found.rivals:
        status, confidence = "ambiguous", LOW
        reason = f"{found.rivals + 1} shifts fit about equally well: the steps repeat too evenly to tell which is which"
    elif one.tier > 1:
        confidence, reason = LOW, "both have only kernels between some of the ranks, which do not end together"
    elif found.few:
        confidence, reason = LOW, "both files recorded only a few steps together"
    elif found.matched < MEDIUM_MATCHED or found.residual_p90_ns > _most_residual(found):
        confidence, reason = LOW, "few collectives matched, or their ends scatter widely"
    elif found.by_wall_clock:
        confidence, reason = MEDIUM, "several shifts fit; the wall clocks of the hosts decided"
    elif one.tier:
        confidence, reason = MEDIUM, "each rank ends these kernels on its own"
    elif found.matched < HIGH_MATCHED or found.residual_p90_ns > HIGH_RESIDUAL_NS or found.share < HIGH_SHARE:
        confidence, reason = MEDIUM, "fewer matches, or more scatter, than high confidence takes"
    if off is not None and abs(off) > WALL_CLOCK_DIFFERS_NS:
        differs = "the wall clocks of the hosts say otherwise"
        reason = f"{reason}; {differs}" if reason else differs
        confidence = MEDIUM if confidence == HIGH else confidence
    return Pair(one.file, other.file, status, confidence, reason, found, one.name, off)


def _most_residual(found: Fit) -> int:
    """Returns the residual up to which an alignment is more than low: few matches have to be good ones."""
    return MEDIUM_RESIDUAL_NS if found.matched >= HIGH_MATCHED else HIGH_RESIDUAL_NS


def _places(files: int, compared: Sequence[Pair]) -> tuple[list[Place], list[Pair]]:
    """Returns the places along the most certain ways, and the pairs with those marked that lie on them."""
    pairs_of: dict[int, list[Pair]] = {file: [] for file in range(files)}
    for pair in compared:
        if pair.fit is not None:
            pairs_of[pair.first].append(pair)
            pairs_of[pair.second].append(pair)
    places: dict[int, Place] = {}
    chosen: set[tuple[int, int]] = set()
    for file in range(files):
        if file not in places:
            chosen |= _spread(file, pairs_of, places)
    marked = [replace(pair, used=(pair.first, pair.second) in chosen) for pair in compared]
    return [places[file] for file in range(files)], marked


def _spread(root: int, pairs_of: dict[int, list[Pair]], places: dict[int, Place]) -> set[tuple[int, int]]:
    """Places every file that hangs together with one, each by the way that is most certain, and returns its pairs.

    The most certain way has the best confidence of its worst pair, and of such ways the least summed residual.
    """
    chosen: set[tuple[int, int]] = set()
    waiting: list[tuple[int, int, int, int, Place, tuple[int, int] | None]] = [
        (0, 0, root, 0, Place(root, Clock(), 0, HIGH), None)
    ]
    pushed = 0
    while waiting:
        _, _, file, _, place, way = heapq.heappop(waiting)
        if file in places:
            continue
        places[file] = place
        if way is not None:
            chosen.add(way)
        for pair in pairs_of[file]:
            other = pair.second if file == pair.first else pair.first
            if pair.fit is None or other in places:
                continue
            to_file = pair.fit.clock.inverse() if file == pair.first else pair.fit.clock
            worst = max(place.confidence, pair.confidence, key=CONFIDENCE.index)
            uncertainty = place.uncertainty_ns + pair.fit.residual_p90_ns
            further = Place(place.group, to_file.then(place.clock), uncertainty, worst)
            pushed += 1
            step = (CONFIDENCE.index(worst), uncertainty, other, pushed, further, (pair.first, pair.second))
            heapq.heappush(waiting, step)
    return chosen


def drift_ppm(clock: Clock) -> float:
    """Returns how much faster the other clock runs, in millionths."""
    return clock.rate * PPM
