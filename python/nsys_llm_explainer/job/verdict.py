"""Which rank the others wait for, if it is one, and what it does that the others do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nsys_llm_explainer.findings.straggling_rank import LATE_SHARE
from nsys_llm_explainer.job.alignment import LOW, Place
from nsys_llm_explainer.job.explained import Budget, median_share
from nsys_llm_explainer.job.skew import Skew, Waits
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.figures.palette import BUCKETS

LEAST_LATE = 8
LATE_COUNT_SHARE = 0.5
ALONE_SHARE = 0.5
"""Of its lateness so much has to be its own, behind the second last rank."""
DIFFERS_SHARE = 0.01
"""Parts of a window that differ by less are not worth a line."""
_SHOWN = 4
NAMED, FILE, NOBODY, UNKNOWN = "rank", "file", "none", "unknown"


@dataclass(frozen=True)
class Verdict:
    """Who is late in a group of files.

    Attributes:
        group: The group.
        status: ``rank``: one rank is; ``file``: the ranks of one file are, none of them alone; ``none``: nobody in
            particular; ``unknown``: it cannot be told.
        text: The same for people.
        rank: The rank that is late, if it is one.
        file: Its file, or the file whose ranks are late.
        lateness_share: Its part of all lateness.
        late: How often it was the last, and late.
        collectives: Collectives that it took part in.
        caused_wait_ns: What the others waited for it.
        facts: What it does more or less than the median rank.
    """

    group: int
    status: str
    text: str
    rank: int | None = None
    file: int | None = None
    lateness_share: float | None = None
    late: int = 0
    collectives: int = 0
    caused_wait_ns: int = 0
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What a verdict on a group is made of.

    Attributes:
        group: The group.
        places: Where its files stand, by their number.
        names: The names of all ranks.
        file_names: The names of all files.
        file_of: The file of each rank.
        skews: Its communicators.
        waits: What each of its ranks waited, over all communicators.
        budgets: Where the time of each of its ranks went, as far as known.
    """

    group: int
    places: Mapping[int, Place]
    names: Sequence[str]
    file_names: Sequence[str]
    file_of: Sequence[int]
    skews: Sequence[Skew]
    waits: Mapping[int, Waits]
    budgets: Mapping[int, Budget]


def judge(seen: Seen) -> Verdict | None:
    """Returns the verdict on a group; None where it has no two ranks with a collective in common."""
    if not any(skew.collectives for skew in seen.skews):
        return None
    unsure = [file for file, place in seen.places.items() if place.confidence == LOW]
    if unsure:
        names = ", ".join(seen.file_names[file] for file in unsure)
        text = f"Who is late cannot be told: the clock of {names} is aligned with low confidence only."
        return Verdict(seen.group, UNKNOWN, text)
    late = sum(skew.late for skew in seen.skews)
    spread = sum(own.late_spread_ns for own in seen.waits.values())
    threshold = max(skew.threshold_ns for skew in seen.skews)
    if late < LEAST_LATE or not spread:
        text = (
            f"No straggler: ranks were late, by more than {fmt.duration(threshold)}, in {fmt.count(late)} collectives."
        )
        return Verdict(seen.group, NOBODY, text)
    rank = max(seen.waits, key=lambda one: (seen.waits[one].late_spread_ns, -one))
    most = seen.waits[rank]
    alone = most.alone_ns >= ALONE_SHARE * most.late_spread_ns
    if alone and _is_straggler(rank, seen.waits, spread, _late_among(seen.skews, {rank})):
        return _named(seen, rank, spread)
    files = sorted({seen.file_of[one] for one in seen.waits})
    of_file = {file: _of_file(seen, file) for file in files}
    file = max(of_file, key=lambda one: (of_file[one].late_spread_ns, -one))
    ranks = {one for one in seen.waits if seen.file_of[one] == file}
    if len(files) > 1 and len(ranks) > 1 and _is_straggler(file, of_file, spread, _late_among(seen.skews, ranks)):
        return _file(seen, file, of_file[file], spread)
    text = (
        f"No single straggler: several ranks are late, or take turns in it. {seen.names[rank]} has most of it, "
        f"{fmt.percent(most.late_spread_ns / spread)} of all lateness. To be named a rank needs "
        f"{fmt.percent(LATE_SHARE)}, and half of that behind the second last rank."
    )
    return Verdict(seen.group, NOBODY, text, lateness_share=most.late_spread_ns / spread)


def _is_straggler(one: int, waits: Mapping[int, Waits], spread: int, late: int) -> bool:
    """Tells whether most lateness is one's, in most of the late collectives, and no small part of what others wait."""
    own = waits[one]
    longest = max((other.wait_ns for number, other in waits.items() if number != one), default=0)
    return (
        own.late_spread_ns >= LATE_SHARE * spread
        and own.late_spread_ns >= LATE_SHARE * longest
        and own.late >= max(LEAST_LATE, LATE_COUNT_SHARE * late)
    )


def _late_among(skews: Sequence[Skew], ranks: set[int]) -> int:
    """Returns how many collectives were late in the communicators that some of the ranks take part in."""
    return sum(skew.late for skew in skews if ranks & set(skew.ranks))


def _of_file(seen: Seen, file: int) -> Waits:
    waits = Waits()
    longest = 0
    for rank, own in seen.waits.items():
        if seen.file_of[rank] == file:
            waits = waits.plus(own)
            longest = max(longest, own.wait_ns)
    # What its ranks wait side by side is the same time.
    return Waits(**{**vars(waits), "wait_ns": longest})


def _named(seen: Seen, rank: int, spread: int) -> Verdict:
    own = seen.waits[rank]
    share = own.late_spread_ns / spread
    text = (
        f"{seen.names[rank]} comes late to the collectives: others wait {fmt.duration(own.caused_wait_ns)} for it. It "
        f"was the last in {fmt.count(own.late)} of {fmt.counted(own.collectives, 'collective')}, by "
        f"{fmt.duration(own.late_spread_ns)} together: {fmt.percent(share)} of all lateness."
    )
    facts = tuple(_facts(seen.names[rank], seen.budgets.get(rank), list(seen.budgets.values())))
    file = seen.file_of[rank]
    return Verdict(seen.group, NAMED, text, rank, file, share, own.late, own.collectives, own.caused_wait_ns, facts)


def _file(seen: Seen, file: int, own: Waits, spread: int) -> Verdict:
    share = own.late_spread_ns / spread
    ranks = sum(seen.file_of[rank] == file for rank in seen.waits)
    text = (
        f"The {ranks} ranks of {seen.file_names[file]} come late to the collectives, none of them alone: others wait "
        f"{fmt.duration(own.caused_wait_ns)} for them, {fmt.percent(share)} of all lateness is theirs."
    )
    return Verdict(seen.group, FILE, text, None, file, share, own.late, own.collectives, own.caused_wait_ns)


def _facts(name: str, own: Budget | None, everyone: Sequence[Budget]) -> list[str]:
    """Returns the buckets in which a rank differs most from the median one, the largest first."""
    if own is None or len(everyone) < 2:
        return []
    differs = []
    for bucket, words in BUCKETS.items():
        middle = median_share(list(everyone), bucket) or 0.0
        if abs(own.share(bucket) - middle) >= DIFFERS_SHARE:
            differs.append((-abs(own.share(bucket) - middle), bucket, words, middle))
    return [
        f"{name} spends {fmt.percent(own.share(bucket))} of its window in {words}, the median rank "
        f"{fmt.percent(middle)}"
        for _, bucket, words, middle in sorted(differs)[:_SHOWN]
    ]
