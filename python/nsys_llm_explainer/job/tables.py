"""Tables of the report on ranks: declared columns, and rows in a total order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nsys_llm_explainer.sections.view import Kind

MOST_ROWS = 10_000


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: Its name, with the unit at its end.
        kind: What kind of value people see.
        about: What it holds.
        header: What people read above it; empty where only machines see the column.
    """

    name: str
    kind: Kind
    about: str
    header: str = ""

    @property
    def unit(self) -> str | None:
        """The unit of its values, None where they have none."""
        if self.name.endswith("_ns"):
            return "ns"
        if self.kind is Kind.PERCENT:
            return "fraction"
        if self.name.endswith("_ppm"):
            return "ppm"
        return "count" if self.kind is Kind.COUNT else None


@dataclass(frozen=True)
class RankTable:
    """A table.

    Attributes:
        name: Its name, also the stem of its CSV file.
        about: What a row is.
        columns: Its columns.
        rows: Its rows, each a value for every column.
        total_rows: How many there were before the cut.
    """

    name: str
    about: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Any], ...]
    total_rows: int

    def to_dict(self) -> dict[str, Any]:
        """Returns the table as it stands in ranks.json."""
        return {
            "description": self.about,
            "columns": [
                {"name": column.name, "unit": column.unit, "description": column.about} for column in self.columns
            ],
            "total_rows": self.total_rows,
            "rows": [{column.name: row[column.name] for column in self.columns} for row in self.rows],
        }


def table(
    name: str, about: str, columns: Sequence[Column], rows: Iterable[Mapping[str, Any]], total: int | None = None
) -> RankTable:
    """Returns a table, cut to what machine outputs hold.

    Args:
        name: Its name.
        about: What a row is.
        columns: Its columns.
        rows: Its rows, in order.
        total: How many rows there are, where they are cut already.
    """
    held = tuple(rows)
    return RankTable(name, about, tuple(columns), held[:MOST_ROWS], len(held) if total is None else total)
