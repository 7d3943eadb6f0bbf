"""The summary of a job on the terminal: the worst traces first, and where the reports are."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nsys_llm_explainer.fleet.outputs import MARKDOWN
from nsys_llm_explainer.fleet.result import Fleet, worst_first
from nsys_llm_explainer.fleet.texts import verdict
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.escape import terminal

WIDTH = 100
MOST_TRACES = 12
MOST_OUTLIERS = 5
_NAME = 28
_GAP = "  "
_COLUMNS = (("idle", 8), ("comm", 8), ("decode p50", 11), ("tokens/s", 10))
Row = Mapping[str, Any]


def fleet_lines(fleet: Fleet, out: Path) -> list[str]:
    """Returns the lines to print.

    Args:
        fleet: All traces.
        out: Where the reports are, as people call it.
    """
    lines = textwrap.wrap(terminal.line(verdict(fleet)), WIDTH)
    lines += ["", *_table(fleet), "", *_outliers(fleet)]
    return [*lines, terminal.line(f"Report: {out / MARKDOWN}; each trace in a folder beside it")]


def _table(fleet: Fleet) -> Iterator[str]:
    heads = _GAP.join(f"{head:>{width}}" for head, width in _COLUMNS)
    yield f"{'trace (worst device)':<{_NAME}}{_GAP}{heads}{_GAP}top finding"
    rows = list(_worst_devices(fleet))
    for row in rows[:MOST_TRACES]:
        yield terminal.line(_line(row), WIDTH)
    if len(rows) > MOST_TRACES:
        yield f"and {fmt.counted(len(rows) - MOST_TRACES, 'more trace')}"


def _worst_devices(fleet: Fleet) -> list[Row]:
    """Returns a row per trace, that of its device with most idle time, in the order of all outputs for people."""
    found: dict[str, Row] = {}
    for row in worst_first(fleet.devices, fleet.outliers):
        before = found.get(row["trace"])
        if before is None or (row["idle_share"] or 0.0) > (before["idle_share"] or 0.0):
            found[row["trace"]] = row
    return list(found.values())


def _line(row: Row) -> str:
    name = terminal.pad(row["trace"], _NAME)
    if row["status"] != "ok":
        return f"{name}{_GAP}FAILED {row['error_type']}: {row['error_message']}"
    values = (
        _text(row["idle_share"], fmt.percent),
        _text(row["communication_share"], fmt.percent),
        _text(row["decode_period_p50_ns"], fmt.duration),
        _text(row["tokens_per_s"], fmt.rate),
    )
    cells = _GAP.join(f"{value:>{width}}" for value, (_, width) in zip(values, _COLUMNS))
    severity, finding = row["top_finding_severity"], row["top_finding"]
    return f"{name}{_GAP}{cells}{_GAP}" + (f"[{severity}] {finding}" if finding else fmt.ABSENT)


def _text(value: Any, text: Any) -> str:
    return fmt.ABSENT if value is None else str(text(value))


def _outliers(fleet: Fleet) -> Iterator[str]:
    worse = [row for row in fleet.outliers if row["worse"]]
    for row in worse[:MOST_OUTLIERS]:
        because = f", mostly {row['because']}" if row["because"] else ""
        yield terminal.line(
            f"outlier: {row['trace']}: {row['metric_text']} {row['value_text']}, median of "
            f"{row['traces_compared']} traces {row['median_text']}{because}",
            WIDTH,
        )
    if len(worse) > MOST_OUTLIERS:
        yield f"and {fmt.counted(len(worse) - MOST_OUTLIERS, 'more outlier')} in the report"
    if worse:
        yield ""
