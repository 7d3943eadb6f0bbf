"""The JSON Schema of fleet.json, from the columns that the fleet declares."""

from __future__ import annotations

from collections.abc import Sequence

from nsys_llm_explainer.fleet.columns import DEVICES, OUTLIERS, STEPS, Column
from nsys_llm_explainer.fleet.result import FLEET_VERSION
from nsys_llm_explainer.reference.schema_parts import (
    MAYBE_NUMBER,
    MAYBE_TEXT,
    MAYBE_WHOLE,
    TEXT,
    TYPES,
    Json,
    columns_of,
    document,
    object_of,
    text_of,
)
from nsys_llm_explainer.report import SEVERITIES

FLEET_SCHEMA_FILE = "fleet.schema.json"


def fleet_schema() -> Json:
    """Returns the JSON Schema. Everything named is required; later versions 1.x may add to it."""
    properties = {
        "traces": {"type": "array", "items": {"oneOf": [_trace(), _failed()]}},
        "comparison": object_of({"method": TEXT, "min_traces": {"type": "integer"}, "groups": _groups()}),
        "tables": object_of(
            {"devices": _table(DEVICES), "steps": _table(STEPS), "outliers": _table(OUTLIERS)},
        ),
        "sections": {"type": "object", "additionalProperties": _section()},
    }
    return document(
        "fleet.json",
        FLEET_VERSION,
        "Times are nanoseconds, shares fractions of 1; the unit is in the name; null is not captured.",
        properties,
    )


def fleet_schema_text() -> str:
    """Returns the content of fleet.schema.json."""
    return text_of(fleet_schema())


def _trace() -> Json:
    finding = {
        "id": TEXT,
        "severity": {"enum": list(SEVERITIES)},
        "title": TEXT,
        "at_stake_ns": MAYBE_WHOLE,
        "at_stake_share": MAYBE_NUMBER,
    }
    warning = {"code": TEXT, "message": TEXT, "section": MAYBE_TEXT}
    facts = {
        "nsys_version": MAYBE_TEXT,
        "export_schema_version": MAYBE_TEXT,
        "capture_version": MAYBE_TEXT,
        "cuda_graph_mode": {"enum": ["node", "graph", "none", "unknown"]},
        "gpus": {"type": "array", "items": {"type": "object"}},
        "window_ns": MAYBE_WHOLE,
        "tokens_per_s": MAYBE_NUMBER,
        "steps_source": MAYBE_TEXT,
        "steps_confidence": MAYBE_TEXT,
        "nvtx_coverage": MAYBE_NUMBER,
    }
    return object_of(
        {
            **_named("ok"),
            "error": {"type": "null"},
            "report": {**TEXT, "description": "Folder of the trace's report, beside fleet.json."},
            "facts": object_of(facts),
            "findings": {"type": "array", "items": object_of(finding)},
            "warnings": {"type": "array", "items": object_of(warning)},
            "not_captured": {"type": "array", "items": TEXT},
        }
    )


def _failed() -> Json:
    empty = {"type": "array", "maxItems": 0}
    return object_of(
        {
            **_named("failed"),
            "error": object_of({"type": TEXT, "message": TEXT}),
            "report": {"type": "null"},
            "facts": {"type": "null"},
            "findings": empty,
            "warnings": empty,
            "not_captured": empty,
        }
    )


def _named(status: str) -> Json:
    return {"name": TEXT, "path": TEXT, "status": {"const": status}, "file_bytes": MAYBE_WHOLE}


def _groups() -> Json:
    group = {"gpu_name": TEXT, "traces": {"type": "integer", "minimum": 1}, "compared": {"type": "boolean"}}
    return {"type": "array", "items": object_of(group)}


def _table(columns: Sequence[Column]) -> Json:
    cells = {
        column.name: {"description": column.description, "type": [TYPES[column.type], "null"]} for column in columns
    }
    described = columns_of(list(cells))
    return object_of(
        {
            "columns": described,
            "rows": {"type": "array", "items": {**object_of(cells), "additionalProperties": False}},
        }
    )


def _section() -> Json:
    described = columns_of()
    return object_of(
        {
            "title": TEXT,
            "notes": {"type": "array", "items": TEXT},
            "columns": described,
            "rows": {"type": "array", "items": {"type": "object"}},
        }
    )
