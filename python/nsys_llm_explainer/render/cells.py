"""A value of a table or summary as the text that people read, still unescaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.sections.view import Kind, Shown

LONGEST_TEXT = 80
_PLAIN: dict[Kind, Callable[[Any], str]] = {
    Kind.NAME: fmt.kernel_name,
    Kind.LABEL: lambda value: fmt.truncate(str(value), LONGEST_TEXT),
    Kind.TEXT: lambda value: fmt.truncate(str(value), LONGEST_TEXT),
    Kind.ID: str,
    Kind.COUNT: fmt.count,
    Kind.NUMBER: fmt.number,
    Kind.RATE: fmt.rate,
    Kind.MS: fmt.milliseconds,
    Kind.US: fmt.microseconds,
    Kind.PERCENT: fmt.percent,
    Kind.FLAG: fmt.flag,
    Kind.BYTES: fmt.size,
    Kind.THROUGHPUT: fmt.throughput,
    Kind.CHANGE: fmt.change,
    Kind.POINTS: fmt.points,
    Kind.INSTANT: fmt.instant,
}
_WITH_UNIT: dict[Kind, Callable[[Any], str]] = {
    **_PLAIN,
    Kind.MS: fmt.duration,
    Kind.US: fmt.duration,
    Kind.INSTANT: lambda value: f"{fmt.instant(value)} s",
    Kind.RATE: lambda value: f"{fmt.rate(value)} per second",
}
TEXT_KINDS = frozenset({Kind.NAME, Kind.LABEL, Kind.TEXT})
NAME_KINDS = frozenset({Kind.NAME, Kind.LABEL})


def column(shown: Shown, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the texts of one column of a table; what is absent is a dash.

    Args:
        shown: Which column, and what kind of value it holds.
        rows: The rows.
    """
    values = [row.get(shown.column) for row in rows]
    if shown.kind is Kind.DEVICE:
        return [fmt.device_cell(value, row.get("gpu_id")) for value, row in zip(values, rows)]
    as_text = _PLAIN[shown.kind]
    return [fmt.ABSENT if value is None or value == "" else as_text(value) for value in values]


def cell(shown: Shown, row: Mapping[str, Any]) -> str:
    """Returns the text of one value of a table; what is absent is a dash.

    Args:
        shown: Which column, and what kind of value it holds.
        row: The row.
    """
    return column(shown, (row,))[0]


def figure(shown: Shown, summary: Mapping[str, Any]) -> str:
    """Returns the text of a value of a summary, with its unit.

    Args:
        shown: Which value, and of what kind.
        summary: The summary.
    """
    value = summary.get(shown.column)
    return fmt.ABSENT if value is None else _WITH_UNIT[shown.kind](value)
