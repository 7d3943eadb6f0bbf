"""What the kernels are for: attention, matrix products, communication and so on."""

from __future__ import annotations

from nsys_llm_explainer.sections.view import Kind, SectionView, Shown, TableView

VIEW = SectionView(
    "categories",
    "Kernel categories",
    "Kernels sorted by ordered rules over their names; the first rule that matches wins, and other is what none "
    "matched. total_ms adds up executions, union_ms counts time with several of them once. Names hint at what a kernel "
    "does, they do not prove it: category_kernels shows what stands behind each category.",
    (
        Shown("kernels", "kernels", Kind.COUNT),
        Shown("total_ns", "kernel time", Kind.MS),
        Shown("other_share", "share of other", Kind.PERCENT),
        Shown("rules", "rules", Kind.TEXT),
    ),
    (
        TableView(
            "kernel_categories",
            "Categories by total time",
            (
                Shown("device_id", "device_id", Kind.DEVICE),
                Shown("category", "category", Kind.LABEL),
                Shown("calls", "calls", Kind.COUNT),
                Shown("total_ns", "total_ms", Kind.MS),
                Shown("union_ns", "union_ms", Kind.MS),
                Shown("share", "pct_kernel_time", Kind.PERCENT),
            ),
            rows=40,
        ),
        TableView(
            "category_kernels",
            "Largest kernels of each category",
            (
                Shown("category", "category", Kind.LABEL),
                Shown("kernel_name", "kernel_name", Kind.NAME),
                Shown("calls", "calls", Kind.COUNT),
                Shown("total_ns", "total_ms", Kind.MS),
                Shown("share", "pct_kernel_time", Kind.PERCENT),
            ),
            rows=30,
        ),
        TableView(
            "step_categories",
            "Categories by kind of step",
            (
                Shown("device_id", "device_id", Kind.DEVICE),
                Shown("pid", "pid", Kind.ID),
                Shown("step_kind", "step_kind", Kind.TEXT),
                Shown("category", "category", Kind.LABEL),
                Shown("calls", "calls", Kind.COUNT),
                Shown("total_ns", "total_ms", Kind.MS),
                Shown("per_step_ns", "per_step_us", Kind.US),
            ),
        ),
    ),
)
