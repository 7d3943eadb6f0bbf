"""Where the time of each device went, and why it stood idle."""

from __future__ import annotations

from nsys_llm_explainer.sections.view import Kind, SectionView, Shown, TableView

DEVICE_TIME = TableView(
    "device_time",
    "The window of each device, divided without rest",
    (
        Shown("device_id", "device_id", Kind.DEVICE),
        Shown("bucket", "bucket", Kind.TEXT),
        Shown("total_ns", "total_ms", Kind.MS),
        Shown("share", "pct_window", Kind.PERCENT),
        Shown("steady_ns", "steady_ms", Kind.MS),
        Shown("steady_share", "pct_steady", Kind.PERCENT),
    ),
    rows=88,
    hide_zero="total_ns",
)

_GAP_GROUPS = TableView(
    "gap_groups",
    "Idle time by cause and place",
    (
        Shown("device_id", "device_id", Kind.DEVICE),
        Shown("cause", "cause", Kind.TEXT),
        Shown("total_ns", "total_ms", Kind.MS),
        Shown("gaps", "gaps", Kind.COUNT),
        Shown("avg_ns", "avg_us", Kind.US),
        Shown("max_ns", "max_us", Kind.US),
        Shown("call_name", "before_call", Kind.LABEL),
        Shown("range_name", "in_range", Kind.LABEL),
        Shown("place", "place", Kind.TEXT),
        Shown("step_kind", "step_kind", Kind.TEXT),
        Shown("size", "gap_size", Kind.TEXT),
        Shown("example_start_ns", "longest_from_s", Kind.INSTANT),
    ),
)

_HOST_CALLS = TableView(
    "host_calls",
    "What the launching threads were in while the device waited for them",
    (
        Shown("pid", "pid", Kind.ID),
        Shown("api_name", "api_name", Kind.LABEL),
        Shown("bucket", "bucket", Kind.TEXT),
        Shown("device_id", "device_id", Kind.DEVICE),
        Shown("idle_ns", "idle_ms", Kind.MS),
    ),
)

_IDLE_SUSPECTS = TableView(
    "idle_suspects",
    "Idle time while something held a process up that a steady state should not have",
    (
        Shown("device_id", "device_id", Kind.DEVICE),
        Shown("suspect", "suspect", Kind.TEXT),
        Shown("bucket", "bucket", Kind.TEXT),
        Shown("place", "place", Kind.TEXT),
        Shown("idle_ns", "idle_ms", Kind.MS),
        Shown("settled_ns", "after_warm_up_ms", Kind.MS),
    ),
)

_GAP_CAUSES = TableView(
    "gap_causes",
    "Longest gaps with their causes, to open in the Nsight Systems GUI",
    (
        Shown("device_id", "device_id", Kind.DEVICE),
        Shown("start_ns", "start_s", Kind.INSTANT),
        Shown("end_ns", "end_s", Kind.INSTANT),
        Shown("gap_ns", "gap_us", Kind.US),
        Shown("cause", "cause", Kind.TEXT),
        Shown("next_op", "next_op", Kind.NAME),
        Shown("call_name", "before_call", Kind.LABEL),
        Shown("range_name", "in_range", Kind.LABEL),
        Shown("pid", "pid", Kind.ID),
        Shown("tid", "tid", Kind.ID),
        Shown("place", "place", Kind.TEXT),
        Shown("step_index", "step", Kind.ID),
    ),
)

VIEW = SectionView(
    "budget",
    "Time budget",
    "Every nanosecond of a device's window is in exactly one bucket: kernels, communication that no other kernel "
    "hides, copies alone, or idle, split by what the device waited for. host_code: the launching thread ran no CUDA "
    "call (Python); host_os: it was in a call of the operating system; host_api: in another CUDA call; host_sync: in a "
    "blocking synchronisation; launching: in the call that launches the next work; queued: that call had returned.",
    (
        Shown("devices", "devices", Kind.COUNT),
        Shown("window_ns", "windows together", Kind.MS),
        Shown("compute_ns", "compute", Kind.MS),
        Shown("communication_ns", "communication alone", Kind.MS),
        Shown("copy_ns", "copies alone", Kind.MS),
        Shown("idle_ns", "idle", Kind.MS),
        Shown("idle_share", "share idle", Kind.PERCENT),
        Shown("steady_start_ns", "steady from", Kind.INSTANT),
        Shown("steady_end_ns", "to", Kind.INSTANT),
    ),
    (DEVICE_TIME, _GAP_GROUPS, _HOST_CALLS, _IDLE_SUSPECTS, _GAP_CAUSES),
)
