"""Holds a comparison against conditions: on figures of AFTER, relative to BEFORE, and on those of the comparison."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from nsys_llm_explainer import _native
from nsys_llm_explainer.comparison.value import ALL, IDLE, KERNELS, STEPS, Comparison
from nsys_llm_explainer.gate.check import Checked, judge
from nsys_llm_explainer.gate.expression import Against, Condition, parse
from nsys_llm_explainer.gate.figures import DIFF, Figures, of_report

_OF_SECTION = {
    "steps": STEPS,
    "step": STEPS,
    "throughput": STEPS,
    "kernels": KERNELS,
    "categories": KERNELS,
    "launch_path": KERNELS,
    "launches": KERNELS,
    "graphs": KERNELS,
    "budget": IDLE,
    "devices": IDLE,
    "gpu_idle": IDLE,
    "regressions": STEPS,
    "improvements": STEPS,
}
_ALWAYS = "differences"


def check(comparison: Comparison, conditions: str | Iterable[str]) -> tuple[Checked, ...]:
    """Holds a comparison against conditions, as ``diff --fail-on`` does.

    Args:
        comparison: The comparison, with its reports.
        conditions: Such as ``"steps.decode.period_p50_ns > +3%"``, relative to BEFORE, or ``"diff.regressions > 0"``.

    Returns:
        For each condition a frozen result: condition, value, limit, passed, reason. A condition on a change fails
        where the two cannot be compared.

    Raises:
        ValueError: A condition is malformed, or the comparison does not hold its reports.
    """
    texts = (conditions,) if isinstance(conditions, str) else tuple(conditions)
    return settle(comparison, tuple(parsed(text) for text in texts))


def parsed(text: str) -> Condition:
    """Returns a condition.

    Raises:
        ValueError: It is malformed, or asks for the change of a change.
    """
    condition = parse(text)
    if condition.path.names[0] == DIFF and condition.against is not Against.ZERO:
        raise ValueError(f"{text!r}: {condition.path.text} is a change already, so its limit has no sign")
    return condition


def settle(comparison: Comparison, conditions: Iterable[Condition]) -> tuple[Checked, ...]:
    """Returns what comes of each condition, in their order."""
    if comparison.reports is None:
        raise ValueError("this comparison does not hold its reports, so there are no figures to check")
    before, after = comparison.reports
    figures = replace(of_report(after), diff=comparison.figures)
    base = replace(of_report(before), holder="BEFORE")
    return tuple(_settled(comparison, condition, figures, base) for condition in conditions)


def _settled(comparison: Comparison, condition: Condition, figures: Figures, base: Figures) -> Checked:
    names = condition.path.names
    about_change = condition.against is not Against.ZERO or (names[0] == DIFF and names[1] != _ALWAYS)
    blocking = comparison.blocked(_scope(condition)) if about_change else None
    if blocking is None:
        return judge(figures, (condition,), base, called="BEFORE")[0]
    reason = (
        f"{condition.path.text}: not comparable: {blocking.subject}: {blocking.before} before, {blocking.after} after: "
        f"{blocking.effect} (--allow-different compares all the same)"
    )
    return Checked(condition.text, None, None, passed=False, reason=reason)


def _scope(condition: Condition) -> str:
    """Returns which differences can stand in the way of a figure."""
    names = condition.path.names
    head = names[1] if names[0] == DIFF else names[0]
    section = next(
        (
            section["id"]
            for section in _native.schema()
            if head == section["id"] or any(table["name"] == head for table in section["tables"])
        ),
        head,
    )
    return _OF_SECTION.get(section, ALL)
