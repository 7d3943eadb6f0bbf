"""Which kernels the GPUs spent their time in."""

from __future__ import annotations

from nsys_llm_explainer.sections.view import Kind, SectionView, Shown, TableView

KERNELS = TableView(
    "kernels",
    "Kernels by total time",
    (
        Shown("kernel_name", "kernel_name", Kind.NAME),
        Shown("device_id", "device_id", Kind.DEVICE),
        Shown("total_ns", "total_ms", Kind.MS),
        Shown("calls", "calls", Kind.COUNT),
        Shown("avg_ns", "avg_us", Kind.US),
        Shown("p50_ns", "p50_us", Kind.US),
        Shown("p90_ns", "p90_us", Kind.US),
        Shown("share", "pct_kernel_time", Kind.PERCENT),
    ),
    rows=30,
)

VIEW = SectionView(
    "kernels",
    "Kernels",
    "One row per kernel and device. total_ms adds up the executions, so kernels that run side by side on several "
    "streams count fully each; pct_kernel_time is of the kernel time of all devices, not of the elapsed time.",
    (
        Shown("kernels", "kernel executions", Kind.COUNT),
        Shown("total_ns", "total kernel time", Kind.MS),
    ),
    (KERNELS,),
)
