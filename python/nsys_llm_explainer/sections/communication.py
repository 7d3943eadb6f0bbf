"""Collectives: what they cost beside compute, and which rank the others wait for."""

from __future__ import annotations

from nsys_llm_explainer.sections.view import Kind, SectionView, Shown, TableView

VIEW = SectionView(
    "communication",
    "Communication",
    "exposed_ms is the time in which a device does nothing but communicate. A collective's kernel runs from the moment "
    "its own rank arrives, so its time contains waiting for the others: wait_ms is the part before the last rank "
    "started, transfer_ms what came after. Late is how often a rank was the last.",
    (
        Shown("collectives", "executions", Kind.COUNT),
        Shown("total_ns", "total", Kind.MS),
        Shown("union_ns", "union", Kind.MS),
        Shown("exposed_ns", "exposed", Kind.MS),
        Shown("exposed_share", "share of the windows", Kind.PERCENT),
        Shown("overlap", "hidden behind compute", Kind.PERCENT),
    ),
    (
        TableView(
            "collectives",
            "Collectives by total time",
            (
                Shown("name", "name", Kind.NAME),
                Shown("category", "category", Kind.LABEL),
                Shown("device_id", "device_id", Kind.DEVICE),
                Shown("calls", "calls", Kind.COUNT),
                Shown("total_ns", "total_ms", Kind.MS),
                Shown("exposed_ns", "exposed_ms", Kind.MS),
                Shown("overlap", "pct_hidden", Kind.PERCENT),
                Shown("p50_ns", "p50_us", Kind.US),
                Shown("p90_ns", "p90_us", Kind.US),
            ),
        ),
        TableView(
            "rank_waits",
            "Waiting by device",
            (
                Shown("device_id", "device_id", Kind.DEVICE),
                Shown("collectives", "collectives", Kind.COUNT),
                Shown("wait_ns", "wait_ms", Kind.MS),
                Shown("transfer_ns", "transfer_ms", Kind.MS),
                Shown("late", "late", Kind.COUNT),
                Shown("late_spread_ns", "others_waited_ms", Kind.MS),
            ),
        ),
        TableView(
            "rank_skew",
            "Collectives whose ranks arrived furthest apart",
            (
                Shown("name", "name", Kind.NAME),
                Shown("occurrence", "occurrence", Kind.ID),
                Shown("devices", "devices", Kind.COUNT),
                Shown("first_start_ns", "first_s", Kind.INSTANT),
                Shown("last_end_ns", "end_s", Kind.INSTANT),
                Shown("spread_ns", "spread_us", Kind.US),
                Shown("transfer_ns", "transfer_us", Kind.US),
                Shown("wait_ns", "wait_us", Kind.US),
                Shown("late_device_id", "late_device", Kind.ID),
                Shown("late_cause", "which_was_in", Kind.TEXT),
            ),
        ),
        TableView(
            "collective_bytes",
            "Bytes by collective and communicator, from NCCL's own ranges",
            (
                Shown("name", "name", Kind.LABEL),
                Shown("communicator", "communicator", Kind.LABEL),
                Shown("ranks", "ranks", Kind.COUNT),
                Shown("calls", "calls", Kind.COUNT),
                Shown("bytes", "bytes", Kind.BYTES),
                Shown("kernel_ns", "kernel_ms", Kind.MS),
                Shown("bus_bytes_per_s", "bus_rate", Kind.THROUGHPUT),
            ),
        ),
    ),
)
