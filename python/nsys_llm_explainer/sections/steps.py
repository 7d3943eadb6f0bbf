"""The iterations of the engine: how long they take, and what they consist of."""

from __future__ import annotations

from nsys_llm_explainer.sections.view import Kind, SectionView, Shown, TableView

STEP_KINDS = TableView(
    "step_kinds",
    "Steps by kind, with the mean of each bucket over their period",
    (
        Shown("device_id", "device_id", Kind.DEVICE),
        Shown("pid", "pid", Kind.ID),
        Shown("kind", "kind", Kind.TEXT),
        Shown("steps", "steps", Kind.COUNT),
        Shown("period_p50_ns", "period_p50_ms", Kind.MS),
        Shown("period_p90_ns", "p90_ms", Kind.MS),
        Shown("period_p99_ns", "p99_ms", Kind.MS),
        Shown("span_p50_ns", "span_p50_ms", Kind.MS),
        Shown("tokens_per_s", "tokens_per_s", Kind.RATE),
        Shown("compute_avg_ns", "compute_ms", Kind.MS),
        Shown("communication_avg_ns", "comm_ms", Kind.MS),
        Shown("copy_avg_ns", "copy_ms", Kind.MS),
        Shown("host_sync_avg_ns", "host_sync_ms", Kind.MS),
        Shown("host_api_avg_ns", "host_api_ms", Kind.MS),
        Shown("host_os_avg_ns", "host_os_ms", Kind.MS),
        Shown("host_code_avg_ns", "host_code_ms", Kind.MS),
        Shown("launching_avg_ns", "launching_ms", Kind.MS),
        Shown("inside_graph_avg_ns", "inside_graph_ms", Kind.MS),
        Shown("queued_avg_ns", "queued_ms", Kind.MS),
        Shown("unmatched_avg_ns", "unmatched_ms", Kind.MS),
        Shown("kernels_avg", "kernels", Kind.NUMBER),
        Shown("graph_launches_avg", "graph_launches", Kind.NUMBER),
        Shown("steady_steps", "steady_steps", Kind.COUNT),
        Shown("steady_period_p50_ns", "steady_p50_ms", Kind.MS),
    ),
)

VIEW = SectionView(
    "steps",
    "Steps of the engine",
    "A step is one iteration of the engine. period_ms runs from the start of one step on the GPU to the start of the "
    "next, span_ms from its first to its last operation. With continuous batching every running request gets one token "
    "per decode step, so the decode period is the time between its tokens, as long as no prefill comes between; it "
    "says nothing of queueing or of the time to the first token.",
    (
        Shown("source", "found by", Kind.TEXT),
        Shown("source_detail", "namely", Kind.LABEL),
        Shown("confidence", "confidence", Kind.TEXT),
        Shown("steps", "steps", Kind.COUNT),
        Shown("workers", "workers", Kind.COUNT),
        Shown("period_p50_ns", "period p50", Kind.MS),
        Shown("tokens_per_s", "tokens", Kind.RATE),
        Shown("steady_steps", "steady", Kind.COUNT),
        Shown("steady_start_ns", "from", Kind.INSTANT),
        Shown("steady_end_ns", "to", Kind.INSTANT),
        Shown("outside_steps", "outside", Kind.COUNT),
        Shown("steps_without_ops", "without GPU work", Kind.COUNT),
    ),
    (
        STEP_KINDS,
        TableView(
            "slow_steps",
            "Steps over 1.5 times the median of their kind, and what they had more of",
            (
                Shown("index", "step", Kind.ID),
                Shown("pid", "pid", Kind.ID),
                Shown("device_id", "device_id", Kind.DEVICE),
                Shown("kind", "kind", Kind.TEXT),
                Shown("start_ns", "start_s", Kind.INSTANT),
                Shown("end_ns", "end_s", Kind.INSTANT),
                Shown("period_ns", "period_ms", Kind.MS),
                Shown("median_ns", "median_ms", Kind.MS),
                Shown("excess_ns", "excess_ms", Kind.MS),
                Shown("largest_bucket", "mostly", Kind.TEXT),
            ),
        ),
        TableView(
            "slowest_step",
            "The slowest step beside the median one of its kind, kernel by kernel, by difference",
            (
                Shown("position", "position", Kind.ID),
                Shown("kernel_name", "kernel_name", Kind.NAME),
                Shown("start_ns", "start_s", Kind.INSTANT),
                Shown("kernel_ns", "kernel_us", Kind.US),
                Shown("median_kernel_ns", "median_kernel_us", Kind.US),
                Shown("wait_before_ns", "wait_us", Kind.US),
                Shown("median_wait_before_ns", "median_wait_us", Kind.US),
                Shown("excess_ns", "excess_us", Kind.US),
            ),
        ),
        TableView(
            "outside_steady",
            "Outside the steady window",
            (
                Shown("reason", "reason", Kind.TEXT),
                Shown("start_ns", "start_s", Kind.INSTANT),
                Shown("end_ns", "end_s", Kind.INSTANT),
                Shown("steps", "steps", Kind.COUNT),
            ),
        ),
        TableView(
            "steps",
            "Steps in their order",
            (
                Shown("index", "step", Kind.ID),
                Shown("pid", "pid", Kind.ID),
                Shown("device_id", "device_id", Kind.DEVICE),
                Shown("kind", "kind", Kind.TEXT),
                Shown("start_ns", "start_s", Kind.INSTANT),
                Shown("period_ns", "period_ms", Kind.MS),
                Shown("gpu_busy_ns", "busy_ms", Kind.MS),
                Shown("idle_ns", "idle_ms", Kind.MS),
                Shown("gap_before_ns", "gap_before_us", Kind.US),
                Shown("kernels", "kernels", Kind.COUNT),
                Shown("graph_launches", "graph_launches", Kind.COUNT),
                Shown("context_tokens", "context_tokens", Kind.COUNT),
                Shown("generation_tokens", "generation_tokens", Kind.COUNT),
                Shown("steady", "steady", Kind.FLAG),
            ),
        ),
    ),
)
