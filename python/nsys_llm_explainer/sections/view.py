"""How a section is shown to people: which tables, which columns, under which header, in which unit."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple, Protocol


class Kind(Enum):
    """What a value is, hence how it is turned into text."""

    NAME = "name"
    """Text from the trace that may be long: kernel names, shortened for people."""
    LABEL = "label"
    """Other text from the trace: names of API calls, ranges, phases, processes, GPUs."""
    TEXT = "text"
    """Words of ours: kinds, roles, sizes."""
    DEVICE = "device"
    """A CUDA ordinal; the physical GPU is added where it differs."""
    ID = "id"
    COUNT = "count"
    NUMBER = "number"
    RATE = "rate"
    MS = "ms"
    US = "us"
    PERCENT = "percent"
    FLAG = "flag"
    BYTES = "bytes"
    THROUGHPUT = "throughput"
    """Bytes per second."""
    CHANGE = "change"
    """A change relative to what was before, as a percentage with its sign."""
    POINTS = "points"
    """A difference of two shares, in percentage points with its sign."""
    INSTANT = "instant"
    """A moment on the trace's clock, printed in seconds."""


class TableLike(Protocol):
    """A finished table as renderers read it."""

    @property
    def name(self) -> str:
        """Its name in the machine outputs."""

    @property
    def columns(self) -> list[dict[str, Any]]:
        """One dict per column: name, type, unit, nullable, description."""

    @property
    def total_rows(self) -> int:
        """How many rows there were before the cut."""

    def __len__(self) -> int: ...

    def rows(self) -> list[dict[str, Any]]:
        """The rows as dicts from column name to value."""

    def to_pydict(self) -> dict[str, list[Any]]:
        """The columns as lists."""


class Shown(NamedTuple):
    """A column, or a value of the summary, as people see it."""

    column: str
    header: str
    kind: Kind


class TableView(NamedTuple):
    """A table as people see it.

    Attributes:
        table: The table's name in the machine outputs.
        caption: What stands above it.
        columns: The columns people see, in order.
        rows: How many rows people see.
        split_by: Show the table only where this column has several values, as it repeats another table otherwise.
        hide_zero: Leave out rows in which this column is 0.
    """

    table: str
    caption: str
    columns: tuple[Shown, ...]
    rows: int = 20
    split_by: str | None = None
    hide_zero: str | None = None


class SectionView(NamedTuple):
    """A section as people see it.

    Attributes:
        id: The section's id, the stem of its file here and in the core.
        title: Its heading.
        reading: One or two sentences on how to read it.
        summary: The values of the summary that people see.
        tables: Its tables.
    """

    id: str
    title: str
    reading: str
    summary: tuple[Shown, ...]
    tables: tuple[TableView, ...]


def by_pid(view: TableView, table: str, caption: str) -> TableView:
    """Returns the view of a table that splits another one by process."""
    columns = (Shown("pid", "pid", Kind.ID), *view.columns)
    return TableView(table, caption, columns, rows=view.rows, split_by="pid")
