"""A large part of the kernel time lies in no NVTX range.

What it means:
    A kernel belongs to a range if its launch call lies in the range on the same thread. Less than 70 % of the kernel
    time does, or no NVTX range was captured at all.

Why it matters:
    Only for the covered part can be told which step, layer or phase costs what; the table of ranges says nothing about
    the rest.

What to do:
    Switch the engine's NVTX ranges on (VLLM_NVTX_SCOPES_FOR_PROFILING=1, --enable-layerwise-nvtx-tracing with
    --enforce-eager, TLLM_LLMAPI_ENABLE_NVTX=1, torch.autograd.profiler.emit_nvtx) and capture with --trace=cuda,nvtx.
    Kernels that were launched before the capture began have no call and cannot be attributed.

How to verify:
    coverage in the summary of the section on NVTX ranges is above 70 %.

What would contradict it:
    Questions that need no ranges: the budget, the kernels and the gaps are complete without them.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.capture import FLAGS
from nsys_llm_explainer.findings import commands
from nsys_llm_explainer.findings.case import Case
from nsys_llm_explainer.findings.rule import Draft, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "nvtx_coverage"
COVERAGE = 0.70
UNCORRELATED_SHARE = 0.10
OUTSIDE_SHARE = 0.05

_SWITCH_ON = (
    "Switch the engine's ranges on: VLLM_NVTX_SCOPES_FOR_PROFILING=1 (vLLM), TLLM_LLMAPI_ENABLE_NVTX=1 (TensorRT-LLM), "
    "torch.autograd.profiler.emit_nvtx or torch.cuda.nvtx.range (PyTorch)."
)
_NAMES = (
    "kernels",
    "correlated_kernels",
    "attributed_kernels",
    "total_kernel_ns",
    "attributed_kernel_ns",
    "coverage",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields a finding where ranges cover little, a hint where none were captured."""
    if not case.has_gpu_work:
        return
    summary = case.summary("nvtx")
    if not summary.get("ranges"):
        yield _no_ranges(case)
        return
    coverage = summary.get("coverage")
    if coverage is None or coverage >= COVERAGE:
        return
    evidence = [
        Evidence(
            f"{fmt.duration(summary['attributed_kernel_ns'])} of {fmt.duration(summary['total_kernel_ns'])} "
            f"kernel time ({fmt.count(summary['attributed_kernels'])} of {fmt.counted(summary['kernels'], 'kernel')})",
            "nvtx",
            None,
            {name: summary[name] for name in _NAMES},
        )
    ]
    correlated = summary["correlated_kernels"]
    unmatched = summary["kernels"] - correlated
    recommendations = []
    if unmatched >= UNCORRELATED_SHARE * summary["kernels"]:
        evidence.append(
            Evidence(
                f"{fmt.counted(unmatched, 'kernel')} have no launch call in the export and cannot belong to a range",
                "nvtx",
                None,
                {"kernels": summary["kernels"], "correlated_kernels": correlated},
            )
        )
        recommendations.append(
            "Start the capture before the work is launched: kernels already queued when it starts have no call."
        )
    # Where nearly every kernel with a call lies in a range, the engine's ranges are on already.
    if not recommendations or summary["attributed_kernels"] < (1 - OUTSIDE_SHARE) * correlated:
        recommendations.append(_SWITCH_ON)
    recommendations.append("Until then, the NVTX and phase tables describe the covered part only.")
    title = f"NVTX ranges cover only {fmt.percent(coverage)} of the kernel time"
    yield Draft(Finding(ID, "low", title, tuple(evidence), tuple(recommendations)))


def _no_ranges(case: Case) -> Draft:
    return Draft(
        Finding(
            ID,
            "low",
            "No NVTX ranges were captured: time cannot be told apart by step, layer or phase",
            (Evidence("The export holds no NVTX push/pop or start/end range in this window", "nvtx"),),
            (f"Add nvtx to the capture ({FLAGS['nvtx']}).", _SWITCH_ON, *commands.of(case)),
        )
    )


RULE = Rule(
    ID,
    "NVTX coverage",
    __doc__ or "",
    check,
    (
        Threshold("COVERAGE", fmt.percent(COVERAGE), "of the kernel time; covering less is a finding, always low"),
        Threshold(
            "UNCORRELATED_SHARE",
            fmt.percent(UNCORRELATED_SHARE),
            "of the kernels without a call: they are pointed out, and an earlier start of the capture is advised",
        ),
        Threshold(
            "OUTSIDE_SHARE",
            fmt.percent(OUTSIDE_SHARE),
            "of the kernels with a call lie outside all ranges: more ranges are advised then too",
        ),
    ),
)
