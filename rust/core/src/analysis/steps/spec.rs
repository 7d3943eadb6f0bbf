//! The declared schema of the section on steps.

use crate::analysis::device_columns;
use crate::analysis::device_time::BUCKETS;
use crate::model::section::SectionSpec;
use crate::model::table::{ColumnSpec, TableSpec};

const PID: ColumnSpec = ColumnSpec::id("pid", "Process of the worker.");

/// Means of the buckets over the periods of a kind of steps.
fn mean_columns() -> [ColumnSpec; BUCKETS.len()] {
    [
        ColumnSpec::ns_float("compute_avg_ns", "Mean compute time of a period.").or_null(),
        ColumnSpec::ns_float("communication_avg_ns", "Mean exposed communication.").or_null(),
        ColumnSpec::ns_float("copy_avg_ns", "Mean time with copies alone.").or_null(),
        ColumnSpec::ns_float("host_sync_avg_ns", "Mean idle time in a blocking synchronisation.").or_null(),
        ColumnSpec::ns_float("host_api_avg_ns", "Mean idle time in another API call.").or_null(),
        ColumnSpec::ns_float("host_os_avg_ns", "Mean idle time in an OS call.").or_null(),
        ColumnSpec::ns_float("host_code_avg_ns", "Mean idle time in host code.").or_null(),
        ColumnSpec::ns_float("launching_avg_ns", "Mean idle time while the launch call ran.").or_null(),
        ColumnSpec::ns_float("inside_graph_avg_ns", "Mean idle time between ops of one call.").or_null(),
        ColumnSpec::ns_float("queued_avg_ns", "Mean idle time on the GPU's side.").or_null(),
        ColumnSpec::ns_float("unmatched_avg_ns", "Mean idle time before ops without a call.").or_null(),
    ]
}

/// Excess over the median of each bucket: of the period, then of the part between the step's start and end.
fn excess_columns() -> [ColumnSpec; 2 * BUCKETS.len()] {
    let excess = ColumnSpec::ns_float;
    [
        excess("compute_excess_ns", "Compute time of the period beyond the median step."),
        excess("communication_excess_ns", "Exposed communication beyond it."),
        excess("copy_excess_ns", "Copies alone beyond it."),
        excess("host_sync_excess_ns", "Idle in a blocking synchronisation beyond it."),
        excess("host_api_excess_ns", "Idle in another API call beyond it."),
        excess("host_os_excess_ns", "Idle in an OS call beyond it."),
        excess("host_code_excess_ns", "Idle in host code beyond it."),
        excess("launching_excess_ns", "Idle while the launch call ran beyond it."),
        excess("inside_graph_excess_ns", "Idle between ops of one call beyond it."),
        excess("queued_excess_ns", "Idle on the GPU's side beyond it."),
        excess("unmatched_excess_ns", "Idle before ops without a call beyond it."),
        excess("compute_inside_excess_ns", "Compute time between the step's start and end beyond the median step."),
        excess("communication_inside_excess_ns", "Exposed communication there beyond it."),
        excess("copy_inside_excess_ns", "Copies alone there beyond it."),
        excess("host_sync_inside_excess_ns", "Idle in a blocking synchronisation there beyond it."),
        excess("host_api_inside_excess_ns", "Idle in another API call there beyond it."),
        excess("host_os_inside_excess_ns", "Idle in an OS call there beyond it."),
        excess("host_code_inside_excess_ns", "Idle in host code there beyond it."),
        excess("launching_inside_excess_ns", "Idle while the launch call ran there beyond it."),
        excess("inside_graph_inside_excess_ns", "Idle between ops of one call there beyond it."),
        excess("queued_inside_excess_ns", "Idle on the GPU's side there beyond it."),
        excess("unmatched_inside_excess_ns", "Idle before ops without a call there beyond it."),
    ]
}

fn step_columns() -> Vec<ColumnSpec> {
    let start = [ColumnSpec::id("index", "Number of the iteration, the same on all workers."), PID];
    let rest = [
        ColumnSpec::ns("start_ns", "First op start."),
        ColumnSpec::ns("end_ns", "Last op end."),
        ColumnSpec::ns("host_start_ns", "Start of the range on the host.").or_null(),
        ColumnSpec::ns("host_end_ns", "End of that range.").or_null(),
        ColumnSpec::text("kind", "prefill, decode, mixed or unknown."),
        ColumnSpec::count("context_requests", "Requests whose prompt is computed.").or_null(),
        ColumnSpec::count("context_tokens", "Tokens of those prompts.").or_null(),
        ColumnSpec::count("generation_requests", "Requests that generate.").or_null(),
        ColumnSpec::count("generation_tokens", "Tokens that are generated.").or_null(),
        ColumnSpec::ns("period_ns", "From its start to the start of the worker's next step.").or_null(),
        ColumnSpec::ns("gpu_busy_ns", "Busy time of the device between start and end."),
        ColumnSpec::ns("idle_ns", "Idle time of the device between start and end."),
        ColumnSpec::count("kernels", "Kernels and graph executions."),
        ColumnSpec::count("graph_launches", "Calls that launch CUDA graphs."),
        ColumnSpec::ns("gap_before_ns", "From the end of the worker's step before; 0 where they overlap.").or_null(),
        ColumnSpec::flag("steady", "Whether it lies in the steady window."),
    ];
    start.into_iter().chain(device_columns()).chain(rest).collect()
}

fn kind_columns() -> Vec<ColumnSpec> {
    let rest = [
        PID,
        ColumnSpec::text("kind", "prefill, decode, mixed or unknown."),
        ColumnSpec::count("steps", "Steps."),
        ColumnSpec::ns_float("period_p50_ns", "Median period.").or_null(),
        ColumnSpec::ns_float("period_p90_ns", "90th percentile of the period.").or_null(),
        ColumnSpec::ns_float("period_p99_ns", "99th percentile of the period.").or_null(),
        ColumnSpec::ns_float("span_p50_ns", "Median of first op start to last op end.").or_null(),
        ColumnSpec::ns_float("span_p90_ns", "90th percentile of that.").or_null(),
        ColumnSpec::ns_float("span_p99_ns", "99th percentile of that.").or_null(),
        ColumnSpec::count("context_tokens", "Prompt tokens, where markers tell them.").or_null(),
        ColumnSpec::count("generation_tokens", "Generated tokens, where markers tell them.").or_null(),
        ColumnSpec::per_second("tokens_per_s", "Tokens of both kinds over the summed periods of their steps."),
        ColumnSpec::float("kernels_avg", "Kernels and graph executions per step."),
        ColumnSpec::float("graph_launches_avg", "Launches of CUDA graphs per step."),
    ];
    let steady = [
        ColumnSpec::count("steady_steps", "Steps in the steady window.").or_null(),
        ColumnSpec::ns_float("steady_period_p50_ns", "Median period of those.").or_null(),
    ];
    device_columns().into_iter().chain(rest).chain(mean_columns()).chain(steady).collect()
}

fn slow_columns() -> Vec<ColumnSpec> {
    let start = [ColumnSpec::id("index", "Number of the iteration."), PID];
    let rest = [
        ColumnSpec::text("kind", "prefill, decode, mixed or unknown."),
        ColumnSpec::ns("start_ns", "First op start."),
        ColumnSpec::ns("end_ns", "Start of the worker's next step."),
        ColumnSpec::ns("period_ns", "Period of the step."),
        ColumnSpec::ns_float("median_ns", "Median period of the kind on this worker."),
        ColumnSpec::ns_float("excess_ns", "Period beyond the median."),
        ColumnSpec::text("largest_bucket", "Bucket that exceeds its median most."),
    ];
    start.into_iter().chain(device_columns()).chain(rest).chain(excess_columns()).collect()
}

pub(super) fn spec() -> SectionSpec {
    let table = |name, description, events, columns| TableSpec { name, description, events, columns };
    let outside = vec![
        ColumnSpec::text("reason", "warm_up, pause or drain."),
        ColumnSpec::ns("start_ns", "Start on the trace's clock."),
        ColumnSpec::ns("end_ns", "End."),
        ColumnSpec::count("steps", "Steps of the reference worker that start in it."),
    ];
    SectionSpec {
        id: "steps",
        title: "Steps of the engine",
        summary: vec![
            ColumnSpec::text("source", "What tells where steps are."),
            ColumnSpec::text("source_detail", "What exactly was taken as a step."),
            ColumnSpec::text("confidence", "high, medium or low."),
            ColumnSpec::count("steps", "Steps of all workers."),
            ColumnSpec::count("workers", "Processes with steps, per device."),
            ColumnSpec::ns("steady_start_ns", "Start of the steady window.").or_null(),
            ColumnSpec::ns("steady_end_ns", "End of the steady window.").or_null(),
            ColumnSpec::count("steady_steps", "Steps in it.").or_null(),
            ColumnSpec::count("outside_steps", "Steps outside.").or_null(),
            ColumnSpec::ns_float("period_p50_ns", "Median period over all workers and kinds.").or_null(),
            ColumnSpec::per_second("tokens_per_s", "Tokens of the reference worker over its summed periods."),
            ColumnSpec::count("steps_without_ops", "Marked ranges in which no GPU op was asked for."),
        ],
        tables: vec![
            table("step_kinds", "One row per worker and kind of step.", false, kind_columns()),
            table("steps", "One row per step, worker and device, in order of time.", false, step_columns()),
            table(
                "slow_steps",
                "Steps with a period beyond 1.5 medians of their kind, by excess.",
                true,
                slow_columns(),
            ),
            table("outside_steady", "One row per stretch of time outside the steady window.", false, outside),
            super::alignment::spec(),
        ],
    }
}
