"""report.md: the report for a reader who has five minutes, top to bottom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from nsys_llm_explainer._native import Section
from nsys_llm_explainer.render import coverage
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.cells import TEXT_KINDS, figure
from nsys_llm_explainer.render.escape.markdown import code, prose
from nsys_llm_explainer.render.markdown_tables import table_lines
from nsys_llm_explainer.render.trace_facts import trace_facts
from nsys_llm_explainer.report import DEFAULT_KERNEL_LIMIT, Evidence, Finding, Report
from nsys_llm_explainer.sections import SECTIONS, SectionView, Shown

_HOW_TO_READ = (
    "Read from the top and stop when you know enough: first what limits this report, then what to do next, then the "
    "sections with the numbers. Device time at stake is the GPU time that a finding accounts for; no time counts for "
    "two findings, and it is no forecast of a gain. Kernel names are shortened here; report.json and tables/ have them "
    "in full."
)


def report_markdown(report: Report, *, kernel_limit: int = DEFAULT_KERNEL_LIMIT) -> str:
    """Returns the text of report.md.

    Args:
        report: The report.
        kernel_limit: Rows of the kernel table.
    """
    lines = [
        f"# GPU report: {prose(Path(str(report.trace['path'])).name)}",
        "",
        _HOW_TO_READ,
        "",
        *_warnings(report),
        *_findings(report),
        *_facts(report),
    ]
    for view in SECTIONS:
        section = report.sections.get(view.id)
        if section is not None:
            lines += _section(view, section, kernel_limit)
    return "\n".join(lines).rstrip() + "\n"


def _bullets(items: Iterable[str]) -> list[str]:
    return [f"- {item}" for item in items]


def _warnings(report: Report) -> list[str]:
    if not report.warnings:
        return []
    # What the profiler said of itself is often noise: it stands after what limits the figures.
    ordered = sorted(report.warnings, key=lambda warning: warning["code"] == "diagnostic")
    return ["## Warnings", "", *_bullets(prose(str(warning["message"])) for warning in ordered), ""]


def _findings(report: Report) -> list[str]:
    lines = ["## What to do next", ""]
    verdict = coverage.verdict(report)
    if verdict is not None:
        lines += [
            f"{verdict} How far that is:",
            "",
            *_bullets(map(prose, coverage.statements(report))),
            "",
        ]
    for number, finding in enumerate(report.findings, start=1):
        lines += [f"### {number}. {finding.severity.upper()}: {prose(finding.title)}", "", *_finding(finding), ""]
    return lines


def _finding(finding: Finding) -> Iterator[str]:
    if finding.at_stake_ns:
        share = "" if finding.at_stake_share is None else f" ({fmt.percent(finding.at_stake_share)} of the device time)"
        yield f"Device time at stake: {fmt.duration(finding.at_stake_ns)}{share}."
        yield ""
    if finding.evidence:
        yield "Evidence:"
        yield ""
        yield from _bullets(map(_evidence, finding.evidence))
        yield ""
    if finding.recommendations:
        yield "What to do:"
        yield ""
        yield from _bullets(map(prose, finding.recommendations))


def _evidence(evidence: Evidence) -> str:
    return prose(evidence.text)


def _facts(report: Report) -> list[str]:
    lines = ["## The trace", ""]
    lines += _bullets(f"{name}: {prose(value)}" for name, value in trace_facts(report))
    limits = coverage.statements(report)
    if limits:
        lines += ["- coverage: " + prose("; ".join(limits))]
    return [*lines, ""]


def _figure(shown: Shown, section: Section) -> str:
    text = figure(shown, section.summary)
    return prose(text) if shown.kind in TEXT_KINDS and text != fmt.ABSENT else text


def _section(view: SectionView, section: Section, kernel_limit: int) -> list[str]:
    lines = [f"## {view.title}", ""]
    if section.status != "ok":
        needs = [prose(need) for need in section.needs]
        return [*lines, "Not available in this report:", "", *_bullets(needs), ""]
    lines += [view.reading, ""]
    if section.derived_from:
        lines += [f"Derived from: {', '.join(code(source) for source in section.derived_from)}.", ""]
    if section.limitations:
        lines += ["Limits:", "", *_bullets(map(prose, section.limitations)), ""]
    figures = [f"{shown.header}: **{_figure(shown, section)}**" for shown in view.summary]
    lines += [" · ".join(figures), ""]
    for table_view in view.tables:
        table = section.tables.get(table_view.table)
        if table is not None:
            rows = kernel_limit if table_view.table == "kernels" else table_view.rows
            lines += table_lines(table_view, table, rows)
    return lines
