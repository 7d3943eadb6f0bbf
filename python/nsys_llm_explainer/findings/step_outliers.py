"""A few steps take far longer than the others of their kind.

What it means:
    After the warm-up some steps have a period over 1.5 times the median of their kind on that worker. Counted is what
    they take beyond the median, bucket by bucket, so the cause is named: host code, an allocation, a copy, more
    compute. What they wait for a late rank is a matter of the finding about it.

Why it matters:
    Every running request waits through a slow step: these are the tail of the inter-token latency, and a median does
    not show them.

What to do:
    Look at the named steps one by one. Host code: garbage collection, logging, a scheduler that runs every n steps.
    Compute: a prefill that shares the step, a batch size without a captured graph. Communication: a late rank.

How to verify:
    The distance of period_p99 from period_p50 in step_kinds shrinks. For garbage collection compare a run with
    gc.freeze() after the warm-up.

What would contradict it:
    Steps of different kinds under one name: where the kind is unknown, a long step may just be a prefill. Where steps
    are only guessed from repeating kernels, one with more compute may be two; such steps are not counted.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.findings import gaps, warm_up
from nsys_llm_explainer.findings.case import Case, Row, key_of
from nsys_llm_explainer.findings.ledger import (
    BUCKETS,
    COMMUNICATION,
    COMPUTE,
    IDLE,
    OVER,
    UNDER,
    Claim,
    DeviceKey,
    Gaps,
)
from nsys_llm_explainer.findings.rule import BY_SHARE, SHARES, Draft, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "step_outliers"
MIN_STEPS = 8
FEW_SHARE = 0.20
SHOWN_STEPS = 5
SHORT_NS = 50_000

_RECOMMENDATIONS = (
    "Open the slowest step in the Nsight Systems GUI beside one before it, and look at the named bucket.",
    "Host code: rule out garbage collection (gc.freeze() after the warm-up), logging, and work every n steps.",
    "Judge latency by period_p99 of step_kinds, not by the median.",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields one finding for the slow steps of all workers."""
    slow = case.rows("steps", "slow_steps")
    overlapping = _overlapping(case) if slow else set()
    slow = [row for row in slow if not any(warm_up.holds(phase, row) for phase in warm_up.phases(case))]
    slow = [row for row in slow if _counts(case, row, (key_of(row), row["pid"], row["start_ns"]) in overlapping)]
    slow = [row for row in slow if _are_few(case, row, slow)]
    if not slow:
        return
    slow.sort(key=lambda row: (-row["excess_ns"], row["start_ns"]))
    claims = _claims(case, slow)
    lost = sum(claim.ns for claim in claims)
    steps = sum(row["steps"] for row in case.rows("steps", "step_kinds"))
    title = (
        f"{fmt.count(len(slow))} of {fmt.counted(steps, 'step')} take over 1.5 times the median of their kind, "
        f"{fmt.duration(lost)} beyond it: mostly {gaps.WORDS.get(_mostly(slow), 'idle')}"
    )
    evidence = (*map(_step, slow[:SHOWN_STEPS]), _by_bucket(slow))
    yield Draft(Finding(ID, "low", title, evidence, _RECOMMENDATIONS), claims, BY_SHARE)


def _counts(case: Case, row: Row, overlaps: bool) -> bool:
    """Returns whether a slow step is one.

    It is none around a pause without requests, where it waits for a late rank, or where it may hold work of another
    kind or another step.
    """
    if row["largest_bucket"] == COMMUNICATION and _waits(case, row):
        return False
    guessed = case.summary("steps").get("confidence") == "low"
    if row["largest_bucket"] in (COMPUTE, COMMUNICATION) and (row["kind"] == "unknown" or guessed or overlaps):
        return False
    end = row["start_ns"] + row["period_ns"]
    return not any(
        gap["place"] == "request_gap" and key_of(gap) == key_of(row) and row["start_ns"] <= gap["start_ns"] < end
        for gap in case.rows("budget", "gap_causes")
    )


def _waits(case: Case, row: Row) -> bool:
    """Returns whether the device of a step waits for a late rank: its communication is a matter of that finding."""
    return bool(case.granted.get("straggling_rank", {}).get(key_of(row)))


def _overlapping(case: Case) -> set[tuple[DeviceKey, int, int]]:
    """Returns the steps that begin before the one before them ends, as where a copy for it has a stream of its own.

    The period of such a step holds work of the step before.
    """
    ends: dict[tuple[DeviceKey, int], int] = {}
    found = set()
    for step in case.rows("steps", "steps"):
        worker = (key_of(step), step["pid"])
        if step["start_ns"] < ends.get(worker, step["start_ns"]):
            found.add((*worker, step["start_ns"]))
        ends[worker] = step["end_ns"]
    return found


def _are_few(case: Case, row: Row, slow: list[Row]) -> bool:
    same = [other for other in slow if _worker(other) == _worker(row)]
    steps = sum(kind["steps"] for kind in case.rows("steps", "step_kinds") if _worker(kind) == _worker(row))
    return bool(steps >= MIN_STEPS and len(same) <= FEW_SHARE * steps)


def _worker(row: Row) -> tuple[DeviceKey, int, str]:
    return key_of(row), row["pid"], row["kind"]


def _excess(row: Row) -> dict[str, float]:
    """Returns what a step took beyond the median, by bucket; together no more than its whole excess."""
    more = {bucket: max(0, row[f"{bucket.rpartition('.')[2]}_excess_ns"] or 0) for bucket in BUCKETS}
    together = sum(more.values())
    scale = min(1.0, row["excess_ns"] / together) if together else 0.0
    return {bucket: ns * scale for bucket, ns in more.items()}


def _sums(slow: list[Row]) -> dict[tuple[DeviceKey, str], float]:
    sums: dict[tuple[DeviceKey, str], float] = {}
    for row in slow:
        for bucket, ns in _excess(row).items():
            sums[key_of(row), bucket] = sums.get((key_of(row), bucket), 0.0) + ns
    return sums


def _claims(case: Case, slow: list[Row]) -> tuple[Claim, ...]:
    """Returns the claims on what slow steps took longer, in the gaps where their long gaps lie."""
    sums: dict[tuple[DeviceKey, str, Gaps | None], float] = {}
    long_gaps = _long_gaps(case)
    for row in slow:
        inside = [gap for gap in long_gaps.get(key_of(row), ()) if row["start_ns"] <= gap["start_ns"] < row["end_ns"]]
        for bucket, ns in _excess(row).items():
            if bucket == COMMUNICATION and _waits(case, row):
                continue
            for where, share in _places(inside, bucket).items():
                key = (key_of(row), bucket, where)
                sums[key] = sums.get(key, 0.0) + ns * share
    return tuple(
        Claim(device, round(ns), (bucket,), where) for (device, bucket, where), ns in sums.items() if round(ns)
    )


def _long_gaps(case: Case) -> dict[DeviceKey, list[Row]]:
    found: dict[DeviceKey, list[Row]] = {}
    for gap in case.rows("budget", "gap_causes"):
        found.setdefault(key_of(gap), []).append(gap)
    return found


def _places(inside: list[Row], bucket: str) -> dict[Gaps | None, float]:
    """Returns in which gaps a bucket of a step lies, with shares; in unknown ones where no long gap holds it."""
    parts: dict[Gaps | None, float] = {}
    for gap in inside if bucket in IDLE else ():
        where = Gaps(places=frozenset({gap["place"]}), size=OVER if gap["gap_ns"] >= SHORT_NS else UNDER)
        parts[where] = parts.get(where, 0.0) + gaps.part(gap, bucket)
    whole = sum(parts.values())
    return {where: ns / whole for where, ns in parts.items()} if whole else {None: 1.0}


def _mostly(slow: list[Row]) -> str:
    by_bucket = dict.fromkeys(BUCKETS, 0.0)
    for (_, bucket), ns in _sums(slow).items():
        by_bucket[bucket] += ns
    return max(BUCKETS, key=lambda bucket: by_bucket[bucket])


def _step(row: Row) -> Evidence:
    more = sorted(_excess(row).items(), key=lambda item: -item[1])[:2]
    parts = ", ".join(f"{gaps.WORDS[bucket]} {fmt.duration(ns)} more" for bucket, ns in more if ns)
    return Evidence(
        f"Step {row['index']} ({row['kind']}) of process {row['pid']} on {fmt.device_label(*key_of(row))}: "
        f"{fmt.duration(row['period_ns'])} against {fmt.duration(row['median_ns'])}: {parts}; "
        f"{fmt.time_range(row['start_ns'], row['end_ns'])}",
        "steps",
        "slow_steps",
        row,
        (row["start_ns"], row["end_ns"]),
    )


def _by_bucket(slow: list[Row]) -> Evidence:
    by_bucket = dict.fromkeys(BUCKETS, 0)
    for (_, bucket), ns in _sums(slow).items():
        by_bucket[bucket] += round(ns)
    parts = sorted(((ns, bucket) for bucket, ns in by_bucket.items() if ns), reverse=True)
    text = ", ".join(f"{gaps.WORDS[bucket]} {fmt.duration(ns)}" for ns, bucket in parts)
    return Evidence(f"All of them beyond the median: {text}", "steps", "slow_steps", {b: ns for ns, b in parts})


RULE = Rule(
    ID,
    "Step outliers",
    __doc__ or "",
    check,
    (
        Threshold("MIN_STEPS", fmt.count(MIN_STEPS), "steps of a kind on a worker, under which nothing is an outlier"),
        Threshold("FEW_SHARE", fmt.percent(FEW_SHARE), "of them at most; more are another kind of step"),
        *SHARES,
    ),
)
