"""Code for the GPU is compiled or loaded while the engine should be in its steady state.

What it means:
    The driver compiled a kernel (JIT), loaded a module, or loaded a function on its first use in or between steps after
    the warm-up, and GPUs were idle meanwhile: while the launching thread was in a call, or waited for the thread that
    loads.

Why it matters:
    The first request with a new shape or kernel pays for it, once per process. In a capture it makes steps look slow
    that are not so later.

What to do:
    Warm up with every shape and option that is served, before the capture and before taking traffic. Ship kernels for
    the architecture in use instead of PTX; keep the JIT cache (CUDA_CACHE_PATH) on a disk that stays. Where the
    start-up may take longer, CUDA_MODULE_LOADING=EAGER loads everything at once.

How to verify:
    A second capture after a warm-up with the same requests has no such events in its steady window.

What would contradict it:
    Events before the first step only: that is the normal place for them.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.findings import suspects
from nsys_llm_explainer.findings.case import Case
from nsys_llm_explainer.findings.ledger import HOST_API, HOST_CODE, HOST_OS, LAUNCHING
from nsys_llm_explainer.findings.rule import BY_SHARE, SHARES, Draft, Rule
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Finding

ID = "lazy_loading"
SHOWN_KINDS = 4

_RECOMMENDATIONS = (
    "Warm up with every shape and option that is served, before the capture and before taking traffic.",
    "Ship kernels for the GPU's architecture instead of PTX, and keep the JIT cache (CUDA_CACHE_PATH).",
    "CUDA_MODULE_LOADING=EAGER moves all loading to the start.",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields one finding for the loading of code while steps run, over all devices."""
    found = suspects.rows(case, suspects.LOADING, (LAUNCHING, HOST_API, HOST_CODE, HOST_OS))
    claims = suspects.claims_while_serving(found)
    if not claims:
        return
    rows = sorted(suspects.loading(case), key=lambda row: -(row["idle_ns"] or 0))
    title = (
        f"Code for the GPU is loaded or compiled while steps run: {fmt.duration(sum(claim.ns for claim in claims))} of "
        f"idle GPUs, {fmt.counted(sum(row['events'] for row in rows), 'event')} in all"
    )
    evidence = (*map(suspects.overhead, rows[:SHOWN_KINDS]), *suspects.idle(case, found))
    yield Draft(Finding(ID, "low", title, evidence, _RECOMMENDATIONS), claims, BY_SHARE)


RULE = Rule(ID, "Loading code in steady state", __doc__ or "", check, SHARES)
