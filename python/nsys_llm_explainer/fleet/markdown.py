"""fleet.md: all traces on one page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nsys_llm_explainer.fleet.columns import shown
from nsys_llm_explainer.fleet.result import Fleet
from nsys_llm_explainer.fleet.texts import Part, links, parts, verdict
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.cells import NAME_KINDS, TEXT_KINDS, cell
from nsys_llm_explainer.render.escape.markdown import code, prose
from nsys_llm_explainer.sections import Shown

MOST_ROWS = 200


def fleet_markdown(fleet: Fleet, picture: tuple[str, str] | None = None) -> str:
    """Returns the text of fleet.md.

    Args:
        fleet: All traces.
        picture: The path of the devices' picture, and what it shows.
    """
    lines = ["# GPU report over many traces", "", prose(verdict(fleet)), ""]
    reports = links(fleet)
    for part in parts(fleet):
        lines += _part(part, reports, picture if part.id == "devices" else None)
    return "\n".join(lines).rstrip() + "\n"


def _part(part: Part, reports: Mapping[str, str], picture: tuple[str, str] | None) -> Iterator[str]:
    yield f"## {prose(part.title)}"
    yield ""
    for note in part.notes:
        yield prose(note)
        yield ""
    if picture is not None:
        yield f"![{prose(picture[1])}]({picture[0]})"
        yield ""
    if not part.columns:
        return
    if not part.rows:
        yield part.empty
        yield ""
        return
    columns = shown(part.columns)
    yield "| " + " | ".join(prose(column.header) for column in columns) + " |"
    yield "| " + " | ".join("---" if column.kind in TEXT_KINDS else "---:" for column in columns) + " |"
    for row in part.rows[:MOST_ROWS]:
        yield "| " + " | ".join(_cell(column, row, reports) for column in columns) + " |"
    yield ""
    if len(part.rows) > MOST_ROWS:
        yield f"Rows 1 to {MOST_ROWS} of {fmt.count(len(part.rows))}; fleet.json has all."
        yield ""


def _cell(column: Shown, row: Mapping[str, Any], reports: Mapping[str, str]) -> str:
    text = cell(column, row)
    if text == fmt.ABSENT:
        return text
    if column.column == "trace" and text in reports:
        return f"[{prose(text)}]({reports[text]})"
    if column.kind in NAME_KINDS:
        return code(text)
    return prose(text) if column.kind in TEXT_KINDS else text
