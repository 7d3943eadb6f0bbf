"""The summary on the terminal: one screen of 24 lines and 80 columns at most."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nsys_llm_explainer.render import coverage
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.escape import terminal
from nsys_llm_explainer.render.trace_facts import profiler
from nsys_llm_explainer.report import Finding, Report

WIDTH = 80
HEIGHT = 24
_ONE_PER_LINE = 8
_LONGEST_COVERAGE = 3
_INDENT = 9


def summary_lines(report: Report, written: str | None = None) -> list[str]:
    """Returns the lines to print: the trace, every GPU, the top findings, coverage, and where the report lies.

    Args:
        report: The report.
        written: Where the report was written, None if it was not.
    """
    gpus = _gpus(report)
    head = [*_trace(report), "", *gpus, *([""] if gpus else [])]
    tail = [*_coverage(report), *_where(written)]
    room = HEIGHT - len(head) - sum(_height(line) for line in tail) - 1
    return [*head, *_findings(report, max(1, room)), "", *tail]


def _height(line: str) -> int:
    return max(1, -(-terminal.cells(line) // WIDTH))


def _trace(report: Report) -> Iterator[str]:
    trace = report.trace
    yield terminal.line(f"{Path(str(trace['path'])).name}  ({fmt.size(trace['file_bytes'])})", WIDTH)
    yield terminal.line(profiler(report), WIDTH)
    parts = []
    start, end = report.window.get("start_ns"), report.window.get("end_ns")
    if start is not None and end is not None:
        parts.append(f"window {fmt.duration(end - start)}")
    processes = report.sections.get("processes")
    if processes is not None and processes.status == "ok":
        workers, all_ = processes.summary["workers"], processes.summary["processes"]
        parts.append(f"{all_} process{'' if all_ == 1 else 'es'}, {workers} with GPU work")
    if parts:
        yield terminal.line("; ".join(parts), WIDTH)


def _gpus(report: Report) -> list[str]:
    section = report.sections.get("gpu_idle")
    rows = section.tables["gpu_devices"].rows() if section is not None and section.status == "ok" else []
    if len(rows) <= _ONE_PER_LINE:  # without any, the finding that nothing was captured comes first
        return [terminal.line(_gpu(row), WIDTH) for row in rows]
    return _gpu_grid(rows)


def _gpu(row: dict[str, Any]) -> str:
    label = terminal.pad(fmt.device_label(row["device_id"], row["gpu_id"]), 7)
    name = f"  {row['gpu_name']}" if row["gpu_name"] else ""
    return f"{label} busy {_busy(row):>9}  idle {_idle(row):>9}  of {fmt.duration(row['window_ns'])}{name}"


def _busy(row: dict[str, Any]) -> str:
    return fmt.ABSENT if row["idle_share"] is None else fmt.percent(row["busy_ns"] / row["window_ns"])


def _idle(row: dict[str, Any]) -> str:
    return fmt.ABSENT if row["idle_share"] is None else fmt.percent(row["idle_share"])


def _gpu_grid(rows: list[dict[str, Any]]) -> list[str]:
    """Returns all devices in as many columns as it takes to fit: two with busy and idle, or more with idle alone."""
    full = [f"{_short_label(row)}: busy {_busy(row)}, idle {_idle(row)}" for row in rows]
    brief = [f"{_short_label(row)} idle {_idle(row)}" for row in rows]
    for texts, columns in ((full, 2), (brief, 3), (brief, 4)):
        cell_width = WIDTH // columns
        if -(-len(texts) // columns) <= _ONE_PER_LINE and max(map(terminal.cells, texts)) < cell_width:
            break
    rows_of_cells = (texts[first : first + columns] for first in range(0, len(texts), columns))
    return ["".join(terminal.pad(text, cell_width) for text in cells).rstrip() for cells in rows_of_cells]


def _short_label(row: dict[str, Any]) -> str:
    return fmt.device_label(row["device_id"] if row["gpu_id"] is None else None, row["gpu_id"])


def _findings(report: Report, room: int) -> list[str]:
    """Returns the findings in as much detail as there is room for: advice goes first, then titles are cut."""
    verdict = coverage.verdict(report)
    head = [] if verdict is None else textwrap.wrap(verdict, WIDTH)
    for with_advice, whole in ((True, True), (False, True), (False, False)):
        lines = [*head, *(line for finding in report.findings for line in _finding(finding, with_advice, whole))]
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
