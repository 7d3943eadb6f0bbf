"""What the outputs for people say in words, and the tables that they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from nsys_llm_explainer.fleet.columns import DEVICES, OUTLIERS, Column
from nsys_llm_explainer.fleet.outliers import METHOD, MIN_TRACES
from nsys_llm_explainer.fleet.result import Fleet, worst_first
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.outputs import HTML, JSON, MARKDOWN
from nsys_llm_explainer.sections import Kind

Row = Mapping[str, Any]
ERRORS = (
    Column("trace", "text", "The trace.", "trace", Kind.LABEL),
    Column("path", "text", "Its path.", "path", Kind.LABEL),
    Column("error_type", "text", "What kind of error it ended with.", "error", Kind.TEXT),
    Column("error_message", "text", "The error's message.", "message", Kind.TEXT),
)
HOW_TO_READ = (
    "A row is a device of a trace; a trace is called by its file's name, as the folder of its report. Failed traces "
    "come first, then those that stand out, then by severity and share of the first finding. A dash is not captured, "
    "never zero. What each figure means stands in the report of the trace."
)


@dataclass(frozen=True)
class Part:
    """A section of the fleet for people.

    Attributes:
        id: A word for machines, also the table's name.
        title: Its heading.
        notes: What to know about it.
        columns: The columns of its table.
        rows: The table's rows.
        empty: What to say where there is none.
        charts: Names of the charts that belong here.
    """

    id: str
    title: str
    notes: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    empty: str = "None."
    charts: tuple[str, ...] = ()


def verdict(fleet: Fleet) -> str:
    """Returns the fleet in a sentence or two."""
    ok = len(fleet.traces) - len(fleet.failed)
    text = f"{fmt.counted(ok, 'trace')} explained"
    if fleet.failed:
        text += f", {len(fleet.failed)} failed"
    groups = fleet.compared.groups
    worse = sum(bool(row["worse"]) for row in fleet.outliers)
    if any(group["compared"] for group in groups):
        traces = len({row["trace"] for row in fleet.outliers if row["worse"]})
        stands = f"{fmt.counted(traces, 'trace')} worse than the others in {fmt.counted(worse, 'figure')}"
        return f"{text}; {stands if worse else 'none stands out as worse than the others'}."
    return f"{text}. Too few to call outliers: {MIN_TRACES} traces with the same GPU are needed."


def groups(fleet: Fleet) -> str:
    """Returns which traces were compared, in words."""
    told = [
        f"{fmt.counted(group['traces'], 'trace')} on {group['gpu_name']}"
        + ("" if group["compared"] else f" (too few: {MIN_TRACES} are needed)")
        for group in fleet.compared.groups
    ]
    named = {row["trace"] for row in fleet.devices if row["gpu_name"] is not None}
    unnamed = len({row["trace"] for row in fleet.devices if row["device_id"] is not None} - named)
    if unnamed:
        told.append(f"{fmt.counted(unnamed, 'trace')} whose export does not name the GPU (not compared)")
    return f"Traces by GPU: {'; '.join(told)}." if told else "Nothing was compared, as no trace has GPU work."


def links(fleet: Fleet) -> dict[str, str]:
    """Returns where the report of each trace begins, relative to the fleet's files, by the trace's name."""
    found = {}
    for trace in fleet.traces:
        if trace.error is None:
            names = (name for name in (HTML, MARKDOWN, JSON) if (trace.folder / name).is_file())
            found[trace.name] = f"{quote(trace.name)}/{next(names, '')}"
    return found


def parts(fleet: Fleet) -> list[Part]:
    """Returns the sections in their order: what failed, outliers, devices, and what other analyses added."""
    found = []
    if fleet.failed:
        failed = tuple(row for row in fleet.devices if row["status"] != "ok")
        found.append(Part("failed", "Traces that failed", (), ERRORS, failed))
    enough = any(group["compared"] for group in fleet.compared.groups)
    empty = "No trace stands out." if enough else "None called: too few traces."
    found.append(Part("outliers", "Outliers", (groups(fleet), METHOD), OUTLIERS, fleet.outliers, empty))
    devices = tuple(worst_first([row for row in fleet.devices if row["status"] == "ok"], fleet.outliers))
    columns = _filled(DEVICES, devices)
    charts = ("fleet_budget", "fleet_steps")
    found.append(Part("devices", "Traces and devices", (HOW_TO_READ,), columns, devices, "No trace.", charts))
    found += [Part(one.id, one.title, one.notes, one.columns, one.rows) for one in fleet.sections]
    return found


def _filled(columns: Sequence[Column], rows: Sequence[Row]) -> tuple[Column, ...]:
    """Returns the columns; those of kinds of step that no trace has are left to the machines."""

    def kept(column: Column) -> bool:
        return "period" not in column.name or any(row[column.name] is not None for row in rows)

    hidden = {"status"}
    return tuple(
        column if kept(column) and column.name not in hidden else replace(column, kind=None) for column in columns
    )
