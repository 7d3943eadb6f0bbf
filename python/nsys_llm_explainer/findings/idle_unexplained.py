"""A GPU stands idle for a good part of its window, and no other finding accounts for it.

What it means:
    What is left of the idle time after all other findings: work that was asked for and waited on the GPU's side (an
    event, another stream), gaps inside CUDA graphs, operations without a launch call in the trace, or time before the
    first and after the last step. The few microseconds that a GPU needs from one kernel to the next do not count.

Why it matters:
    It is time that could be used, but this trace does not prove by what it is lost.

What to do:
    See which of the causes it is. Queued: look for events and streams that wait for each other. Without a launch call:
    start the capture before the work is launched. Outside the steps: judge the steady state alone (--window steady).

How to verify:
    Open the longest gaps in the Nsight Systems GUI; a capture of the steady state with all launches in it divides the
    rest.

What would contradict it:
    The same gaps in a trace that has the launch calls, with a cause.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.findings import gaps
from nsys_llm_explainer.findings.case import Case, Device, Row, key_of
from nsys_llm_explainer.findings.gaps import NODE_LATENCY_NS
from nsys_llm_explainer.findings.ledger import IDLE, INSIDE_GRAPH, QUEUED, UNMATCHED, Claim, Gaps
from nsys_llm_explainer.findings.rule import HIGH_SHARE, Draft, Grading, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "idle_unexplained"
IDLE_SHARE = 0.10
SHOWN_GAPS = 3
GRADING = Grading(low=IDLE_SHARE)

_OUTSIDE_STEPS = Gaps(places=frozenset({"before_steps", "after_steps"}))
_ADVICE = {
    UNMATCHED: "Start the capture before the work is launched: operations without a launch call have no cause.",
    QUEUED: "Look for events and streams that wait for each other, and for copies on the stream of the kernels.",
    INSIDE_GRAPH: "Gaps inside CUDA graphs are dependencies of its nodes: look at branches that wait for each other.",
}
_OUTSIDE = "Part of it lies outside the steps: judge the steady state alone, with --window steady."
_OPEN = "Open the longest gaps above in the Nsight Systems GUI: what do the launching thread and the streams do there?"


def check(case: Case) -> Iterator[Draft]:
    """Yields one finding for the idle time that is left on all devices."""
    left = [(device, _left(case, device)) for device in case.devices]
    found = [(device, parts) for device, parts in left if device.share(sum(parts.values())) >= IDLE_SHARE]
    if not found:
        return
    found.sort(key=lambda pair: (-pair[0].share(sum(pair[1].values())), pair[0].label))
    worst, parts = found[0]
    cause = max(parts, key=lambda bucket: parts[bucket])
    outside = sum(wait.ns for wait in gaps.waits(case, _OUTSIDE_STEPS, IDLE) if wait.device.key == worst.key)
    where = ", mostly before the first and after the last step" if 2 * outside > sum(parts.values()) else ""
    title = (
        f"{worst.label} is idle for {fmt.percent(worst.share(sum(parts.values())))} of its window beyond what other "
        f"findings account for{where}: {gaps.WORDS[cause]} above all"
    )
    if len(found) > 1:
        title += f" ({fmt.counted(len(found) - 1, 'more GPU')} likewise)"
    evidence = [_device(device, rest) for device, rest in found[: gaps.SHOWN_DEVICES]]
    evidence += [gaps.group(ns, device, row) for ns, device, row in _largest(case, found)[:SHOWN_GAPS]]
    claims = tuple(Claim(device.key, ns, (bucket,)) for device, rest in found for bucket, ns in rest.items() if ns)
    yield Draft(Finding(ID, "low", title, tuple(evidence), tuple(_advice(case, found))), claims, GRADING)


def _left(case: Case, device: Device) -> dict[str, int]:
    """Returns what is left of the idle time, without what the GPU itself needs between two kernels."""
    left = {bucket: case.ledger.left(device.key, bucket) for bucket in IDLE}
    for row in case.rows("budget", "gap_groups"):
        if key_of(row) == device.key and gaps.is_node_latency(row):
            bucket = row["cause"]
            left[bucket] = max(0, left[bucket] - case.ledger.left_of(row, (bucket,)))
    return left


def _device(device: Device, parts: dict[str, int]) -> Evidence:
    largest = sorted(parts.items(), key=lambda item: -item[1])
    text = ", ".join(f"{gaps.WORDS[bucket]} {fmt.duration(ns)}" for bucket, ns in largest if ns)
    values = {f"{bucket[len('idle.') :]}_ns": ns for bucket, ns in parts.items()}
    return Evidence(
        f"{device.label}: {fmt.duration(sum(parts.values()))} of {fmt.duration(device.window_ns)} are left: {text}",
        "budget",
        "device_time",
        {"device_id": device.key[0], "gpu_id": device.key[1], **values},
    )


def _largest(case: Case, found: list[tuple[Device, dict[str, int]]]) -> list[tuple[int, Device, Row]]:
    """Returns the groups of gaps of which most is left, each with that."""
    groups = [
        (case.ledger.left_of(row), device, row)
        for device, _ in found
        for row in case.rows("budget", "gap_groups")
        if key_of(row) == device.key and not gaps.is_node_latency(row)
    ]
    return sorted((group for group in groups if group[0]), key=lambda group: -group[0])


def _advice(case: Case, found: list[tuple[Device, dict[str, int]]]) -> Iterator[str]:
    for bucket, text in _ADVICE.items():
        if any(parts[bucket] >= IDLE_SHARE * sum(parts.values()) for _, parts in found):
            yield text
    outside = gaps.waits(case, _OUTSIDE_STEPS, IDLE)
    if any(wait.share >= IDLE_SHARE for wait in outside):
        yield _OUTSIDE
    yield _OPEN


RULE = Rule(
    ID,
    "Idle without another explanation",
    __doc__ or "",
    check,
    (
        Threshold("IDLE_SHARE", fmt.percent(IDLE_SHARE), "of the window of a device is left: medium, else no finding"),
        Threshold("HIGH_SHARE", fmt.percent(HIGH_SHARE), "of its window: high"),
        Threshold("NODE_LATENCY_NS", fmt.duration(NODE_LATENCY_NS), "on average: such gaps are the GPU's"),
    ),
)
