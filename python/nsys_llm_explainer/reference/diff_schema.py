"""The JSON Schema of diff.json, from the tables that a comparison declares."""

from __future__ import annotations

from nsys_llm_explainer.comparison.columns import TABLES, Column, TableSpec
from nsys_llm_explainer.comparison.value import COMPARABLE, LIMITED, NOT_COMPARABLE, SCHEMA_VERSION
from nsys_llm_explainer.reference.schema_parts import TEXT, TEXTS, TYPES, Json, columns_of, document, object_of, text_of

SCHEMA_FILE = "diff.schema.json"


def diff_schema() -> Json:
    """Returns the JSON Schema. Everything named is required; later versions 1.x may add to it."""
    side = object_of({"path": TEXT, "facts": {"type": "object", "additionalProperties": TEXT}})
    values = {"type": ["array", "null"], "items": {"type": "number"}, "minItems": 1}
    properties = {
        "before": side,
        "after": side,
        "status": {"enum": [COMPARABLE, LIMITED, NOT_COMPARABLE]},
        "allow_different": {"type": "boolean"},
        "reasons": TEXTS,
        "lead": TEXT,
        "changes": TEXTS,
        "origins": TEXTS,
        "notes": TEXTS,
        "figures": {"type": "object", "additionalProperties": values},
        "tables": object_of({spec.name: _table(spec) for spec in TABLES}),
    }
    return document(
        "diff.json",
        SCHEMA_VERSION,
        "Times are nanoseconds, shares fractions of 1, sizes bytes; the unit is in the name.",
        properties,
    )


def diff_schema_text() -> str:
    """Returns the content of diff.schema.json."""
    return text_of(diff_schema())


def _table(spec: TableSpec) -> Json:
    columns = {column.name: _value(column) for column in spec.columns}
    described = columns_of(list(columns))
    return {
        "description": spec.reading,
        **object_of(
            {
                "columns": described,
                "total_rows": {"type": "integer", "minimum": 0},
                "rows": {"type": "array", "items": {**object_of(columns), "additionalProperties": False}},
            }
        ),
    }


def _value(column: Column) -> Json:
    return {"description": column.description, "type": [TYPES[column.type], "null"]}
