"""The finished value over all traces, which the outputs are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nsys_llm_explainer._native import __version__
from nsys_llm_explainer.fleet.columns import DEVICES, OUTLIERS, STEPS, Column
from nsys_llm_explainer.fleet.outliers import METHOD, MIN_TRACES, Compared, compare
from nsys_llm_explainer.fleet.summary import counts, top_finding
from nsys_llm_explainer.report import SEVERITIES, TOOL_NAME

FLEET_VERSION = "1.0"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class TraceResult:
    """One trace of the job.

    Attributes:
        name: Its name in the job.
        path: Its path, as it was given or found.
        folder: Where its report lies; there is none where ``error`` is set.
        summary: What the fleet keeps of the report.
        error: Type and message, None where the trace was explained.
        file_bytes: Its size, where it could be seen.
    """

    name: str
    path: str
    folder: Path
    summary: Mapping[str, Any] | None = None
    error: tuple[str, str] | None = None
    file_bytes: int | None = None


@dataclass(frozen=True)
class ExtraSection:
    """A section that another analysis over several traces adds to the fleet's outputs.

    Attributes:
        id: A word for machines.
        title: Its heading.
        columns: The columns of its table.
        rows: The table's rows.
        notes: What to know about it: method, limits.
    """

    id: str
    title: str
    columns: tuple[Column, ...] = ()
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Returns the section as it stands in fleet.json."""
        return {"title": self.title, "notes": list(self.notes), **_table(self.columns, self.rows)}


SectionMaker = Callable[[Sequence[TraceResult]], Sequence[ExtraSection]]
"""Is given the traces of the job once all are explained, and returns what to add."""


@dataclass(frozen=True)
class Fleet:
    """Everything that was found out about the traces of a job.

    Attributes:
        traces: The traces, in the order of the job.
        devices: A row per trace and device, as in fleet.csv; one for a trace that failed or has no GPU work.
        steps: A row per trace, device, worker and kind of step.
        compared: The outliers, and what was compared.
        generated_at: When it was made, ISO 8601 in UTC.
        sections: What other analyses added.
        notes: What people should know about this run; part of no file.
    """

    traces: tuple[TraceResult, ...]
    devices: tuple[Row, ...]
    steps: tuple[Row, ...]
    compared: Compared
    generated_at: str
    sections: tuple[ExtraSection, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def outliers(self) -> tuple[Row, ...]:
        """The rows of the table of outliers."""
        return self.compared.outliers

    @property
    def failed(self) -> tuple[TraceResult, ...]:
        """The traces that could not be explained."""
        return tuple(trace for trace in self.traces if trace.error is not None)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fleet as plain data: the content of fleet.json."""
        return {
            "schema_version": FLEET_VERSION,
            "tool": {"name": TOOL_NAME, "version": __version__},
            "generated_at": self.generated_at,
            "traces": [_trace(trace) for trace in self.traces],
            "comparison": {
                "method": METHOD,
                "min_traces": MIN_TRACES,
                "groups": [dict(group) for group in self.compared.groups],
            },
            "tables": {
                "devices": _table(DEVICES, self.devices),
                "steps": _table(STEPS, self.steps),
                "outliers": _table(OUTLIERS, self.outliers),
            },
            "sections": {section.id: section.to_dict() for section in self.sections},
        }


def fleet_of(
    traces: Sequence[TraceResult],
    generated_at: str,
    sections: Sequence[ExtraSection] = (),
    notes: Sequence[str] = (),
) -> Fleet:
    """Returns the fleet of explained traces.

    Args:
        traces: The traces, in the order of the job.
        generated_at: When it was made.
        sections: What other analyses add.
        notes: What people should know about the run.
    """
    devices = tuple(row for trace in traces for row in _devices(trace))
    steps = tuple({"trace": trace.name, **row} for trace in traces for row in (trace.summary or {}).get("steps", ()))
    return Fleet(tuple(traces), devices, steps, compare(devices), generated_at, tuple(sections), tuple(notes))


def worst_first(rows: Sequence[Row], outliers: Sequence[Row]) -> list[Row]:
    """Returns rows of the table ``devices``, the worst first.

    Args:
        rows: The rows.
        outliers: Those of the table of outliers.

    Returns:
        Traces that failed, then those that stand out by their score, then by severity and share of the top finding.
    """
    scores: dict[str, float] = {}
    for row in outliers:
        if row["worse"]:
            scores[row["trace"]] = max(row["score"], scores.get(row["trace"], 0.0))

    def order(row: Row) -> tuple[Any, ...]:
        severity = row["top_finding_severity"]
        rank = SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)
        return row["status"] == "ok", -scores.get(row["trace"], 0.0), rank, -(row["top_finding_at_stake_share"] or 0.0)

    return sorted(rows, key=order)


def _devices(trace: TraceResult) -> list[dict[str, Any]]:
    row: dict[str, Any] = dict.fromkeys(column.name for column in DEVICES)
    row.update(trace=trace.name, path=trace.path, file_bytes=trace.file_bytes)
    if trace.error is not None or trace.summary is None:
        kind, message = trace.error or (None, None)
        return [{**row, "status": "failed", "error_type": kind, "error_message": message}]
    summary, facts = trace.summary, trace.summary["trace"]
    top = top_finding(summary["findings"]) or {}
    row.update(
        status="ok",
        **{name: facts[name] for name in ("tokens_per_s", "steps_source", "steps_confidence", "nvtx_coverage")},
        cuda_graph_mode=facts["cuda_graph_mode"],
        top_finding=top.get("id"),
        top_finding_severity=top.get("severity"),
        top_finding_title=top.get("title"),
        top_finding_at_stake_share=top.get("at_stake_share"),
        **counts(summary["findings"]),
        warnings=len(summary["warnings"]),
        not_captured=" ".join(summary["not_captured"]) or None,
        report=trace.name,
    )
    return [{**row, **device} for device in summary["devices"]] or [row]


def _trace(trace: TraceResult) -> dict[str, Any]:
    summary = trace.summary
    found: dict[str, Any] = {
        "name": trace.name,
        "path": trace.path,
        "status": "ok" if trace.error is None else "failed",
        "error": None if trace.error is None else dict(zip(("type", "message"), trace.error)),
        "file_bytes": trace.file_bytes,
        "report": trace.name if trace.error is None else None,
        "facts": None if summary is None else dict(summary["trace"]),
    }
    for part in ("findings", "warnings", "not_captured"):
        found[part] = [] if summary is None else list(summary[part])
    return found


def _table(columns: Sequence[Column], rows: Sequence[Row]) -> dict[str, Any]:
    return {"columns": [column.to_dict() for column in columns], "rows": [dict(row) for row in rows]}
