"""report.html: one page that carries everything it shows, and asks nobody for anything."""

from __future__ import annotations

from pathlib import Path

from nsys_llm_explainer._native import __version__
from nsys_llm_explainer.render import coverage
from nsys_llm_explainer.render.escape.text import visible
from nsys_llm_explainer.render.figures import charts as charts_of
from nsys_llm_explainer.render.figures.chart import Tables
from nsys_llm_explainer.render.figures.palette import DARK, LIGHT
from nsys_llm_explainer.render.page.content import blocks, cards, chart_data
from nsys_llm_explainer.render.page.library import plotly_script, style_ids
from nsys_llm_explainer.render.page.policy import content_security_policy, inline, script_json
from nsys_llm_explainer.render.page.shell import FIRST_SCRIPT, STYLES, asset, colours, template
from nsys_llm_explainer.render.page.timeline import timeline
from nsys_llm_explainer.render.trace_facts import trace_facts
from nsys_llm_explainer.report import Report

SCRIPTS = ("theme.js", "tables.js", "charts.js", "clock.js", "bins.js", "timeline_draw.js", "timeline.js", "start.js")
"""In the order in which they run, after the chart library."""

TEMPLATE = "page.html.j2"


def report_html(report: Report) -> str:
    """Returns the text of report.html.

    Args:
        report: The report.

    Raises:
        FileNotFoundError: The chart library is not installed.
    """
    tables = Tables(report)
    charts = charts_of(tables)
    lanes = timeline(report, tables)
    library = plotly_script() if charts else ""
    own = inline("\n".join(["'use strict';", *map(asset, SCRIPTS)]))
    first = inline(asset(FIRST_SCRIPT))
    style = inline("\n".join([colours(), *map(asset, STYLES)]))
    data = {
        "charts": chart_data(charts),
        "timeline": lanes,
        "light": dict(LIGHT),
        "dark": dict(DARK),
    }
    return template(TEMPLATE).render(
        policy=content_security_policy([first, own, *([library] if library else [])], [style]),
        first_script=first,
        style=style,
        library=library,
        library_style_ids=style_ids() if library else [],
        script=own,
        data=script_json(data),
        name=visible(Path(str(report.trace["path"])).name),
        version=__version__,
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
