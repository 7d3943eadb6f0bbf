"""What the sides do besides kernels: launches per step, copies, allocations, communication."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from nsys_llm_explainer.comparison import judge, mix
from nsys_llm_explainer.comparison.noise import mean_error, z_of
from nsys_llm_explainer.comparison.sides import Pair, Reading, Row
from nsys_llm_explainer.comparison.steps import Matched, mix_change
from nsys_llm_explainer.findings.case import Device, key_of
from nsys_llm_explainer.findings.ledger import COMMUNICATION, COPY

COUNT_FLOOR = 0.02
"""A number of launches per step changes from this part on."""
LEAST_COUNT = 0.5
TIME_FLOOR = 0.05
"""A time per step changes from this part of itself on."""
_MEASURES = {
    "launch calls": "launch_calls_avg",
    "graph launches": "graph_launches_avg",
    "kernels": "kernels_avg",
    "kernels of graphs": "graph_kernels_avg",
    "eager kernels": "eager_kernels_avg",
}


@dataclass(frozen=True)
class Amount:
    """How often something happens, how long it takes, and how much of that nothing hides."""

    count: float = 0.0
    ns: float = 0.0
    exposed_ns: float = 0.0
    bytes: float = 0.0

    def plus(self, other: Amount) -> Amount:
        """Returns both together."""
        return Amount(
            self.count + other.count, self.ns + other.ns, self.exposed_ns + other.exposed_ns, self.bytes + other.bytes
        )

    def over(self, divisor: float) -> Amount:
        """Returns the part of one step or second."""
        return Amount(self.count / divisor, self.ns / divisor, self.exposed_ns / divisor, self.bytes / divisor)


Noises = Mapping[tuple[str, str], Optional[float]]
Read = Callable[[Reading, Device], Mapping[str, Amount]]


def step_launches(
    before: Reading, after: Reading, groups: Sequence[Matched], *, blocked: bool
) -> Iterator[dict[str, Any]]:
    """Yields a row per worker, kind and measure."""
    for group in groups:
        rows = [
            next(
                (
                    row
                    for row in reading.case.rows("launch_path", "step_launches")
                    if (key_of(row), row["pid"]) == worker and row["step_kind"] == group.kind
                ),
                None,
            )
            for reading, worker in ((before, group.pair.before), (after, group.pair.after))
        ]
        first, second = rows
        if first is None or second is None:
            continue
        # Only kernels have a value for each step: the other counts are taken to move with them.
        means = [mean_error(sample) for sample in group.samples("kernels")]
        spread = z_of(len(groups) * len(_MEASURES)) * sum(error**2 for _, error in means) ** 0.5
        spread += mix_change(before, after, group, "kernels")
        relative = max(COUNT_FLOOR, spread / means[0][0] if means[0][0] else 0.0)
        for measure, column in _MEASURES.items():
            own, other = first[column], second[column]
            noise = max(LEAST_COUNT, relative * own) if group.enough else None
            if own or other:
                yield {
                    "device": group.pair.label,
                    "kind": group.kind,
                    "measure": measure,
                    "before_count": own,
                    "after_count": other,
                    "change_count": other - own,
                    "verdict": judge.INCOMPARABLE if blocked or group.unlike else judge.amount(other - own, noise),
                }


def amounts(
    before: Reading,
    after: Reading,
    pairs: Sequence[Pair],
    *,
    noises: Noises,
    blocked: Mapping[str, bool],
    by_step: bool,
    floor: float,
) -> Iterator[dict[str, Any]]:
    """Yields a row per GPU and kind of copy, call that allocates, or collective; the most time first.

    Args:
        before: The one side.
        after: The other side.
        pairs: The devices.
        noises: The noise of the share of each device's buckets.
        blocked: Whether a topic is not to be compared.
        by_step: Whether both have steps of the same sort.
        floor: Changes of this part of the window are none.
    """
    for pair in pairs:
        steps = before.steps_of(pair.before.key), after.steps_of(pair.after.key)
        per_step = by_step and min(steps) > 0
        if not per_step and min(pair.before.window_ns, pair.after.window_ns) <= 0:
            continue
        own_divisor = steps[0] if per_step else pair.before.window_ns / 1e9
        other_divisor = steps[1] if per_step else pair.after.window_ns / 1e9
        unit_ns = pair.before.window_ns / own_divisor
        mixed = per_step and mix.differs(before, after, (pair.before, pair.after)) is not None
        for topic, (read, bucket) in _TOPICS.items():
            # A collective takes as long as the last rank lets it wait: the share of its bucket tells how that moves.
            swing = (noises.get((pair.label, bucket)) or 0.0) if bucket else 0.0
            first, second = read(before, pair.before), read(after, pair.after)
            # What came before the steps, such as loading weights, is no part of a step.
            apart = (
                _outside(after, pair.after, bucket) / other_divisor
                - _outside(before, pair.before, bucket) / own_divisor
            )
            found = []
            for subject in {**first, **second}:
                own = first.get(subject, Amount()).over(own_divisor)
                other = second.get(subject, Amount()).over(other_divisor)
                noise: float | None = max(TIME_FLOOR * own.ns, floor * unit_ns, swing * unit_ns) + abs(apart)
                noise = None if mixed else noise
                row = _row(own, other, judge.INCOMPARABLE if blocked[topic] else judge.amount(other.ns - own.ns, noise))
                row.update(device=pair.label, topic=topic, subject=subject, per="step" if per_step else "second")
                found.append(row)
            yield from sorted(found, key=lambda row: (-max(row["before_ns"], row["after_ns"]), row["subject"]))


def _outside(reading: Reading, device: Device, bucket: str | None) -> int:
    """Returns the time of a bucket outside the steady window."""
    rows = reading.case.rows("budget", "device_time")
    found = [row for row in rows if key_of(row) == device.key and row["bucket"] == bucket]
    return sum(row["total_ns"] - row["steady_ns"] for row in found if row["steady_ns"] is not None)


def _row(own: Amount, other: Amount, verdict: str) -> Row:
    return {
        "before_count": own.count,
        "after_count": other.count,
        "before_ns": own.ns,
        "after_ns": other.ns,
        "change_ns": other.ns - own.ns,
        "before_exposed_ns": own.exposed_ns,
        "after_exposed_ns": other.exposed_ns,
        "before_bytes": own.bytes,
        "after_bytes": other.bytes,
        "verdict": verdict,
    }


def _copies(reading: Reading, device: Device) -> Mapping[str, Amount]:
    found: dict[str, Amount] = {}
    for row in reading.case.rows("memory", "copies"):
        if key_of(row) == device.key:
            subject = f"{row['direction']}, {row['src_kind']} to {row['dst_kind']}"
            own = Amount(row["copies"], row["total_ns"], row["exposed_ns"], row["bytes"])
            found[subject] = found.get(subject, Amount()).plus(own)
    return found


def _allocations(reading: Reading, device: Device) -> Mapping[str, Amount]:
    found: dict[str, Amount] = {}
    pids = {key[1] for key in reading.workers if key[0] == device.key} or {
        row["pid"] for row in reading.case.rows("processes", "kernels_by_pid") if key_of(row) == device.key
    }
    for row in reading.case.rows("memory", "allocations"):
        if row["pid"] in pids:
            own = Amount(row["calls"], row["total_ns"], row["exposed_ns"] or 0)
            found[row["api_name"]] = found.get(row["api_name"], Amount()).plus(own)
    return found


def _communication(reading: Reading, device: Device) -> Mapping[str, Amount]:
    found: dict[str, Amount] = {}
    for row in reading.case.rows("communication", "collectives"):
        if key_of(row) == device.key:
            own = Amount(row["calls"], row["total_ns"], row["exposed_ns"])
            found[row["name"]] = found.get(row["name"], Amount()).plus(own)
    return found


_TOPICS: Mapping[str, tuple[Read, str | None]] = {
    "copies": (_copies, COPY),
    "allocations": (_allocations, None),
    "communication": (_communication, COMMUNICATION),
}
HIDDEN_BY_GRAPHS: Mapping[str, bool] = {"copies": True, "allocations": False, "communication": True}
"""Whether CUDA graphs that are traced as wholes hide some of a topic."""
