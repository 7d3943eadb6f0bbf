"""fleet.html: all traces on one page that carries everything it shows, and asks nobody for anything."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from nsys_llm_explainer.fleet.columns import shown
from nsys_llm_explainer.fleet.figures import charts as charts_of
from nsys_llm_explainer.fleet.result import Fleet
from nsys_llm_explainer.fleet.texts import Part, links, parts, verdict
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.cells import NAME_KINDS, TEXT_KINDS
from nsys_llm_explainer.render.escape.text import visible
from nsys_llm_explainer.render.figures.chart import Chart
from nsys_llm_explainer.render.page.content import chart_data
from nsys_llm_explainer.render.page.shell import asset, page
from nsys_llm_explainer.render.page.tables import Column, PageTable, body

SCRIPTS = ("theme.js", "tables.js", "charts.js")
OWN_SCRIPT = "start_fleet.js"
TEMPLATE = "fleet.html.j2"
MOST_ROWS = 1_000
ROWS_AT_FIRST = 40


@dataclass(frozen=True)
class Block:
    """A section of the page.

    Attributes:
        id: Its anchor.
        title: Its heading.
        notes: What to know about it.
        charts: Name and chart.
        table: Its table, None without columns.
        empty: What to say where the table has no row.
    """

    id: str
    title: str
    notes: tuple[str, ...]
    charts: tuple[tuple[str, Chart], ...]
    table: PageTable | None
    empty: str


def fleet_html(fleet: Fleet) -> bytes:
    """Returns the content of fleet.html.

    Args:
        fleet: All traces.

    Raises:
        FileNotFoundError: The chart library is not installed.
    """
    charts = charts_of(fleet)
    return page(
        TEMPLATE,
        scripts=[*map(asset, SCRIPTS), _own(OWN_SCRIPT)],
        data={"charts": chart_data(charts)},
        has_charts=bool(charts),
        load=_load,
        generated_at=fleet.generated_at,
        verdict=visible(verdict(fleet)),
        blocks=[_block(part, charts) for part in parts(fleet)],
        links=[(visible(name), path) for name, path in links(fleet).items()],
    )


def _load(name: str) -> str:
    return _own(name) if name == TEMPLATE else asset(name)


def _own(name: str) -> str:
    return (resources.files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _block(part: Part, charts: dict[str, Chart]) -> Block:
    drawn = tuple((name, charts[name]) for name in part.charts if name in charts)
    notes = tuple(map(visible, part.notes))
    return Block(part.id, visible(part.title), notes, drawn, _table(part) if part.columns else None, part.empty)


def _table(part: Part) -> PageTable:
    about = {column.name: column.description for column in part.columns}
    columns = shown(part.columns)
    heads = tuple(
        Column(column.header, about[column.column], column.kind in TEXT_KINDS, column.kind in NAME_KINDS)
        for column in columns
    )
    rows = part.rows[:MOST_ROWS]
    total = len(part.rows)
    at_first = min(len(rows), ROWS_AT_FIRST)
    inside = body(columns, rows, at_first)
    counted = fmt.counted(total, "row")
    return PageTable(part.id, visible(part.title), heads, len(rows), inside, at_first, total, counted, "fleet.json")
