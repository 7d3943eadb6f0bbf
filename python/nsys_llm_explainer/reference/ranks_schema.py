"""The JSON Schema of ranks.json, from the columns that the report on ranks declares."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nsys_llm_explainer.job.columns import COLUMNS
from nsys_llm_explainer.job.tables import MOST_ROWS, Column
from nsys_llm_explainer.job.value import SCHEMA_VERSION
from nsys_llm_explainer.report import TOOL_NAME
from nsys_llm_explainer.sections.view import Kind

RANKS_SCHEMA_FILE = "ranks.schema.json"
Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_TEXTS: Json = {"type": "array", "items": _TEXT}
_WHOLE: Json = {"type": "integer"}
_MAYBE_WHOLE: Json = {"type": ["integer", "null"]}


def ranks_schema() -> Json:
    """Returns the JSON Schema. Everything named is required; later versions 1.x may add to it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"ranks.json of {TOOL_NAME}, version {SCHEMA_VERSION}",
        "description": "Times are nanoseconds, shares fractions of 1; the unit is in the name; null is not known.",
        **_object(
            {
                "schema_version": {"type": "string", "pattern": r"^1\.[0-9]+$"},
                "tool": _object({"name": {"const": TOOL_NAME}, "version": _TEXT}),
                "generated_at": {"type": "string", "format": "date-time"},
                "headline": _TEXT,
                "method": _TEXTS,
                "warnings": _TEXTS,
                "verdicts": {"type": "array", "items": _verdict()},
                "tables": _object({name: _table(columns) for name, columns in COLUMNS.items()}),
            }
        ),
    }


def ranks_schema_text() -> str:
    """Returns the content of ranks.schema.json."""
    return json.dumps(ranks_schema(), indent=2) + "\n"


def _object(properties: Mapping[str, Any]) -> Json:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def _verdict() -> Json:
    return _object(
        {
            "group": _WHOLE,
            "status": {"enum": ["rank", "file", "none", "unknown"]},
            "text": _TEXT,
            "rank": _MAYBE_WHOLE,
            "file": _MAYBE_WHOLE,
            "lateness_share": {"type": ["number", "null"]},
            "late": _WHOLE,
            "collectives": _WHOLE,
            "caused_wait_ns": _WHOLE,
            "facts": _TEXTS,
        }
    )


def _table(columns: Sequence[Column]) -> Json:
    cells = {column.name: {"description": column.about, "type": [_type(column), "null"]} for column in columns}
    described = _object({"name": {"enum": list(cells)}, "unit": {"type": ["string", "null"]}, "description": _TEXT})
    return _object(
        {
            "description": _TEXT,
            "columns": {"type": "array", "items": described},
            "total_rows": {"type": "integer", "minimum": 0},
            "rows": {
                "type": "array",
                "maxItems": MOST_ROWS,
                "items": {**_object(cells), "additionalProperties": False},
            },
        }
    )


def _type(column: Column) -> str:
    if column.kind is Kind.FLAG:
        return "boolean"
    if column.kind in (Kind.ID, Kind.COUNT):
        return "integer"
    if column.unit is None and column.kind in (Kind.NAME, Kind.LABEL, Kind.TEXT):
        return "string"
    return "number"
