"""The process ids in the export look wrong, so the per-process tables cannot be trusted.

What it means:
    Most GPU work carries process id 0, or GPU work is attributed to one process only while another one launches
    kernels as a worker does.

Why it matters:
    Calls are joined to kernels by process: with wrong ids the NVTX attribution and the split by process are wrong or
    empty, while the totals per device stay right.

What to do:
    Export again with a current nsys (nsys export --type sqlite --lazy=false); capture the workers themselves
    (VLLM_WORKER_MULTIPROC_METHOD=spawn, --trace-fork-before-exec=true); in containers share the pid namespace with
    the profiler.

How to verify:
    After a new export every worker stands in the table processes with its own device and its own kernels.

What would contradict it:
    An engine that runs all its GPU work in one process on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nsys_llm_explainer.findings.case import Case
from nsys_llm_explainer.findings.rule import Draft, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "pids_look_wrong"
PID_ZERO_SHARE = 0.50
MIN_LAUNCH_CALLS = 50
LAUNCH_SHARE = 0.25

_RECOMMENDATIONS = (
    "Export again with a current nsys: nsys export --type sqlite --lazy=false.",
    (
        "Make sure that each worker is traced itself: VLLM_WORKER_MULTIPROC_METHOD=spawn, "
        "--trace-fork-before-exec=true; in containers share the pid namespace with the profiler."
    ),
    "Until then trust the numbers per device, not those per process.",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields a finding for rows with pid 0, or for workers whose GPU work is missing."""
    processes = case.rows("processes", "processes")
    total = sum(row["kernels"] for row in processes)
    zero = sum(row["kernels"] for row in processes if row["pid"] == 0)
    if total and zero >= PID_ZERO_SHARE * total:
        share = zero / total
        evidence = Evidence(
            f"{fmt.count(zero)} of {fmt.counted(total, 'kernel')} carry process id 0",
            "processes",
            "processes",
            {"kernels": total, "kernels_pid_zero": zero},
        )
        yield Draft(
            Finding(
                ID, "medium", f"{fmt.percent(share)} of the kernels carry process id 0", (evidence,), _RECOMMENDATIONS
            )
        )
        return
    yield from _silent_workers(processes)


def _silent_workers(processes: list[dict[str, Any]]) -> Iterator[Draft]:
    workers = [row["pid"] for row in processes if row["role"] == "worker"]
    if len(workers) != 1:
        return
    launched = sum(row["launch_calls"] for row in processes if row["role"] == "worker")
    needed = max(MIN_LAUNCH_CALLS, LAUNCH_SHARE * launched)
    silent = [row for row in processes if row["role"] == "host" and row["launch_calls"] >= needed]
    if not silent:
        return
    yield Draft(
        Finding(
            ID,
            "medium",
            f"All GPU work belongs to process {workers[0]}, yet {len(silent)} more also "
            f"{'launches' if len(silent) == 1 else 'launch'} kernels",
            tuple(
                Evidence(
                    f"Process {row['pid']}: {fmt.counted(row['launch_calls'], 'launch call')}, but no GPU work",
                    "processes",
                    "processes",
                    {"pid": row["pid"], "launch_calls": row["launch_calls"]},
                )
                for row in silent[:8]
            ),
            _RECOMMENDATIONS,
        )
    )


RULE = Rule(
    ID,
    "PIDs look wrong",
    __doc__ or "",
    check,
    (
        Threshold("PID_ZERO_SHARE", fmt.percent(PID_ZERO_SHARE), "of the kernels carry process id 0: medium"),
        Threshold(
            "MIN_LAUNCH_CALLS",
            fmt.count(MIN_LAUNCH_CALLS),
            "launch calls of a process without GPU work, under which it is taken for a helper",
        ),
        Threshold(
            "LAUNCH_SHARE",
            fmt.percent(LAUNCH_SHARE),
            "of the worker's launch calls, likewise; above both: medium",
        ),
    ),
)
