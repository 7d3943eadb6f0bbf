"""What each process did: a worker drives a GPU, a host only calls CUDA or NVTX."""

from __future__ import annotations

from nsys_llm_explainer.sections.kernels import KERNELS
from nsys_llm_explainer.sections.nvtx import NVTX_RANGES
from nsys_llm_explainer.sections.sync import SYNC_CALLS
from nsys_llm_explainer.sections.view import Kind, SectionView, Shown, TableView, by_pid

_LAUNCHES = TableView(
    "launches",
    "",
    (
        Shown("launches", "launches", Kind.COUNT),
        Shown("launches_per_s", "launches_per_s", Kind.RATE),
        Shown("p50_ns", "p50_us", Kind.US),
        Shown("p90_ns", "p90_us", Kind.US),
        Shown("share_under_10us", "under_10us", Kind.PERCENT),
        Shown("launch_storm", "launch_storm", Kind.FLAG),
    ),
)

VIEW = SectionView(
    "processes",
    "Processes",
    "A worker has GPU work of its own, a host only calls CUDA or NVTX. In a tensor-parallel run the workers should "
    "look alike; one that differs is the first place to look. For several processes, the tables above follow split "
    "by process.",
    (
        Shown("processes", "processes", Kind.COUNT),
        Shown("workers", "workers", Kind.COUNT),
    ),
    (
        TableView(
            "processes",
            "Processes by kernel time",
            (
                Shown("pid", "pid", Kind.ID),
                Shown("name", "name", Kind.LABEL),
                Shown("role", "role", Kind.TEXT),
                Shown("devices", "devices", Kind.TEXT),
                Shown("launch_calls", "launch_calls", Kind.COUNT),
                Shown("kernels", "kernels", Kind.COUNT),
                Shown("kernel_ns", "kernel_ms", Kind.MS),
                Shown("share", "pct_kernel_time", Kind.PERCENT),
                Shown("launches_per_s", "launches_per_s", Kind.RATE),
                Shown("p50_ns", "p50_us", Kind.US),
                Shown("launch_storm", "launch_storm", Kind.FLAG),
                Shown("coverage", "nvtx_coverage", Kind.PERCENT),
            ),
        ),
        by_pid(KERNELS, "kernels_by_pid", "Kernels of each process"),
        by_pid(_LAUNCHES, "launches_by_pid", "Launches of each process"),
        by_pid(SYNC_CALLS, "sync_by_pid", "Synchronisation calls of each process"),
        by_pid(NVTX_RANGES, "nvtx_by_pid", "NVTX ranges of each process"),
    ),
)
