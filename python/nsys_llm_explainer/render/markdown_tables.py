"""One table of report.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.cells import NAME_KINDS, TEXT_KINDS, column
from nsys_llm_explainer.render.escape.markdown import code, prose
from nsys_llm_explainer.sections import Shown, TableView
from nsys_llm_explainer.sections.view import TableLike


def table_lines(view: TableView, table: TableLike, limit: int) -> list[str]:
    """Returns a table with its caption, cut to a number of rows; nothing for a split that splits nothing."""
    rows = table.rows()
    if view.split_by is not None and len({row[view.split_by] for row in rows}) < 2:
        return []
    if view.hide_zero is not None:
        rows = [row for row in rows if row[view.hide_zero]]
    lines = [f"### {view.caption}", ""]
    if not rows:
        return [*lines, "None.", ""]
    lines += [
        "| " + " | ".join(shown.header for shown in view.columns) + " |",
        "| " + " | ".join("---" if shown.kind in TEXT_KINDS else "---:" for shown in view.columns) + " |",
    ]
    columns = [_cells(shown, rows[:limit]) for shown in view.columns]
    lines += ["| " + " | ".join(cells) + " |" for cells in zip(*columns)]
    lines.append("")
    if len(rows) > limit:
        total = fmt.count(table.total_rows)
        held = "" if table.total_rows == len(table) else f" (the first {fmt.count(len(table))})"
        lines += [f"Rows 1 to {limit} of {total}; more{held} in tables/{table.name}.csv.", ""]
    return lines


def _cells(shown: Shown, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    texts = column(shown, rows)
    if shown.kind not in TEXT_KINDS:
        return texts
    escaped = code if shown.kind in NAME_KINDS else prose
    return [text if text == fmt.ABSENT else escaped(text) for text in texts]
