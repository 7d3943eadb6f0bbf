"""The profiler itself takes so much time that the figures cannot be trusted.

What it means:
    Overhead that the profiler recorded of itself (buffer flushes, instrumentation, resources) takes 5 % or more of the
    steady window, or leaves a device idle for as much of its window.

Why it matters:
    Steps look longer and GPUs idler than they are without a profiler, most of all with many small kernels and with CUDA
    graphs traced node by node. Shares of idle time are then partly the profiler's.

What to do:
    Trace less: --trace=cuda,nvtx without osrt, no CPU sampling, no --cuda-memory-usage, --cuda-graph-trace=graph for
    step times. Capture fewer steps, flush less often (no --cuda-flush-interval), or use hardware tracing where the GPU
    has it.

How to verify:
    Compare the step period with the server's own figure without a profiler (the time per output token of a benchmark).

What would contradict it:
    Overhead in threads that launch nothing, while the step period agrees with that of an unprofiled run.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.findings import suspects
from nsys_llm_explainer.findings.case import MIN_WINDOW_NS, Case, Row, key_of
from nsys_llm_explainer.findings.ledger import HOST_API, HOST_CODE, HOST_OS, LAUNCHING
from nsys_llm_explainer.findings.rule import Draft, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Finding

ID = "profiler_overhead"
OVERHEAD_SHARE = 0.05
HIGH_OVERHEAD_SHARE = 0.25
SHOWN_KINDS = 4

_RECOMMENDATIONS = (
    "Capture again with less: --trace=cuda,nvtx, no sampling, no memory usage, fewer steps.",
    "Take step times from --cuda-graph-trace=graph, and shares from node mode.",
    "Compare the step period with that of an unprofiled run before you act on the other findings.",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields one finding where the profiler takes a lot of a process's time, with the idle time on all devices."""
    found = suspects.rows(case, suspects.PROFILER, (HOST_CODE, HOST_OS, HOST_API, LAUNCHING))
    rows = sorted(suspects.profiling(case), key=lambda row: -row["total_ns"])
    worst = max([*_idle_shares(case, found), *_steady_shares(case, rows)], default=0.0)
    if worst < OVERHEAD_SHARE:
        return
    finding = Finding(
        ID,
        "high" if worst >= HIGH_OVERHEAD_SHARE else "medium",
        f"The profiler's own overhead takes {fmt.percent(worst)} of the time: too much to trust the figures",
        (*map(suspects.overhead, rows[:SHOWN_KINDS]), *suspects.idle(case, found)),
        _RECOMMENDATIONS,
    )
    yield Draft(finding, suspects.claims(found))


def _idle_shares(case: Case, found: list[Row]) -> Iterator[float]:
    for device in case.devices:
        if device.window_ns >= MIN_WINDOW_NS:
            yield device.share(sum(row["idle_ns"] for row in found if key_of(row) == device.key))


def _steady_shares(case: Case, rows: list[Row]) -> Iterator[float]:
    """Yields the share of the steady window that the profiler takes of each process."""
    start, end = (case.summary("steps").get(name) for name in ("steady_start_ns", "steady_end_ns"))
    if start is None or end is None or end - start < MIN_WINDOW_NS:
        return
    by_pid: dict[int, int] = {}
    for row in rows:
        by_pid[row["pid"]] = by_pid.get(row["pid"], 0) + (row["steady_ns"] or 0)
    yield from (min(1.0, ns / (end - start)) for ns in by_pid.values())


RULE = Rule(
    ID,
    "Profiler overhead",
    __doc__ or "",
    check,
    (
        Threshold("OVERHEAD_SHARE", fmt.percent(OVERHEAD_SHARE), "of the steady window, or idle of a window: medium"),
        Threshold("HIGH_OVERHEAD_SHARE", fmt.percent(HIGH_OVERHEAD_SHARE), "of it: high"),
    ),
)
