"""GPUs wait for the host in the middle of a step, in gaps of 50 us and more.

What it means:
    Inside a step, or in a trace without steps, the GPU ran dry because the launching thread was in its own code, in
    the operating system or in a CUDA call that launches nothing. Gaps that long are no mere launch cost: something ran
    on the host between two launches.

Why it matters:
    The forward pass is a chain of launches. Whatever the host does between two of them that the GPU has no queued work
    for is added to the step.

What to do:
    Find what the host does in the range that is named: Python in a custom layer, a graph break of torch.compile,
    building attention metadata, a garbage collection, a lock, a file. Hoist it out of the step, compile it, or capture
    the part as a CUDA graph so that the host is not asked.

How to verify:
    Open the longest gap in the Nsight Systems GUI: the launching thread's row shows the NVTX range, and with
    --trace=osrt and --python-sampling=true also the function. After a change these gaps have to be gone from
    gap_groups, and the step's period shorter by their sum.

What would contradict it:
    Gaps that are gone in a capture without OS tracing and sampling: then the profiler made them.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.findings import gaps
from nsys_llm_explainer.findings.case import Case
from nsys_llm_explainer.findings.ledger import HOST_API, HOST_CODE, HOST_OS, LAUNCHING, OVER, Gaps
from nsys_llm_explainer.findings.rule import BY_SHARE, SHARES, Draft, Rule
from nsys_llm_explainer.report import Evidence, Finding

ID = "host_bound_in_step"
GAPS = Gaps(places=frozenset({"inside_step", "no_steps"}), size=OVER)
BUCKETS = (HOST_CODE, HOST_OS, HOST_API, LAUNCHING)

_RECOMMENDATIONS = (
    "Look at what the host does in the named range between the launches, and hoist it out of the step.",
    "Compile the part (torch.compile without graph breaks) or capture it as a CUDA graph.",
    "Look for garbage collection, locks and file access in the launching thread (--trace=osrt).",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields one finding for long gaps inside steps on all devices."""
    found = gaps.waits(case, GAPS, BUCKETS, latency=True, settled=True)
    if not found:
        return
    evidence = list(gaps.evidence(case, found))
    inside = bool(case.summary("steps").get("steps"))
    if not inside:
        evidence.append(
            Evidence("No steps were found, so it is open whether this lies between steps or inside them", "steps")
        )
    title = gaps.headline(case, found, "for the host inside the step" if inside else "for the host")
    claims = gaps.claims(found, GAPS, latency=True)
    yield Draft(Finding(ID, "low", title, tuple(evidence), _RECOMMENDATIONS), claims, BY_SHARE)


RULE = Rule(ID, "Host-bound inside the step", __doc__ or "", check, SHARES)
