"""What the JSON Schemas of all machine outputs are made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nsys_llm_explainer.report import TOOL_NAME

Json = dict[str, Any]

TYPES = {"int": "integer", "float": "number", "text": "string", "bool": "boolean"}
TEXT: Json = {"type": "string"}
TEXTS: Json = {"type": "array", "items": TEXT}
WHOLE: Json = {"type": "integer"}
MAYBE_TEXT: Json = {"type": ["string", "null"]}
MAYBE_WHOLE: Json = {"type": ["integer", "null"]}
MAYBE_NUMBER: Json = {"type": ["number", "null"]}


def document(name: str, version: str, description: str, properties: Mapping[str, Any]) -> Json:
    """Returns the schema of an output. Everything named is required; later versions 1.x may add to it.

    Args:
        name: The file.
        version: Version of its schema.
        description: What to know of its values.
        properties: What it holds beside its version, the tool and the time.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{name} of {TOOL_NAME}, version {version}",
        "description": description,
        **object_of(
            {
                "schema_version": {"type": "string", "pattern": r"^1\.[0-9]+$"},
                "tool": object_of({"name": {"const": TOOL_NAME}, "version": TEXT}),
                "generated_at": {"type": "string", "format": "date-time"},
                **properties,
            }
        ),
    }


def object_of(properties: Mapping[str, Any]) -> Json:
    """Returns the schema of an object that has all of these properties."""
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def columns_of(names: list[str] | None = None) -> Json:
    """Returns the schema of the list that describes the columns of a table.

    Args:
        names: The columns that there are; None where that is open.
    """
    name = TEXT if names is None else {"enum": names}
    return {"type": "array", "items": object_of({"name": name, "unit": MAYBE_TEXT, "description": TEXT})}


def text_of(schema: Json) -> str:
    """Returns the content of a schema's file."""
    return json.dumps(schema, indent=2) + "\n"
