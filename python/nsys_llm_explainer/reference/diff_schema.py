"""The JSON Schema of diff.json, from the tables that a comparison declares."""

from __future__ import annotations

import json
from typing import Any

from nsys_llm_explainer.comparison.columns import TABLES, Column, TableSpec
from nsys_llm_explainer.comparison.value import COMPARABLE, LIMITED, NOT_COMPARABLE, SCHEMA_VERSION
from nsys_llm_explainer.report import TOOL_NAME

SCHEMA_FILE = "diff.schema.json"
Json = dict[str, Any]

_TYPES = {"int": "integer", "float": "number", "text": "string", "bool": "boolean"}
_TEXT: Json = {"type": "string"}
_TEXTS: Json = {"type": "array", "items": _TEXT}


def diff_schema() -> Json:
    """Returns the JSON Schema. Everything named is required; later versions 1.x may add to it."""
    side = _object({"path": _TEXT, "facts": {"type": "object", "additionalProperties": _TEXT}})
    values = {"type": ["array", "null"], "items": {"type": "number"}, "minItems": 1}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"diff.json of {TOOL_NAME}, version {SCHEMA_VERSION}",
        "description": "Times are nanoseconds, shares fractions of 1, sizes bytes; the unit is in the name.",
        **_object(
            {
                "schema_version": {"type": "string", "pattern": r"^1\.[0-9]+$"},
                "tool": _object({"name": {"const": TOOL_NAME}, "version": _TEXT}),
                "generated_at": {"type": "string", "format": "date-time"},
                "before": side,
                "after": side,
                "status": {"enum": [COMPARABLE, LIMITED, NOT_COMPARABLE]},
                "allow_different": {"type": "boolean"},
                "reasons": _TEXTS,
                "lead": _TEXT,
                "changes": _TEXTS,
                "origins": _TEXTS,
                "notes": _TEXTS,
                "figures": {"type": "object", "additionalProperties": values},
                "tables": _object({spec.name: _table(spec) for spec in TABLES}),
            }
        ),
    }


def diff_schema_text() -> str:
    """Returns the content of diff.schema.json."""
    return json.dumps(diff_schema(), indent=2) + "\n"


def _object(properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _table(spec: TableSpec) -> Json:
    columns = {column.name: _value(column) for column in spec.columns}
    described = _object({"name": {"enum": list(columns)}, "unit": {"type": ["string", "null"]}, "description": _TEXT})
    return {
        "description": spec.reading,
        **_object(
            {
                "columns": {"type": "array", "items": described},
                "total_rows": {"type": "integer", "minimum": 0},
                "rows": {"type": "array", "items": {**_object(columns), "additionalProperties": False}},
            }
        ),
    }


def _value(column: Column) -> Json:
    return {"description": column.description, "type": [_TYPES[column.type], "null"]}
