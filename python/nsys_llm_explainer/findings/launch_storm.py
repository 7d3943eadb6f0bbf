"""So many short kernels start that launching them is work of its own.

What it means:
    In at least one stretch of 100 ms a device starts kernels at 50,000 per second with a median of 10 us or less, or
    at 100,000 per second with a median of 20 us or less.

Why it matters:
    Each launch costs the host a few microseconds and the GPU some latency. With kernels that short the host's launch
    path sets the pace, and any hiccup of the host leaves the GPU idle. Kernels replayed from CUDA graphs cost the
    host nothing each; there only the GPU's own start-up per kernel remains, so the finding is low.

What to do:
    Capture the decode step in a CUDA graph, or fuse small kernels (torch.compile, fused operators); open the named
    stretch in the Nsight Systems GUI to see which step it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nsys_llm_explainer.findings import facts
from nsys_llm_explainer.findings.rule import Draft, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding, Report

ID = "launch_storm"
HIGH_SHARE = 0.50
MEDIUM_SHARE = 0.05
MIN_LAUNCHES = 1_000
GRAPH_SHARE = 0.50
SHOWN_STORMS = 3


def check(report: Report) -> Iterator[Draft]:
    """Yields one finding for all storms of the trace."""
    launches = facts.summary(report, "launches")
    storms = facts.rows(report, "launches", "launch_storms")
    overall = bool(launches.get("launch_storm"))
    if (launches.get("launches") or 0) < MIN_LAUNCHES or not (storms or overall):
        return
    device_time = facts.device_time(report)
    stormy = sum(row["end_ns"] - row["start_ns"] for row in storms)
    share = min(1.0, stormy / device_time) if device_time else 0.0
    severity = facts.severity_of(share, high=HIGH_SHARE, medium=MEDIUM_SHARE, low=0.0) or "low"
    if overall and severity == "low":
        severity = "medium"
    graph_share = facts.summary(report, "graphs").get("graph_kernel_share")
    from_graphs = graph_share is not None and graph_share >= GRAPH_SHARE
    tiny = facts.rows(report, "launches", "tiny_kernels")
    evidence = [_overall(launches), *map(_storm, _strongest(storms))]
    if graph_share:
        evidence.append(
            Evidence(
                f"{fmt.percent(graph_share)} of the kernels were replayed from CUDA graphs",
                "graphs",
                None,
                {"graph_kernel_share": graph_share},
            )
        )
    if tiny:
        evidence.append(_tiny(tiny[0]))
    title = (
        f"Launch storm in {fmt.percent(share)} of the device time" if stormy else "Launch storm over the whole trace"
    )
    recommendations = _GRAPHED if from_graphs else _EAGER
    yield Draft(Finding(ID, "low" if from_graphs else severity, title, tuple(evidence), recommendations))


_EAGER = (
    (
        "Capture the repeating part (the decode step) in a CUDA graph; in vLLM and SGLang check that graphs are on and "
        "that the batch sizes in use are among the captured ones."
    ),
    "Fuse the most frequent tiny kernels (torch.compile, fused norm, rope and sampling operators).",
    "Open the stretches above in the Nsight Systems GUI and see which step or thread launches them.",
)
_GRAPHED = (
    (
        "These kernels come from CUDA graphs, so the host does not pay for each: fuse the most frequent tiny kernels, "
        "or serve larger batches, if the device itself has to do less starting and stopping."
    ),
)


def _strongest(storms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(storms, key=lambda row: (-row["launches"], row["start_ns"]))[:SHOWN_STORMS]


def _overall(launches: dict[str, Any]) -> Evidence:
    names = ("launches", "launches_per_s", "p50_ns")
    per_second, p50 = launches.get("launches_per_s"), launches.get("p50_ns")
    return Evidence(
        f"Whole trace: {fmt.counted(launches['launches'], 'kernel')}"
        + ("" if per_second is None else f", {fmt.rate(per_second)} per second")
        + ("" if p50 is None else f", median {fmt.duration(p50)}"),
        "launches",
        None,
        {name: launches.get(name) for name in names},
    )


def _storm(row: dict[str, Any]) -> Evidence:
    return Evidence(
        f"{fmt.device_label(row['device_id'], row['gpu_id'])}, {fmt.time_range(row['start_ns'], row['end_ns'])}: "
        f"{fmt.counted(row['launches'], 'kernel')}, {fmt.rate(row['launches_per_s'])} per second, "
        f"median {fmt.duration(row['p50_ns'])}",
        "launches",
        "launch_storms",
        row,
        (row["start_ns"], row["end_ns"]),
    )


def _tiny(row: dict[str, Any]) -> Evidence:
    return Evidence(
        f"Most frequent tiny kernel: {fmt.kernel_name(row['kernel_name'])}, {fmt.counted(row['calls'], 'execution')}, "
        f"{fmt.duration(row['avg_ns'])} on average",
        "launches",
        "tiny_kernels",
        row,
    )


RULE = Rule(
    ID,
    "Launch storm",
    __doc__ or "",
    check,
    (
        Threshold("HIGH_SHARE", fmt.percent(HIGH_SHARE), "of the device windows lies in storms: high"),
        Threshold("MEDIUM_SHARE", fmt.percent(MEDIUM_SHARE), "of the device windows, or the trace as a whole: medium"),
        Threshold("MIN_LAUNCHES", fmt.count(MIN_LAUNCHES), "kernels in the trace, under which there is no finding"),
        Threshold("GRAPH_SHARE", fmt.percent(GRAPH_SHARE), "of the kernels come from CUDA graphs: the finding is low"),
    ),
)
