"""What stands on the page, as values for its template: findings, sections, figures, facts. All text is unescaped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nsys_llm_explainer._native import Section
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.cells import figure
from nsys_llm_explainer.render.escape.text import visible
from nsys_llm_explainer.render.figures.chart import Chart
from nsys_llm_explainer.render.page.tables import PageTable, page_table
from nsys_llm_explainer.render.tables import Tables
from nsys_llm_explainer.report import Finding, Report
from nsys_llm_explainer.sections import SECTIONS, SectionView

SECTION_CHARTS = {
    "budget": ("budget",),
    "steps": ("steps", "step_histogram", "slowest_step"),
    "categories": ("categories",),
    "launch_path": ("launches",),
    "memory": ("copies",),
    "communication": ("rank_waits",),
}
ORDER = (
    "budget",
    "steps",
    "categories",
    "launch_path",
    "communication",
    "memory",
    "nvtx",
    "phases",
    "processes",
    "kernels",
    "launches",
    "sync",
    "gpu_idle",
    "graphs",
    "checks",
)
"""The page's order: what a reader asks first, then the plain tables, then what speaks of the report itself."""


class Card(NamedTuple):
    """A finding.

    Attributes:
        anchor: Its id on the page.
        severity: Its severity.
        title: Its title.
        stake: The device time at stake, for people; empty without any.
        share_percent: The same as a number from 0 to 100, for the bar.
        evidence: The observations, each with its time range on the trace's clock as ``START:END`` in ns.
        recommendations: What to try.
        paragraphs: What it means, how to verify, what would contradict it: heading and text.
        zoom: Where the timeline shows it, as ``START:END`` in ns; empty where it has no place.
    """

    anchor: str
    severity: str
    title: str
    stake: str
    share_percent: str
    evidence: tuple[tuple[str, str], ...]
    recommendations: tuple[str, ...]
    paragraphs: tuple[tuple[str, str], ...]
    zoom: str


class Block(NamedTuple):
    """A section.

    Attributes:
        id: Its id.
        title: Its title.
        reading: How to read it.
        needs: What is missing for it; empty where it is there.
        limits: What limits it.
        sources: The tables of the export that it comes from.
        figures: Its summary: heading and text.
        charts: Name and chart.
        tables: Its tables.
    """

    id: str
    title: str
    reading: str
    needs: tuple[str, ...]
    limits: tuple[str, ...]
    sources: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    charts: tuple[tuple[str, Chart], ...]
    tables: tuple[PageTable, ...]


def cards(report: Report) -> list[Card]:
    """Returns the findings in their order."""
    return [_card(number, finding) for number, finding in enumerate(report.findings, start=1)]


def blocks(report: Report, tables: Tables, charts: Mapping[str, Chart]) -> list[Block]:
    """Returns the sections in the page's order.

    Args:
        report: The report.
        tables: Its tables.
        charts: All charts of the report.
    """
    views = {view.id: view for view in SECTIONS}
    order = [*(name for name in ORDER if name in views), *(name for name in views if name not in ORDER)]
    return [_block(views[name], report.sections[name], tables, charts) for name in order if name in report.sections]


def _card(number: int, finding: Finding) -> Card:
    share = finding.at_stake_share
    stake = ""
    if finding.at_stake_ns:
        stake = fmt.duration(finding.at_stake_ns)
        stake += "" if share is None else f", {fmt.percent(share)} of the device time"
    ranges = [item.time_range_ns for item in finding.evidence if item.time_range_ns is not None]
    paragraphs = (
        ("What it usually means", finding.meaning),
        ("How to verify", finding.verify),
        ("What would contradict it", finding.contradicted_by),
    )
    return Card(
        anchor=f"finding-{number}",
        severity=finding.severity,
        title=visible(finding.title),
        stake=stake,
        share_percent=f"{100 * min(1.0, max(0.0, share or 0.0)):.2f}",
        evidence=tuple((visible(item.text), _range(item.time_range_ns)) for item in finding.evidence),
        recommendations=tuple(map(visible, finding.recommendations)),
        paragraphs=tuple((heading, visible(text)) for heading, text in paragraphs if text),
        zoom=_range(ranges[0]) if ranges else "",
    )


def _range(time_range: tuple[int, int] | None) -> str:
    return "" if time_range is None else f"{time_range[0]}:{time_range[1]}"


def _block(view: SectionView, section: Section, tables: Tables, charts: Mapping[str, Chart]) -> Block:
    there = section.status == "ok"
    shown: list[PageTable] = []
    if there:
        found = tables.of(view.id)
        made = (page_table(one, found[one.table]) for one in view.tables if one.table in found)
        shown = [table for table in made if table is not None]
    summary = section.summary
    names: tuple[str, ...] = SECTION_CHARTS.get(view.id, ()) if there else ()
    return Block(
        id=view.id,
        title=view.title,
        reading=view.reading,
        needs=() if there else tuple(map(visible, section.needs)) or ("nothing to show",),
        limits=tuple(map(visible, section.limitations)),
        sources=tuple(map(visible, section.derived_from)) if there else (),
        figures=tuple((one.header, visible(figure(one, summary))) for one in view.summary) if there else (),
        charts=tuple((name, charts[name]) for name in names if name in charts),
        tables=tuple(shown),
    )


def chart_data(charts: Mapping[str, Chart]) -> dict[str, Any]:
    """Returns what the page's script needs of the charts."""
    return {name: {"data": chart.data, "layout": chart.layout} for name, chart in charts.items()}
