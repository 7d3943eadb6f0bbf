"""The short way from a tiny export to the tables of one section, through the compiled core."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Union

from nsys_llm_explainer import _native
from tests.support.export import Export

Write = Callable[[Export], Path]
Cell = Union[int, float, str, bool, None]

US = 1_000
MS = 1_000_000


def run(path: Path, **options: Any) -> dict[str, Any]:
    """Analyses an export: trace, window, warnings and sections."""
    return _native.open_trace(str(path)).analyze(**options)


def section(path: Path, section_id: str, **options: Any) -> _native.Section:
    """Analyses an export and returns one section."""
    (found,) = [one for one in run(path, **options)["sections"] if one.id == section_id]
    return found


def warning_codes(path: Path, **options: Any) -> list[str]:
    """Analyses an export and returns the codes of its warnings."""
    return [warning["code"] for warning in run(path, **options)["warnings"]]


def table(found: _native.Section, name: str, columns: str) -> list[tuple[Cell, ...]]:
    """Returns the rows of a table, in its order, as tuples of the columns named in one string."""
    return [tuple(row[column] for column in columns.split()) for row in found.tables[name].rows()]


def total(found: _native.Section, name: str, column: str) -> Any:
    """Returns the sum of a column over the rows of a table."""
    return sum(found.tables[name].to_pydict()[column])


def capability(path: Path, section_id: str) -> tuple[Cell, ...]:
    """Returns what the probe promises of a section before rows are read: status and capture flag."""
    (found,) = [one for one in _native.open_trace(str(path)).capabilities() if one["section"] == section_id]
    return (found["status"], found["capture_flag"])


def assert_missing(path: Path, section_id: str, *needs: str, **options: Any) -> None:
    """Asserts that a section says what it needs and shows no number at all."""
    found = section(path, section_id, **options)
    assert (found.status, found.needs) == ("missing", list(needs))
    assert (found.summary, found.tables) == ({}, {}), "an absent section shows figures"
