"""Long runs of very small kernels, launched one by one.

What it means:
    Runs of at least 32 kernels of 10 us or less follow each other on a device at 50,000 per second or more, asked for
    in time, with the gaps between them shorter than the kernels together. The same sequence comes back again and again.
    Where it is most of what the GPU computes, the model or the batch is that small: that is said without time at stake.

Why it matters:
    Kernels that small are mostly start-up: they read and write memory that the next one reads again. Where the GPU
    waits for their launches, the host is the limit, and the finding is launch_bound instead.

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
from dataclasses import replace

from nsys_llm_explainer.findings import gaps
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
    DeviceKey,
    Gaps,
)
from nsys_llm_explainer.findings.rule import HIGH_SHARE, MEDIUM_SHARE, Draft, Grading, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "kernel_storm"
LAUNCHES_PER_S = 50_000
GAP_SHARE = 0.50
MIN_KERNELS = 1_000
LATE_SHARE = 0.20
MOST_SHARE = 2 / 3
STORM_SHARE = 0.04
GAPS = Gaps(size=UNDER, next_graph=False)
IN_TIME = replace(GAPS, late=False)
HOST = (LAUNCHING, HOST_CODE, HOST_API, HOST_OS)
SHOWN_RUNS = 4

_RECOMMENDATIONS = (
    "Fuse the repeated sequence: torch.compile, or the engine's fused norm, rope, activation and sampling operators.",
    "Capture the part as a CUDA graph, so that at least the host does not pay for each of them.",
    "Open the longest run above in the Nsight Systems GUI to see which operators it belongs to.",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields one finding for all storms on all devices; where small kernels are the step itself, one that is low."""
    by_device = _runs(case)
    runs = [row for rows in by_device.values() for row in rows]
    if sum(row["kernels"] for row in runs) < MIN_KERNELS:
        return
    inserted = [row for key, rows in by_device.items() if not _are_most(case, key, rows) for row in rows]
    claims = [Claim(key_of(row), row["kernel_ns"], (COMPUTE,)) for row in inserted]
    claims += [Claim(key_of(row), row["gap_ns"], (QUEUED,), IN_TIME) for row in inserted if row["gap_ns"]]
    runs = sorted(inserted or runs, key=lambda row: -row["total_ns"])
    kernels = sum(row["kernels"] for row in runs)
    if kernels < MIN_KERNELS:
        return
    total = sum(row["total_ns"] for row in runs)
    count = fmt.counted(sum(row["runs"] for row in runs), "run")
    title = (
        f"{fmt.counted(kernels, 'small kernel')} launched one by one in {count}"
        f", {fmt.duration(sum(row['kernel_ns'] for row in runs) / kernels)} each: {fmt.duration(total)} together"
    )
    if not inserted:
        title += ", most of what the GPU computes"
    evidence = tuple(_run(case, row) for row in runs[:SHOWN_RUNS])
    yield Draft(Finding(ID, "low", title, evidence, _RECOMMENDATIONS), tuple(claims), Grading(low=STORM_SHARE))


def _runs(case: Case) -> dict[DeviceKey, list[Row]]:
    """Returns the runs of the devices on which they were launched in time."""
    found: dict[DeviceKey, list[Row]] = {}
    for row in case.rows("launch_path", "kernel_runs"):
        if (row["launches_per_s"] or 0) >= LAUNCHES_PER_S and row["gap_ns"] <= GAP_SHARE * row["total_ns"]:
            found.setdefault(key_of(row), []).append(row)
    return {
        key: rows
        for key, rows in found.items()
        if _late_ns(case, key, rows) <= LATE_SHARE * sum(row["total_ns"] for row in rows)
    }


def _late_ns(case: Case, key: DeviceKey, runs: list[Row]) -> float:
    """Returns about how long the host came late in some runs of a device.

    Known is how much of all short gaps before eager kernels the host and the latency after it have. The estimate lies
    between all of that in the runs and as little of it there as can be.
    """
    whole: int = sum(row["gap_ns"] for row in runs)
    late = in_time = 0
    for row in case.rows("budget", "gap_groups"):
        if key_of(row) == key and GAPS.holds(row):
            part = sum(gaps.part(row, bucket) for bucket in ((*HOST, QUEUED) if row["late"] else HOST))
            late += part
            in_time += row["total_ns"] - part
    most, least = min(whole, late), max(0, whole - in_time)
    return (most + least) / 2


def _are_most(case: Case, key: DeviceKey, runs: list[Row]) -> bool:
    """Returns whether small kernels are most of what a device computes: the step itself, no storm within it."""
    device = case.device(key)
    compute = 0 if device is None else device.buckets.get(COMPUTE, 0)
    return bool(sum(row["kernel_ns"] for row in runs) > MOST_SHARE * compute)


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
        Threshold("LATE_SHARE", fmt.percent(LATE_SHARE), "of the runs at most are gaps in which the launch was late"),
        Threshold("MOST_SHARE", fmt.percent(MOST_SHARE), "of the computing time; more is the step itself: no stake"),
        Threshold("MIN_KERNELS", fmt.count(MIN_KERNELS), "kernels in such runs, under which there is no finding"),
        Threshold("HIGH_SHARE", fmt.percent(HIGH_SHARE), "of the window of the most affected device: high"),
        Threshold("MEDIUM_SHARE", fmt.percent(MEDIUM_SHARE), "of its window: medium"),
        Threshold("STORM_SHARE", fmt.percent(STORM_SHARE), "of its window: low; under it there is no finding"),
    ),
)
