"""report.md: the report for a reader who has five minutes, top to bottom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nsys_llm_explainer.render import coverage
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.cells import TEXT_KINDS, figure
from nsys_llm_explainer.render.escape.markdown import code, prose
from nsys_llm_explainer.render.markdown_tables import table_lines
from nsys_llm_explainer.render.tables import Tables
from nsys_llm_explainer.render.trace_facts import trace_facts
from nsys_llm_explainer.report import DEFAULT_KERNEL_LIMIT, Finding, Report
from nsys_llm_explainer.sections import SECTIONS, SectionView, Shown

_HOW_TO_READ = (
    "Read from the top and stop when you know enough: first what limits this report, then the verdict and the "
    "findings, then where the time of each GPU went and how long the steps take, then the sections with the details. "
    "Device time at stake is the GPU time that a finding accounts for; no time counts for two findings, and it is no "
    "forecast of a gain. Kernel names are shortened here; report.json and tables/ have them in full."
)
_FIRST = ("budget", "steps")


def report_markdown(
    report: Report,
    tables: Tables | None = None,
    *,
    kernel_limit: int = DEFAULT_KERNEL_LIMIT,
    pictures: Mapping[str, tuple[str, str]] = MappingProxyType({}),
) -> str:
    """Returns the text of report.md.

    Args:
        report: The report.
        tables: Its tables, where the caller has them.
        kernel_limit: Rows of the kernel table.
        pictures: For the id of a section the path of its picture and what it shows, as text.
    """
    lines = [
        f"# GPU report: {prose(Path(str(report.trace['path'])).name)}",
        "",
        _HOW_TO_READ,
        "",
        *_warnings(report),
        *_findings(report),
    ]
    held = tables or Tables(report)
    for view in SECTIONS:
        if view.id in _FIRST:
            lines += _with_picture(_section(report, held, view, kernel_limit), pictures.get(view.id))
    lines += [*_facts(report), *_capture(report)]
    for view in SECTIONS:
        if view.id not in _FIRST:
            lines += _section(report, held, view, kernel_limit)
    return "\n".join(lines).rstrip() + "\n"


def _with_picture(lines: list[str], picture: tuple[str, str] | None) -> list[str]:
    """Returns a section with its picture under the heading."""
    if picture is None:
        return lines
    path, alternative = picture
    return [*lines[:2], f"![{prose(alternative)}]({path})", "", *lines[2:]]


def _bullets(items: Iterable[str]) -> list[str]:
    return [f"- {item}" for item in items]


def _warnings(report: Report) -> list[str]:
    if not report.warnings:
        return []
    # A failed check makes figures doubtful; what the profiler said of itself is often noise.
    rank = {"check_failed": 0, "diagnostic": 2}
    ordered = sorted(report.warnings, key=lambda warning: rank.get(str(warning["code"]), 1))
    return ["## Warnings", "", *_bullets(prose(str(warning["message"])) for warning in ordered), ""]


def _findings(report: Report) -> list[str]:
    lines = ["## Verdict", "", prose(coverage.verdict(report)), ""]
    healthy = [finding for finding in report.findings if finding.id == coverage.HEALTHY]
    far = [evidence.text for finding in healthy for evidence in finding.evidence]
    far += [] if coverage.strong(report) else coverage.statements(report)
    if far:
        lines += ["How far that is:", "", *_bullets(map(prose, far)), ""]
    others = [finding for finding in report.findings if finding.id != coverage.HEALTHY]
    if others:
        lines += ["## What to do next", ""]
    for number, finding in enumerate(others, start=1):
        lines += [f"### {number}. {finding.severity.upper()}: {prose(finding.title)}", "", *_finding(finding), ""]
    return lines


def _finding(finding: Finding) -> Iterator[str]:
    if finding.at_stake_ns:
        share = "" if finding.at_stake_share is None else f" ({fmt.percent(finding.at_stake_share)} of the device time)"
        yield f"Device time at stake: {fmt.duration(finding.at_stake_ns)}{share}."
        yield ""
    in_full = finding.severity != "low"
    if in_full and finding.meaning:
        yield f"What it usually means: {prose(finding.meaning)}"
        yield ""
    if finding.evidence:
        yield "Evidence:"
        yield ""
        yield from _bullets(prose(evidence.text) for evidence in finding.evidence)
        yield ""
    if finding.recommendations:
        yield "What to do:"
        yield ""
        yield from _bullets(map(prose, finding.recommendations))
    for heading, text in (
        ("How to verify", finding.verify),
        ("What would contradict it", finding.contradicted_by),
    ):
        if in_full and text:
            yield ""
            yield f"{heading}: {prose(text)}"


def _facts(report: Report) -> list[str]:
    lines = ["## The trace", ""]
    lines += _bullets(f"{name}: {prose(value)}" for name, value in trace_facts(report))
    limits = coverage.statements(report)
    if limits:
        lines += ["- coverage: " + prose("; ".join(limits))]
    return [*lines, ""]


def _capture(report: Report) -> list[str]:
    advice = report.capture
    if not advice.lacks:
        return []
    lines = ["## What this capture cannot show", ""]
    lines += _bullets(f"{prose(lack.question)}: {prose(lack.remedy)}" for lack in advice.lacks)
    lines.append("")
    if advice.recipes:
        lines += ["To see it, capture again:", ""]
    for recipe in advice.recipes:
        lines += [f"{recipe.title}:", "", "```bash", recipe.command, recipe.export, "```", ""]
    return lines


def _figure(shown: Shown, summary: Mapping[str, Any]) -> str:
    text = figure(shown, summary)
    return prose(text) if shown.kind in TEXT_KINDS and text != fmt.ABSENT else text


def _section(report: Report, tables: Tables, view: SectionView, kernel_limit: int) -> list[str]:
    section = report.sections.get(view.id)
    if section is None:
        return []
    lines = [f"## {view.title}", ""]
    if section.status != "ok":
        needs = [prose(need) for need in section.needs]
        return [*lines, "Not available in this report:", "", *_bullets(needs), ""]
    lines += [view.reading, ""]
    if section.derived_from:
        lines += [f"Derived from: {', '.join(code(source) for source in section.derived_from)}.", ""]
    if section.limitations:
        lines += ["Limits:", "", *_bullets(map(prose, section.limitations)), ""]
    summary = section.summary
    figures = [f"{shown.header}: **{_figure(shown, summary)}**" for shown in view.summary]
    lines += [" · ".join(figures), ""]
    found = tables.of(view.id)
    for table_view in view.tables:
        table = found.get(table_view.table)
        if table is not None:
            rows = kernel_limit if table_view.table == "kernels" else table_view.rows
            lines += table_lines(table_view, table, rows)
    return lines
