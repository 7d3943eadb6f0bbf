"""The figures of a comparison that a gate can hold against limits, each by its name after ``diff.``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Union

from nsys_llm_explainer.comparison import judge
from nsys_llm_explainer.comparison.value import BLOCKS, LIMITS, NOTE, Difference, DiffTable
from nsys_llm_explainer.report import SEVERITIES

Number = Union[int, float]
Row = Mapping[str, Any]
Found = Union[tuple[Number, ...], str]
_WORSE = {judge.SLOWER, judge.MORE}
_BETTER = {judge.FASTER, judge.LESS}
_TOO_FEW = "not known: too few steps, or nothing tells the noise"
_BLOCKED = "not comparable"


def figures_of(tables: Mapping[str, DiffTable], differing: Sequence[Difference]) -> dict[str, Found]:
    """Returns every figure: its values, largest first, or why there is none."""
    times, devices = tables["step_times"].held, tables["devices"].held
    judged = [*times, *devices]
    found: dict[str, Found] = {
        "regressions": _moves(times, judged, _WORSE),
        "improvements": _moves(times, judged, _BETTER),
        **{
            f"differences.{severity}": (sum(one.severity == severity for one in differing),)
            for severity in (BLOCKS, LIMITS, NOTE)
        },
    }
    for kind, metric in dict.fromkeys((row["kind"], row["metric"]) for row in times):
        rows = [row for row in times if row["kind"] == kind and row["metric"] == metric]
        name = f"steps.{kind}.{metric}"
        found[f"{name}_change_share"] = _changes(rows)
        found[f"{name}_slower_share"] = _beyond(rows, judge.SLOWER, 1)
        found[f"{name}_faster_share"] = _beyond(rows, judge.FASTER, -1)
    found["devices.idle_change_share"] = _changes(devices)
    found["devices.idle_more_share"] = _beyond(devices, judge.MORE, 1)
    found["devices.idle_less_share"] = _beyond(devices, judge.LESS, -1)
    rates = tables["throughput"].held
    found["throughput.change_share"] = _changes(rates)
    found["throughput.less_share"] = _beyond(rates, judge.LESS, -1)
    found["throughput.more_share"] = _beyond(rates, judge.MORE, 1)
    kernels = tables["kernels"].held
    for verdict in (judge.NEW, judge.GONE, judge.SLOWER, judge.FASTER):
        found[f"kernels.{verdict}"] = _count(kernels, {verdict})
    findings = tables["findings"].held
    for verdict in (judge.NEW, judge.GONE, judge.MORE, judge.LESS):
        found[f"findings.{verdict}"] = _count(findings, {verdict})
    for severity in SEVERITIES:
        new = [row for row in findings if row["after_severity"] == severity != row["before_severity"]]
        found[f"findings.new_{severity}"] = _count(new, {judge.NEW, judge.MORE})
    return found


def _count(rows: Sequence[Row], verdicts: set[str]) -> Found:
    if rows and all(row["verdict"] == judge.INCOMPARABLE for row in rows):
        return _BLOCKED
    return (sum(row["verdict"] in verdicts for row in rows),)


def _moves(times: Sequence[Row], judged: Sequence[Row], verdicts: set[str]) -> Found:
    """Returns how many changes are of some verdicts; none is no answer where the steps that matter have no verdict."""
    found = _count(judged, verdicts)
    main = [row for row in times or judged if not times or (row["kind"], row["metric"]) == _main(times)]
    if isinstance(found, tuple) and not found[0]:
        if any(row["verdict"] == judge.INCOMPARABLE for row in main):
            return _BLOCKED
        if any(row["verdict"] == judge.UNKNOWN for row in main):
            return _TOO_FEW
    return found


def _main(times: Sequence[Row]) -> tuple[str, str]:
    """Returns the kind of steps with the most time, and its median period."""
    return times[0]["kind"], "period_p50"


def _changes(rows: Sequence[Row]) -> Found:
    if any(row["verdict"] == judge.INCOMPARABLE for row in rows):
        return _BLOCKED
    return tuple(sorted((row["change_share"] for row in rows), reverse=True)) or _missing()


def _beyond(rows: Sequence[Row], verdict: str, sign: int) -> Found:
    """Returns the changes of a verdict as positive numbers, 0 where they are inside the noise."""
    if any(row["verdict"] == judge.INCOMPARABLE for row in rows):
        return _BLOCKED
    if any(row["verdict"] == judge.UNKNOWN for row in rows):
        return _TOO_FEW
    values = [sign * row["change_share"] if row["verdict"] == verdict else 0 for row in rows]
    return tuple(sorted(values, reverse=True)) or _missing()


def _missing() -> str:
    return "not captured: the two sides have no such figure in common"
