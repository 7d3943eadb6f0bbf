"""Whether both sides work on the same batches: where they do not, times differ without anything being slower."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Optional

from nsys_llm_explainer.comparison.noise import Sample, mean_error
from nsys_llm_explainer.comparison.sides import Reading, WorkerKey
from nsys_llm_explainer.findings.case import Device, key_of

Row = dict[str, Any]
ALIKE = 0.05
"""Batches whose tokens differ by no more than this are taken for alike where their mix is compared."""
MOVED = 0.1
"""A mix differs from this part of the steps on."""


def tokens(row: Row) -> int | None:
    """Returns how many tokens a step works on, None where no marker tells it."""
    context, generating = row["context_tokens"], row["generation_requests"]
    return None if context is None and generating is None else (context or 0) + (generating or 0)


def work_change(before: Sequence[Row], after: Sequence[Row], weights: Sequence[float] | None) -> float:
    """Returns the relative change of the tokens per step, 0 where no marker tells them."""
    own, other = ([tokens(row) for row in rows] for rows in (before, after))
    first = mean_error(Sample([value for value in own if value is not None]))[0]
    known = [(value, weight) for value, weight in zip(other, weights or [1.0] * len(other)) if value is not None]
    second = mean_error(Sample([value for value, _ in known], [weight for _, weight in known]))[0]
    return second / first - 1 if first and known else 0.0


def all_steps(reading: Reading, worker: WorkerKey, kind: str) -> list[Row]:
    """Returns the steps of a kind on a worker, those outside the steady window included."""
    rows = reading.case.rows("steps", "steps")
    return [row for row in rows if row["kind"] == kind and (key_of(row), row["pid"]) == worker]


def differs(before: Reading, after: Reading, pair: tuple[Device, Device]) -> Optional[tuple[float, float]]:
    """Returns the mean tokens per step of both sides where a part of the steps works on other batches, else None."""
    sides = [
        sorted(
            value
            for value in (tokens(row) for row in reading.case.rows("steps", "steps") if key_of(row) == device.key)
            if value is not None
        )
        for reading, device in zip((before, after), pair)
    ]
    if not all(sides):
        return None
    first, second = (sum(side) / len(side) for side in sides)
    moved = max(_beyond(*sides), _beyond(sides[1], sides[0]), abs(second - first) / max(first, second, 1.0))
    return (first, second) if moved > MOVED else None


def _beyond(own: Sequence[int], other: Sequence[int]) -> float:
    """Returns the largest part of the one side that is at most so large while the other is larger by ``ALIKE``."""
    return max(
        place / len(own) - bisect_right(other, value * (1 + ALIKE)) / len(other) for place, value in enumerate(own, 1)
    )
