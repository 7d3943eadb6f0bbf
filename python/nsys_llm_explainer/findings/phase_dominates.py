"""One phase of the phase map takes most of the kernel time.

What it means:
    At least 70 % of the kernel time belongs to the ranges of one phase.

Why it matters:
    It says where to look: a run dominated by decode asks for other measures (batch size, CUDA graphs, reading the
    weights) than one dominated by prefill (matrix products, attention over long prompts, chunking). If it is
    `unmapped` that dominates, the phase map does not fit the ranges of this trace.

What to do:
    Analyse that phase alone: look up in the Nsight Systems GUI when it runs, pass that time as --window, and compare
    its kernels with the whole.

How to verify:
    The share of the phase in a window of that phase alone is near 100 %.

What would contradict it:
    A low NVTX coverage: then the phase dominates only the part that ranges cover.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nsys_llm_explainer.findings.case import Case
from nsys_llm_explainer.findings.rule import Draft, Rule, Threshold
from nsys_llm_explainer.phase_map import UNMAPPED
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "phase_dominates"
SHARE = 0.70


def check(case: Case) -> Iterator[Draft]:
    """Yields a finding for the phase that dominates, if one does."""
    for row in case.rows("phases", "nvtx_phases"):
        share = row["kernel_share"]
        if share is not None and share >= SHARE:
            yield _unmapped(row) if row["phase"] == UNMAPPED else _phase(row)


def _phase(row: dict[str, Any]) -> Draft:
    return Draft(
        Finding(
            ID,
            "medium",
            f"Phase {fmt.truncate(row['phase'], 60)} takes {fmt.percent(row['kernel_share'])} of the kernel time",
            (_evidence(row),),
            (
                (
                    "Analyse this phase alone: look up when it runs in the Nsight Systems GUI, pass that time as "
                    "--window, and compare its kernels with the whole."
                ),
                (
                    "Look at the findings about kernels, idle time and launches first: in this trace they speak mostly "
                    "about this phase."
                ),
            ),
        )
    )


def _unmapped(row: dict[str, Any]) -> Draft:
    return Draft(
        Finding(
            ID,
            "low",
            f"The phase map leaves {fmt.percent(row['kernel_share'])} of the kernel time unmapped",
            (_evidence(row),),
            ("Compare the patterns with the names in the table nvtx_ranges and add what is missing.",),
        )
    )


def _evidence(row: dict[str, Any]) -> Evidence:
    return Evidence(
        f"{fmt.truncate(row['phase'], 60)}: {fmt.duration(row['kernel_ns'] or 0)} kernel time in "
        f"{fmt.counted(row['count'], 'range')}, {fmt.duration(row['host_ns'])} on the host",
        "phases",
        "nvtx_phases",
        row,
    )


RULE = Rule(
    ID,
    "One phase dominates",
    __doc__ or "",
    check,
    (Threshold("SHARE", fmt.percent(SHARE), "of the kernel time: medium, low if it is what no pattern matched"),),
)
