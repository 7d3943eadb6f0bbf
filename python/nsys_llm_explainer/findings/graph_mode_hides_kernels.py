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

How to verify:
    In a capture in node mode graph_kernels of the section on graphs is not 0, and the categories add up to the kernel
    time.

What would contradict it:
    Questions about step times and idle time only: for these graph mode is the better capture.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.capture import FLAGS
from nsys_llm_explainer.findings import commands
from nsys_llm_explainer.findings.case import Case
from nsys_llm_explainer.findings.rule import Draft, Grading, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "graph_mode_hides_kernels"
HIGH_SHARE = 0.50
MEDIUM_SHARE = 0.10


def check(case: Case) -> Iterator[Draft]:
    """Yields a finding where graph executions hide kernels."""
    if case.summary("graphs").get("cuda_graph_mode") != "graph":
        return
    graphs = case.rows("graphs", "cuda_graphs")
    hidden = sum(row["total_ns"] for row in graphs)
    launches = sum(row["launches"] for row in graphs)
    if not hidden:
        return
    seen = case.summary("kernels").get("total_ns") or 0
    share = hidden / (hidden + seen)
    severity = Grading(HIGH_SHARE, MEDIUM_SHARE, low=0.0).severity(share) or "low"
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
                f"For questions about kernels, capture again in node mode: {FLAGS['cuda_graph_nodes']}.",
                *commands.of(case),
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
