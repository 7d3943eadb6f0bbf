"""The report of one file, as the value or as read from report.json: what ranks are compared by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Union

from nsys_llm_explainer.findings import straggling_rank
from nsys_llm_explainer.job.lanes import DeviceKey
from nsys_llm_explainer.report import Report

AnyReport = Union[Report, Mapping[str, Any]]
Row = Mapping[str, Any]
_OWN_FINDING = straggling_rank.ID


@dataclass(frozen=True)
class StepKind:
    """Steps of one kind on one rank.

    Attributes:
        kind: ``decode``, ``prefill``, ``mixed`` or ``unknown``.
        steps: How many.
        period_p50_ns: Median time from one start to the next, None for a single step.
        period_p90_ns: 90th percentile of it.
    """

    kind: str
    steps: int
    period_p50_ns: float | None
    period_p90_ns: float | None


@dataclass(frozen=True)
class Budget:
    """Where one rank's time went.

    Attributes:
        window_ns: First start to last end of its GPU's work.
        buckets: Time by bucket.
        steps: Its steps by kind.
    """

    window_ns: int
    buckets: Mapping[str, int]
    steps: tuple[StepKind, ...]

    def share(self, bucket: str) -> float:
        """Returns the part of the window that a bucket has; 0 without a window."""
        return self.buckets.get(bucket, 0) / self.window_ns if self.window_ns else 0.0


class Explained:
    """A report, from wherever it comes."""

    def __init__(self, report: AnyReport) -> None:
        """Takes a report, or the content of a report.json."""
        self._report = report

    @property
    def trace(self) -> Mapping[str, Any]:
        """The facts about the trace."""
        trace: Mapping[str, Any] = self._report.trace if isinstance(self._report, Report) else self._report["trace"]
        return trace

    def rows(self, section: str, table: str) -> list[Row]:
        """Returns the rows of a table, none where its section is missing."""
        if isinstance(self._report, Report):
            found = self._report.sections.get(section)
            there = found is not None and found.status == "ok" and table in found.tables
            return list(found.tables[table].rows()) if found is not None and there else []
        given = self._report["sections"].get(section, {})
        rows: list[Row] = given.get("tables", {}).get(table, {}).get("rows", [])
        return rows

    @property
    def straggler(self) -> str | None:
        """What the file's own report says of a straggling rank among its devices, None where it says nothing."""
        if isinstance(self._report, Report):
            return next((finding.title for finding in self._report.findings if finding.id == _OWN_FINDING), None)
        titles = (str(finding["title"]) for finding in self._report["findings"] if finding["id"] == _OWN_FINDING)
        return next(titles, None)

    def devices(self) -> list[DeviceKey]:
        """Returns the devices that have a window, in the report's order."""
        return list(dict.fromkeys((row["device_id"], row["gpu_id"]) for row in self.rows("budget", "device_time")))

    def budget(self, device: DeviceKey) -> Budget | None:
        """Returns where a device's time went, None where the report does not know it."""
        rows = [row for row in self.rows("budget", "device_time") if _is(row, device)]
        if not rows:
            return None
        buckets = {str(row["bucket"]): int(row["total_ns"]) for row in rows}
        steps = tuple(
            StepKind(row["kind"], row["steps"], row["period_p50_ns"], row["period_p90_ns"])
            for row in self.rows("steps", "step_kinds")
            if _is(row, device)
        )
        return Budget(sum(buckets.values()), buckets, steps)


def _is(row: Row, device: DeviceKey) -> bool:
    """Tells whether a row is of a device: by the physical id where both have one."""
    own, gpu = device
    if gpu is not None and row["gpu_id"] is not None:
        return bool(row["gpu_id"] == gpu)
    return bool(row["device_id"] == own)


def median_share(budgets: list[Budget], bucket: str) -> float | None:
    """Returns the part of its window that the median rank spends in a bucket, None without ranks."""
    return median(budget.share(bucket) for budget in budgets) if budgets else None


def median_period(budgets: list[Budget], kind: str) -> float | None:
    """Returns the median over the ranks of their median period of a kind of steps, None where none has it."""
    periods = [
        step.period_p50_ns
        for budget in budgets
        for step in budget.steps
        if step.kind == kind and step.period_p50_ns is not None
    ]
    return median(periods) if periods else None
