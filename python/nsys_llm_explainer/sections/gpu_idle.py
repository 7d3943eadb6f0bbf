"""How long each GPU worked and stood idle."""

from __future__ import annotations

from nsys_llm_explainer.sections.view import Kind, SectionView, Shown, TableView

VIEW = SectionView(
    "gpu_idle",
    "GPU busy and idle",
    "busy_ms is the time with at least one kernel, copy, memset or graph on the device, overlaps counted once; "
    "idle_ms is the rest between its first and its last operation. Many short gaps point at the host's launch path, a "
    "few long ones at missing work.",
    (
        Shown("devices", "devices", Kind.COUNT),
        Shown("window_ns", "windows together", Kind.MS),
        Shown("busy_ns", "busy", Kind.MS),
        Shown("idle_ns", "idle", Kind.MS),
        Shown("idle_share", "share idle", Kind.PERCENT),
    ),
    (
        TableView(
            "gpu_devices",
            "Devices",
            (
                Shown("device_id", "device_id", Kind.DEVICE),
                Shown("gpu_name", "gpu_name", Kind.LABEL),
                Shown("window_ns", "window_ms", Kind.MS),
                Shown("busy_ns", "busy_ms", Kind.MS),
                Shown("kernel_busy_ns", "kernel_busy_ms", Kind.MS),
                Shown("idle_ns", "idle_ms", Kind.MS),
                Shown("idle_share", "pct_idle", Kind.PERCENT),
            ),
        ),
        TableView(
            "gap_sizes",
            "Idle time by length of the gap",
            (
                Shown("device_id", "device_id", Kind.DEVICE),
                Shown("bucket", "gap", Kind.TEXT),
                Shown("gaps", "gaps", Kind.COUNT),
                Shown("total_ns", "total_ms", Kind.MS),
            ),
            rows=56,
            hide_zero="gaps",
        ),
        TableView(
            "gpu_idle_gaps",
            "Longest gaps, to open in the Nsight Systems GUI",
            (
                Shown("device_id", "device_id", Kind.DEVICE),
                Shown("start_ns", "start_s", Kind.INSTANT),
                Shown("end_ns", "end_s", Kind.INSTANT),
                Shown("gap_ns", "gap_us", Kind.US),
            ),
        ),
    ),
)
