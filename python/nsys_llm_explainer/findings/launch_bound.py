"""Kernels launched one by one are shorter than the host needs to launch the next.

What it means:
    Inside a step, or in a trace without steps, the GPU stands idle in gaps under 50 us before kernels that no CUDA
    graph launched, while the host is on its way to the launch or in it. Each gap is small, their sum is not.

Why it matters:
    The host sets the pace: the GPU could run the step in the time that its kernels take. A faster GPU changes nothing.

What to do:
    Capture the step as a CUDA graph (vLLM without --enforce-eager, SGLang without --disable-cuda-graph, torch.compile
    mode="reduce-overhead"). Where that is not possible launch less: fused operators, torch.compile, larger batches.
    Pin the launching thread to a fast core near the GPU.

How to verify:
    The share of launching and host_code in step_kinds falls, and graph_kernel_share in step_launches rises. Compare
    periods in captures in graph mode, as node mode adds time per kernel.

What would contradict it:
    Launches far ahead of the GPU (a large queue_p50 in launch_path), or command-buffer-full time: then the GPU is the
    limit. A profiler that adds several us per launch also makes such gaps: see profiler overhead.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.findings import gaps
from nsys_llm_explainer.findings.case import Case, key_of
from nsys_llm_explainer.findings.ledger import HOST_API, HOST_CODE, HOST_OS, LAUNCHING, UNDER, Gaps
from nsys_llm_explainer.findings.rule import BY_SHARE, SHARES, Draft, Rule
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "launch_bound"
GAPS = Gaps(places=frozenset({"inside_step", "no_steps"}), size=UNDER, next_graph=False)
BUCKETS = (LAUNCHING, HOST_CODE, HOST_API, HOST_OS)
SHOWN_CALLS = 2

_RECOMMENDATIONS = (
    (
        "Capture the step as a CUDA graph: vLLM without --enforce-eager, SGLang without --disable-cuda-graph, "
        'torch.compile(mode="reduce-overhead") in PyTorch.'
    ),
    "Launch fewer kernels: fused operators, torch.compile, larger batches.",
    "Give the launching thread a fast core of its own, near the GPU.",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields one finding for the short gaps before eager kernels on all devices."""
    waits = gaps.waits(case, GAPS, BUCKETS, latency=True, settled=True)
    found = [wait for wait in waits if not _is_partly_graphed(case, wait)]
    if not found:
        return
    evidence = (*gaps.evidence(case, found), *_calls(case), *per_step_launches(case, found))
    title = gaps.headline(case, found, "for kernels to be launched one by one")
    yield Draft(Finding(ID, "low", title, evidence, _RECOMMENDATIONS), gaps.claims(found, GAPS, latency=True), BY_SHARE)


def _is_partly_graphed(case: Case, wait: gaps.Wait) -> bool:
    """Returns whether most of it lies in steps that CUDA graphs cover in part, which is a finding of its own."""
    if not any(finding.id == "low_graph_coverage" for finding in case.findings):
        return False
    return 2 * sum(ns for ns, row in wait.groups if row["step_kind"] == "decode") > wait.ns


def _calls(case: Case) -> Iterator[Evidence]:
    calls = [row for row in case.rows("launch_path", "launch_calls") if "launch" in row["api_name"].lower()]
    calls.sort(key=lambda row: (-row["calls"], row["pid"], row["api_name"]))
    for row in calls[:SHOWN_CALLS]:
        if row["api_p50_ns"] is not None:
            queue = "" if row["queue_p50_ns"] is None else f", queue {fmt.duration(row['queue_p50_ns'])}"
            yield Evidence(
                f"{gaps.api(row['api_name'])} of process {row['pid']}: {fmt.counted(row['calls'], 'call')}, median "
                f"{fmt.duration(row['api_p50_ns'])}{queue}",
                "launch_path",
                "launch_calls",
                row,
            )


def per_step_launches(case: Case, found: list[gaps.Wait]) -> Iterator[Evidence]:
    """Yields how many kernels a step launches eagerly and from graphs, for the kind that waits most."""
    step = gaps.per_step(case, found[0])
    for row in case.rows("launch_path", "step_launches"):
        if step is not None and row["step_kind"] == step.kind and key_of(row) == found[0].device.key:
            yield Evidence(
                f"Each {step.kind} step launches {fmt.number(row['eager_kernels_avg'])} kernels one by one and "
                f"{fmt.number(row['graph_kernels_avg'])} from {fmt.number(row['graph_launches_avg'])} CUDA graphs",
                "launch_path",
                "step_launches",
                row,
            )
            return


RULE = Rule(ID, "Launch-bound", __doc__ or "", check, SHARES)
