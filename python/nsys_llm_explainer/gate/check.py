"""Holds a report against conditions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nsys_llm_explainer.gate.baseline import load
from nsys_llm_explainer.gate.expression import Against, Condition, parse
from nsys_llm_explainer.gate.figures import AbsentError, Figures, Number, Values, look_up, of_report
from nsys_llm_explainer.report import Report, StrPath


@dataclass(frozen=True)
class Checked:
    """What came of one condition.

    Attributes:
        condition: The condition as it was written.
        value: The figure, that of the row that decided; None where there is none.
        limit: What it was compared with, None where that cannot be known.
        passed: Whether the report does not meet the condition, which takes a figure and a limit.
        reason: One line for people, also where it passed.
    """

    condition: str
    value: Number | None
    limit: float | None
    passed: bool
    reason: str


def check(
    report: Report, conditions: str | Iterable[str], baseline: StrPath | Report | None = None
) -> tuple[Checked, ...]:
    """Holds a report against conditions; see ``nsys_llm_explainer.check``."""
    texts = (conditions,) if isinstance(conditions, str) else tuple(conditions)
    parsed = tuple(parse(text) for text in texts)
    check_relative(parsed, has_baseline=baseline is not None)
    before = None
    if baseline is not None:
        before = of_report(baseline) if isinstance(baseline, Report) else load(baseline)
    return judge(of_report(report), parsed, before)


def check_relative(conditions: Iterable[Condition], *, has_baseline: bool) -> None:
    """Makes sure that conditions relative to a baseline have one.

    Raises:
        ValueError: One has none.
    """
    for condition in conditions:
        if condition.against is not Against.ZERO and not has_baseline:
            raise ValueError(f"{condition.text!r} is relative to a baseline, and none is given")


def judge(
    figures: Figures, conditions: Iterable[Condition], baseline: Figures | None, *, called: str = "the baseline"
) -> tuple[Checked, ...]:
    """Returns what comes of each condition, in their order.

    Args:
        figures: Those of the report.
        conditions: The conditions.
        baseline: What relative conditions are measured from.
        called: What to call that.
    """
    return tuple(_judged(figures, condition, baseline, called) for condition in conditions)


def _judged(figures: Figures, condition: Condition, baseline: Figures | None, called: str) -> Checked:
    name = condition.path.text
    try:
        values = look_up(figures, condition.path)
    except AbsentError as absent:
        return Checked(condition.text, None, None, passed=False, reason=f"{name}: {absent}")
    base = None
    if condition.against is not Against.ZERO:
        try:
            base = _strongest(condition, look_up(baseline or Figures({}, {}, (), holder="baseline"), condition.path))
        except AbsentError as absent:
            value = _strongest(condition, values)
            return Checked(condition.text, value, None, passed=False, reason=f"{name}: {called}: {absent}")
    limit = condition.limit(base)
    value = _strongest(condition, values, limit)
    failed = condition.holds(value, limit)
    verdict = "" if failed else "not "
    reason = f"{name} is {value!r}{_of_rows(condition, values)}, {verdict}{condition.operator} {limit!r}"
    return Checked(
        condition.text, value, limit, passed=not failed, reason=reason + _basis(condition, value, base, called)
    )


def _strongest(condition: Condition, values: Values, limit: float | None = None) -> Number:
    """Returns the value that decides: the one that meets the condition if any does."""
    if condition.operator in ("<", "<="):
        return min(values.numbers)
    if limit is not None and condition.operator in ("==", "!="):
        return next((number for number in values.numbers if condition.holds(number, limit)), max(values.numbers))
    return max(values.numbers)


def _of_rows(condition: Condition, values: Values) -> str:
    rows = len(values.numbers)
    which = {"<": "smallest", "<=": "smallest", ">": "largest", ">=": "largest"}.get(condition.operator, "one")
    notes = [f"{which} of {rows} rows"] if rows > 1 else []
    notes += [values.note] if values.note else []
    return f" ({', '.join(notes)})" if notes else ""


def _basis(condition: Condition, value: Number, base: Number | None, called: str) -> str:
    if base is None:
        return ""
    change = f", {(value - base) / abs(base):+.2%} now" if base else ""
    return f" ({condition.limit_text} on {called}'s {base!r}{change})"
