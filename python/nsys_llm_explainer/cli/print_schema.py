"""``--print-schema``: what an export holds, and what can be computed from it."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator
from typing import Any

from nsys_llm_explainer._native import Trace
from nsys_llm_explainer.api import open_trace
from nsys_llm_explainer.nsys_export import sqlite_of
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.escape import terminal

_WIDTH = 100
_MARKS = {"ok": "yes", "partial": "partly", "missing": "no"}


def run_print_schema(options: argparse.Namespace) -> None:
    """Runs ``nsys-llm-explain TRACE --print-schema``."""
    with sqlite_of(options.trace) as path:
        lines = list(schema_lines(open_trace(path, source=options.source), options.trace))
    print("\n".join(lines))


def schema_lines(trace: Trace, name: str) -> Iterator[str]:
    """Yields what to print about an opened trace.

    Args:
        trace: The trace.
        name: What the user calls it.
    """
    info = trace.info()
    yield f"{terminal.line(name)}: {fmt.size(info['file_bytes'])}"
    for key, label in (
        ("nsys_version", "Nsight Systems"),
        ("export_schema_version", "export schema"),
        ("capture_version", "captured with"),
    ):
        if info.get(key):
            yield f"  {label} {terminal.line(str(info[key]))}"
    if info.get("duration_ns"):
        yield f"  capture of {fmt.duration(info['duration_ns'])}"
    span = info.get("span_ns")
    yield f"  time span {_span(span)}"
    yield f"  read through {terminal.line(str(info['source']))}: {terminal.line(str(info['source_reason']))}"
    for note in info.get("notes") or ():
        yield f"  note: {terminal.line(str(note))}"
    yield ""
    yield "What can be computed:"
    for capability in trace.capabilities():
        yield from _capability(capability)
    yield ""
    yield "Tables:"
    for table in trace.tables():
        yield f"  {terminal.line(table['name'])}  {fmt.counted(table['rows'], 'row')}"
        columns = terminal.line(", ".join(table["columns"]))
        yield from textwrap.wrap(columns, _WIDTH, initial_indent="      ", subsequent_indent="      ")


def _span(span: tuple[int, int] | None) -> str:
    if span is None:
        return "unknown: no event carries a time"
    start, end = span
    return f"{fmt.time_range(start, end)} ({fmt.duration(end - start)})"


def _capability(capability: dict[str, Any]) -> Iterator[str]:
    text = f"{capability['section']:<13} {_MARKS.get(capability['status'], capability['status']):<7}"
    if capability.get("reason"):
        text += f" {capability['reason']}"
    if capability.get("capture_flag"):
        text += f" [capture with {capability['capture_flag']}]"
    yield from textwrap.wrap(terminal.line(text), _WIDTH, initial_indent="  ", subsequent_indent=" " * 21)
