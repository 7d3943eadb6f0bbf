"""Device memory is allocated or freed while the engine should be in its steady state, and GPUs stand idle meanwhile.

What it means:
    cudaMalloc, cudaFree and their kin were called in or between steps after the warm-up, and the devices of the process
    were idle during the call. These calls take a lock of the driver, and freeing waits for the device.

Why it matters:
    An engine allocates its memory once. Allocation in steady state stalls all streams of the process for as long as it
    takes, often hundreds of microseconds.

What to do:
    Find out who calls it: the caching allocator of PyTorch falls back to cudaMalloc when it is out of cached blocks or
    fragmented (PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True), torch.cuda.empty_cache() frees everything, workspaces
    grow with new shapes. Warm up with every shape, leave the allocator more room (a lower --gpu-memory-utilization).

How to verify:
    steady_calls in the table allocations is 0. torch.cuda.memory_stats()["num_alloc_retries"] counts the fallbacks.

What would contradict it:
    Calls with next to no exposed time, or cudaMallocAsync from a pool, which do not stall the device.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.findings import gaps, suspects
from nsys_llm_explainer.findings.case import Case, Row
from nsys_llm_explainer.findings.ledger import HOST_API, LAUNCHING
from nsys_llm_explainer.findings.rule import BY_SHARE, SHARES, Draft, Rule
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "allocation_in_steady_state"
SHOWN_CALLS = 4

_RECOMMENDATIONS = (
    "Find the caller of the first one in the steady window: torch.cuda.empty_cache(), a new shape, a workspace.",
    "Warm up with every shape that is served, and leave the allocator more room.",
    "With PyTorch's allocator: PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True against fragmentation.",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields one finding for exposed allocation while steps run, over all devices."""
    found = suspects.rows(case, suspects.ALLOCATION, (HOST_API, LAUNCHING))
    claims = suspects.claims_while_serving(found)
    if not claims:
        return
    rows = [row for row in case.rows("memory", "allocations") if row["exposed_ns"]]
    rows.sort(key=lambda row: (-(row["steady_exposed_ns"] or 0), -row["exposed_ns"]))
    mostly = f", mostly {gaps.api(rows[0]['api_name'])}" if rows else ""
    calls = sum(row["steady_calls"] or 0 for row in rows) or sum(row["calls"] for row in rows)
    title = (
        f"{fmt.counted(calls, 'allocation call')} in steady state leave GPUs idle for "
        f"{fmt.duration(sum(claim.ns for claim in claims))}{mostly}"
    )
    evidence = (*map(_call, rows[:SHOWN_CALLS]), *suspects.idle(case, found))
    yield Draft(Finding(ID, "low", title, evidence, _RECOMMENDATIONS), claims, BY_SHARE)


def _call(row: Row) -> Evidence:
    return Evidence(
        f"Process {row['pid']}, {gaps.api(row['api_name'])}: {fmt.counted(row['calls'], 'call')}, "
        f"{fmt.count(row['steady_calls'] or 0)} of them in the steady window; GPUs idle for "
        f"{fmt.duration(row['exposed_ns'])}, {fmt.duration(row['steady_exposed_ns'] or 0)} of it there",
        "memory",
        "allocations",
        row,
    )


RULE = Rule(ID, "Allocation in steady state", __doc__ or "", check, SHARES)
