"""Which annotated ranges the kernels were launched from."""

from __future__ import annotations

from nsys_llm_explainer.sections.view import Kind, SectionView, Shown, TableView

NVTX_RANGES = TableView(
    "nvtx_ranges",
    "NVTX ranges",
    (
        Shown("range_name", "range_name", Kind.LABEL),
        Shown("count", "count", Kind.COUNT),
        Shown("total_ns", "host_ms", Kind.MS),
        Shown("p50_ns", "p50_us", Kind.US),
        Shown("p90_ns", "p90_us", Kind.US),
        Shown("kernels", "kernels", Kind.COUNT),
        Shown("kernel_ns", "kernel_ms", Kind.MS),
        Shown("kernel_inclusive_ns", "inclusive_ms", Kind.MS),
        Shown("projected_ns", "projected_ms", Kind.MS),
    ),
)

VIEW = SectionView(
    "nvtx",
    "NVTX ranges",
    "host_ms is time on the CPU. kernel_ms is the GPU time of the kernels launched in the range itself (the innermost "
    "range only, so the column adds up); inclusive_ms adds those of the ranges nested in it; projected_ms spans from "
    "the first to the last GPU operation launched in the range, copies and gaps included.",
    (
        Shown("ranges", "ranges", Kind.COUNT),
        Shown("open_ranges", "without end", Kind.COUNT),
        Shown("cross_thread_ranges", "across threads", Kind.COUNT),
        Shown("kernels", "kernels", Kind.COUNT),
        Shown("correlated_kernels", "with a launch call", Kind.COUNT),
        Shown("attributed_kernels", "in a range", Kind.COUNT),
        Shown("total_kernel_ns", "kernel time", Kind.MS),
        Shown("attributed_kernel_ns", "of that in a range", Kind.MS),
        Shown("coverage", "coverage", Kind.PERCENT),
    ),
    (NVTX_RANGES,),
)
