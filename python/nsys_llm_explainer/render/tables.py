"""The tables of a report as all of its renderers read them: taken over from the core once, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nsys_llm_explainer._native import Table
from nsys_llm_explainer.report import Report


class Held:
    """A finished table, held as columns; its rows are made of them when somebody asks."""

    def __init__(self, table: Table) -> None:
        """Takes the table to read."""
        self.name = table.name
        self.columns = table.columns
        self.total_rows = table.total_rows
        self._length = len(table)
        self._values = table.to_pydict()
        self._rows: list[dict[str, Any]] | None = None

    def __len__(self) -> int:
        return self._length

    def rows(self) -> list[dict[str, Any]]:
        """The rows as dicts from column name to value; the same list each time."""
        if self._rows is None:
            names = tuple(self._values)
            self._rows = [dict(zip(names, row)) for row in zip(*self._values.values())]
        return self._rows

    def to_pydict(self) -> dict[str, list[Any]]:
        """The columns as lists; the same ones each time."""
        return self._values


class Tables:
    """The tables of a report by section."""

    def __init__(self, report: Report) -> None:
        """Takes the report to read."""
        self._report = report
        self._read: dict[str, dict[str, Held]] = {}

    def of(self, section: str) -> dict[str, Held]:
        """Returns the tables of a section by name; none where it is missing."""
        if section not in self._read:
            found = self._report.sections.get(section)
            tables = found.tables if found is not None and found.status == "ok" else {}
            self._read[section] = {name: Held(table) for name, table in tables.items()}
        return self._read[section]

    def all(self) -> Iterator[Held]:
        """Yields the tables in the order of the report."""
        for section in self._report.sections:
            yield from self.of(section).values()

    def rows(self, section: str, table: str) -> list[dict[str, Any]]:
        """Returns the rows of a table; none where the section or the table is missing."""
        held = self.of(section).get(table)
        return [] if held is None else held.rows()
