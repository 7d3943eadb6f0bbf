"""The JSON Schema of report.json, from the schema that the core declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nsys_llm_explainer import _native
from nsys_llm_explainer.reference.schema_parts import (
    MAYBE_TEXT,
    MAYBE_WHOLE,
    TEXT,
    TEXTS,
    TYPES,
    WHOLE,
    Json,
    columns_of,
    document,
    object_of,
    text_of,
)
from nsys_llm_explainer.report import SCHEMA_VERSION, SEVERITIES

SCHEMA_FILE = "report.schema.json"

_COUNTS: Json = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}


def report_schema() -> Json:
    """Returns the JSON Schema. Everything named is required; later versions 1.x may add to it."""
    sections = {section["id"]: _section(section) for section in _native.schema()}
    properties = {
        "trace": _trace(),
        "window": object_of({"start_ns": MAYBE_WHOLE, "end_ns": MAYBE_WHOLE, "source": TEXT}),
        "warnings": _array(object_of({"code": TEXT, "message": TEXT, "section": MAYBE_TEXT})),
        "findings": _array(_finding()),
        "capture": _capture(),
        "sections": object_of(sections),
    }
    return document(
        "report.json",
        SCHEMA_VERSION,
        "Times are integer nanoseconds, shares fractions of 1, sizes bytes; the unit is in the name.",
        properties,
    )


def schema_text() -> str:
    """Returns the content of report.schema.json."""
    return text_of(report_schema())


def _array(items: Json) -> Json:
    return {"type": "array", "items": items}


def _trace() -> Json:
    return object_of(
        {
            "path": TEXT,
            "file_bytes": WHOLE,
            "nsys_version": MAYBE_TEXT,
            "export_schema_version": MAYBE_TEXT,
            "capture_version": MAYBE_TEXT,
            "duration_ns": MAYBE_WHOLE,
            "gpus": _array(
                object_of(
                    {"gpu_id": MAYBE_WHOLE, "name": MAYBE_TEXT, "memory_bytes": MAYBE_WHOLE, "sm_count": MAYBE_WHOLE}
                )
            ),
            "processes": _array(object_of({"pid": WHOLE, "name": MAYBE_TEXT})),
            "tables": _COUNTS,
            "rejected_rows": _COUNTS,
            "cuda_graph_mode": {"enum": ["node", "graph", "none", "unknown"]},
        }
    )


def _finding() -> Json:
    evidence = object_of(
        {
            "text": TEXT,
            "section": MAYBE_TEXT,
            "table": MAYBE_TEXT,
            "values": {"type": "object"},
            "time_range_ns": {"type": ["array", "null"], "items": WHOLE, "minItems": 2, "maxItems": 2},
        }
    )
    return object_of(
        {
            "id": TEXT,
            "severity": {"enum": list(SEVERITIES)},
            "title": TEXT,
            "at_stake_ns": {"type": ["integer", "null"], "minimum": 0},
            "at_stake_share": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            "evidence": _array(evidence),
            "recommendations": TEXTS,
            "meaning": TEXT,
            "verify": TEXT,
            "contradicted_by": TEXT,
        }
    )


def _capture() -> Json:
    command = object_of({"engine": TEXT, "title": TEXT, "command": TEXT, "export": TEXT, "notes": TEXTS})
    lack = object_of({"need": TEXT, "question": TEXT, "remedy": TEXT})
    return object_of({"lacks": _array(lack), "commands": _array(command)})


def _section(section: Mapping[str, Any]) -> Json:
    found = object_of(
        {
            "title": {"const": section["title"]},
            "status": {"const": "ok"},
            "needs": TEXTS,
            "derived_from": TEXTS,
            "limitations": TEXTS,
            "summary": object_of({value["name"]: _value(value) for value in section["summary"]}),
            "tables": object_of({table["name"]: _table(table) for table in section["tables"]}),
        }
    )
    missing = object_of(
        {
            "title": {"const": section["title"]},
            "status": {"const": "missing"},
            "needs": {**TEXTS, "minItems": 1},
            "derived_from": TEXTS,
            "limitations": TEXTS,
            "summary": {"type": "object", "maxProperties": 0},
            "tables": {"type": "object", "maxProperties": 0},
        }
    )
    return {"oneOf": [found, missing]}


def _table(table: Mapping[str, Any]) -> Json:
    columns = {column["name"]: _value(column) for column in table["columns"]}
    described = columns_of(list(columns))
    return {
        "description": table["description"],
        **object_of(
            {
                "columns": described,
                "total_rows": {"type": "integer", "minimum": 0},
                "rows": _array(object_of(columns)),
            }
        ),
    }


def _value(column: Mapping[str, Any]) -> Json:
    kind = TYPES[column["type"]]
    return {"description": column["description"], "type": [kind, "null"] if column["nullable"] else kind}
