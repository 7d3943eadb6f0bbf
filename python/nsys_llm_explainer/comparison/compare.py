"""Makes a comparison of two reports."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from nsys_llm_explainer.comparison import budget, found, kernels, steps, work
from nsys_llm_explainer.comparison.comparable import differences
from nsys_llm_explainer.comparison.figures import figures_of
from nsys_llm_explainer.comparison.noise import FLOOR
from nsys_llm_explainer.comparison.notes import notes
from nsys_llm_explainer.comparison.sides import Reading, device_pairs, worker_pairs
from nsys_llm_explainer.comparison.value import (
    ALL,
    BLOCKS,
    COMPARABLE,
    IDLE,
    KERNELS,
    LIMITED,
    LIMITS,
    NOT_COMPARABLE,
    STEPS,
    Comparison,
    Difference,
    DiffTable,
    Side,
    table,
)
from nsys_llm_explainer.comparison.words import changes, lead, origins
from nsys_llm_explainer.render.trace_facts import trace_facts
from nsys_llm_explainer.report import Report, timestamp

_MOST_REASONS = 6


def compare(before: Report, after: Report, *, floor: float = FLOOR, allow_different: bool = False) -> Comparison:
    """Returns the comparison of two reports; see ``nsys_llm_explainer.compare``."""
    if not 0 <= floor < 1:
        raise ValueError(f"the floor is a part of 1, such as 0.03, not {floor!r}")
    sides = Reading(before), Reading(after)
    differing = differences(*sides, floor)
    tables = _tables(*sides, differing, floor=floor, allow_different=allow_different)
    status = _status(differing, allow_different=allow_different)
    reasons = _reasons(differing)
    return Comparison(
        before=_side(before),
        after=_side(after),
        generated_at=timestamp(),
        status=status,
        reasons=reasons,
        lead=lead(status, tables, differing),
        changes=changes(tables),
        origins=origins(tables),
        differences=differing,
        notes=notes(*sides, tables, floor),
        tables=MappingProxyType(tables),
        figures=MappingProxyType(figures_of(tables, differing)),
        allow_different=allow_different,
        reports=(before, after),
    )


def _tables(
    before: Reading, after: Reading, differing: tuple[Difference, ...], *, floor: float, allow_different: bool
) -> dict[str, DiffTable]:
    def blocked(scope: str) -> bool:
        scopes = {one.scope for one in differing if one.severity == BLOCKS}
        return not allow_different and bool(scopes & {ALL, scope})

    own_steps = {one.scope for one in differing if one.severity == BLOCKS and one.scope == STEPS}
    pairs = device_pairs(before, after)
    workers = worker_pairs(before, after, pairs) if allow_different or not own_steps else []
    groups = steps.matched(before, after, workers, tolerance=None if allow_different else floor)
    by_step = bool(groups)
    whole = list(budget.device_budget(before, after, pairs, blocked=blocked(IDLE), floor=floor))
    noises = {(row["device"], row["bucket"]): row["noise_share"] for row in whole}
    # A share that one event moved moves those of all findings.
    swings = [abs(row["change_share"]) if row["noise_share"] is None else row["noise_share"] for row in whole]
    swing = max(swings, default=floor)
    rows: Mapping[str, Any] = {
        "differences": [one.to_dict() for one in differing],
        "step_times": steps.step_times(groups, blocked=blocked(STEPS), floor=floor),
        "step_shapes": steps.step_shapes(before, after, workers, groups),
        "throughput": steps.throughput(before, after, workers, blocked=blocked(STEPS), floor=floor),
        "devices": budget.devices(before, after, pairs, blocked=blocked(IDLE), floor=floor),
        "device_budget": whole,
        "idle_origins": budget.idle_origins(before, after, pairs),
        "idle_places": budget.idle_places(before, after, pairs),
        "step_buckets": steps.step_buckets(before, after, groups, blocked=blocked(STEPS) or blocked(IDLE), floor=floor),
        "step_categories": steps.step_categories(before, after, groups, blocked=blocked(KERNELS), floor=floor),
        "step_launches": work.step_launches(before, after, groups, blocked=blocked(KERNELS)),
        "kernels": kernels.kernels(
            before,
            after,
            pairs,
            blocked=blocked(KERNELS),
            by_step=by_step,
            unlike={group.pair.before[0] for group in _main(groups) if group.unlike},
        ),
        "amounts": work.amounts(
            before,
            after,
            pairs,
            noises=noises,
            blocked={topic: blocked(KERNELS if hidden else ALL) for topic, hidden in work.HIDDEN_BY_GRAPHS.items()},
            by_step=by_step,
            floor=floor,
        ),
        "findings": found.findings(before.report, after.report, noise=swing, blocked=blocked(KERNELS) or blocked(IDLE)),
        "period_histogram": steps.histogram(before, after) if groups else [],
    }
    return {name: table(name, values) for name, values in rows.items()}


def _main(groups: list[steps.Matched]) -> list[steps.Matched]:
    """Returns the steps of the kind that takes the most time."""
    return [group for group in groups if group.kind == groups[0].kind]


def _side(report: Report) -> Side:
    return Side(str(report.trace["path"]), tuple(trace_facts(report)))


def _status(differing: tuple[Difference, ...], *, allow_different: bool) -> str:
    severities = {one.severity for one in differing}
    blocked = any(one.severity == BLOCKS and one.scope == ALL for one in differing)
    if blocked and not allow_different:
        return NOT_COMPARABLE
    return LIMITED if severities & {BLOCKS, LIMITS} else COMPARABLE


def _reasons(differing: tuple[Difference, ...]) -> tuple[str, ...]:
    told = [one for one in differing if one.severity in (BLOCKS, LIMITS)]
    return tuple(f"{one.subject}: {one.before} before, {one.after} after: {one.effect}" for one in told[:_MOST_REASONS])
