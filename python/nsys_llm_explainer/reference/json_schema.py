"""The JSON Schema of report.json, from the schema that the core declares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nsys_llm_explainer import _native
from nsys_llm_explainer.report import SCHEMA_VERSION, SEVERITIES, TOOL_NAME

SCHEMA_FILE = "report.schema.json"
Json = dict[str, Any]

_TYPES = {"int": "integer", "float": "number", "text": "string", "bool": "boolean"}
_TEXT: Json = {"type": "string"}
_TEXTS: Json = {"type": "array", "items": _TEXT}
_INT: Json = {"type": "integer"}
_MAYBE_INT: Json = {"type": ["integer", "null"]}
_MAYBE_TEXT: Json = {"type": ["string", "null"]}
_COUNTS: Json = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}


def report_schema() -> Json:
    """Returns the JSON Schema. Everything named is required; later versions 1.x may add to it."""
    sections = {section["id"]: _section(section) for section in _native.schema()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"report.json of {TOOL_NAME}, version {SCHEMA_VERSION}",
        "description": "Times are integer nanoseconds, shares fractions of 1, sizes bytes; the unit is in the name.",
        **_object(
            {
                "schema_version": {"type": "string", "pattern": r"^1\.[0-9]+$"},
                "tool": _object({"name": {"const": TOOL_NAME}, "version": _TEXT}),
                "generated_at": {"type": "string", "format": "date-time"},
                "trace": _trace(),
                "window": _object({"start_ns": _MAYBE_INT, "end_ns": _MAYBE_INT, "source": _TEXT}),
                "warnings": _array(_object({"code": _TEXT, "message": _TEXT, "section": _MAYBE_TEXT})),
                "findings": _array(_finding()),
                "capture": _capture(),
                "sections": _object(sections),
            }
        ),
    }


def schema_text() -> str:
    """Returns the content of report.schema.json."""
    return json.dumps(report_schema(), indent=2) + "\n"


def _object(properties: Mapping[str, Any]) -> Json:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def _array(items: Json) -> Json:
    return {"type": "array", "items": items}


def _trace() -> Json:
    return _object(
        {
            "path": _TEXT,
            "file_bytes": _INT,
            "nsys_version": _MAYBE_TEXT,
            "export_schema_version": _MAYBE_TEXT,
            "capture_version": _MAYBE_TEXT,
            "duration_ns": _MAYBE_INT,
            "gpus": _array(
                _object({"gpu_id": _MAYBE_INT, "name": _MAYBE_TEXT, "memory_bytes": _MAYBE_INT, "sm_count": _MAYBE_INT})
            ),
            "processes": _array(_object({"pid": _INT, "name": _MAYBE_TEXT})),
            "tables": _COUNTS,
            "rejected_rows": _COUNTS,
            "cuda_graph_mode": {"enum": ["node", "graph", "none", "unknown"]},
        }
    )


def _finding() -> Json:
    evidence = _object(
        {
            "text": _TEXT,
            "section": _MAYBE_TEXT,
            "table": _MAYBE_TEXT,
            "values": {"type": "object"},
            "time_range_ns": {"type": ["array", "null"], "items": _INT, "minItems": 2, "maxItems": 2},
        }
    )
    return _object(
        {
            "id": _TEXT,
            "severity": {"enum": list(SEVERITIES)},
            "title": _TEXT,
            "at_stake_ns": {"type": ["integer", "null"], "minimum": 0},
            "at_stake_share": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            "evidence": _array(evidence),
            "recommendations": _TEXTS,
            "meaning": _TEXT,
            "verify": _TEXT,
            "contradicted_by": _TEXT,
        }
    )


def _capture() -> Json:
    command = _object({"engine": _TEXT, "title": _TEXT, "command": _TEXT, "export": _TEXT, "notes": _TEXTS})
    lack = _object({"need": _TEXT, "question": _TEXT, "remedy": _TEXT})
    return _object({"lacks": _array(lack), "commands": _array(command)})


def _section(section: Mapping[str, Any]) -> Json:
    found = _object(
        {
            "title": {"const": section["title"]},
            "status": {"const": "ok"},
            "needs": _TEXTS,
            "derived_from": _TEXTS,
            "limitations": _TEXTS,
            "summary": _object({value["name"]: _value(value) for value in section["summary"]}),
            "tables": _object({table["name"]: _table(table) for table in section["tables"]}),
        }
    )
    missing = _object(
        {
            "title": {"const": section["title"]},
            "status": {"const": "missing"},
            "needs": {**_TEXTS, "minItems": 1},
            "derived_from": _TEXTS,
            "limitations": _TEXTS,
            "summary": {"type": "object", "maxProperties": 0},
            "tables": {"type": "object", "maxProperties": 0},
        }
    )
    return {"oneOf": [found, missing]}


def _table(table: Mapping[str, Any]) -> Json:
    columns = {column["name"]: _value(column) for column in table["columns"]}
    described = _object({"name": {"enum": list(columns)}, "unit": _MAYBE_TEXT, "description": _TEXT})
    return {
        "description": table["description"],
        **_object(
            {
                "columns": _array(described),
                "total_rows": {"type": "integer", "minimum": 0},
                "rows": _array(_object(columns)),
            }
        ),
    }


def _value(column: Mapping[str, Any]) -> Json:
    kind = _TYPES[column["type"]]
    return {"description": column["description"], "type": [kind, "null"] if column["nullable"] else kind}
