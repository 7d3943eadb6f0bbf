"""tables/<table>.csv: every table in machine units, names in full."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from nsys_llm_explainer.render.escape.csv import text_cell
from nsys_llm_explainer.sections.view import TableLike

_WORDS = {None: "", True: "true", False: "false"}


def table_csv(table: TableLike) -> str:
    """Returns a table as CSV: a header, then one line per row; what is absent is empty."""
    values = table.to_pydict()
    names = [column["name"] for column in table.columns]
    columns = [_cells(column["type"], values[column["name"]]) for column in table.columns]
    return "\n".join(map(",".join, (names, *zip(*columns)))) + "\n"


def _cells(kind: str, values: Sequence[Any]) -> Iterable[str]:
    if kind == "text":
        # Names come again and again: each is escaped once.
        cells = {value: "" if value is None else text_cell(value) for value in set(values)}
        return map(cells.__getitem__, values)
    if kind == "bool":
        return map(_WORDS.__getitem__, values)
    return map(repr, values) if None not in values else ["" if value is None else repr(value) for value in values]
