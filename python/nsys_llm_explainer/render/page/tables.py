"""The tables of the page: what people see in a cell, and the value behind it to sort by and to copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.cells import NAME_KINDS, TEXT_KINDS, cell
from nsys_llm_explainer.render.escape.text import visible
from nsys_llm_explainer.sections import Shown, TableView
from nsys_llm_explainer.sections.view import TableLike

MOST_ROWS = 100
ROWS_AT_FIRST = 12
ROWS_ALWAYS = 24
LONGEST_VALUE = 400


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes:
        text: What people see.
        value: What to sort by and to copy; empty where the text says it all.
    """

    text: str
    value: str


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        header: Its heading.
        about: What it holds and in which unit.
        is_text: Whether it is read rather than compared.
        is_name: Whether it holds names from the trace.
    """

    header: str
    about: str
    is_text: bool
    is_name: bool


@dataclass(frozen=True)
class PageTable:
    """A table.

    Attributes:
        name: Its name in the machine outputs.
        caption: What stands above it.
        columns: Its columns.
        rows: Its rows.
        at_first: How many rows stand open.
        total: How many rows the analysis found.
        total_text: The same, for people.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    at_first: int
    total: int
    total_text: str


def page_table(view: TableView, table: TableLike, rows: list[dict[str, Any]]) -> PageTable | None:
    """Returns a table for the page; None for a split that splits nothing.

    Args:
        view: How it is shown.
        table: The table.
        rows: Its rows.
    """
    if view.split_by is not None and len({row[view.split_by] for row in rows}) < 2:
        return None
    if view.hide_zero is not None:
        rows = [row for row in rows if row[view.hide_zero]]
    total = len(rows) + max(0, table.total_rows - len(table))
    about = {column["name"]: column["description"] for column in table.columns}
    columns = tuple(
        Column(shown.header, about.get(shown.column, ""), shown.kind in TEXT_KINDS, shown.kind in NAME_KINDS)
        for shown in view.columns
    )
    cells = tuple(tuple(_cell(shown, row) for shown in view.columns) for row in rows[:MOST_ROWS])
    at_first = len(cells) if len(cells) <= ROWS_ALWAYS else ROWS_AT_FIRST
    return PageTable(table.name, view.caption, columns, cells, at_first, total, fmt.counted(total, "row"))


def _cell(shown: Shown, row: dict[str, Any]) -> Cell:
    text = visible(cell(shown, row))
    value = row.get(shown.column)
    if value is None or isinstance(value, bool):
        return Cell(text, "")
    if isinstance(value, str):
        whole = fmt.truncate(visible(value), LONGEST_VALUE)
        return Cell(text, "" if whole == text else whole)
    return Cell(text, repr(value) if isinstance(value, float) else str(value))
