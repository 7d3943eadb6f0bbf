"""diff.html: one page that carries everything it shows, and asks nobody for anything."""

from __future__ import annotations

from dataclasses import dataclass

from nsys_llm_explainer.comparison.charts import charts as charts_of
from nsys_llm_explainer.comparison.layout import BLOCKS, CAVEAT, no_changes, status_words
from nsys_llm_explainer.comparison.value import Comparison, DiffTable
from nsys_llm_explainer.render.escape.text import visible
from nsys_llm_explainer.render.figures.chart import Chart
from nsys_llm_explainer.render.page.content import chart_data
from nsys_llm_explainer.render.page.shell import asset, page
from nsys_llm_explainer.render.page.tables import PageTable, page_table

SCRIPTS = ("theme.js", "tables.js", "charts.js", "start_diff.js")
TEMPLATE = "diff.html.j2"
_CHARTS = {"budget": ("budget",), "times": ("periods_",)}
"""Beginnings of the names of the charts of a block."""


@dataclass(frozen=True)
class Block:
    """Tables and charts under one heading."""

    id: str
    title: str
    charts: tuple[tuple[str, Chart], ...]
    tables: tuple[tuple[str, PageTable], ...]


def comparison_html(comparison: Comparison) -> bytes:
    """Returns the content of diff.html.

    Args:
        comparison: The comparison.

    Raises:
        FileNotFoundError: The chart library is not installed.
    """
    charts = charts_of(comparison)
    sides = (("Before", comparison.before), ("After", comparison.after))
    return page(
        TEMPLATE,
        scripts=[asset(name) for name in SCRIPTS],
        data={"charts": chart_data(charts)},
        has_charts=bool(charts),
        before=visible(comparison.before.name),
        after=visible(comparison.after.name),
        generated_at=comparison.generated_at,
        lead=visible(comparison.lead),
        caveat=CAVEAT,
        changes=[visible(text) for text in comparison.changes],
        no_changes=no_changes(comparison),
        origins=[visible(text) for text in comparison.origins],
        status=comparison.status,
        status_words=status_words(comparison),
        reasons=[visible(text) for text in comparison.reasons],
        differences=_page_table(comparison.tables["differences"]) if comparison.differences else None,
        blocks=_blocks(comparison, charts),
        notes=[visible(text) for text in comparison.notes],
        traces=[(heading, [(name, visible(text)) for name, text in side.facts]) for heading, side in sides],
    )


def _blocks(comparison: Comparison, charts: dict[str, Chart]) -> list[Block]:
    found = []
    for name, title, tables in BLOCKS:
        shown = [comparison.tables[table] for table in tables if comparison.tables[table].held]
        pages = [(table.spec.reading, _page_table(table)) for table in shown]
        own = tuple((key, chart) for key, chart in charts.items() if key.startswith(_CHARTS.get(name, ("\0",))))
        if shown or own:
            found.append(Block(name, title, own, tuple((text, page) for text, page in pages if page is not None)))
    return found


def _page_table(table: DiffTable) -> PageTable | None:
    return page_table(table.spec.view, table)
