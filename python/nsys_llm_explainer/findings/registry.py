"""The rules. The order is that in which they claim device time: the specific one before the one that covers it."""

from __future__ import annotations

from nsys_llm_explainer.findings import (
    copy_bound,
    exposed_sync,
    gpu_idle,
    gpu_not_captured,
    graph_mode_hides_kernels,
    kernel_dominates,
    launch_storm,
    nvtx_coverage,
    phase_dominates,
    pids_look_wrong,
)
from nsys_llm_explainer.findings.rule import Rule

RULES: tuple[Rule, ...] = (
    gpu_not_captured.RULE,
    graph_mode_hides_kernels.RULE,
    pids_look_wrong.RULE,
    exposed_sync.RULE,
    gpu_idle.RULE,
    copy_bound.RULE,
    launch_storm.RULE,
    kernel_dominates.RULE,
    phase_dominates.RULE,
    nvtx_coverage.RULE,
)
