"""Idle gaps as the rules speak of them: chosen by place and cause, summed by device, told by their largest groups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from nsys_llm_explainer.findings.case import Case, Device, Row, key_of
from nsys_llm_explainer.findings.ledger import (
    BUCKETS,
    COMMUNICATION,
    COMPUTE,
    COPY,
    HOST_API,
    HOST_CODE,
    HOST_OS,
    HOST_SYNC,
    IDLE,
    INSIDE_GRAPH,
    LAUNCHING,
    QUEUED,
    UNMATCHED,
    Claim,
    Gaps,
)
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence

SHOWN_GROUPS = 3
SHOWN_DEVICES = 8
LONGEST_NAME = 60
NODE_LATENCY_NS = 3_000
STEPS = frozenset({"inside_step", "between_steps"})
_VERSION: Final = re.compile(r"(_ptsz|_ptds)?(_v\d+)?(_ptsz|_ptds)?$", re.ASCII)
WORDS: Final = {
    COMPUTE: "compute kernels",
    COMMUNICATION: "communication",
    COPY: "copies",
    HOST_SYNC: "blocking synchronisation",
    HOST_API: "other CUDA calls",
    HOST_OS: "calls of the operating system",
    HOST_CODE: "host code",
    LAUNCHING: "the launch call itself",
    INSIDE_GRAPH: "waits inside CUDA graphs",
    QUEUED: "work that was asked for, but waited on the GPU's side",
    UNMATCHED: "work without a launch call in the trace",
}


@dataclass(frozen=True)
class Wait:
    """The idle time of one device that a rule speaks of.

    Attributes:
        device: The device.
        by_bucket: How much of it lies in which bucket.
        groups: The rows of gap_groups that hold it, each with its part, largest first.
    """

    device: Device
    by_bucket: dict[str, int]
    groups: tuple[tuple[int, Row], ...]

    @property
    def ns(self) -> int:
        """All of it."""
        return sum(self.by_bucket.values())

    @property
    def share(self) -> float:
        """All of it as a fraction of the device's window."""
        return self.device.share(self.ns)


@dataclass(frozen=True)
class PerStep:
    """The idle time of a rule in one kind of step: so much of each."""

    kind: str
    steps: int
    ns: float
    period_ns: float

    def text(self) -> str:
        """Returns the time in a step, and the step's, for people."""
        return f"{fmt.duration(self.ns)} of {fmt.duration(self.period_ns)}"


def waits(
    case: Case,
    gaps: Gaps,
    buckets: Sequence[str],
    *,
    latency: bool = False,
    settled: bool | None = None,
    longest_ns: int | None = None,
) -> list[Wait]:
    """Returns the idle time of every device that lies in some gaps and buckets, the largest share first.

    Args:
        case: The case.
        gaps: Which gaps.
        buckets: Which parts of them.
        latency: Add the time from a late launch to its start: it would have passed unseen, had the host asked earlier.
        settled: Of gaps in and between steps take the time between warm-up and draining alone, or the rest alone.
        longest_ns: Leave out groups whose gaps are longer than that on average.
    """
    found = []
    for device in case.devices:
        by_bucket = dict.fromkeys(buckets, 0)
        groups = []
        for row in case.rows("budget", "gap_groups"):
            if key_of(row) != device.key or not gaps.holds(row):
                continue
            if longest_ns is not None and row["avg_ns"] > longest_ns:
                continue
            wanted = (*buckets, QUEUED) if latency and row["late"] else buckets
            parts = {bucket: _part_of(row, bucket, settled) for bucket in wanted}
            for bucket, ns in parts.items():
                by_bucket[bucket] = by_bucket.get(bucket, 0) + ns
            if sum(parts.values()):
                groups.append((sum(parts.values()), row))
        if groups:
            groups.sort(key=lambda pair: -pair[0])
            found.append(Wait(device, by_bucket, tuple(groups)))
    return sorted(found, key=lambda wait: (-wait.share, wait.device.label))


def _part_of(row: Row, bucket: str, settled: bool | None) -> int:
    """Returns a part of a group of gaps, or about how much of it lies in settled steps, or outside of them."""
    whole = part(row, bucket)
    if settled is None or row["settled_ns"] is None or row["place"] not in STEPS:
        return 0 if settled is False else whole
    inside: int = whole * row["settled_ns"] // row["total_ns"] if row["total_ns"] else 0
    return inside if settled else whole - inside


def part(row: Row, bucket: str) -> int:
    """Returns how much of a group of gaps lies in a bucket."""
    ns: int = row[f"{bucket[len('idle.') :]}_ns"]
    return ns


def claims(found: Iterable[Wait], gaps: Gaps, *, latency: bool = False) -> tuple[Claim, ...]:
    """Returns the claims on idle time, bucket by bucket; with latency, of queued work on that after late launches."""
    late = replace(gaps, late=True) if latency else gaps
    return tuple(
        Claim(wait.device.key, ns, (bucket,), late if bucket == QUEUED else gaps)
        for wait in found
        for bucket, ns in wait.by_bucket.items()
        if ns
    )


def is_node_latency(row: Row) -> bool:
    """Returns whether a group of gaps is what the GPU itself needs between two kernels that are both there."""
    short: bool = row["avg_ns"] <= NODE_LATENCY_NS
    return short and (row["cause"] == INSIDE_GRAPH or (row["cause"] == QUEUED and not row["late"]))


def per_step(case: Case, wait: Wait) -> PerStep | None:
    """Returns the idle time in each step of the kind that has most of it, None where steps or periods are unknown."""
    by_kind: dict[str, int] = {}
    for ns, row in wait.groups:
        if row["step_kind"] is not None:
            by_kind[row["step_kind"]] = by_kind.get(row["step_kind"], 0) + ns
    for kind, ns in sorted(by_kind.items(), key=lambda item: (-item[1], item[0])):
        rows = [
            row
            for row in case.rows("steps", "step_kinds")
            if key_of(row) == wait.device.key and row["kind"] == kind and row["steps"]
        ]
        rows.sort(key=lambda row: (-row["steps"], row["pid"]))
        period = mean_period(rows[0]) if rows else None
        if period:
            steps = sum(row["steps"] for row in rows)
            return PerStep(kind, steps, ns / (_counted(case, wait, kind) or steps), period)
    return None


def _counted(case: Case, wait: Wait, kind: str) -> int:
    """Returns how many steps of a kind a wait is spread over: between steps, the first of a worker has none before it.

    0 where not all steps are in the table.
    """
    steps = case.table("steps", "steps")
    between = wait.groups[0][1]["place"] == "between_steps"
    if not between or steps is None or len(steps) < (case.summary("steps").get("steps") or 0):
        return 0
    own = [row for row in case.rows("steps", "steps") if row["kind"] == kind and key_of(row) == wait.device.key]
    return sum(row["gap_before_ns"] is not None for row in own)


def mean_period(row: Row) -> float | None:
    """Returns the mean period of a kind of step: the sum of its mean buckets, None where it has no period."""
    means = [row[f"{bucket.rpartition('.')[2]}_avg_ns"] for bucket in BUCKETS]
    return None if any(mean is None for mean in means) else sum(means)


def headline(case: Case, found: Sequence[Wait], what: str, verb: str = "waits") -> str:
    """Returns a title: whose time, how much of it, and where most of it lies.

    Args:
        case: The case.
        found: The waits, the largest share first.
        what: What they wait for, as in "GPU 0 waits 21 % of each decode step for ...".
        verb: What they do.
    """
    worst = found[0]
    step = per_step(case, worst)
    if step is not None and step.ns <= step.period_ns:
        kind = "" if step.kind == "unknown" else f"{step.kind} "
        time = f"{fmt.percent(step.ns / step.period_ns)} of each {kind}step {what}: {step.text()}"
    else:
        time = f"{fmt.percent(worst.share)} of its window {what}: {fmt.duration(worst.ns)}"
    others = "" if len(found) == 1 else f" ({fmt.counted(len(found) - 1, 'more GPU')} likewise)"
    return f"{worst.device.label} {verb} {time}{place(worst.groups[0][1])}{others}"


def place(row: Row) -> str:
    """Returns where a group of gaps lies: before which call, in which range."""
    before = f", before {api(row['call_name'])}" if row["call_name"] else ""
    return f"{before} in {name(row['range_name'])}" if row["range_name"] else before


def name(text: str) -> str:
    """Returns a name from the trace, cut to what a sentence can hold."""
    return fmt.truncate(text, LONGEST_NAME)


def api(text: str) -> str:
    """Returns the name of an API call without the suffixes of its version."""
    return name(base(text))


def base(text: str) -> str:
    """Returns the name of an API call without the suffixes of its version, in full."""
    return _VERSION.sub("", text) or text


def evidence(case: Case, found: Sequence[Wait]) -> Iterator[Evidence]:
    """Yields the sum of each device, then the largest groups with an example to open."""
    for wait in found[:SHOWN_DEVICES]:
        yield _of_device(case, wait)
    pairs = [(ns, wait, row) for wait in found for ns, row in wait.groups]
    pairs.sort(key=lambda item: -item[0])
    for ns, wait, row in pairs[:SHOWN_GROUPS]:
        yield group(ns, wait.device, row)


def _of_device(case: Case, wait: Wait) -> Evidence:
    largest = sorted(wait.by_bucket.items(), key=lambda item: -item[1])
    words = {**WORDS, QUEUED: "launch latency"}
    parts = ", ".join(f"{words[bucket]} {fmt.duration(ns)}" for bucket, ns in largest if ns)
    step = per_step(case, wait)
    each = "" if step is None else f"; {step.text()} in each of {fmt.counted(step.steps, f'{step.kind} step')}"
    steady = _steady(case, wait)
    values: dict[str, Any] = {"device_id": wait.device.key[0], "gpu_id": wait.device.key[1], "total_ns": wait.ns}
    values.update({f"{bucket[len('idle.') :]}_ns": ns for bucket, ns in wait.by_bucket.items()})
    if steady is not None:
        values["steady_ns"] = steady
        each += f"; {fmt.duration(steady)} of it in the steady window"
    return Evidence(
        f"{wait.device.label}: {fmt.duration(wait.ns)} of {fmt.duration(wait.device.window_ns)} "
        f"({fmt.percent(wait.share)}): {parts}{each}",
        "budget",
        "gap_groups",
        values,
    )


def _steady(case: Case, wait: Wait) -> int | None:
    """Returns about how much of a wait lies in the steady window: of each group the part that its gaps have there."""
    if case.summary("steps").get("steady_start_ns") is None:
        return None
    parts = [float(ns * (row["steady_ns"] or 0) / row["total_ns"]) for ns, row in wait.groups if row["total_ns"]]
    return round(sum(parts))


def group(ns: int, device: Device, row: Row) -> Evidence:
    """Returns a group of gaps as evidence, with its longest gap to open in the GUI.

    Args:
        ns: How much of the group the finding speaks of.
        device: The device.
        row: The row of gap_groups.
    """
    causes = [(part(row, bucket), WORDS[bucket]) for bucket in IDLE]
    _, cause = max(causes, key=lambda item: item[0])
    each = fmt.duration(row["avg_ns"])
    size = f"1 gap of {each}" if row["gaps"] == 1 else f"{fmt.count(row['gaps'])} gaps, {each} each"
    kind = f" ({row['place'].replace('_', ' ')})" if row["place"] else ""
    return Evidence(
        f"{device.label}, {fmt.duration(ns)}: {size}{place(row)}, mostly {cause}{kind}; the longest: "
        f"{fmt.time_range(row['example_start_ns'], row['example_end_ns'])}",
        "budget",
        "gap_groups",
        {**{key: row[key] for key in _GROUP_KEYS}, "claimed_ns": ns},
        (row["example_start_ns"], row["example_end_ns"]),
    )


_GROUP_KEYS = (
    "device_id",
    "gpu_id",
    "cause",
    "call_name",
    "range_name",
    "place",
    "size",
    "next_graph",
    "step_kind",
    "gaps",
    "total_ns",
    "avg_ns",
    "max_ns",
)
