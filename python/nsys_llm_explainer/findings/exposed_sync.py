"""The host waits in a blocking synchronisation while the GPU has nothing to do.

What it means:
    The next work had not been asked for, because the thread that asks for it was in cudaStreamSynchronize,
    cudaEventSynchronize, cudaDeviceSynchronize or the like, and the GPU was idle. A blocking call while the GPU works
    just waits for a result, and does not count.

Why it matters:
    In that time neither side does anything. It typically stands at the end of a step, where the host fetches the
    sampled tokens before it can launch the next step, and wakes up late.

What to do:
    Queue the next step before fetching the last one's result (asynchronous or overlap scheduling), take hidden
    synchronisations (.item(), .cpu(), .tolist(), printing a tensor) out of the step, and copy results into pinned
    memory with an event that is awaited one step later. Spinning instead of blocking waits
    (cudaDeviceScheduleSpin) shorten the wake-up.

How to verify:
    The named call in the named range is gone from host_calls, or moved behind a launch. After a change host_sync in
    step_kinds has to fall.

What would contradict it:
    An exposed time near zero although the calls are long: they wait for a busy GPU, which is the limit then.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.findings import gaps
from nsys_llm_explainer.findings.case import Case, Row
from nsys_llm_explainer.findings.ledger import HOST_SYNC, Gaps
from nsys_llm_explainer.findings.rule import BY_SHARE, SHARES, Draft, Rule
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "exposed_sync"
GAPS = Gaps(places=frozenset({"inside_step", "between_steps", "before_steps", "after_steps", "no_steps"}))
SHOWN_CALLS = 3

_RECOMMENDATIONS = (
    (
        "Launch the next step before fetching the result of the last one: asynchronous (overlap) scheduling in the "
        "engine, or an event that is awaited one step later."
    ),
    (
        "Find the caller: .item(), .cpu(), .tolist() and tensor printing synchronise; so does cudaMemcpyAsync with "
        "pageable memory."
    ),
    "Open the longest gap above in the Nsight Systems GUI and look at the thread that waits.",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields one finding for all exposed synchronisation of the trace."""
    found = gaps.waits(case, GAPS, (HOST_SYNC,), settled=True)
    if not found:
        return
    calls = [row for row in case.rows("budget", "host_calls") if row["bucket"] == HOST_SYNC and row["idle_ns"]]
    calls.sort(key=lambda row: -row["idle_ns"])
    what = "while the host is in a blocking synchronisation"
    if calls:
        what = f"while the host is in {gaps.api(calls[0]['api_name'])}"
    evidence = (*map(_call, calls[:SHOWN_CALLS]), *gaps.evidence(case, found))
    title = gaps.headline(case, found, what, "is idle for")
    yield Draft(Finding(ID, "low", title, evidence, _RECOMMENDATIONS), gaps.claims(found, GAPS), BY_SHARE)


def _call(row: Row) -> Evidence:
    device = fmt.device_label(row["device_id"], row["gpu_id"])
    return Evidence(
        f"{device} stands idle for {fmt.duration(row['idle_ns'])} while process {row['pid']} is in "
        f"{gaps.api(row['api_name'])}",
        "budget",
        "host_calls",
        row,
    )


RULE = Rule(ID, "Exposed synchronisation", __doc__ or "", check, SHARES)
