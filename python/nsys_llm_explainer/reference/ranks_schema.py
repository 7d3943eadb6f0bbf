"""The JSON Schema of ranks.json, from the columns that the report on ranks declares."""

from __future__ import annotations

from collections.abc import Sequence

from nsys_llm_explainer.job.columns import COLUMNS
from nsys_llm_explainer.job.tables import MOST_ROWS, Column
from nsys_llm_explainer.job.value import SCHEMA_VERSION
from nsys_llm_explainer.reference.schema_parts import (
    MAYBE_WHOLE,
    TEXT,
    TEXTS,
    WHOLE,
    Json,
    columns_of,
    document,
    object_of,
    text_of,
)
from nsys_llm_explainer.sections.view import Kind

RANKS_SCHEMA_FILE = "ranks.schema.json"


def ranks_schema() -> Json:
    """Returns the JSON Schema. Everything named is required; later versions 1.x may add to it."""
    properties = {
        "headline": TEXT,
        "method": TEXTS,
        "warnings": TEXTS,
        "verdicts": {"type": "array", "items": _verdict()},
        "tables": object_of({name: _table(columns) for name, columns in COLUMNS.items()}),
    }
    return document(
        "ranks.json",
        SCHEMA_VERSION,
        "Times are nanoseconds, shares fractions of 1; the unit is in the name; null is not known.",
        properties,
    )


def ranks_schema_text() -> str:
    """Returns the content of ranks.schema.json."""
    return text_of(ranks_schema())


def _verdict() -> Json:
    return object_of(
        {
            "group": WHOLE,
            "status": {"enum": ["rank", "file", "none", "unknown"]},
            "text": TEXT,
            "rank": MAYBE_WHOLE,
            "file": MAYBE_WHOLE,
            "lateness_share": {"type": ["number", "null"]},
            "late": WHOLE,
            "collectives": WHOLE,
            "caused_wait_ns": WHOLE,
            "facts": TEXTS,
        }
    )


def _table(columns: Sequence[Column]) -> Json:
    cells = {column.name: {"description": column.about, "type": [_type(column), "null"]} for column in columns}
    described = columns_of(list(cells))
    return object_of(
        {
            "description": TEXT,
            "columns": described,
            "total_rows": {"type": "integer", "minimum": 0},
            "rows": {
                "type": "array",
                "maxItems": MOST_ROWS,
                "items": {**object_of(cells), "additionalProperties": False},
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
