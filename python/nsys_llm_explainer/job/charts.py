"""The two pictures of ranks.html: the budget of each rank beside the median one, and who others wait for."""

from __future__ import annotations

from dataclasses import dataclass

from nsys_llm_explainer.job.explained import median_share
from nsys_llm_explainer.job.shown import groups_of_several, median_name
from nsys_llm_explainer.job.value import RankReport
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.escape.text import visible
from nsys_llm_explainer.render.figures.palette import BUCKETS

MOST_RANKS = 128
WIDTH = 660
"""Of the bars, in units of the picture."""
_LABEL = 30


@dataclass(frozen=True)
class Piece:
    """A piece of a bar.

    Attributes:
        colour: Name of its colour in the palette.
        left: Where it begins.
        width: How long it is.
        hint: What it is, for people.
    """

    colour: str
    left: float
    width: float
    hint: str


@dataclass(frozen=True)
class Bar:
    """A bar with its label, and what stands behind it."""

    label: str
    pieces: tuple[Piece, ...]
    value: str
    is_marked: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture made of bars.

    Attributes:
        name: Its id on the page.
        title: What it shows.
        alternative: The same in a sentence.
        bars: Its bars, from the top.
        legend: Words and colour.
    """

    name: str
    title: str
    alternative: str
    bars: tuple[Bar, ...]
    legend: tuple[tuple[str, str], ...] = ()


def pictures(report: RankReport) -> list[Picture]:
    """Returns the pictures for which the report has numbers."""
    return [picture for picture in (_lateness(report), _budget(report)) if picture is not None]


def _lateness(report: RankReport) -> Picture | None:
    ranks = [rank for rank in report.ranks if rank.waits is not None][:MOST_RANKS]
    caused = {rank.number: rank.waits.caused_wait_ns for rank in ranks if rank.waits is not None}
    longest = max(caused.values(), default=0)
    if not longest:
        return None
    marked = {verdict.rank for verdict in report.verdicts}
    bars = []
    for rank in ranks:
        text = fmt.duration(caused[rank.number])
        piece = Piece("idle.host_code", 0, WIDTH * caused[rank.number] / longest, f"others wait {text} for it")
        bars.append(Bar(_label(rank.name), (piece,), text, rank.number in marked))
    most = max(ranks, key=lambda rank: (caused[rank.number], -rank.number))
    alternative = f"Most is waited for {visible(most.name)}: {fmt.duration(longest)}."
    return Picture("lateness", "What the other ranks wait for each rank", alternative, tuple(bars))


def _budget(report: RankReport) -> Picture | None:
    ranks = [rank for rank in report.ranks if rank.budget is not None][:MOST_RANKS]
    budgets = [rank.budget for rank in ranks if rank.budget is not None]
    if not budgets:
        return None
    used = [bucket for bucket in BUCKETS if any(budget.buckets.get(bucket) for budget in budgets)]
    marked = {verdict.rank for verdict in report.verdicts}
    bars = []
    for rank, budget in zip(ranks, budgets):
        pieces = _pieces({bucket: budget.share(bucket) for bucket in used})
        bars.append(Bar(_label(rank.name), pieces, fmt.duration(budget.window_ns), rank.number in marked))
    for group in groups_of_several(ranks):
        own = [budget for rank, budget in zip(ranks, budgets) if rank.group == group]
        middles = {bucket: median_share(own, bucket) or 0.0 for bucket in used}
        bars.append(Bar(_label(median_name(ranks, group)), _pieces(middles), ""))
    busiest = max(zip(ranks, budgets), key=lambda pair: (pair[1].share("compute"), -pair[0].number))
    share = fmt.percent(busiest[1].share("compute"))
    alternative = f"{visible(busiest[0].name)} computes most, {share} of its window."
    legend = tuple((BUCKETS[bucket], bucket) for bucket in used)
    return Picture("budget", "Where the time of each rank's GPU went", alternative, tuple(bars), legend)


def _pieces(shares: dict[str, float]) -> tuple[Piece, ...]:
    pieces, left = [], 0.0
    for bucket, share in shares.items():
        # Medians of shares need not add up to one.
        width = min(share, 1 - left / WIDTH) * WIDTH
        if width > 0:
            pieces.append(Piece(bucket, left, width, f"{BUCKETS[bucket]}: {fmt.percent(share)}"))
        left += width
    return tuple(pieces)


def _label(name: str) -> str:
    """Returns a name that fits beside a bar: of a long one the end, where ranks differ."""
    safe = visible(name)
    return safe if len(safe) <= _LABEL else "…" + safe[1 - _LABEL :]
