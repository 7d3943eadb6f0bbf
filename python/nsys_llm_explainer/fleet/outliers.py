"""Which traces stand out from the others, by a method that one odd trace cannot bend.

For each figure the traces with the same GPU are compared, each with one value: that of its worst device, so that
eight ranks of one trace do not count as eight witnesses. The centre is the median, the spread 1.4826 times the median
absolute deviation (the standard deviation, were the values normal). A trace is called where it is at least
``MIN_SCORE`` spreads away and the distance is large enough to matter. The spread has a floor, as values that hardly
differ at all would otherwise make anything an outlier. With fewer than ``MIN_TRACES`` traces nothing is called: of
normal values, 3 sets in 100 have one beyond six spreads at 8 traces, under 1 in 200 at 20.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Optional

from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.figures.palette import BUCKETS

Row = Mapping[str, Any]
MIN_TRACES = 8
MIN_SCORE = 6.0
MIN_STEPS = 5
MIN_STEPS_P99 = 50
MIN_RELATIVE = 0.05
MIN_SHARE = 0.02
FLOOR = 0.2
"""The least spread, as a part of the distance that matters."""

_TO_SIGMA = 1.4826
_STEP_KINDS = ("decode", "prefill", "mixed")
METHOD = (
    "For each figure, traces with the same GPU name are compared, each by its worst device; step figures also by kind "
    f"of step, with at least {MIN_STEPS} steps ({MIN_STEPS_P99} for p99). Centre: median; spread: 1.4826 x median "
    f"absolute deviation. Called: at least {MIN_SCORE:.0f} spreads from the median, and by at least "
    f"{100 * MIN_RELATIVE:.0f} % of it (shares: {100 * MIN_SHARE:.0f} percentage points). Never with fewer than "
    f"{MIN_TRACES} traces. Batch shapes, models and versions are not matched: traces of different work differ."
)


@dataclass(frozen=True)
class Metric:
    """A figure to compare.

    Attributes:
        name: The column of the table ``devices``.
        more_is_worse: The bad direction.
        text: How people see a value.
        is_share: Whether a distance counts in percentage points.
        steps: The column with the number of steps it rests on, and how many it takes.
    """

    name: str
    more_is_worse: bool
    text: Callable[[float], str]
    is_share: bool = False
    steps: Optional[tuple[str, int]] = None

    @property
    def title(self) -> str:
        """What people call it: the unit stands with the value."""
        return self.name.replace("_per_s", " per second").removesuffix("_ns").replace("_", " ")


METRICS = (
    Metric("idle_share", True, fmt.percent, is_share=True),
    Metric("communication_share", True, fmt.percent, is_share=True),
    Metric("copy_share", True, fmt.percent, is_share=True),
    *(
        Metric(f"{kind}_{figure}_ns", True, fmt.duration, steps=(f"{kind}_steps", least))
        for kind in _STEP_KINDS
        for figure, least in (("period_p50", MIN_STEPS), ("period_p99", MIN_STEPS_P99), ("span_p50", MIN_STEPS))
    ),
    Metric("tokens_per_s", False, lambda value: f"{fmt.rate(value)}/s"),
)


@dataclass(frozen=True)
class Compared:
    """What was compared, and what stood out.

    Attributes:
        outliers: Rows of the table ``outliers``, the first to look at first.
        groups: For each GPU name how many traces there are, and whether they were compared.
    """

    outliers: tuple[dict[str, Any], ...]
    groups: tuple[dict[str, Any], ...]


def compare(rows: Iterable[Row]) -> Compared:
    """Returns the outliers among the rows of the table ``devices``."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row["status"] == "ok" and row["gpu_name"] is not None:
            groups.setdefault(row["gpu_name"], []).append(row)
    found = [outlier for name in groups for metric in METRICS for outlier in _of(metric, name, groups[name])]
    found.sort(key=lambda row: (not row["worse"], -row["score"], row["trace"], row["metric"]))
    sizes = {name: len({row["trace"] for row in members}) for name, members in groups.items()}
    return Compared(
        tuple({"rank": rank, **row} for rank, row in enumerate(found, start=1)),
        tuple(
            {"gpu_name": name, "traces": sizes[name], "compared": sizes[name] >= MIN_TRACES} for name in sorted(sizes)
        ),
    )


def _of(metric: Metric, gpu_name: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    worst = _worst(metric, rows)
    if len(worst) < MIN_TRACES:
        return []
    values = [row[metric.name] for row in worst]
    centre = median(values)
    least = MIN_SHARE if metric.is_share else MIN_RELATIVE * abs(centre)
    spread = max(_TO_SIGMA * median(abs(value - centre) for value in values), FLOOR * least)
    if not spread:
        return []
    found = []
    for row in worst:
        distance = row[metric.name] - centre
        score = abs(distance) / spread
        if score < MIN_SCORE or abs(distance) < least:
            continue
        of_trace = metric.name == "tokens_per_s"
        found.append(
            {
                "trace": row["trace"],
                "device_id": None if of_trace else row["device_id"],
                "gpu_id": None if of_trace else row["gpu_id"],
                "gpu_name": gpu_name,
                "metric": metric.name,
                "metric_text": metric.title,
                "value": float(row[metric.name]),
                "value_text": metric.text(row[metric.name]),
                "median": float(centre),
                "median_text": metric.text(centre),
                "spread": float(spread),
                "score": float(score),
                "direction": "higher" if distance > 0 else "lower",
                "worse": (distance > 0) == metric.more_is_worse,
                "because": _because(row, worst) if metric.name == "idle_share" else None,
                "traces_compared": len(worst),
            }
        )
    return found


def _worst(metric: Metric, rows: Sequence[Row]) -> list[Row]:
    """Returns for each trace the row of its worst device, of those with the figure."""
    found: dict[str, Row] = {}
    for row in rows:
        if row[metric.name] is None:
            continue
        if metric.steps is not None and (row[metric.steps[0]] or 0) < metric.steps[1]:
            continue
        value, before = row[metric.name], found.get(row["trace"])
        if before is None or (value > before[metric.name] if metric.more_is_worse else value < before[metric.name]):
            found[row["trace"]] = row
    return list(found.values())


def _because(row: Row, others: Sequence[Row]) -> str | None:
    """Returns the idle bucket that differs most from its median over the traces."""
    differences = []
    for bucket in BUCKETS:
        name = f"{bucket.replace('.', '_')}_share"
        values = [other[name] for other in others if other[name] is not None]
        if bucket.startswith("idle.") and row[name] is not None and values:
            differences.append((abs(row[name] - median(values)), bucket, row[name] - median(values)))
    if not differences:
        return None
    _, bucket, difference = max(differences)
    return f"{bucket} {'+' if difference >= 0 else '-'}{fmt.percent(abs(difference))} of the window"
