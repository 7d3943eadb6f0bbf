"""A GPU spends a large part of its window on copies alone.

What it means:
    For this share of the device's window a copy or memset runs and no kernel does. Copies that overlap kernels are
    not counted.

Why it matters:
    The compute units stand still while data moves. In LLM inference that is weights streamed from host memory
    (offload), the KV cache being swapped, or model loading inside the capture.

What to do:
    If it is model loading, capture the steady state only. Otherwise keep the data on the device (smaller data type,
    less offload, more memory for the KV cache), or overlap the copies with kernels: pinned memory and a stream of
    their own.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.findings import facts
from nsys_llm_explainer.findings.rule import Claim, Draft, Pool, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding, Report

ID = "copy_bound"
HIGH_SHARE = 0.40
MEDIUM_SHARE = 0.20
LOW_SHARE = 0.10
MIN_WINDOW_NS = 1_000_000
SHOWN_DEVICES = 8


def check(report: Report) -> Iterator[Draft]:
    """Yields one finding for all devices that are bound by copies."""
    bound = [
        device
        for device in facts.devices(report)
        if device.window_ns >= MIN_WINDOW_NS and device.copy_ns >= LOW_SHARE * device.window_ns
    ]
    if not bound:
        return
    bound.sort(key=lambda device: (-device.copy_ns / device.window_ns, device.label))
    worst = bound[0]
    share = worst.copy_ns / worst.window_ns
    severity = facts.severity_of(share, high=HIGH_SHARE, medium=MEDIUM_SHARE, low=LOW_SHARE) or "low"
    title = f"{worst.label} does nothing but copy for {fmt.percent(share)} of its window"
    if len(bound) > 1:
        least = fmt.percent(bound[-1].copy_ns / bound[-1].window_ns)
        title = f"{len(bound)} GPUs do nothing but copy for {fmt.between(least, fmt.percent(share))} of their windows"
    yield Draft(
        Finding(
            ID,
            severity,
            title,
            tuple(map(_evidence, bound[:SHOWN_DEVICES])),
            (
                "If this is model loading or warm-up, capture the steady state only, or leave it out with --window.",
                (
                    "Keep what is copied on the device: less weight or KV-cache offload, a smaller data type, more "
                    "memory for the KV cache."
                ),
                (
                    "Let the copies that remain overlap kernels: pinned host memory, and a stream of their own that "
                    "the kernels do not wait for."
                ),
            ),
        ),
        tuple(Claim(Pool.COPY, device.copy_ns, device.key) for device in bound),
    )


def _evidence(device: facts.Device) -> Evidence:
    return Evidence(
        f"{device.label}: {fmt.duration(device.copy_ns)} of {fmt.duration(device.window_ns)} with copies and no kernel "
        f"({fmt.percent(device.copy_ns / device.window_ns)}), kernels run for {fmt.duration(device.kernel_busy_ns)}",
        "gpu_idle",
        "gpu_devices",
        {
            "device_id": device.key[0],
            "gpu_id": device.key[1],
            "window_ns": device.window_ns,
            "busy_ns": device.busy_ns,
            "kernel_busy_ns": device.kernel_busy_ns,
        },
    )


RULE = Rule(
    ID,
    "GPU bound by copies",
    __doc__ or "",
    check,
    (
        Threshold("HIGH_SHARE", fmt.percent(HIGH_SHARE), "of the window of the most affected device: high"),
        Threshold("MEDIUM_SHARE", fmt.percent(MEDIUM_SHARE), "of its window: medium"),
        Threshold("LOW_SHARE", fmt.percent(LOW_SHARE), "of its window: low; under it there is no finding"),
        Threshold("MIN_WINDOW_NS", fmt.duration(MIN_WINDOW_NS), "is the shortest window that is looked at"),
    ),
)
