"""The summary on the terminal: one screen of 24 lines and 80 columns at most."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from nsys_llm_explainer.render import coverage
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.escape import terminal
from nsys_llm_explainer.render.terminal_budget import device_lines, step_lines
from nsys_llm_explainer.render.trace_facts import profiler
from nsys_llm_explainer.report import Finding, Report

WIDTH = 80
HEIGHT = 24
_LONGEST_COVERAGE = 2
_INDENT = 9


def summary_lines(report: Report, written: str | None = None) -> list[str]:
    """Returns the lines to print: the trace, the findings, every GPU's time, the steps, coverage, the report's place.

    Args:
        report: The report.
        written: Where the report was written, None if it was not.
    """
    head = [*_trace(report), "", *_failed(report)]
    devices = [*device_lines(report, WIDTH), *step_lines(report, WIDTH)]
    tail = [*devices, *([""] if devices else []), *_coverage(report), *_where(written)]
    room = HEIGHT - len(head) - sum(_height(line) for line in tail) - 1
    return [*head, *_findings(report, max(1, room)), "", *tail]


def _height(line: str) -> int:
    return max(1, -(-terminal.cells(line) // WIDTH))


def _trace(report: Report) -> Iterator[str]:
    trace = report.trace
    yield terminal.line(f"{Path(str(trace['path'])).name}  ({fmt.size(trace['file_bytes'])})", WIDTH)
    parts = [profiler(report)]
    start, end = report.window.get("start_ns"), report.window.get("end_ns")
    if start is not None and end is not None:
        parts.append(f"window {fmt.duration(end - start)}{_kind_of_window(report)}")
    processes = report.sections.get("processes")
    if processes is not None and processes.status == "ok":
        workers, all_ = processes.summary["workers"], processes.summary["processes"]
        parts.append(f"{all_} process{'' if all_ == 1 else 'es'}, {workers} with GPU work")
    yield from (terminal.line(line, WIDTH) for line in textwrap.wrap(terminal.line("; ".join(parts)), WIDTH)[:2])


def _kind_of_window(report: Report) -> str:
    return " (steady)" if report.window.get("source") == "steady" else ""


def _failed(report: Report) -> Iterator[str]:
    failed = coverage.failed_checks(report)
    if failed:
        more = "" if len(failed) == 1 else f" (and {len(failed) - 1} more)"
        yield terminal.line(f"WARNING: {failed[0]}{more}", WIDTH)


def _findings(report: Report, room: int) -> list[str]:
    """Returns the findings in as much detail as there is room for: advice goes first, then titles are cut."""
    found = [finding for finding in report.findings if finding.id != coverage.HEALTHY]
    verdict = [] if coverage.strong(report) else textwrap.wrap(terminal.line(coverage.verdict(report)), WIDTH)
    for with_advice, whole in ((True, True), (False, True), (False, False)):
        lines = [*verdict, *(line for finding in found for line in _finding(finding, with_advice, whole))]
        if len(lines) <= room:
            return lines
    hidden = len(lines) - room + 1
    return [*lines[: room - 1], f"and {fmt.counted(hidden, 'more finding')} in the report"]


def _finding(finding: Finding, with_advice: bool, whole: bool) -> list[str]:
    head = f"[{finding.severity}]".ljust(_INDENT)
    if not whole:
        return [terminal.line(head + finding.title, WIDTH)]
    lines = _wrapped(finding.title, head)
    if with_advice and finding.severity != "low" and finding.recommendations:
        lines += _wrapped(finding.recommendations[0], " " * _INDENT + "-> ")
    return lines


def _wrapped(text: str, head: str) -> list[str]:
    after = " " * len(head)
    safe = terminal.line(text)
    lines = textwrap.wrap(safe, WIDTH, initial_indent=head, subsequent_indent=after, break_on_hyphens=False)
    return [terminal.line(line, WIDTH) for line in lines]


def _coverage(report: Report) -> Iterator[str]:
    statements = coverage.statements(report)
    if statements:
        lines = textwrap.wrap(terminal.line(f"Coverage: {'; '.join(statements)}"), WIDTH)
        yield from lines[:_LONGEST_COVERAGE]


def _where(written: str | None) -> Iterator[str]:
    if written is not None:
        yield f"Report: {terminal.line(written)}"
