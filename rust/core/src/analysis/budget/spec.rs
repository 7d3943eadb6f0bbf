//! The declared schema of the time budget.

use crate::analysis::device_columns;
use crate::analysis::device_time::CAUSES;
use crate::model::section::SectionSpec;
use crate::model::table::{ColumnSpec, TableSpec};

fn with_device(rest: impl IntoIterator<Item = ColumnSpec>) -> Vec<ColumnSpec> {
    device_columns().into_iter().chain(rest).collect()
}

/// A column for each cause of idle time.
fn part_columns() -> [ColumnSpec; CAUSES] {
    [
        ColumnSpec::ns("host_sync_ns", "The launching thread was in a blocking synchronisation."),
        ColumnSpec::ns("host_api_ns", "The launching thread was in another API call."),
        ColumnSpec::ns("host_os_ns", "The launching thread was in a call of the operating system."),
        ColumnSpec::ns("host_code_ns", "The launching thread ran code of its own, Python as a rule."),
        ColumnSpec::ns("launching_ns", "The call that asked for the next op was running."),
        ColumnSpec::ns("inside_graph_ns", "Between ops of one call, such as the nodes of a CUDA graph."),
        ColumnSpec::ns("queued_ns", "Asked for, but waiting on the GPU's side."),
        ColumnSpec::ns("unmatched_ns", "The next op has no call in the export."),
    ]
}

fn host_calls() -> TableSpec {
    TableSpec {
        name: "host_calls",
        description: "One row per device and API call in which the launching thread was while the device idled.",
        events: false,
        columns: [ColumnSpec::id("pid", "Process of the call."), ColumnSpec::text("api_name", "Call as exported.")]
            .into_iter()
            .chain([ColumnSpec::text("bucket", "idle.host_sync or idle.host_api.")])
            .chain(with_device([ColumnSpec::ns("idle_ns", "Idle time of the device meanwhile.")]))
            .collect(),
    }
}

fn suspects() -> TableSpec {
    TableSpec {
        name: "idle_suspects",
        description: "One row per device, suspect, bucket and place: idle time while something held a process up that a \
                      steady state should not have.",
        events: false,
        columns: with_device([
            ColumnSpec::text("suspect", "allocation (memory calls), loading (compilation, modules) or profiler."),
            ColumnSpec::text("bucket", "Bucket of the idle time."),
            ColumnSpec::text("place", "Place of the gap among the steps, as in gap_groups."),
            ColumnSpec::ns("idle_ns", "Idle time of the device meanwhile."),
            ColumnSpec::ns("settled_ns", "The part after warm-up and before draining.").or_null(),
        ]),
    }
}

pub(super) fn spec() -> SectionSpec {
    let device_time = TableSpec {
        name: "device_time",
        description: "One row per device and bucket; the buckets of a device sum to its window.",
        events: false,
        columns: with_device([
            ColumnSpec::text("bucket", "What the device did, or why it idled."),
            ColumnSpec::ns("total_ns", "Time in the bucket."),
            ColumnSpec::share("share", "Part of the device's window."),
            ColumnSpec::ns("steady_ns", "Time in the bucket inside the steady window.").or_null(),
            ColumnSpec::share("steady_share", "Part of the device's time inside the steady window."),
        ]),
    };
    let gap_place = [
        ColumnSpec::text("range_name", "Innermost NVTX range around that call, before those of libraries.").or_null(),
        ColumnSpec::text(
            "place",
            "inside_step, between_steps, request_gap, before_steps, after_steps, or no_steps where none are known.",
        ),
    ];
    let causes = TableSpec {
        name: "gap_causes",
        description: "One row per idle gap, the longest over all devices first.",
        events: true,
        columns: with_device(
            [
                ColumnSpec::ns("start_ns", "End of the op before, on the trace's clock."),
                ColumnSpec::ns("end_ns", "Start of the op after."),
                ColumnSpec::ns("gap_ns", "Length of the gap."),
                ColumnSpec::text("cause", "Bucket of its largest part."),
            ]
            .into_iter()
            .chain(part_columns())
            .chain([
                ColumnSpec::text("next_op", "Kernel that ended the gap, or [memcpy], [memset], [graph]."),
                ColumnSpec::text("call_name", "Call that asked for it, as exported.").or_null(),
                ColumnSpec::id("pid", "Process of that call.").or_null(),
                ColumnSpec::id("tid", "Thread of that call.").or_null(),
            ])
            .chain(gap_place)
            .chain([ColumnSpec::id("step_index", "Iteration of the op that ended the gap.").or_null()]),
        ),
    };
    let groups = TableSpec {
        name: "gap_groups",
        description: "One row per device, cause and place of gaps, by summed length.",
        events: false,
        columns: with_device(
            [
                ColumnSpec::text("cause", "Bucket of the largest part of each gap."),
                ColumnSpec::text("call_name", "Call that asked for the next op, as exported.").or_null(),
            ]
            .into_iter()
            .chain(gap_place)
            .chain([
                ColumnSpec::text("size", "under 50 us, or 50 us and over."),
                ColumnSpec::flag("next_graph", "Whether the next op comes from the launch of a CUDA graph."),
                ColumnSpec::flag("late", "Whether its call ended less than 10 us before the gap did, or later."),
                ColumnSpec::text("step_kind", "Kind of the step of the next op.").or_null(),
                ColumnSpec::count("gaps", "Gaps."),
                ColumnSpec::ns("total_ns", "Their summed length."),
                ColumnSpec::ns_float("avg_ns", "Their mean length."),
                ColumnSpec::ns("max_ns", "The longest."),
            ])
            .chain(part_columns())
            .chain([
                ColumnSpec::ns("steady_ns", "Part of the total inside the steady window."),
                ColumnSpec::ns("settled_ns", "Part after warm-up and before draining.").or_null(),
                ColumnSpec::ns("example_start_ns", "Start of the longest gap, on the trace's clock."),
                ColumnSpec::ns("example_end_ns", "End of the longest gap."),
            ]),
        ),
    };
    let summary = vec![
        ColumnSpec::count("devices", "GPUs with at least one op."),
        ColumnSpec::ns("window_ns", "Summed windows of the devices."),
        ColumnSpec::ns("compute_ns", "Summed time with a kernel or graph execution."),
        ColumnSpec::ns("communication_ns", "Summed time with collectives alone."),
        ColumnSpec::ns("copy_ns", "Summed time with copies or sets alone."),
        ColumnSpec::ns("idle_ns", "Summed idle time."),
        ColumnSpec::share("idle_share", "Idle time over the summed windows."),
        ColumnSpec::ns("steady_start_ns", "Start of the steady window.").or_null(),
        ColumnSpec::ns("steady_end_ns", "End of the steady window.").or_null(),
    ];
    let tables = vec![device_time, causes, groups, host_calls(), suspects()];
    SectionSpec { id: "budget", title: "Time budget", summary, tables }
}
