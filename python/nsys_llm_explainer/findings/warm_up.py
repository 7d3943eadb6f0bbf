"""GPUs stand idle while the engine warms up, or while it drains.

What it means:
    The first steps of the trace are slower than those that follow, or the last ones are fewer and smaller. Counted is
    the idle time in and between these steps. It is no matter for the findings about the host or about slow steps.

Why it matters:
    Compilation, loading, first allocations and caches that are still cold are paid once. They say nothing about the
    steps that serve requests, but are part of each figure over the whole trace.

What to do:
    Judge the steady state alone, with --window steady, or begin the capture after a warm-up with the same requests.

How to verify:
    With --window steady the finding is gone, and the periods of the steps are alike.

What would contradict it:
    Steps as slow as these later on, under the same load: then it is no warm-up.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.findings import gaps
from nsys_llm_explainer.findings.case import Case, Row, key_of
from nsys_llm_explainer.findings.ledger import IDLE, Gaps
from nsys_llm_explainer.findings.rule import ALWAYS_LOW, LOW_SHARE, Draft, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "warm_up"
GAPS = Gaps(places=gaps.STEPS)
REASONS = {"warm_up": "warm-up", "drain": "draining"}

_RECOMMENDATIONS = (
    "Judge the steady state alone: --window steady.",
    "Begin the capture after a warm-up with every shape and option that is served.",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields one finding for the idle time in the steps of warm-up and draining on all devices."""
    found = [_without_outliers(case, wait) for wait in gaps.waits(case, GAPS, IDLE, settled=False)]
    found = [wait for wait in found if wait.ns]
    outside = _outside(case)
    if not found or not outside:
        return
    worst = found[0]
    title = (
        f"{worst.device.label} stands idle for {fmt.duration(worst.ns)} in warm-up or draining, "
        f"{fmt.percent(worst.share)} of its window: not what the engine is like afterwards"
    )
    evidence = (*map(_phase, outside), *gaps.evidence(case, found))
    yield Draft(Finding(ID, "low", title, evidence, _RECOMMENDATIONS), gaps.claims(found, GAPS), ALWAYS_LOW)


def phases(case: Case) -> list[Row]:
    """Returns the warm-ups of the trace: phases most of whose steps are slow, not just one of them."""
    slow = case.rows("steps", "slow_steps")
    found = [phase for phase in _outside(case) if phase["reason"] == "warm_up"]
    return [phase for phase in found if 2 * sum(holds(phase, row) for row in slow) > phase["steps"]]


def holds(phase: Row, step: Row) -> bool:
    """Returns whether a step begins in a phase."""
    return bool(phase["start_ns"] <= step["start_ns"] < phase["end_ns"])


def _without_outliers(case: Case, wait: gaps.Wait) -> gaps.Wait:
    """Returns a wait without the slow steps of these phases that are a matter of the finding on outliers."""
    if "step_outliers" not in case.granted or not wait.ns:
        return wait
    warm = phases(case)
    others = [phase for phase in _outside(case) if phase not in warm]
    slow = [row for row in case.rows("steps", "slow_steps") if key_of(row) == wait.device.key]
    taken = sum(row["excess_ns"] for row in slow if any(holds(phase, row) for phase in others))
    left = max(0.0, 1 - taken / wait.ns)
    by_bucket = {bucket: round(ns * left) for bucket, ns in wait.by_bucket.items()}
    return gaps.Wait(wait.device, by_bucket, tuple((round(ns * left), row) for ns, row in wait.groups))


def _outside(case: Case) -> list[Row]:
    """Returns the rows of outside_steady about warm-up and draining; pauses are no such time."""
    return [row for row in case.rows("steps", "outside_steady") if row["reason"] in REASONS]


def _phase(row: Row) -> Evidence:
    return Evidence(
        f"{REASONS[row['reason']].capitalize()}: {fmt.counted(row['steps'], 'step')}, "
        f"{fmt.duration(row['end_ns'] - row['start_ns'])}: {fmt.time_range(row['start_ns'], row['end_ns'])}",
        "steps",
        "outside_steady",
        row,
        (row["start_ns"], row["end_ns"]),
    )


RULE = Rule(
    ID,
    "Warm-up and draining",
    __doc__ or "",
    check,
    (Threshold("LOW_SHARE", fmt.percent(LOW_SHARE), "of the window of a device; the finding is always low"),),
)
