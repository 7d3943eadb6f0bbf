"""What people see of the tables: text in every cell, still unescaped, and the budget with a column for each bucket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nsys_llm_explainer.job.explained import Budget, median_share
from nsys_llm_explainer.job.tables import RankTable
from nsys_llm_explainer.job.value import Rank, RankReport
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.cells import NAME_KINDS, TEXT_KINDS, cell
from nsys_llm_explainer.render.figures.palette import BUCKETS
from nsys_llm_explainer.sections.view import Shown

MEDIAN = "median rank"
_CAPTIONS = {
    "files": ("Clocks of the files", 100),
    "pairs": ("Pairs of files that were compared", 40),
    "ranks": ("Who waited, and who was waited for", 128),
    "rank_budget": ("Where the time of each rank's GPU went, in percent of its window", 128),
    "rank_steps": ("Steps by rank", 128),
    "communicators": ("Collectives by communicator", 40),
    "rank_skew": ("Collectives with the largest spread", 20),
}


@dataclass(frozen=True)
class Head:
    """The head of a column.

    Attributes:
        text: What stands there.
        about: What the column holds.
        is_text: Whether it is read rather than compared.
        is_name: Whether it holds names from a trace.
    """

    text: str
    about: str
    is_text: bool = False
    is_name: bool = False


@dataclass(frozen=True)
class ShownTable:
    """A table for people.

    Attributes:
        name: Its name in the machine outputs.
        caption: What stands above it.
        heads: Its columns.
        rows: The text of its cells.
        more: Where the rows are that are not here; empty where all are.
    """

    name: str
    caption: str
    heads: tuple[Head, ...]
    rows: tuple[tuple[str, ...], ...]
    more: str


def shown_tables(report: RankReport) -> list[ShownTable]:
    """Returns the tables of a report that have rows, in their order."""
    found = []
    for name, (caption, most) in _CAPTIONS.items():
        table = report.tables[name]
        if table.rows:
            found.append(_budget(report, caption, most) if name == "rank_budget" else _plain(table, caption, most))
    return found


def _plain(table: RankTable, caption: str, most: int) -> ShownTable:
    columns = [column for column in table.columns if column.header]
    # A column in which no row has anything says nothing.
    columns = [column for column in columns if any(row[column.name] not in (None, "") for row in table.rows)]
    heads = tuple(
        Head(column.header, column.about, column.kind in TEXT_KINDS, column.kind in NAME_KINDS) for column in columns
    )
    rows = tuple(
        tuple(cell(Shown(column.name, column.header, column.kind), row) for column in columns)
        for row in table.rows[:most]
    )
    return ShownTable(table.name, caption, heads, rows, _more(table.name, len(rows), table.total_rows))


def _budget(report: RankReport, caption: str, most: int) -> ShownTable:
    ranks = [rank for rank in report.ranks if rank.budget is not None]
    budgets = [rank.budget for rank in ranks if rank.budget is not None]
    used = [bucket for bucket in BUCKETS if any(budget.buckets.get(bucket) for budget in budgets)]
    heads = (
        Head("name", "File and device.", is_text=True, is_name=True),
        Head("window_ms", "Window of its device."),
        *(Head(bucket, BUCKETS[bucket]) for bucket in used),
    )
    rows = [(rank.name, *_shares(rank.budget, used)) for rank in ranks[:most] if rank.budget is not None]
    rows += [_middle(ranks, group, used) for group in groups_of_several(ranks)]
    more = _more("rank_budget", min(most, len(ranks)), len(ranks))
    return ShownTable("rank_budget", caption, heads, tuple(rows), more)


def _shares(budget: Budget, used: Sequence[str]) -> tuple[str, ...]:
    return (fmt.milliseconds(budget.window_ns), *(fmt.percent(budget.share(bucket)) for bucket in used))


def groups_of_several(ranks: Sequence[Rank]) -> list[int]:
    """Returns the groups that have several ranks whose time is known, ascending: one rank is its own median."""
    groups = [rank.group for rank in ranks if rank.budget is not None]
    return [group for group in dict.fromkeys(groups) if groups.count(group) > 1]


def median_name(ranks: Sequence[Rank], group: int) -> str:
    """Returns what to call the median rank of a group."""
    return MEDIAN if len(groups_of_several(ranks)) == 1 else f"{MEDIAN} of group {group}"


def _middle(ranks: Sequence[Rank], group: int, used: Sequence[str]) -> tuple[str, ...]:
    own = [rank.budget for rank in ranks if rank.group == group and rank.budget is not None]
    middles = (median_share(own, bucket) for bucket in used)
    cells = (fmt.ABSENT if middle is None else fmt.percent(middle) for middle in middles)
    return (median_name(ranks, group), fmt.ABSENT, *cells)


def _more(name: str, here: int, total: int) -> str:
    return "" if here >= total else f"Rows 1 to {here} of {fmt.count(total)}; more in tables/{name}.csv."
