"""The two reports as the comparison reads them: rows, devices and workers in pairs, steps with their buckets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Optional

from nsys_llm_explainer.findings.case import Case, Device, key_of
from nsys_llm_explainer.findings.ledger import BUCKETS, DeviceKey
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Report

Row = dict[str, Any]
WorkerKey = tuple[DeviceKey, int]
FINE_ENOUGH = 4
"""A step has to be so many bins of the timeline long for its buckets to be read from them."""


class Reading:
    """One report, each table read once.

    Attributes:
        report: The report.
        case: Its tables as rows.
        workers: The workers that have steps: device and process.
    """

    def __init__(self, report: Report) -> None:
        """Takes the report to read."""
        self.report = report
        self.case = Case(report)
        keys = {(key_of(row), row["pid"]) for row in self.case.rows("steps", "steps")}
        order = {device.key: place for place, device in enumerate(self.case.devices)}
        self.workers: list[WorkerKey] = sorted(keys, key=lambda key: (order.get(key[0], len(order)), key[1]))
        self._steady: dict[WorkerKey, list[Row]] = {}

    @property
    def has_steady(self) -> bool:
        """Whether the report knows a steady window."""
        return self.case.summary("steps").get("steady_start_ns") is not None

    def steady_steps(self, worker: WorkerKey) -> list[Row]:
        """Returns the steps of a worker that have a period, those of the steady window where there is one."""
        if worker not in self._steady:
            self._steady[worker] = [
                row
                for row in self.case.rows("steps", "steps")
                if (key_of(row), row["pid"]) == worker and row["period_ns"] and (row["steady"] or not self.has_steady)
            ]
        return self._steady[worker]

    def steps_of(self, device: DeviceKey) -> int:
        """Returns how many steps a device has, of all kinds, those outside the steady window included."""
        return sum(row["steps"] for row in self.case.rows("steps", "step_kinds") if key_of(row) == device)

    def kinds(self) -> list[str]:
        """Returns the kinds of steps, the one with the most time first."""
        spent: dict[str, int] = {}
        for worker in self.workers:
            for row in self.steady_steps(worker):
                spent[row["kind"]] = spent.get(row["kind"], 0) + row["period_ns"]
        return sorted(spent, key=lambda kind: (-spent[kind], kind))

    def buckets_of(self, device: DeviceKey, rows: Sequence[Row]) -> dict[str, list[float]] | None:
        """Returns the time of each step in every bucket, None where the timeline is too coarse for such steps."""
        levels = [level for level in self.report.timeline if key_of(dict(level)) == device and level["buckets"]]
        if not levels or not rows:
            return None
        finest = min(levels, key=lambda level: level["bin_ns"])
        periods = sorted(row["period_ns"] for row in rows)
        if finest["bin_ns"] * FINE_ENOUGH > periods[len(periods) // 2]:
            return None
        start, width = finest["start_ns"], finest["bin_ns"]
        return {bucket: _over(finest["buckets"].get(bucket), start, width, rows) for bucket in BUCKETS}


@dataclass(frozen=True)
class Pair:
    """A device or worker of BEFORE and its counterpart.

    Attributes:
        label: What to call it.
        before: The device in BEFORE.
        after: The device in AFTER.
    """

    label: str
    before: Device
    after: Device


@dataclass(frozen=True)
class WorkerPair:
    """A worker of BEFORE and its counterpart."""

    label: str
    before: WorkerKey
    after: WorkerKey


def device_pairs(before: Reading, after: Reading) -> list[Pair]:
    """Returns the devices that belong together.

    By ordinal and physical GPU, then by ordinal where that tells them apart, the others in their order where both sides
    have as many. No device is in two pairs.
    """
    first, second = before.case.devices, after.case.devices
    found = {device.key: device for device in second if any(device.key == own.key for own in first)}
    left = [device for device in first if device.key not in found]
    right = [device for device in second if device.key not in found]
    ordinals, others = ([device.key[0] for device in side] for side in (left, right))
    by_ordinal = {ordinal for ordinal in ordinals if ordinals.count(ordinal) == others.count(ordinal) == 1}
    found.update((own.key, other) for own in left for other in right if own.key[0] == other.key[0] in by_ordinal)
    left, right = ([device for device in side if device.key[0] not in by_ordinal] for side in (left, right))
    if len(left) == len(right) or not found:
        found.update((own.key, other) for own, other in zip(left, right))
    return [Pair(_label(own, found[own.key]), own, found[own.key]) for own in first if own.key in found]


def worker_pairs(before: Reading, after: Reading, pairs: Iterable[Pair]) -> list[WorkerPair]:
    """Returns the workers that belong together: the processes of a device in the order of their ids."""
    found = []
    for pair in pairs:
        own = [key for key in before.workers if key[0] == pair.before.key]
        other = [key for key in after.workers if key[0] == pair.after.key]
        several = max(len(own), len(other)) > 1
        for place, (one, two) in enumerate(zip(own, other), start=1):
            found.append(WorkerPair(f"{pair.label}, process {place}" if several else pair.label, one, two))
    return found


def base_share(device: Device, ns: float) -> float:
    """Returns a time as a part of a device's window."""
    return ns / device.window_ns if device.window_ns else 0.0


def steady_shares(reading: Reading, device: DeviceKey) -> Mapping[str, Optional[float]]:
    """Returns the parts of the steady window by bucket."""
    rows = reading.case.rows("budget", "device_time")
    return {row["bucket"]: row["steady_share"] for row in rows if key_of(row) == device}


def _label(before: Device, after: Device) -> str:
    first, second = fmt.device_label(*before.key), fmt.device_label(*after.key)
    return first if first == second else f"{first} / {second}"


def _over(bins: Sequence[int] | None, start: int, width: int, rows: Sequence[Row]) -> list[float]:
    """Returns what lies of a bucket in the period of each step; bins that a step cuts count in part."""
    if not bins or not any(bins):
        return [0.0] * len(rows)
    running = [0, *accumulate(bins)]
    last = len(bins)

    def until(moment: int) -> float:
        place = (moment - start) / width
        if place <= 0:
            return 0.0
        whole = int(place)
        if whole >= last:
            return float(running[last])
        return running[whole] + (running[whole + 1] - running[whole]) * (place - whole)

    return [until(row["start_ns"] + row["period_ns"]) - until(row["start_ns"]) for row in rows]
