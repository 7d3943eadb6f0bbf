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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nsys_llm_explainer.job.clock import PPM, Clock
from nsys_llm_explainer.job.fit import Fit, fit
from nsys_llm_explainer.job.lanes import Capture, Lane, trains

HIGH, MEDIUM, LOW, NONE = "high", "medium", "low", "none"
CONFIDENCE = (HIGH, MEDIUM, LOW, NONE)
HIGH_MATCHED = 100
HIGH_RESIDUAL_NS = 20_000
HIGH_SHARE = 0.8
MEDIUM_MATCHED = 20
MEDIUM_RESIDUAL_NS = 100_000
WALL_CLOCK_DIFFERS_NS = 1_000_000_000
ALL_PAIRS = 12
"""Up to so many files each is compared with each other; of more, only until they hang together."""
_MOST_TRAINS = 16


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
    of_file = [trains(capture) for capture in captures]
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


def compare(first: Capture, second: Capture, ones: Sequence[Lane], others: Sequence[Lane]) -> Pair:
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
    both = [(one, other) for one in ones for other in others if one.name == other.name]
    if not both:
        return Pair(first.number, second.number, "refused", NONE, "no kernel of a collective has the same name in both")
    both.sort(key=lambda lanes: (lanes[0].tier, -min(len(lanes[0].ends), len(lanes[1].ends))))
    best: Pair | None = None
    for one, other in both[:_MOST_TRAINS]:
        if best is not None and best.confidence != LOW and one.tier:
            break
        found = fit(one.ends, other.ends, prior)
        if found is None:
            continue
        pair = _judged(one, other, found, prior)
        if best is None or pair.rank() < best.rank():
            best = pair
    return best or Pair(first.number, second.number, "refused", NONE, _refusal(both))


def _refusal(both: Sequence[tuple[Lane, Lane]]) -> str:
    most = max(min(len(one.ends), len(other.ends)) for one, other in both)
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
        confidence, reason = LOW, "only kernels between some of the ranks, which do not end together, are in both"
    elif found.matched < MEDIUM_MATCHED or found.residual_p90_ns > MEDIUM_RESIDUAL_NS:
        confidence, reason = LOW, "few collectives matched, or their ends scatter widely"
    elif found.by_wall_clock:
        confidence, reason = MEDIUM, "several shifts fit; the wall clocks of the hosts decided"
    elif one.tier:
        confidence, reason = MEDIUM, "each rank ends these kernels on its own"
    elif (
        found.matched < HIGH_MATCHED or found.residual_p90_ns > HIGH_RESIDUAL_NS or found.share < HIGH_SHARE
    ):
        confidence, reason = MEDIUM, "fewer matches, or more scatter, than high confidence takes"
    if off is not None and abs(off) > WALL_CLOCK_DIFFERS_NS:
        differs = "the wall clocks of the hosts say otherwise"
        reason = f"{reason}; {differs}" if reason else differs
        confidence = MEDIUM if confidence == HIGH else confidence
    return Pair(one.file, other.file, status, confidence, reason, found, one.name, off)


def _places(files: int, compared: Sequence[Pair]) -> tuple[list[Place], list[Pair]]:
    """Returns the places along the best pairs that join all files that can be joined."""
    groups = list(range(files))
    used: list[Pair] = []
    for pair in sorted((pair for pair in compared if pair.fit is not None), key=Pair.rank):
        if groups[pair.first] != groups[pair.second]:
            low, high = sorted((groups[pair.first], groups[pair.second]))
            groups = [low if group == high else group for group in groups]
            used.append(pair)
    places: dict[int, Place] = {}
    for file in range(files):
        if file not in places:
            places[file] = Place(file, Clock(), 0, HIGH)
            _spread(file, used, places)
    chosen = {(pair.first, pair.second) for pair in used}
    marked = [
        Pair(**{**vars(pair), "used": True}) if (pair.first, pair.second) in chosen else pair for pair in compared
    ]
    return [places[file] for file in range(files)], marked


def _spread(root: int, used: Sequence[Pair], places: dict[int, Place]) -> None:
    """Places every file that hangs on a placed one."""
    waiting = [root]
    while waiting:
        file = waiting.pop()
        place = places[file]
        for pair in used:
            if pair.fit is None or file not in (pair.first, pair.second):
                continue
            other = pair.second if file == pair.first else pair.first
            if other in places:
                continue
            to_file = pair.fit.clock.inverse() if file == pair.first else pair.fit.clock
            worst = max(place.confidence, pair.confidence, key=CONFIDENCE.index)
            uncertainty = place.uncertainty_ns + pair.fit.residual_p90_ns
            places[other] = Place(place.group, to_file.then(place.clock), uncertainty, worst)
            waiting.append(other)


def drift_ppm(clock: Clock) -> float:
    """Returns how much faster the other clock runs, in millionths."""
    return clock.rate * PPM
