"""GPUs wait between two steps until the host asks for the next one.

What it means:
    The step's last operation is over and the first of the next one has not been asked for yet: the host schedules,
    samples, detokenises, prepares inputs, or is still on its way into the launch. Only time in which the launching
    thread was in its own code, in the operating system, in a CUDA call that does not synchronise, or in the launch
    itself counts.

Why it matters:
    This time is added to every step, so to every token of every request. It does not shrink with a faster GPU or a
    better kernel, and the smaller the model or the batch, the larger its share.

What to do:
    Let the host prepare step n+1 while the GPU runs step n: asynchronous scheduling (vLLM --async-scheduling), overlap
    scheduling (SGLang, on unless --disable-overlap-schedule), the overlap scheduler of TensorRT-LLM. Take work out of
    the loop: detokenisation and output processing into another process, fewer Python objects per request, logging off.
    Serve larger batches, so that one step's host time buys more tokens.

How to verify:
    Open the longest gap in the Nsight Systems GUI and look at the launching thread: a capture with --trace=osrt and
    Python sampling (--python-sampling=true) names the functions. After a change, the mean of host_code in step_kinds
    and the decode period have to fall by the same amount.

What would contradict it:
    A queue that is deep at the start of the steps (queue_p50 in launch_path), or threads of the engine that wait for
    requests in these gaps: then there was no work, and the load is the limit.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.findings import gaps
from nsys_llm_explainer.findings.case import Case
from nsys_llm_explainer.findings.ledger import HOST_API, HOST_CODE, HOST_OS, LAUNCHING, Gaps
from nsys_llm_explainer.findings.rule import BY_SHARE, SHARES, Draft, Rule
from nsys_llm_explainer.report import Finding

ID = "host_bound_between_steps"
GAPS = Gaps(places=frozenset({"between_steps"}))
BUCKETS = (HOST_CODE, HOST_OS, HOST_API, LAUNCHING)

_RECOMMENDATIONS = (
    (
        "Let the host prepare the next step while the GPU runs this one: --async-scheduling (vLLM), the overlap "
        "schedule (SGLang), the overlap scheduler (TensorRT-LLM)."
    ),
    "Move detokenisation, output processing and logging out of the loop that launches, or into another process.",
    "Serve larger batches: the host's time per step then buys more tokens.",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields one finding for the time between steps on all devices."""
    found = gaps.waits(case, GAPS, BUCKETS, latency=True, settled=True)
    if found:
        title = gaps.headline(case, found, "for the host between steps")
        evidence = tuple(gaps.evidence(case, found))
        claims = gaps.claims(found, GAPS, latency=True)
        yield Draft(Finding(ID, "low", title, evidence, _RECOMMENDATIONS), claims, BY_SHARE)


RULE = Rule(ID, "Host-bound between steps", __doc__ or "", check, SHARES)
