"""A GPU stands idle for a large part of its window.

What it means:
    Between the first and the last operation of the device, no kernel, copy, memset or graph of any process ran for
    this share of the time. Idle time that a blocking synchronisation explains is counted in the finding exposed_sync,
    not here.

Why it matters:
    The GPU waited to be given work. Where the time sits tells why: thousands of gaps of some microseconds are the
    host's launch path, gaps of milliseconds are the scheduler, tokenisation or sampling between steps, gaps of
    seconds are missing load, start-up or compilation inside the capture.

What to do:
    Look at the gap sizes, then open the longest gaps in the Nsight Systems GUI. Make sure that the capture holds the
    steady state only. For many small gaps: CUDA graphs, fewer kernels, asynchronous scheduling.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nsys_llm_explainer.findings import facts
from nsys_llm_explainer.findings.rule import Claim, Draft, Pool, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding, Report

ID = "gpu_idle"
HIGH_SHARE = 0.40
MEDIUM_SHARE = 0.20
MIN_WINDOW_NS = 1_000_000
ONE_GAP_SHARE = 0.50
GRAPH_SHARE = 0.50
SHOWN_DEVICES = 8
SHOWN_BUCKETS = 3
SHOWN_GAPS = 3
_SHORT_BUCKETS = frozenset({"under 1 us", "1-10 us", "10-100 us", "0.1-1 ms"})

_OPEN = "Open the longest gaps above in the Nsight Systems GUI: what does the launching thread do there?"
_SHORT = (
    "Most of the idle time is in many short gaps: the host launches too slowly for these kernels. Use CUDA graphs, "
    "fuse small kernels, and keep Python out of the step."
)
_SHORT_GRAPHED = (
    "Most of the idle time is in many short gaps, although most kernels come from CUDA graphs: look at what the host "
    "does between graph launches (scheduling, input preparation, sampling), and at what still runs one by one."
)
_LONG = (
    "Most of the idle time is in gaps of a millisecond and more: look between steps (scheduling, tokenisation, "
    "sampling, detokenisation, too few requests), not at the kernels."
)
_ONE = (
    "One gap holds most of it: if that is start-up, compilation or a pause without load, capture the steady state "
    "only (a capture range or --delay/--duration), or leave it out with --window."
)


def check(report: Report) -> Iterator[Draft]:
    """Yields one finding for all devices that stand idle for long."""
    idle = [
        device
        for device in facts.devices(report)
        if device.window_ns >= MIN_WINDOW_NS and device.idle_ns >= MEDIUM_SHARE * device.window_ns
    ]
    if not idle:
        return
    idle.sort(key=lambda device: (-device.idle_ns / device.window_ns, device.label))
    worst = idle[0]
    share = worst.idle_ns / worst.window_ns
    severity = facts.severity_of(share, high=HIGH_SHARE, medium=MEDIUM_SHARE) or "medium"
    keys = {device.key for device in idle}
    gaps = [row for row in facts.rows(report, "gpu_idle", "gpu_idle_gaps") if (row["device_id"], row["gpu_id"]) in keys]
    buckets = [
        row
        for row in facts.rows(report, "gpu_idle", "gap_sizes")
        if (row["device_id"], row["gpu_id"]) == worst.key and row["total_ns"]
    ]
    title = f"{worst.label} is idle for {fmt.percent(share)} of its window"
    if len(idle) > 1:
        least = fmt.percent(idle[-1].idle_ns / idle[-1].window_ns)
        title = f"{len(idle)} GPUs are idle for {fmt.between(least, fmt.percent(share))} of their windows"
    evidence = (*map(_device, idle[:SHOWN_DEVICES]), *_sizes(worst, buckets), *map(_gap, gaps[:SHOWN_GAPS]))
    claims = tuple(Claim(Pool.IDLE, device.idle_ns, device.key) for device in idle)
    yield Draft(Finding(ID, severity, title, evidence, tuple(_advice(report, worst, buckets, gaps))), claims)


def _device(device: facts.Device) -> Evidence:
    return Evidence(
        f"{device.label}: idle {fmt.duration(device.idle_ns)} of {fmt.duration(device.window_ns)} "
        f"({fmt.percent(device.idle_ns / device.window_ns)}), busy {fmt.duration(device.busy_ns)}",
        "gpu_idle",
        "gpu_devices",
        {
            "device_id": device.key[0],
            "gpu_id": device.key[1],
            "window_ns": device.window_ns,
            "busy_ns": device.busy_ns,
            "idle_ns": device.idle_ns,
        },
    )


def _sizes(worst: facts.Device, buckets: list[dict[str, Any]]) -> Iterator[Evidence]:
    largest = sorted(buckets, key=lambda row: -row["total_ns"])[:SHOWN_BUCKETS]
    if not largest:
        return
    parts = (
        f"{fmt.percent(row['total_ns'] / worst.idle_ns)} in {fmt.counted(row['gaps'], 'gap')} {_length(row['bucket'])}"
        for row in largest
    )
    yield Evidence(
        f"{worst.label}, idle time by length of the gap: {', '.join(parts)}",
        "gpu_idle",
        "gap_sizes",
        {str(row["bucket"]): row["total_ns"] for row in largest},
    )


def _length(bucket: str) -> str:
    return bucket if bucket.startswith(("under", "over")) else f"of {bucket}"


def _gap(row: dict[str, Any]) -> Evidence:
    return Evidence(
        f"Gap of {fmt.duration(row['gap_ns'])} on {fmt.device_label(row['device_id'], row['gpu_id'])}, "
        f"{fmt.time_range(row['start_ns'], row['end_ns'])}",
        "gpu_idle",
        "gpu_idle_gaps",
        row,
        (row["start_ns"], row["end_ns"]),
    )


def _advice(
    report: Report, worst: facts.Device, buckets: list[dict[str, Any]], gaps: list[dict[str, Any]]
) -> Iterator[str]:
    longest = max((row["gap_ns"] for row in gaps if (row["device_id"], row["gpu_id"]) == worst.key), default=0)
    short = sum(row["total_ns"] for row in buckets if row["bucket"] in _SHORT_BUCKETS)
    if longest >= ONE_GAP_SHARE * worst.idle_ns:
        yield _ONE
    elif 2 * short >= worst.idle_ns:
        graphed = facts.summary(report, "graphs").get("graph_kernel_share") or 0
        yield _SHORT_GRAPHED if graphed >= GRAPH_SHARE else _SHORT
    else:
        yield _LONG
    yield _OPEN


RULE = Rule(
    ID,
    "GPU idle",
    __doc__ or "",
    check,
    (
        Threshold("HIGH_SHARE", fmt.percent(HIGH_SHARE), "of the window of the idlest device: high"),
        Threshold("MEDIUM_SHARE", fmt.percent(MEDIUM_SHARE), "of the window of a device: medium"),
        Threshold("MIN_WINDOW_NS", fmt.duration(MIN_WINDOW_NS), "is the shortest window that is looked at"),
    ),
)
