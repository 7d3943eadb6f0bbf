"""report.json: the whole report for machines, the same bytes for the same input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from nsys_llm_explainer.report import Report

_INDENT = " "


def report_json(report: Report) -> str:
    """Returns the text of report.json: plain ASCII, one line per row of a table."""
    return json_text(report.to_dict())


def json_text(value: Any) -> str:
    """Returns plain data as JSON: plain ASCII, flat containers on one line each."""
    return "".join(_lines(value, "")) + "\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    """Yields JSON with nested containers on lines of their own and flat ones on one line each."""
    if not isinstance(value, (dict, list)) or _is_flat(value):
        yield json.dumps(value, allow_nan=False)
        return
    inner = indent + _INDENT
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    separator = f"{opening}\n"
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"{separator}{inner}{json.dumps(key)}: "
            yield from _lines(item, inner)
            separator = ",\n"
    else:
        for item in value:
            yield f"{separator}{inner}"
            yield from _lines(item, inner)
            separator = ",\n"
    yield f"\n{indent}{closing}"


def _is_flat(value: dict[str, Any] | list[Any]) -> bool:
    items = value.values() if isinstance(value, dict) else value
    return not any(isinstance(item, (dict, list)) for item in items)
