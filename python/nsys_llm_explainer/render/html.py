"""The core of the page for notebooks: the verdict, the budget as a picture, the devices and the findings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nsys_llm_explainer.render import coverage
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.cells import cell
from nsys_llm_explainer.render.escape.html import text
from nsys_llm_explainer.render.figures import charts
from nsys_llm_explainer.render.figures.svg import pictures
from nsys_llm_explainer.render.tables import Tables
from nsys_llm_explainer.report import Report
from nsys_llm_explainer.sections.gpu_idle import VIEW as GPU_IDLE


def summary_html(report: Report) -> str:
    """Returns the core of the report as HTML without scripts, styles or links."""
    return "".join(_parts(report))


def _parts(report: Report) -> Iterator[str]:
    yield f"<div><p><b>{text(Path(str(report.trace['path'])).name)}</b></p>"
    yield f"<p>{text(coverage.verdict(report))}</p>"
    if report.findings:
        yield "<ul>"
        for finding in report.findings:
            stake = f" ({text(fmt.duration(finding.at_stake_ns))} at stake)" if finding.at_stake_ns else ""
            yield f"<li><b>{text(finding.severity)}</b> {text(finding.title)}{stake}</li>"
        yield "</ul>"
    tables = Tables(report)
    for picture in pictures(tables, charts(tables)).values():
        yield f"<div>{picture.text}</div>"
    yield from _devices(report)
    statements = coverage.statements(report)
    if statements:
        yield f"<p>{text('; '.join(statements))}</p>"
    yield "</div>"


def _devices(report: Report) -> Iterator[str]:
    if not coverage.has_gpu_work(report):
        yield "<p>No GPU activity was captured.</p>"
        return
    table = report.sections["gpu_idle"].tables["gpu_devices"]
    columns = next(view for view in GPU_IDLE.tables if view.table == "gpu_devices").columns
    yield "<table><tr>" + "".join(f"<th>{text(shown.header)}</th>" for shown in columns) + "</tr>"
    for row in table.rows():
        yield "<tr>" + "".join(f"<td>{text(cell(shown, row))}</td>" for shown in columns) + "</tr>"
    yield "</table>"
