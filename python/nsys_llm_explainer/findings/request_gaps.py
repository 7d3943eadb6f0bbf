"""GPUs stand idle because there was no request to serve.

What it means:
    Between two steps lies a pause many times as long as a step, in which the engine did nothing: it had no work. That
    is missing load, not slowness.

Why it matters:
    It makes the GPU look idle in every figure over the whole trace, and hides what the steps themselves lack.

What to do:
    Send requests without pauses while capturing, or look at the steady state alone: --window steady.

How to verify:
    With --window steady, or under constant load, the share of idle time falls and this finding is gone.

What would contradict it:
    Requests that were waiting at that time in the server's own log or metrics: then the pause is the engine's.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.findings import gaps
from nsys_llm_explainer.findings.case import Case
from nsys_llm_explainer.findings.ledger import IDLE, Gaps
from nsys_llm_explainer.findings.rule import ALWAYS_LOW, LOW_SHARE, Draft, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Finding

ID = "request_gaps"
GAPS = Gaps(places=frozenset({"request_gap"}))

_RECOMMENDATIONS = (
    "Keep requests coming while you capture, or judge the steady state alone: --window steady.",
    "If requests were waiting, look at the scheduler: the pauses are then the engine's own.",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields one finding for the pauses without work on all devices."""
    found = gaps.waits(case, GAPS, IDLE)
    if not found:
        return
    worst = found[0]
    pauses = sum(row["gaps"] for _, row in worst.groups)
    title = (
        f"{worst.device.label} had no work for {fmt.percent(worst.share)} of its window: "
        f"{fmt.counted(pauses, 'pause')} between requests, {fmt.duration(worst.ns)} together"
    )
    evidence = tuple(gaps.evidence(case, found))
    yield Draft(Finding(ID, "low", title, evidence, _RECOMMENDATIONS), gaps.claims(found, GAPS), ALWAYS_LOW)


RULE = Rule(
    ID,
    "Request gaps",
    __doc__ or "",
    check,
    (Threshold("LOW_SHARE", fmt.percent(LOW_SHARE), "of the window of a device; the finding is always low"),),
)
