"""How many kernels start per second, and how short they are."""

from __future__ import annotations

from nsys_llm_explainer.sections.view import Kind, SectionView, Shown, TableView

VIEW = SectionView(
    "launches",
    "Launches",
    "Where many kernels take only a few microseconds, starting them costs as much as running them. A storm is a "
    "stretch of time with very many very short kernels; a rate over the whole trace would hide it.",
    (
        Shown("launches", "kernels started", Kind.COUNT),
        Shown("window_ns", "first start to last end", Kind.MS),
        Shown("launches_per_s", "rate", Kind.RATE),
        Shown("p50_ns", "p50", Kind.US),
        Shown("p90_ns", "p90", Kind.US),
        Shown("p99_ns", "p99", Kind.US),
        Shown("share_under_5us", "under 5 us", Kind.PERCENT),
        Shown("share_under_10us", "under 10 us", Kind.PERCENT),
        Shown("share_under_20us", "under 20 us", Kind.PERCENT),
        Shown("launch_storm", "storm throughout", Kind.FLAG),
    ),
    (
        TableView(
            "launch_storms",
            "Storms, where and when",
            (
                Shown("device_id", "device_id", Kind.DEVICE),
                Shown("start_ns", "start_s", Kind.INSTANT),
                Shown("end_ns", "end_s", Kind.INSTANT),
                Shown("launches", "launches", Kind.COUNT),
                Shown("launches_per_s", "launches_per_s", Kind.RATE),
                Shown("p50_ns", "p50_us", Kind.US),
            ),
        ),
        TableView(
            "tiny_kernels",
            "Kernels of 5 us or less, by calls",
            (
                Shown("kernel_name", "kernel_name", Kind.NAME),
                Shown("calls", "calls", Kind.COUNT),
                Shown("avg_ns", "avg_us", Kind.US),
            ),
        ),
    ),
)
