"""CUDA graphs were captured as whole blocks, so their kernels are invisible.

What it means:
    The capture holds graph executions (one row per launch), not the kernels inside them. Their time counts as busy,
    but it has no kernel names.

Why it matters:
    Every number that is derived from kernels (which kernel dominates, launch rates, NVTX attribution by kernel)
    describes only what ran outside the graphs, which in decode is often next to nothing.

What to do:
    Capture again with --cuda-graph-trace=node for kernel-level questions. Node mode costs time per node: compare
    shares within such a trace, and keep graph mode for realistic step times.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.capture import FLAGS
from nsys_llm_explainer.findings import facts
from nsys_llm_explainer.findings.rule import Draft, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding, Report

ID = "graph_mode_hides_kernels"
HIGH_SHARE = 0.50
MEDIUM_SHARE = 0.10


def check(report: Report) -> Iterator[Draft]:
    """Yields a finding where graph executions hide kernels."""
    if facts.summary(report, "graphs").get("cuda_graph_mode") != "graph":
        return
    graphs = facts.rows(report, "graphs", "cuda_graphs")
    hidden = sum(row["total_ns"] for row in graphs)
    launches = sum(row["launches"] for row in graphs)
    if not hidden:
        return
    seen = facts.summary(report, "kernels").get("total_ns") or 0
    share = hidden / (hidden + seen)
    severity = facts.severity_of(share, high=HIGH_SHARE, medium=MEDIUM_SHARE, low=0.0) or "low"
    yield Draft(
        Finding(
            ID,
            severity,
            f"CUDA graphs hide {fmt.percent(share)} of the kernel time",
            (
                Evidence(
                    f"{fmt.counted(launches, 'graph execution')} take {fmt.duration(hidden)} together, visible kernels "
                    f"{fmt.duration(seen)}",
                    "graphs",
                    "cuda_graphs",
                    {"launches": launches, "graph_ns": hidden, "kernel_ns": seen},
                ),
            ),
            (
                f"For questions about kernels, capture again with {FLAGS['cuda_graph_nodes']}.",
                "The kernel tables of this report show only what ran outside the graphs; busy and idle are complete.",
            ),
        )
    )


RULE = Rule(
    ID,
    "Graph-mode capture hides kernels",
    __doc__ or "",
    check,
    (
        Threshold("HIGH_SHARE", fmt.percent(HIGH_SHARE), "of graph and kernel time together is in graphs: high"),
        Threshold("MEDIUM_SHARE", fmt.percent(MEDIUM_SHARE), "of it: medium; under it the finding is low"),
    ),
)
