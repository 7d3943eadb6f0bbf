"""The export holds no GPU activity at all.

What it means:
    No kernel, copy, memset or graph execution can be read from the export, although the file itself is a sound
    export. Calls of the CUDA API or the operating system may be there.

Why it matters:
    Nothing can be said about the GPUs: this is a gap of the capture, not an idle GPU.

What to do:
    Capture again with --trace=cuda,nvtx; spawn worker processes instead of forking them (or add
    --trace-fork-before-exec=true); make the capture range cover work on the GPU and let the application end, or stop,
    cleanly so that buffers are written.

How to verify:
    nsys-llm-explain TRACE --print-schema lists the table CUPTI_ACTIVITY_KIND_KERNEL with rows.

What would contradict it:
    A program that was not meant to use a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.capture import FLAGS
from nsys_llm_explainer.findings import commands
from nsys_llm_explainer.findings.case import Case
from nsys_llm_explainer.findings.rule import Draft, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding, Report

ID = "gpu_not_captured"
SHOWN_DIAGNOSTICS = 3
LONGEST_QUOTE = 240

_API_TABLE = "CUPTI_ACTIVITY_KIND_RUNTIME"
_OSRT_TABLE = "OSRT_API"
_CAPTURE = (
    f"nsys profile {FLAGS['gpu_kernels']},nvtx,osrt {FLAGS['cuda_graph_nodes']} --trace-fork-before-exec=true "
    "--cuda-flush-interval=1000 -o trace <command>"
)


def check(case: Case) -> Iterator[Draft]:
    """Yields a finding where the export holds no GPU operation."""
    if case.has_gpu_work:
        return
    report = case.report
    tables = report.trace.get("tables") or {}
    api_calls, os_calls = tables.get(_API_TABLE, 0), tables.get(_OSRT_TABLE, 0)
    yield Draft(
        Finding(
            ID,
            "high",
            "No GPU activity was captured",
            (_what_is_there(api_calls, os_calls), *_rejected(report), *_diagnostics(report)),
            (*_advice(api_calls), *commands.of(case)),
        )
    )


def _what_is_there(api_calls: int, os_calls: int) -> Evidence:
    if api_calls:
        text = f"{fmt.counted(api_calls, 'CUDA API call')} recorded, but no kernel, copy, memset or graph execution"
    elif os_calls:
        text = f"{fmt.counted(os_calls, 'operating-system call')} recorded, but nothing of CUDA"
    else:
        text = "Neither CUDA API calls nor GPU work were recorded"
    return Evidence(text, None, None, {_API_TABLE: api_calls, _OSRT_TABLE: os_calls})


def _rejected(report: Report) -> Iterator[Evidence]:
    rejected = {table: rows for table, rows in (report.trace.get("rejected_rows") or {}).items() if rows}
    if rejected:
        counts = ", ".join(f"{table} {fmt.count(rows)}" for table, rows in sorted(rejected.items()))
        yield Evidence(f"Rows that were rejected as unusable: {counts}", None, None, rejected)


def _diagnostics(report: Report) -> Iterator[Evidence]:
    quotes = [str(warning["message"]) for warning in report.warnings if warning["code"] == "diagnostic"]
    for quote in quotes[:SHOWN_DIAGNOSTICS]:
        yield Evidence(fmt.truncate(quote, LONGEST_QUOTE))


def _advice(api_calls: int) -> Iterator[str]:
    yield f"Capture again: {_CAPTURE}"
    if api_calls:
        yield (
            "CUDA calls without GPU work mean that the driver's activity records were not collected: check that the"
            " driver supports this nsys version, and that no other profiler (CUPTI, DCGM, ncu) holds the GPU."
        )
        yield "Let the capture end after the work: records still buffered on the device when it stops are lost."
    else:
        yield (
            "Check that the traced process tree holds the workers: servers start them as children "
            "(VLLM_WORKER_MULTIPROC_METHOD=spawn), and a capture range must cover requests."
        )


RULE = Rule(
    ID,
    "GPU activity not captured",
    __doc__ or "",
    check,
    (Threshold("SHOWN_DIAGNOSTICS", fmt.count(SHOWN_DIAGNOSTICS), "messages of the profiler are quoted at most"),),
)
