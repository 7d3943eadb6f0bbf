"""The GPU is the limit: it computes nearly all of the time, or has work queued nearly all of the time.

What it means:
    Compute kernels, with the few microseconds that the GPU needs from one to the next, fill at least 80 % of the
    device's window; where launches wait for the GPU in a deep queue, the gaps
    between operations that were asked for in time count as well. The host keeps up.

Why it matters:
    Work on the host, on launches or on gaps gains little here. What is left is what the kernels do, and how well.

What to do:
    Look at the largest category first: data type and quantisation, attention backend, kernel variants, batch size. In
    decode, matrix products read all weights for each token: larger batches share that reading. Nsight Compute says how
    close a kernel is to the limits of the device.

How to verify:
    ncu on the named kernels: a throughput of memory or compute above 80 % of the peak leaves little to gain.

What would contradict it:
    Kernels that wait for others (communication counted as compute under an unknown name), or that spin.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.findings import gaps
from nsys_llm_explainer.findings.case import MIN_WINDOW_NS, Case, Device, Row, key_of
from nsys_llm_explainer.findings.gaps import NODE_LATENCY_NS
from nsys_llm_explainer.findings.ledger import COMPUTE, INSIDE_GRAPH, QUEUED
from nsys_llm_explainer.findings.rule import LOW_SHARE, Draft, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "gpu_bound"
COMPUTE_SHARE = 0.80
DEEP_QUEUE_NS = 1_000_000
SHOWN_CATEGORIES = 4

_RECOMMENDATIONS = (
    "Start with the largest category: data type, quantisation, attention backend, batch size.",
    "Profile its largest kernel with Nsight Compute (ncu --kernel-name) to see which limit of the device it meets.",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields one finding for all devices that are the limit."""
    found = [device for device in case.devices if _is_limit(case, device)]
    if not found:
        return
    found.sort(key=lambda device: (-_share(case, device), device.label))
    who = found[0].label if len(found) == 1 else f"{len(found)} GPUs"
    is_are = "is" if len(found) == 1 else "are"
    shares = fmt.between(fmt.percent(_share(case, found[-1])), fmt.percent(_share(case, found[0])))
    window = "its window" if len(found) == 1 else "their windows"
    evidence = [_device(case, device) for device in found[: gaps.SHOWN_DEVICES]]
    evidence += [*_queue(case), *_categories(case, found[0])]
    latency = sum(_latency(case, device) for device in found)
    between = " with the latency between kernels" if latency >= LOW_SHARE * sum(map(_window, found)) else ""
    title = f"{who} {is_are} the limit: compute{between} fills {shares} of {window}"
    yield Draft(Finding(ID, "low", title, tuple(evidence), _RECOMMENDATIONS))


def _share(case: Case, device: Device) -> float:
    return device.share(device.buckets.get(COMPUTE, 0) + _latency(case, device))


def _window(device: Device) -> int:
    return device.window_ns


def _latency(case: Case, device: Device) -> int:
    """Returns what the GPU itself needs between two kernels that are both there: it is GPU time too."""
    rows = [row for row in case.rows("budget", "gap_groups") if key_of(row) == device.key]
    return sum(gaps.part(row, row["cause"]) for row in rows if gaps.is_node_latency(row))


def _is_limit(case: Case, device: Device) -> bool:
    if device.window_ns < MIN_WINDOW_NS:
        return False
    if _share(case, device) >= COMPUTE_SHARE:
        return True
    queue = case.summary("launch_path").get("queue_p50_ns") or 0
    if queue < DEEP_QUEUE_NS or any(finding.id == "idle_unexplained" for finding in case.findings):
        return False
    return device.share(device.sum_of((COMPUTE, QUEUED, INSIDE_GRAPH))) >= COMPUTE_SHARE


def _device(case: Case, device: Device) -> Evidence:
    compute = device.buckets.get(COMPUTE, 0)
    latency = _latency(case, device)
    between = f", between kernels {fmt.duration(latency)}" if latency else ""
    return Evidence(
        f"{device.label}: compute {fmt.duration(compute)}{between} of {fmt.duration(device.window_ns)} "
        f"({fmt.percent(_share(case, device))}), idle {fmt.duration(device.idle_ns)}",
        "budget",
        "device_time",
        {
            "device_id": device.key[0],
            "gpu_id": device.key[1],
            "compute_ns": compute,
            "node_latency_ns": latency,
            "window_ns": device.window_ns,
            "idle_ns": device.idle_ns,
        },
    )


def _queue(case: Case) -> Iterator[Evidence]:
    summary = case.summary("launch_path")
    if summary.get("queue_p50_ns") is not None:
        full = summary.get("command_buffer_full_ns")
        yield Evidence(
            f"Launched work waits {fmt.duration(summary['queue_p50_ns'])} for the GPU (median)"
            + (f"; launches waited {fmt.duration(full)} for room in the queue" if full else ""),
            "launch_path",
            None,
            {"queue_p50_ns": summary["queue_p50_ns"], "command_buffer_full_ns": full},
        )


def _categories(case: Case, device: Device) -> Iterator[Evidence]:
    if case.report.trace.get("cuda_graph_mode") == "graph":
        yield Evidence("The kernels inside CUDA graphs were not captured, so what fills them is unknown", "graphs")
        return
    rows = [row for row in case.rows("categories", "kernel_categories") if key_of(row) == device.key]
    total = sum(row["total_ns"] for row in rows)
    largest = sorted(rows, key=lambda row: -row["total_ns"])[:SHOWN_CATEGORIES]
    if largest and total:
        parts = ", ".join(_category(row, total) for row in largest)
        yield Evidence(
            f"{device.label}, kernel time by category: {parts}",
            "categories",
            "kernel_categories",
            {row["category"]: row["total_ns"] for row in largest},
        )


def _category(row: Row, total: int) -> str:
    return f"{gaps.name(row['category'])} {fmt.percent(row['total_ns'] / total)}"


RULE = Rule(
    ID,
    "GPU-bound",
    __doc__ or "",
    check,
    (
        Threshold("COMPUTE_SHARE", fmt.percent(COMPUTE_SHARE), "of the window is compute"),
        Threshold("NODE_LATENCY_NS", fmt.duration(NODE_LATENCY_NS), "on average: such gaps are GPU time"),
        Threshold("DEEP_QUEUE_NS", fmt.duration(DEEP_QUEUE_NS), "is the median wait of a deep queue: gaps count too"),
    ),
)
