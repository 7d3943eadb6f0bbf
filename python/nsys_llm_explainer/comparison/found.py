"""Findings side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nsys_llm_explainer.comparison import judge
from nsys_llm_explainer.render.coverage import HEALTHY
from nsys_llm_explainer.report import SEVERITIES, Finding, Report


def findings(before: Report, after: Report, *, noise: float, blocked: bool) -> Iterator[dict[str, Any]]:
    """Yields a row per rule that found something on a side: those that came or went first, then by change.

    Args:
        before: The one report.
        after: The other one.
        noise: How far the share of any bucket moves by chance.
        blocked: Whether the reports are not to be compared.
    """
    sides = [_by_rule(report) for report in (before, after)]
    rows = []
    for rule in {**sides[0], **sides[1]}:
        if rule == HEALTHY:
            continue
        own, other = (side.get(rule) for side in sides)
        verdict = judge.INCOMPARABLE if blocked else _verdict(own, other, noise)
        shown = other or own
        rows.append(
            {
                "id": rule,
                "verdict": verdict,
                "before_severity": own and own.severity,
                "after_severity": other and other.severity,
                "before_share": own and own.at_stake_share,
                "after_share": other and other.at_stake_share,
                "title": shown and shown.title,
            }
        )
    order = {judge.NEW: 0, judge.GONE: 1, judge.MORE: 2, judge.LESS: 3}
    yield from sorted(rows, key=lambda row: (order.get(str(row["verdict"]), 4), -_moved(row), str(row["id"])))


def _by_rule(report: Report) -> dict[str, Finding]:
    """Returns the strongest finding of each rule."""
    found: dict[str, Finding] = {}
    for finding in report.findings:
        found.setdefault(finding.id, finding)
    return found


def _moved(row: dict[str, Any]) -> float:
    return abs(float(row["after_share"] or 0.0) - float(row["before_share"] or 0.0))


def _verdict(own: Finding | None, other: Finding | None, noise: float) -> str:
    shares = [finding.at_stake_share for finding in (own, other) if finding is not None]
    told = any(share is not None for share in shares)
    before, after = (0.0 if finding is None else finding.at_stake_share or 0.0 for finding in (own, other))
    change = after - before
    severities = {finding.severity for finding in (own, other) if finding is not None}
    if own is None or other is None:
        # A low finding may come and go with a figure that hardly moved: it crossed a threshold.
        if severities == {SEVERITIES[-1]} or (told and abs(change) < noise):
            return judge.MINOR
        return judge.NEW if own is None else judge.GONE
    if told and abs(change) < noise:
        return judge.SAME
    if told:
        return judge.MORE if change > 0 else judge.LESS
    step = SEVERITIES.index(own.severity) - SEVERITIES.index(other.severity)
    return judge.SAME if step == 0 else judge.MORE if step > 0 else judge.LESS
