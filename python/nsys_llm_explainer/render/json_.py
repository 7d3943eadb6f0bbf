"""report.json: the whole report for machines, the same bytes for the same input."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nsys_llm_explainer.render.tables import Tables
from nsys_llm_explainer.report import Report

_INDENT = " "
#: One encoder for all values: making one takes longer than encoding a row.
_encode = json.JSONEncoder(allow_nan=False).encode
#: The same with every item of a flat list on a line of its own: a line break inside a text is escaped.
_encode_lines = json.JSONEncoder(allow_nan=False, separators=("\n", ": ")).encode


class Rows(NamedTuple):
    """The rows of a table as columns of scalars, all of one length."""

    columns: Mapping[str, Sequence[Any]]


def report_json(report: Report, tables: Tables | None = None) -> str:
    """Returns the text of report.json: plain ASCII, one line per row of a table.

    Args:
        report: The report.
        tables: Its tables, where the caller has them.
    """
    held = tables or Tables(report)
    return json_text(report.to_data(lambda section, table: Rows(held.of(section)[table.name].to_pydict())))


def json_text(value: Any) -> str:
    """Returns plain data as JSON in the layout of report.json."""
    parts: list[str] = []
    _add(parts, value, "")
    parts.append("\n")
    return "".join(parts)


def _add(parts: list[str], value: Any, indent: str) -> None:
    """Adds JSON with nested containers on lines of their own and flat ones on one line each."""
    inner = indent + _INDENT
    if isinstance(value, Rows):
        rows = f",\n{inner}".join(_lines(value.columns))
        parts.append(f"[\n{inner}{rows}\n{indent}]" if rows else "[]")
        return
    if not isinstance(value, (dict, list)) or _is_flat(value):
        parts.append(_encode(value))
        return
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    separator = f"{opening}\n{inner}"
    if isinstance(value, dict):
        for key, item in value.items():
            parts.append(f"{separator}{_encode(key)}: ")
            _add(parts, item, inner)
            separator = f",\n{inner}"
    else:
        for item in value:
            parts.append(separator)
            _add(parts, item, inner)
            separator = f",\n{inner}"
    parts.append(f"\n{indent}{closing}")


def _lines(columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """Returns each row as an object; a whole column is encoded at once."""
    if not all(columns.values()):
        return []
    row = ", ".join(f"{_encode(name).replace('%', '%%')}: %s" for name in columns)
    cells = [_encode_lines(values)[1:-1].split("\n") for values in columns.values()]
    return [f"{{{row}}}" % values for values in zip(*cells)]


def _is_flat(value: dict[str, Any] | list[Any]) -> bool:
    items = value.values() if isinstance(value, dict) else value
    return not any(isinstance(item, (dict, list, Rows)) for item in items)
