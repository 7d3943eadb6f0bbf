"""How work gets from the host to the GPU: calls, queues, CUDA graphs, runs of small kernels."""

from __future__ import annotations

from nsys_llm_explainer.sections.view import Kind, SectionView, Shown, TableView

VIEW = SectionView(
    "launch_path",
    "Launch path",
    "queue_us is the time from the end of a launch call to the start of its first operation: a deep queue means that "
    "the GPU is the limit, not that it starves. buffer_full_ms is the part of a call in which it waited for room in "
    "the queue, likewise a sign of a busy GPU. A CUDA graph counts as one launch, however many kernels it holds.",
    (
        Shown("launches", "calls that launched work", Kind.COUNT),
        Shown("api_ns", "time in them", Kind.MS),
        Shown("queue_p50_ns", "queue p50", Kind.US),
        Shown("command_buffer_full_ns", "waiting for room", Kind.MS),
        Shown("graph_kernel_share", "share of kernels from graphs", Kind.PERCENT),
        Shown("overhead_ns", "overhead of driver and profiler", Kind.MS),
    ),
    (
        TableView(
            "launch_calls",
            "Calls that launch work",
            (
                Shown("pid", "pid", Kind.ID),
                Shown("api_name", "api_name", Kind.LABEL),
                Shown("calls", "calls", Kind.COUNT),
                Shown("ops", "operations", Kind.COUNT),
                Shown("api_total_ns", "api_ms", Kind.MS),
                Shown("api_p50_ns", "api_p50_us", Kind.US),
                Shown("api_p99_ns", "api_p99_us", Kind.US),
                Shown("queued", "queued", Kind.COUNT),
                Shown("queue_p50_ns", "queue_p50_us", Kind.US),
                Shown("queue_p90_ns", "queue_p90_us", Kind.US),
                Shown("command_buffer_full_ns", "buffer_full_ms", Kind.MS),
            ),
        ),
        TableView(
            "step_launches",
            "Launches per step",
            (
                Shown("device_id", "device_id", Kind.DEVICE),
                Shown("pid", "pid", Kind.ID),
                Shown("step_kind", "step_kind", Kind.TEXT),
                Shown("steps", "steps", Kind.COUNT),
                Shown("launch_calls_avg", "launch_calls", Kind.NUMBER),
                Shown("graph_launches_avg", "graph_launches", Kind.NUMBER),
                Shown("kernels_avg", "kernels", Kind.NUMBER),
                Shown("graph_kernels_avg", "graph_kernels", Kind.NUMBER),
                Shown("eager_kernels_avg", "eager_kernels", Kind.NUMBER),
                Shown("graph_kernel_share", "pct_from_graphs", Kind.PERCENT),
            ),
        ),
        TableView(
            "kernel_runs",
            "Runs of small kernels launched one by one",
            (
                Shown("device_id", "device_id", Kind.DEVICE),
                Shown("first_kernel", "first_kernel", Kind.NAME),
                Shown("top_kernel", "most_frequent", Kind.NAME),
                Shown("runs", "runs", Kind.COUNT),
                Shown("kernels", "kernels", Kind.COUNT),
                Shown("kernel_ns", "kernel_ms", Kind.MS),
                Shown("gap_ns", "gap_ms", Kind.MS),
                Shown("launches_per_s", "launches_per_s", Kind.RATE),
                Shown("example_start_ns", "longest_from_s", Kind.INSTANT),
            ),
        ),
        TableView(
            "overheads",
            "Overhead of the driver and the profiler",
            (
                Shown("pid", "pid", Kind.ID),
                Shown("kind", "kind", Kind.LABEL),
                Shown("events", "events", Kind.COUNT),
                Shown("total_ns", "total_ms", Kind.MS),
                Shown("steady_ns", "steady_ms", Kind.MS),
                Shown("idle_ns", "gpu_idle_ms", Kind.MS),
                Shown("inside_api", "inside_api", Kind.LABEL),
            ),
        ),
        TableView(
            "capture_attribution",
            "Kernels of CUDA graphs by the range in which the graph was captured",
            (
                Shown("range_name", "range_name", Kind.LABEL),
                Shown("kernels", "kernels", Kind.COUNT),
                Shown("kernel_ns", "kernel_ms", Kind.MS),
            ),
        ),
    ),
)
