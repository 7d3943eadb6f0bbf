"""CUDA graphs are in use, but a good part of the decode step still launches kernels one by one.

What it means:
    The trace has graph launches, yet at least 20 % of the kernels of decode steps are launched eagerly, or 20 % of the
    launches between many pieces of graph are. The GPU waits for these launches and for the pieces between them.

Why it matters:
    The part outside the graphs sets the pace of the step. It is often attention in piecewise graphs, sampling, a
    custom operator that splits the graph, or a batch size that was not captured.

What to do:
    Ask for full graphs in decode (vLLM cudagraph_mode FULL_DECODE_ONLY or FULL_AND_PIECEWISE with an attention backend
    that supports it), capture the batch sizes that are served, and take operators that split the graph out of it.

How to verify:
    graph_kernel_share of the decode rows of step_launches rises towards 1, and the short gaps before eager kernels
    disappear from gap_groups.

What would contradict it:
    Steps that the markers call decode but that carry prefill tokens, which engines run outside full graphs on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from nsys_llm_explainer.findings import gaps
from nsys_llm_explainer.findings.case import Case, Row, key_of
from nsys_llm_explainer.findings.ledger import HOST_API, HOST_CODE, HOST_OS, LAUNCHING, OVER, UNDER, DeviceKey, Gaps
from nsys_llm_explainer.findings.rule import BY_SHARE, SHARES, Draft, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "low_graph_coverage"
EAGER_SHARE = 0.20
MIN_PIECES = 4
LAUNCH_GAP_NS = 200_000
GAPS = Gaps(
    places=frozenset({"inside_step"}),
    step_kinds=frozenset({"decode"}),
)
BUCKETS = (LAUNCHING, HOST_CODE, HOST_API, HOST_OS)

_RECOMMENDATIONS = (
    (
        "Use full CUDA graphs in decode: cudagraph_mode FULL_DECODE_ONLY or FULL_AND_PIECEWISE in vLLM, with an "
        "attention backend that supports them."
    ),
    "Make sure that the batch sizes in use are among the captured ones.",
    "Find the operators that split the graph: they are the ranges named above.",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields one finding for decode steps that graphs cover in part only."""
    graphed = [
        row
        for row in case.rows("launch_path", "step_launches")
        if row["step_kind"] == "decode" and row["graph_launches_avg"] and row["kernels_avg"]
    ]
    partly = [row for row in graphed if _is_partly(row)]
    keys = {key_of(row) for row in partly}
    found = _found(case, GAPS, keys)
    if not found:
        return
    sizes = (replace(GAPS, size=UNDER), replace(GAPS, size=OVER))
    claims = [claim for size in sizes for claim in gaps.claims(_found(case, size, keys), size, latency=True)]
    title = gaps.headline(case, found, "for kernels that the CUDA graphs leave out")
    evidence = (*map(_coverage, partly[: gaps.SHOWN_DEVICES]), *gaps.evidence(case, found))
    yield Draft(Finding(ID, "low", title, evidence, _RECOMMENDATIONS), tuple(claims), BY_SHARE)


def _found(case: Case, where: Gaps, keys: set[DeviceKey]) -> list[gaps.Wait]:
    waits = gaps.waits(case, where, BUCKETS, latency=True, settled=True, longest_ns=LAUNCH_GAP_NS)
    return [wait for wait in waits if wait.device.key in keys]


def _is_partly(row: Row) -> bool:
    """Returns whether a good part of the kernels of a step, or of the launches between its pieces, is eager."""
    eager, pieces = row["eager_kernels_avg"], row["graph_launches_avg"]
    in_pieces = pieces >= MIN_PIECES and eager >= EAGER_SHARE * (eager + pieces)
    return bool(eager >= EAGER_SHARE * row["kernels_avg"] or in_pieces)


def _coverage(row: Row) -> Evidence:
    eager, kernels = row["eager_kernels_avg"], row["kernels_avg"]
    return Evidence(
        f"Process {row['pid']}: {fmt.number(eager)} of the {fmt.number(kernels)} kernels of a decode step "
        f"({fmt.percent(eager / kernels)}) are launched one by one, the rest by "
        f"{fmt.number(row['graph_launches_avg'])} graph launches",
        "launch_path",
        "step_launches",
        row,
    )


RULE = Rule(
    ID,
    "Low graph coverage",
    __doc__ or "",
    check,
    (
        Threshold("EAGER_SHARE", fmt.percent(EAGER_SHARE), "of the kernels or launches of decode steps are eager"),
        Threshold("MIN_PIECES", fmt.count(MIN_PIECES), "graph launches per step, from which on launches are judged"),
        Threshold("LAUNCH_GAP_NS", fmt.duration(LAUNCH_GAP_NS), "on average: longer gaps have a cause of their own"),
        *SHARES,
    ),
)
