"""report.json: the whole report for machines, the same bytes for the same input."""

from __future__ import annotations

import json
from typing import Any

from nsys_llm_explainer.report import Report

_INDENT = " "
#: One encoder for all rows: making one takes longer than encoding a row.
_encode = json.JSONEncoder(allow_nan=False).encode


def report_json(report: Report) -> str:
    """Returns the text of report.json: plain ASCII, one line per row of a table."""
    return json_text(report.to_dict())


def json_text(value: Any) -> str:
    """Returns plain data as JSON in the layout of report.json."""
    parts: list[str] = []
    _add(parts, value, "")
    parts.append("\n")
    return "".join(parts)


def _add(parts: list[str], value: Any, indent: str) -> None:
    """Adds JSON with nested containers on lines of their own and flat ones on one line each."""
    if not isinstance(value, (dict, list)) or _is_flat(value):
        parts.append(_encode(value))
        return
    inner = indent + _INDENT
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


def _is_flat(value: dict[str, Any] | list[Any]) -> bool:
    items = value.values() if isinstance(value, dict) else value
    return not any(isinstance(item, (dict, list)) for item in items)
