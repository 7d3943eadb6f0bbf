"""Where the time of each GPU went and how long the steps take, in a few lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.escape import terminal
from nsys_llm_explainer.report import Report

_ONE_PER_LINE = 8
_BUSY = {"compute": "compute", "communication": "comm", "copy": "copy"}
_IDLE = "idle."
_KINDS_SHOWN = 3
Row = dict[str, Any]


def device_lines(report: Report, width: int) -> list[str]:
    """Returns one line per GPU, or several GPUs to a line where there are many; none without GPU work.

    Args:
        report: The report.
        width: Columns of the terminal.
    """
    section = report.sections.get("gpu_idle")
    rows = section.tables["gpu_devices"].rows() if section is not None and section.status == "ok" else []
    if len(rows) > _ONE_PER_LINE:
        return _grid(rows, width)
    buckets = _buckets(report)
    return [_fitting(row, buckets.get((row["device_id"], row["gpu_id"]), {}), width) for row in rows]


def step_lines(report: Report, width: int) -> Iterator[str]:
    """Yields one line per kind of step with the most steps.

    Args:
        report: The report.
        width: Columns of the terminal.
    """
    section = report.sections.get("steps")
    rows = section.tables["step_kinds"].rows() if section is not None and section.status == "ok" else []
    shown: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: (-row["steps"], row["kind"])):
        shown.setdefault(row["kind"], row)
    for row in list(shown.values())[:_KINDS_SHOWN]:
        if row["period_p50_ns"] is not None:
            kind = "step" if row["kind"] == "unknown" else f"{row['kind']} step"
            tail = "" if row["period_p99_ns"] is None else f", p99 {fmt.duration(row['period_p99_ns'])}"
            tokens = "" if row["tokens_per_s"] is None else f", {fmt.rate(row['tokens_per_s'])} tokens/s"
            text = f"{fmt.counted(row['steps'], kind)}: period {fmt.duration(row['period_p50_ns'])}"
            yield terminal.line(f"{text}{tail}{tokens}", width)


def _buckets(report: Report) -> dict[tuple[Any, Any], dict[str, float]]:
    section = report.sections.get("budget")
    found: dict[tuple[Any, Any], dict[str, float]] = {}
    if section is not None and section.status == "ok":
        for row in section.tables["device_time"].rows():
            if row["share"] is not None:
                found.setdefault((row["device_id"], row["gpu_id"]), {})[row["bucket"]] = row["share"]
    return found


def _fitting(row: Row, shares: dict[str, float], width: int) -> str:
    """Returns the line of a GPU: with its name and window where there is room."""
    text = _device(row, shares)
    window = f" of {fmt.duration(row['window_ns'])}"
    name = f"  {row['gpu_name']}" if row["gpu_name"] else ""
    for end in (f"{window}{name}", window):
        if terminal.cells(terminal.line(text + end)) <= width:
            return terminal.line(text + end)
    return terminal.line(text, width)


def _device(row: Row, shares: dict[str, float]) -> str:
    label = terminal.pad(fmt.device_label(row["device_id"], row["gpu_id"]), 6)
    parts = [f"{word} {fmt.percent(shares[bucket])}" for bucket, word in _BUSY.items() if shares.get(bucket)]
    if not parts:
        parts = [f"busy {_busy(row)}"]
    causes = sorted(((share, bucket) for bucket, share in shares.items() if bucket.startswith(_IDLE)), reverse=True)
    why = f" ({causes[0][1][len(_IDLE) :]})" if causes and causes[0][0] else ""
    return f"{label} {', '.join(parts)}, idle {_idle(row)}{why}"


def _busy(row: Row) -> str:
    return fmt.ABSENT if row["idle_share"] is None else fmt.percent(row["busy_ns"] / row["window_ns"])


def _idle(row: Row) -> str:
    return fmt.ABSENT if row["idle_share"] is None else fmt.percent(row["idle_share"])


def _grid(rows: list[Row], width: int) -> list[str]:
    """Returns all devices in as many columns as it takes to fit: two with busy and idle, or more with idle alone."""
    full = [f"{_short_label(row)}: busy {_busy(row)}, idle {_idle(row)}" for row in rows]
    brief = [f"{_short_label(row)} idle {_idle(row)}" for row in rows]
    for texts, columns in ((full, 2), (brief, 3), (brief, 4)):
        cell_width = width // columns
        if -(-len(texts) // columns) <= _ONE_PER_LINE and max(map(terminal.cells, texts)) < cell_width:
            break
    rows_of_cells = (texts[first : first + columns] for first in range(0, len(texts), columns))
    return ["".join(terminal.pad(text, cell_width) for text in cells).rstrip() for cells in rows_of_cells]


def _short_label(row: Row) -> str:
    return fmt.device_label(row["device_id"] if row["gpu_id"] is None else None, row["gpu_id"])
