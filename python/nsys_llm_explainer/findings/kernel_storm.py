"""Long runs of very small kernels, launched one by one.

What it means:
    Runs of at least 32 kernels of 10 us or less follow each other on a device at 50,000 per second or more, with the
    gaps between them shorter than the kernels together. The same sequence comes back again and again.

Why it matters:
    Kernels that small are mostly start-up: they read and write memory that the next one reads again. Where the gaps
    grow beyond the kernels, the host is the limit, and the finding is launch_bound instead.

What to do:
    Fuse the sequence: torch.compile, or the engine's fused operators for norm, rotary embedding, activation,
    quantisation, sampling. A CUDA graph takes the launch cost away, not the kernels' own.

How to verify:
    The sequence is gone from kernel_runs, and the number of kernels per step in step_launches falls.

What would contradict it:
    Kernels that are short because the batch is: at larger batches the same kernels may be long enough.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.findings.case import Case, Row, key_of
from nsys_llm_explainer.findings.ledger import (
    COMPUTE,
    HOST_API,
    HOST_CODE,
    HOST_OS,
    LAUNCHING,
    QUEUED,
    UNDER,
    Claim,
    Gaps,
)
from nsys_llm_explainer.findings.rule import HIGH_SHARE, MEDIUM_SHARE, Draft, Grading, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "kernel_storm"
LAUNCHES_PER_S = 50_000
GAP_SHARE = 0.50
MIN_KERNELS = 1_000
STORM_SHARE = 0.05
GAPS = Gaps(size=UNDER, next_graph=False)
BUCKETS = (LAUNCHING, HOST_CODE, QUEUED, HOST_API, HOST_OS)
SHOWN_RUNS = 4

_RECOMMENDATIONS = (
    "Fuse the repeated sequence: torch.compile, or the engine's fused norm, rope, activation and sampling operators.",
    "Capture the part as a CUDA graph, so that at least the host does not pay for each of them.",
    "Open the longest run above in the Nsight Systems GUI to see which operators it belongs to.",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields one finding for all storms on all devices."""
    runs = [
        row
        for row in case.rows("launch_path", "kernel_runs")
        if (row["launches_per_s"] or 0) >= LAUNCHES_PER_S and row["gap_ns"] <= GAP_SHARE * row["total_ns"]
    ]
    kernels = sum(row["kernels"] for row in runs)
    if kernels < MIN_KERNELS:
        return
    runs.sort(key=lambda row: -row["total_ns"])
    claims = [Claim(key_of(row), row["kernel_ns"], (COMPUTE,)) for row in runs]
    claims += [Claim(key_of(row), row["gap_ns"], BUCKETS, GAPS) for row in runs if row["gap_ns"]]
    total = sum(row["total_ns"] for row in runs)
    count = fmt.counted(sum(row["runs"] for row in runs), "run")
    title = (
        f"{fmt.counted(kernels, 'small kernel')} launched one by one in {count}"
        f", {fmt.duration(sum(row['kernel_ns'] for row in runs) / kernels)} each: {fmt.duration(total)} together"
    )
    evidence = tuple(_run(case, row) for row in runs[:SHOWN_RUNS])
    yield Draft(Finding(ID, "low", title, evidence, _RECOMMENDATIONS), tuple(claims), Grading(low=STORM_SHARE))


def _run(case: Case, row: Row) -> Evidence:
    start, end = row["example_start_ns"], row["example_end_ns"]
    return Evidence(
        f"{case.label(key_of(row))}: {fmt.counted(row['runs'], 'run')} that start with "
        f"{fmt.kernel_name(row['first_kernel'])}, mostly {fmt.kernel_name(row['top_kernel'])}: "
        f"{fmt.counted(row['kernels'], 'kernel')}, {fmt.rate(row['launches_per_s'])} per second, "
        f"{fmt.duration(row['gap_ns'])} of gaps in {fmt.duration(row['total_ns'])}; the longest: "
        f"{fmt.time_range(start, end)}",
        "launch_path",
        "kernel_runs",
        row,
        (start, end),
    )


RULE = Rule(
    ID,
    "Kernel storm",
    __doc__ or "",
    check,
    (
        Threshold("LAUNCHES_PER_S", fmt.count(LAUNCHES_PER_S), "kernels per second in a run, at least"),
        Threshold("GAP_SHARE", fmt.percent(GAP_SHARE), "of a run at most is gaps; above it the host is the limit"),
        Threshold("MIN_KERNELS", fmt.count(MIN_KERNELS), "kernels in such runs, under which there is no finding"),
        Threshold("HIGH_SHARE", fmt.percent(HIGH_SHARE), "of the window of the most affected device: high"),
        Threshold("MEDIUM_SHARE", fmt.percent(MEDIUM_SHARE), "of its window: medium"),
        Threshold("STORM_SHARE", fmt.percent(STORM_SHARE), "of its window: low; under it there is no finding"),
    ),
)
