"""Steps beside steps: periods, spans, throughput and buckets by worker and kind, matched by batch shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Optional

from nsys_llm_explainer.comparison import judge, shapes
from nsys_llm_explainer.comparison.mix import all_steps, work_change
from nsys_llm_explainer.comparison.noise import (
    MIN_STEPS,
    TAIL_FACTOR,
    Sample,
    mean_error,
    quantile_changes,
    z_of,
)
from nsys_llm_explainer.comparison.sides import Reading, Row, WorkerPair
from nsys_llm_explainer.findings.case import key_of
from nsys_llm_explainer.findings.ledger import BUCKETS

P50, P90 = 0.5, 0.9
MIN_TAIL_STEPS = 40
"""Fewer steps say too little of the 90th percentile."""
HISTOGRAM_BINS = 30
_CATEGORIES = 20
_METRICS = (("period", "period_ns"), ("span", "span_ns"))


@dataclass(frozen=True)
class Matched:
    """The steps of one kind on a worker and its counterpart that are compared.

    Attributes:
        pair: The workers.
        kind: The kind.
        match: Their shapes.
        before: Steps of BEFORE whose shape AFTER has too.
        after: Steps of AFTER whose shape BEFORE has too.
        weights: What each of these counts, None where all count the same.
        unlike: Whether steps in the same bins of shapes are so different that times of them do not compare.
    """

    pair: WorkerPair
    kind: str
    match: shapes.Match
    before: list[Row]
    after: list[Row]
    weights: Optional[list[float]]
    unlike: bool = False

    @property
    def enough(self) -> bool:
        """Whether there are enough steps on both sides for a verdict."""
        return self._fewest >= MIN_STEPS

    @property
    def enough_for_tail(self) -> bool:
        """Whether there are enough for one on the 90th percentile."""
        return self._fewest >= MIN_TAIL_STEPS

    @property
    def _fewest(self) -> float:
        first, second = self.samples("period_ns")
        return min(first.effective, second.effective)

    def samples(self, column: str) -> tuple[Sample, Sample]:
        """Returns a figure of the steps on both sides."""
        return (
            Sample([row[column] for row in self.before], None, self.shapes(self.before)),
            Sample([row[column] for row in self.after], self.weights, self.shapes(self.after)),
        )

    def shapes(self, rows: Sequence[Row]) -> list[shapes.Shape]:
        """Returns the shapes of steps."""
        return [self.match.shape(row) for row in rows]

    @property
    def period_ns(self) -> float:
        """BEFORE's mean period."""
        return float(sum(row["period_ns"] for row in self.before)) / max(1, len(self.before))


def matched(
    before: Reading, after: Reading, pairs: Sequence[WorkerPair], *, tolerance: float | None = None
) -> list[Matched]:
    """Returns the steps that are compared, by worker and kind, kinds with the most time first.

    Args:
        before: The one side.
        after: The other side.
        pairs: The workers.
        tolerance: By how much the tokens of matched steps may differ, None for any.
    """
    found = []
    for pair in pairs:
        first, second = before.steady_steps(pair.before), after.steady_steps(pair.after)
        for kind in before.kinds():
            own, other = ([_with_span(row) for row in rows if row["kind"] == kind] for rows in (first, second))
            if own and other:
                found.append(_matched(pair, kind, own, other, tolerance))
    return found


def _with_span(row: Row) -> Row:
    return {**row, "span_ns": row["end_ns"] - row["start_ns"]}


def _matched(pair: WorkerPair, kind: str, own: list[Row], other: list[Row], tolerance: float | None) -> Matched:
    match = shapes.match(own, other)
    common = match.common
    first = [row for row in own if match.shape(row) in common]
    second = [row for row in other if match.shape(row) in common]
    weights = [match.weight(match.shape(row)) for row in second]
    same = not weights or max(weights) == min(weights)
    unlike = tolerance is not None and abs(work_change(first, second, weights)) > tolerance
    return Matched(pair, kind, match, first, second, None if same else weights, unlike)


def step_times(groups: Sequence[Matched], *, blocked: bool, floor: float) -> Iterator[dict[str, Any]]:
    """Yields a row per worker, kind and figure."""
    for group in groups:
        for name, column in _METRICS:
            changes = quantile_changes(*group.samples(column), (P50, P90))
            for label, change in zip((f"{name}_p50", f"{name}_p90"), changes):
                if change is None:
                    continue
                tail = label.endswith("p90")
                least = floor * TAIL_FACTOR if tail else floor
                certain = change.low > 0 or change.high < 0
                noise: float | None = least if certain else abs(change.share)
                known = group.enough_for_tail if tail else group.enough
                if not known:
                    noise = None
                verdict = judge.INCOMPARABLE if blocked or group.unlike else judge.speed(change.share, noise)
                yield {
                    "device": group.pair.label,
                    "kind": group.kind,
                    "metric": label,
                    "before_steps": len(group.before),
                    "after_steps": len(group.after),
                    "before_ns": change.before,
                    "after_ns": change.after,
                    "change_share": change.share,
                    "low_share": change.low if group.enough else None,
                    "high_share": change.high if group.enough else None,
                    "floor_share": least,
                    "verdict": verdict,
                    "resamples": change.resamples,
                }


def step_shapes(
    before: Reading, after: Reading, pairs: Sequence[WorkerPair], groups: Sequence[Matched]
) -> Iterator[dict[str, Any]]:
    """Yields a row per worker, kind and shape, the most frequent ones first."""
    known = {(group.pair, group.kind): group.match for group in groups}
    for pair in pairs:
        first, second = before.steady_steps(pair.before), after.steady_steps(pair.after)
        for kind in dict.fromkeys([*before.kinds(), *after.kinds()]):
            own, other = ([row for row in rows if row["kind"] == kind] for rows in (first, second))
            match = known.get((pair, kind)) or shapes.match(own, other)
            for shape in sorted({**match.before, **match.after}, key=lambda key: _rank(match, key)):
                yield {"device": pair.label, "kind": kind, **_shape_row(match, shape, own, other)}


def _rank(match: shapes.Match, shape: shapes.Shape) -> tuple[int, tuple[int, ...]]:
    count = match.before.get(shape, 0) + match.after.get(shape, 0)
    return -count, tuple(-1 if value is None else value for value in shape)


def _shape_row(match: shapes.Match, shape: shapes.Shape, own: list[Row], other: list[Row]) -> dict[str, Any]:
    first, second = ([row["period_ns"] for row in rows if match.shape(row) == shape] for rows in (own, other))
    medians = [float(median(values)) if values else None for values in (first, second)]
    change = medians[1] / medians[0] - 1 if medians[0] and medians[1] is not None else None
    return {
        "shape": shapes.text(shape, match.how),
        "matched": bool(first and second),
        "before_steps": len(first),
        "after_steps": len(second),
        "before_period_p50_ns": medians[0],
        "after_period_p50_ns": medians[1],
        "change_share": change,
    }


def throughput(
    before: Reading, after: Reading, pairs: Sequence[WorkerPair], *, blocked: bool, floor: float
) -> Iterator[dict[str, Any]]:
    """Yields a row per worker whose steps have tokens on both sides."""
    for pair in pairs:
        sides = [_rate(rows) for rows in (before.steady_steps(pair.before), after.steady_steps(pair.after))]
        first, second = sides
        if first is None or second is None or not first[0]:
            continue
        change = second[0] / first[0] - 1
        noise: float | None = max(floor, z_of() * (first[1] ** 2 + second[1] ** 2) ** 0.5)
        if min(first[2], second[2]) < MIN_STEPS:
            noise = None
        yield {
            "device": pair.label,
            "before_tokens_per_s": first[0],
            "after_tokens_per_s": second[0],
            "change_share": change,
            "noise_share": judge.finite(noise),
            "verdict": judge.INCOMPARABLE if blocked else judge.amount(change, noise),
        }


def _rate(rows: Sequence[Row]) -> tuple[float, float, int] | None:
    """Returns tokens per second, the relative standard error of that, and the number of steps."""
    told = [row for row in rows if row["context_tokens"] is not None or row["generation_tokens"] is not None]
    tokens = [(row["context_tokens"] or 0) + (row["generation_tokens"] or 0) for row in told]
    time = sum(row["period_ns"] for row in told)
    if not time or not sum(tokens):
        return None
    rate = sum(tokens) / time
    # Of a ratio of sums: what each step has more or less than the rate would give it.
    _, error = mean_error(Sample([count / rate - row["period_ns"] for count, row in zip(tokens, told)]))
    return rate * 1e9, error * len(told) / time, len(told)


def step_buckets(
    before: Reading, after: Reading, groups: Sequence[Matched], *, blocked: bool, floor: float
) -> Iterator[dict[str, Any]]:
    """Yields a row per worker, kind and bucket that occurs."""
    z = z_of(max(1, len(groups)) * len(BUCKETS))
    for group in groups:
        own = before.buckets_of(group.pair.before[0], group.before)
        other = after.buckets_of(group.pair.after[0], group.after)
        means = (_kind_row(before, group.pair.before, group.kind), _kind_row(after, group.pair.after, group.kind))
        for bucket in BUCKETS:
            noise: float | None = floor * group.period_ns
            if own is not None and other is not None:
                first, error = mean_error(Sample(own[bucket], None, group.shapes(group.before)))
                second, other_error = mean_error(Sample(other[bucket], group.weights, group.shapes(group.after)))
                noise = max(noise or 0.0, z * (error**2 + other_error**2) ** 0.5)
            else:
                values = [row.get(f"{bucket.rpartition('.')[2]}_avg_ns") for row in means]
                if values[0] is None or values[1] is None:
                    continue
                first, second, noise = values[0], values[1], None
            if not group.enough:
                noise = None
            if first or second:
                yield {"bucket": bucket, **_amount(group, (first, second), noise, blocked=blocked)}


def _kind_row(reading: Reading, worker: tuple[Any, int], kind: str) -> Row:
    rows = reading.case.rows("steps", "step_kinds")
    return next((row for row in rows if (key_of(row), row["pid"]) == worker and row["kind"] == kind), {})


def _busy_noise(group: Matched, floor: float) -> float | None:
    """Returns the noise of the busy time of a step, None where there are too few."""
    if not group.enough:
        return None
    errors = [mean_error(sample)[1] for sample in group.samples("gpu_busy_ns")]
    return float(max(floor * group.period_ns, z_of(_CATEGORIES) * sum(error**2 for error in errors) ** 0.5))


def mix_change(before: Reading, after: Reading, group: Matched, column: str) -> float:
    """Returns how much the mean of all steps moves because the batches of the sides, or their starts, differ.

    Tables of means per step hold all steps of a kind, matched or not.
    """
    whole = [
        mean_error(Sample([row[column] for row in all_steps(reading, worker, group.kind)]))[0]
        for reading, worker in ((before, group.pair.before), (after, group.pair.after))
    ]
    alike = [mean_error(sample)[0] for sample in group.samples(column)]
    return abs((whole[1] - whole[0]) - (alike[1] - alike[0]))


def _amount(group: Matched, values: tuple[float, float], noise: float | None, *, blocked: bool) -> dict[str, Any]:
    first, second = values
    return {
        "device": group.pair.label,
        "kind": group.kind,
        "before_ns": first,
        "after_ns": second,
        "change_ns": second - first,
        "noise_ns": judge.finite(noise),
        "change_share": (second - first) / group.period_ns if group.period_ns else None,
        "verdict": judge.INCOMPARABLE if blocked or group.unlike else judge.amount(second - first, noise),
    }


def step_categories(
    before: Reading, after: Reading, groups: Sequence[Matched], *, blocked: bool, floor: float
) -> Iterator[dict[str, Any]]:
    """Yields a row per worker, kind and kernel category."""
    for group in groups:
        sides = [
            {
                row["category"]: row["per_step_ns"]
                for row in reading.case.rows("categories", "step_categories")
                if (key_of(row), row["pid"]) == worker and row["step_kind"] == group.kind
            }
            for reading, worker in ((before, group.pair.before), (after, group.pair.after))
        ]
        noise = _busy_noise(group, floor)
        if noise is not None:
            noise += mix_change(before, after, group, "gpu_busy_ns")
        names = sorted({**sides[0], **sides[1]}, key=lambda name: (-max(side.get(name, 0) for side in sides), name))
        for name in names:
            values = sides[0].get(name, 0.0), sides[1].get(name, 0.0)
            yield {"category": name, **_amount(group, values, noise, blocked=blocked)}


def histogram(before: Reading, after: Reading) -> Iterator[dict[str, Any]]:
    """Yields how many steady steps of each side have which period, by kind; bins over the middle 98 % of both."""
    for kind in dict.fromkeys([*before.kinds(), *after.kinds()]):
        sides = [
            sorted(
                row["period_ns"]
                for worker in reading.workers
                for row in reading.steady_steps(worker)
                if row["kind"] == kind
            )
            for reading in (before, after)
        ]
        both = sorted(sides[0] + sides[1])
        low, high = both[len(both) // 100], both[-1 - len(both) // 100]
        width = max(1.0, (high - low) / HISTOGRAM_BINS)
        for number in range(HISTOGRAM_BINS):
            start, end = low + number * width, low + (number + 1) * width
            counts = [_within(values, start, end, number) for values in sides]
            yield {
                "kind": kind,
                "low_ns": float(start),
                "high_ns": float(end),
                "before_steps": counts[0],
                "after_steps": counts[1],
            }


def _within(values: Sequence[float], start: float, end: float, number: int) -> int:
    """Returns how many values lie in a bin; the first and the last hold what lies beyond them."""
    last = number == HISTOGRAM_BINS - 1
    return sum((value >= start or number == 0) and (value < end or last) for value in values)
