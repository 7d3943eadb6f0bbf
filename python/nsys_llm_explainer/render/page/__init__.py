"""report.html: one page that carries everything it shows, and asks nobody for anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nsys_llm_explainer.render import coverage
from nsys_llm_explainer.render.escape.text import visible
from nsys_llm_explainer.render.figures import charts as charts_of
from nsys_llm_explainer.render.figures.chart import Chart
from nsys_llm_explainer.render.page.content import blocks, cards, chart_data
from nsys_llm_explainer.render.page.shell import asset, page
from nsys_llm_explainer.render.page.timeline import timeline
from nsys_llm_explainer.render.tables import Tables
from nsys_llm_explainer.render.trace_facts import trace_facts
from nsys_llm_explainer.report import Report

SCRIPTS = ("theme.js", "tables.js", "charts.js", "clock.js", "bins.js", "timeline_draw.js", "timeline.js", "start.js")
"""In the order in which they run, after the chart library."""

TEMPLATE = "page.html.j2"


def report_html(report: Report, tables: Tables | None = None, charts: Mapping[str, Chart] | None = None) -> bytes:
    """Returns the content of report.html.

    Args:
        report: The report.
        tables: Its tables, where the caller has them.
        charts: Its charts, likewise.

    Raises:
        FileNotFoundError: The chart library is not installed.
    """
    tables = tables or Tables(report)
    charts = charts_of(tables) if charts is None else charts
    lanes = timeline(report, tables)
    return page(
        TEMPLATE,
        scripts=[asset(name) for name in SCRIPTS],
        data={"charts": chart_data(charts), "timeline": lanes},
        has_charts=bool(charts),
        name=visible(Path(str(report.trace["path"])).name),
        generated_at=report.generated_at,
        verdict=visible(coverage.verdict(report)),
        statements=[visible(text) for text in coverage.statements(report)],
        warnings=[visible(str(warning["message"])) for warning in _ordered(report)],
        facts=[(name, visible(value)) for name, value in trace_facts(report)],
        cards=cards(report),
        blocks=blocks(report, tables, charts),
        timeline=lanes,
        capture=report.capture,
    )


def _ordered(report: Report) -> list[dict[str, str]]:
    # What the profiler said of itself is often noise: it stands after what limits the figures.
    return sorted(map(dict, report.warnings), key=lambda warning: warning["code"] == "diagnostic")
