"""The JSON Schema of fleet.json, from the columns that the fleet declares."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nsys_llm_explainer.fleet.columns import DEVICES, OUTLIERS, STEPS, Column
from nsys_llm_explainer.fleet.result import FLEET_VERSION
from nsys_llm_explainer.report import SEVERITIES, TOOL_NAME

FLEET_SCHEMA_FILE = "fleet.schema.json"
Json = dict[str, Any]

_TYPES = {"int": "integer", "float": "number", "text": "string", "bool": "boolean"}
_TEXT: Json = {"type": "string"}
_MAYBE_TEXT: Json = {"type": ["string", "null"]}
_MAYBE_INT: Json = {"type": ["integer", "null"]}
_MAYBE_NUMBER: Json = {"type": ["number", "null"]}


def fleet_schema() -> Json:
    """Returns the JSON Schema. Everything named is required; later versions 1.x may add to it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"fleet.json of {TOOL_NAME}, version {FLEET_VERSION}",
        "description": "Times are nanoseconds, shares fractions of 1; the unit is in the name; null is not captured.",
        **_object(
            {
                "schema_version": {"type": "string", "pattern": r"^1\.[0-9]+$"},
                "tool": _object({"name": {"const": TOOL_NAME}, "version": _TEXT}),
                "generated_at": {"type": "string", "format": "date-time"},
                "traces": {"type": "array", "items": {"oneOf": [_trace(), _failed()]}},
                "comparison": _object({"method": _TEXT, "min_traces": {"type": "integer"}, "groups": _groups()}),
                "tables": _object(
                    {"devices": _table(DEVICES), "steps": _table(STEPS), "outliers": _table(OUTLIERS)},
                ),
                "sections": {"type": "object", "additionalProperties": _section()},
            }
        ),
    }


def fleet_schema_text() -> str:
    """Returns the content of fleet.schema.json."""
    return json.dumps(fleet_schema(), indent=2) + "\n"


def _object(properties: Mapping[str, Any]) -> Json:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def _trace() -> Json:
    finding = {
        "id": _TEXT,
        "severity": {"enum": list(SEVERITIES)},
        "title": _TEXT,
        "at_stake_ns": _MAYBE_INT,
        "at_stake_share": _MAYBE_NUMBER,
    }
    warning = {"code": _TEXT, "message": _TEXT, "section": _MAYBE_TEXT}
    facts = {
        "nsys_version": _MAYBE_TEXT,
        "export_schema_version": _MAYBE_TEXT,
        "capture_version": _MAYBE_TEXT,
        "cuda_graph_mode": {"enum": ["node", "graph", "none", "unknown"]},
        "gpus": {"type": "array", "items": {"type": "object"}},
        "window_ns": _MAYBE_INT,
        "tokens_per_s": _MAYBE_NUMBER,
        "steps_source": _MAYBE_TEXT,
        "steps_confidence": _MAYBE_TEXT,
        "nvtx_coverage": _MAYBE_NUMBER,
    }
    return _object(
        {
            **_named("ok"),
            "error": {"type": "null"},
            "report": {**_TEXT, "description": "Folder of the trace's report, beside fleet.json."},
            "facts": _object(facts),
            "findings": {"type": "array", "items": _object(finding)},
            "warnings": {"type": "array", "items": _object(warning)},
            "not_captured": {"type": "array", "items": _TEXT},
        }
    )


def _failed() -> Json:
    empty = {"type": "array", "maxItems": 0}
    return _object(
        {
            **_named("failed"),
            "error": _object({"type": _TEXT, "message": _TEXT}),
            "report": {"type": "null"},
            "facts": {"type": "null"},
            "findings": empty,
            "warnings": empty,
            "not_captured": empty,
        }
    )


def _named(status: str) -> Json:
    return {"name": _TEXT, "path": _TEXT, "status": {"const": status}, "file_bytes": _MAYBE_INT}


def _groups() -> Json:
    group = {"gpu_name": _TEXT, "traces": {"type": "integer", "minimum": 1}, "compared": {"type": "boolean"}}
    return {"type": "array", "items": _object(group)}


def _table(columns: Sequence[Column]) -> Json:
    cells = {
        column.name: {"description": column.description, "type": [_TYPES[column.type], "null"]} for column in columns
    }
    described = _object({"name": {"enum": list(cells)}, "unit": _MAYBE_TEXT, "description": _TEXT})
    return _object(
        {
            "columns": {"type": "array", "items": described},
            "rows": {"type": "array", "items": {**_object(cells), "additionalProperties": False}},
        }
    )


def _section() -> Json:
    described = _object({"name": _TEXT, "unit": _MAYBE_TEXT, "description": _TEXT})
    return _object(
        {
            "title": _TEXT,
            "notes": {"type": "array", "items": _TEXT},
            "columns": {"type": "array", "items": described},
            "rows": {"type": "array", "items": {"type": "object"}},
        }
    )
