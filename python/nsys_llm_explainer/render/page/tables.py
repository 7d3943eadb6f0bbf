"""The tables of the page: what people see in a cell, and the value behind it to sort by and to copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.cells import NAME_KINDS, TEXT_KINDS, column
from nsys_llm_explainer.render.escape.page import lines
from nsys_llm_explainer.render.escape.text import all_visible, visible
from nsys_llm_explainer.sections import Shown, TableView
from nsys_llm_explainer.sections.view import TableLike

MOST_ROWS = 100
ROWS_AT_FIRST = 12
ROWS_ALWAYS = 24
LONGEST_VALUE = 400
_MORE = ' class="more"'
Row = Mapping[str, Any]


class Column(NamedTuple):
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


class PageTable(NamedTuple):
    """A table.

    Attributes:
        name: Its name in the machine outputs.
        caption: What stands above it.
        columns: Its columns.
        rows: How many rows are on the page.
        body: These rows, as they stand in the page.
        at_first: How many rows stand open.
        total: How many rows the analysis found.
        total_text: The same, for people.
        held_in: The file that has the rows beyond those.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: int
    body: Markup
    at_first: int
    total: int
    total_text: str
    held_in: str


def page_table(view: TableView, table: TableLike) -> PageTable | None:
    """Returns a table for the page; None for a split that splits nothing.

    Args:
        view: How it is shown.
        table: The table.
    """
    rows = table.rows()
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
    here = rows[:MOST_ROWS]
    at_first = len(here) if len(here) <= ROWS_ALWAYS else ROWS_AT_FIRST
    counted = fmt.counted(total, "row")
    held_in = f"tables/{table.name}.csv"
    inside = body(view.columns, here, at_first)
    return PageTable(table.name, view.caption, columns, len(here), inside, at_first, total, counted, held_in)


def body(columns: Sequence[Shown], rows: Sequence[Row], at_first: int) -> Markup:
    """Returns rows as they stand in the page; a template takes ten times as long for as many cells.

    Args:
        columns: The columns.
        rows: The rows.
        at_first: How many of them stand open.
    """
    cells = zip(*(_cells(shown, rows) for shown in columns))
    made = [f"<tr{_MORE if place >= at_first else ''}>{''.join(row)}</tr>\n" for place, row in enumerate(cells)]
    return Markup("".join(made))  # noqa: S704 - each text in it is escaped


def _cells(shown: Shown, rows: Sequence[Row]) -> list[str]:
    """Returns the cells of a column: what people see, and the value behind it to sort by and to copy."""
    is_text = shown.kind in TEXT_KINDS
    start = '<td class="n"' if not is_text else '<td class="name"' if shown.kind in NAME_KINDS else "<td"
    texts = all_visible(column(shown, rows))
    values = lines([_value(row.get(shown.column), text) for row, text in zip(rows, texts)])
    cells = zip(lines(texts), values)
    if is_text:
        return [
            f'{start} data-v="{value}" title="{value}">{text}</td>' if value else f"{start}>{text}</td>"
            for text, value in cells
        ]
    return [f'{start} data-v="{value}">{text}</td>' if value else f"{start}>{text}</td>" for text, value in cells]


def _value(value: Any, text: str) -> str:
    """Returns the value behind a cell; nothing where the text says it all."""
    if isinstance(value, str):
        whole = fmt.truncate(visible(value), LONGEST_VALUE)
        return "" if whole == text else whole
    return "" if value is None or isinstance(value, bool) else repr(value)
