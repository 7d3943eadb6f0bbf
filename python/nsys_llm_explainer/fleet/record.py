"""The record beside each report of a job: of which trace it is, how it was made, and what the fleet takes from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nsys_llm_explainer._native import __version__
from nsys_llm_explainer.fleet.fingerprint import fingerprint
from nsys_llm_explainer.fleet.summary import PARTS
from nsys_llm_explainer.report import TOOL_NAME

RECORD = "batch.json"
KIND = f"{TOOL_NAME} batch record"
VERSION = 1
"""Of the record itself: another one is read as none."""


@dataclass(frozen=True)
class Record:
    """What a finished report says of itself.

    Attributes:
        version: The version of the tool.
        options: A digest of the options.
        path: The absolute path of the trace.
        fingerprint: Size, time and content of the trace before it was read.
        files: The report's files with their sizes.
        summary: What the fleet takes from the report.
    """

    version: str
    options: str
    path: str
    fingerprint: Mapping[str, Any]
    files: Mapping[str, int]
    summary: Mapping[str, Any]


def record_text(record: Record) -> str:
    """Returns the content of the record's file."""
    return json.dumps({"kind": KIND, "record": VERSION, **asdict(record)}, allow_nan=False) + "\n"


def done_before(folder: Path, path: str, options: str) -> Record | None:
    """Returns the record of a report that need not be made again; None where anything differs.

    Args:
        folder: Where the report lies.
        path: The absolute path of the trace.
        options: The digest of the options.
    """
    record = _read(folder / RECORD)
    if record is None or (record.version, record.options, record.path) != (__version__, options, path):
        return None
    try:
        whole = all((folder / name).stat().st_size == size for name, size in record.files.items())
        return record if whole and fingerprint(path) == record.fingerprint else None
    except (OSError, ValueError):
        return None


def _read(path: Path) -> Record | None:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or (value.pop("kind", None), value.pop("record", None)) != (KIND, VERSION):
        return None
    maps = ("fingerprint", "files", "summary")
    if value.keys() != {"version", "options", "path", *maps} or not all(isinstance(value[key], dict) for key in maps):
        return None
    return Record(**value) if value["summary"].keys() == set(PARTS) else None
