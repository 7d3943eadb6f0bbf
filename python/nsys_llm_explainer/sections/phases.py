"""How the kernel time divides into the phases of the user's phase map."""

from __future__ import annotations

from nsys_llm_explainer.sections.view import Kind, SectionView, Shown, TableView

VIEW = SectionView(
    "phases",
    "Phases",
    "The phase map sorts ranges into phases; the first phase that matches wins, and unmapped is what no pattern "
    "matched. pct_kernel_time is of the kernel time of all devices.",
    (
        Shown("phases", "phases", Kind.COUNT),
        Shown("total_kernel_ns", "kernel time", Kind.MS),
    ),
    (
        TableView(
            "nvtx_phases",
            "Phases by kernel time",
            (
                Shown("phase", "phase", Kind.LABEL),
                Shown("count", "ranges", Kind.COUNT),
                Shown("host_ns", "host_ms", Kind.MS),
                Shown("kernel_ns", "kernel_ms", Kind.MS),
                Shown("kernel_share", "pct_kernel_time", Kind.PERCENT),
            ),
        ),
    ),
)
