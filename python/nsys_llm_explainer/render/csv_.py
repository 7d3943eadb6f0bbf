"""tables/<table>.csv: every table in machine units, names in full."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nsys_llm_explainer.render.escape.csv import text_cell
from nsys_llm_explainer.sections.view import TableLike


def table_csv(table: TableLike) -> str:
    """Returns a table as CSV: a header, then one line per row; what is absent is empty."""
    values = table.to_pydict()
    names = [column["name"] for column in table.columns]
    columns = [_cells(column["type"], values[column["name"]]) for column in table.columns]
    return "".join(f"{','.join(cells)}\n" for cells in (names, *zip(*columns)))


def _cells(kind: str, values: Iterable[Any]) -> list[str]:
    if kind == "text":
        return ["" if value is None else text_cell(value) for value in values]
    if kind == "bool":
        return ["" if value is None else str(value).lower() for value in values]
    return ["" if value is None else repr(value) for value in values]
