"""One kernel takes a large part of all kernel time.

What it means:
    One kernel, over all devices, takes at least a quarter of the time of all kernels. Executions that overlap on
    several streams count fully each.

Why it matters:
    All other kernels together can save no more than the time that is left: while this kernel stays as it is, nothing
    else changes much. In decode it is often a matrix product or the attention kernel, and it may already be at its
    limit.

What to do:
    Look at this kernel first: is it the variant you expect for this GPU, data type and batch size? Profile it alone
    with Nsight Compute. For a communication kernel compare the ranks first, as its time includes waiting for the
    slowest of them.

How to verify:
    ncu on this kernel: near the peak of memory or compute it is at its limit, and only less work helps.

What would contradict it:
    Executions on several streams at once: their sum then exceeds the time they take together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from nsys_llm_explainer.findings.case import Case
from nsys_llm_explainer.findings.rule import Draft, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "kernel_dominates"
SHARE = 0.25
MIN_KERNELS = 50
MIN_DEVICE_TIME_SHARE = 0.05

_WRAPPERS = frozenset({"device_kernel", "kernel", "kernel2"})
_ADVICE: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("nccl", "all_reduce", "allreduce", "reduce_scatter", "all_gather", "cross_device"),
        (
            "This is communication: its time includes waiting for the slowest rank. Compare when each rank enters it "
            "before tuning the transfer."
        ),
    ),
    (
        ("attn", "attention", "flash", "fmha", "mha", "mla"),
        (
            "This is attention: check the backend, the KV cache's data type and page size, and how it splits long "
            "contexts."
        ),
    ),
    (
        ("gemm", "cutlass", "xmma", "nvjet", "cublas", "matmul", "gemv", "_mm_"),
        (
            "This is a matrix product: check that data type, shapes and batch size select the tensor-core variant you "
            "expect; small batches are bound by reading the weights."
        ),
    ),
    (
        ("elementwise", "vectorized", "copy_kernel", "reduce_kernel", "triton_poi", "norm"),
        (
            "This is bound by memory traffic: fusing it with its neighbours (torch.compile, a fused operator) is the "
            "usual way."
        ),
    ),
)
_ALWAYS = (
    "Profile it alone with Nsight Compute (ncu --kernel-name) to see whether compute, memory or latency limits it."
)


def check(case: Case) -> Iterator[Draft]:
    """Yields one finding per kernel name that takes a large part of all kernel time."""
    summary = case.summary("kernels")
    total = summary.get("total_ns") or 0
    if not total or (summary.get("kernels") or 0) < MIN_KERNELS:
        return
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in case.rows("kernels", "kernels"):
        by_name.setdefault(row["kernel_name"], []).append(row)
    for name, rows in by_name.items():
        if sum(row["total_ns"] for row in rows) >= SHARE * total:
            yield _draft(name, rows, total, case.ledger.total)


def _draft(name: str, rows: list[dict[str, Any]], total: int, device_time: int) -> Draft:
    time = sum(row["total_ns"] for row in rows)
    calls = sum(row["calls"] for row in rows)
    label = fmt.kernel_name(name)
    evidence = [
        Evidence(
            f"{label}: {fmt.duration(time)} of {fmt.duration(total)} kernel time, {fmt.counted(calls, 'execution')}, "
            f"{fmt.duration(time / calls)} on average",
            "kernels",
            "kernels",
            {"kernel_name": name, "total_ns": time, "calls": calls, "share": time / total},
        )
    ]
    if len(rows) > 1:
        parts = (
            f"{fmt.device_label(row['device_id'], row['gpu_id'])} {fmt.duration(row['total_ns'])}" for row in rows[:8]
        )
        evidence.append(Evidence(f"By device: {', '.join(parts)}", "kernels", "kernels"))
    if device_time and total < MIN_DEVICE_TIME_SHARE * device_time:
        evidence.append(
            Evidence(
                f"All kernels together take {fmt.percent(total / device_time)} of the device time: look elsewhere",
                "budget",
                "device_time",
                {"total_kernel_ns": total, "window_ns": device_time},
            )
        )
    return Draft(
        Finding(
            ID,
            "low",
            f"One kernel takes {fmt.percent(time / total)} of all kernel time: {label}",
            tuple(evidence),
            (*_advice(name), _ALWAYS),
        )
    )


def _advice(name: str) -> tuple[str, ...]:
    # Template arguments name what a kernel is built from (an attention kernel has cutlass layouts), not what it does:
    # they are searched only where the function's own name says nothing.
    head = name.lower().split("<", 1)[0]
    function = re.split(r"[^\w]+", head.strip())[-1]
    searched = name.lower() if function in _WRAPPERS else head
    return next(((advice,) for words, advice in _ADVICE if any(word in searched for word in words)), ())


RULE = Rule(
    ID,
    "One kernel dominates",
    __doc__ or "",
    check,
    (
        Threshold("SHARE", fmt.percent(SHARE), "of all kernel time; the finding is low, as it is no fault by itself"),
        Threshold(
            "MIN_KERNELS", fmt.count(MIN_KERNELS), "kernel executions, under which shares say little: no finding"
        ),
        Threshold(
            "MIN_DEVICE_TIME_SHARE",
            fmt.percent(MIN_DEVICE_TIME_SHARE),
            "of the device windows is kernel time; under it the finding says that the time goes elsewhere",
        ),
    ),
)
