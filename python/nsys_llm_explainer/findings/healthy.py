"""Nothing of high or medium severity stands out.

What it means:
    No rule found time of weight that is lost to a cause it knows. The figures of each device stand beside it, and what
    this capture cannot show.

Why it matters:
    It is a statement about this window of this capture, not about the server at other times or loads. Faster may still
    be possible: a busy GPU is one with work in flight, not one that does the least work.

What to do:
    Compare with the load and latency that you expect. Then look at the categories and the largest kernels: from here on
    the time is in what the GPU computes.

How to verify:
    A second capture at another time and load says the same.

What would contradict it:
    Latencies that the server itself reports as far above the step periods here: then time is lost outside the steps, in
    queues or in front of the server.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.findings import gaps
from nsys_llm_explainer.findings.case import MIN_WINDOW_NS, Case, Device
from nsys_llm_explainer.findings.ledger import COMMUNICATION, COMPUTE, COPY, IDLE, Gaps
from nsys_llm_explainer.findings.rule import Draft, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "healthy"
PAUSES = Gaps(places=frozenset({"request_gap"}))

_RECOMMENDATIONS = (
    "Look at the categories and the largest kernels: from here on the time is in what the GPU computes.",
    "Capture again under another load before you rely on it: it holds for this window only.",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields a finding where the rules before found nothing of high or medium severity."""
    judged = [device for device in case.devices if device.window_ns >= MIN_WINDOW_NS]
    if not judged or any(finding.severity != "low" for finding in case.findings):
        return
    judged.sort(key=lambda device: (-device.share(device.idle_ns), device.label))
    idlest = judged[0]
    pauses = {wait.device.key: wait.ns for wait in gaps.waits(case, PAUSES, IDLE)}
    pause = pauses.get(idlest.key, 0)
    served = max(1, idlest.window_ns - pause)
    time = "the time with requests" if pause else "its window"
    title = (
        f"Nothing of weight stands out: {idlest.label} computes for "
        f"{fmt.percent(idlest.buckets.get(COMPUTE, 0) / served)} of {time} "
        f"and is idle for {fmt.percent((idlest.idle_ns - pause) / served)}"
    )
    if len(judged) > 1:
        title += f", {fmt.counted(len(judged) - 1, 'more GPU')} for less"
    evidence = [*map(_device, judged[: gaps.SHOWN_DEVICES]), *_steps(case), *_unseen(case)]
    yield Draft(Finding(ID, "low", title, tuple(evidence), _RECOMMENDATIONS))


def _device(device: Device) -> Evidence:
    values = {
        "compute_ns": device.buckets.get(COMPUTE, 0),
        "communication_ns": device.buckets.get(COMMUNICATION, 0),
        "copy_ns": device.buckets.get(COPY, 0),
        "idle_ns": device.idle_ns,
    }
    parts = ", ".join(f"{name[: -len('_ns')]} {fmt.percent(device.share(ns))}" for name, ns in values.items())
    return Evidence(
        f"{device.label}: {parts} of {fmt.duration(device.window_ns)}",
        "budget",
        "device_time",
        {"device_id": device.key[0], "gpu_id": device.key[1], "window_ns": device.window_ns, **values},
    )


def _steps(case: Case) -> Iterator[Evidence]:
    rows = sorted(case.rows("steps", "step_kinds"), key=lambda row: -row["steps"])
    for row in rows[:2]:
        if row["period_p50_ns"] is not None and row["period_p99_ns"] is not None:
            yield Evidence(
                f"{fmt.counted(row['steps'], row['kind'] + ' step')} of process {row['pid']}: period "
                f"{fmt.duration(row['period_p50_ns'])} (median), {fmt.duration(row['period_p99_ns'])} (p99)",
                "steps",
                "step_kinds",
                {name: row[name] for name in ("pid", "kind", "steps", "period_p50_ns", "period_p99_ns")},
            )


def _unseen(case: Case) -> Iterator[Evidence]:
    unseen = [lack.question for lack in case.report.capture.lacks]
    if not case.summary("steps").get("steps"):
        unseen.append("how long each step takes, as no steps were found")
    if unseen:
        yield Evidence(f"What this capture cannot show: {'; '.join(unseen)}")


RULE = Rule(
    ID,
    "Healthy",
    __doc__ or "",
    check,
    (Threshold("MIN_WINDOW_NS", fmt.duration(MIN_WINDOW_NS), "is the shortest window that is judged"),),
)
