//! The declared schema of the streams: tables, their columns, and what of an export each needs.

use crate::model::table::{ColumnSpec, Kind};

/// A table that can be streamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StreamTable {
    /// Kernels.
    Kernels,
    /// Memory copies.
    Copies,
    /// Memory sets.
    Memsets,
    /// Executions of whole CUDA graphs.
    Graphs,
    /// CUDA runtime and driver calls.
    ApiCalls,
    /// NVTX ranges.
    Ranges,
    /// Calls of the operating system.
    OsCalls,
    /// Steps of the engine.
    Steps,
    /// Idle gaps of the devices.
    Gaps,
}

/// What a stream, or one of its columns, takes from the export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// One table of events, and the flag that captures it.
    Table(&'static str, &'static str),
    /// Any table of GPU ops.
    GpuOps,
    /// A column that a table has in every known export, but not in this one; and the flag that captures the table.
    Column(&'static str, &'static str, &'static str),
}

const KERNEL: Source = Source::Table("CUPTI_ACTIVITY_KIND_KERNEL", "--trace=cuda");
const MEMCPY: Source = Source::Table("CUPTI_ACTIVITY_KIND_MEMCPY", "--trace=cuda");
const MEMSET: Source = Source::Table("CUPTI_ACTIVITY_KIND_MEMSET", "--trace=cuda");
const GRAPH: Source = Source::Table("CUPTI_ACTIVITY_KIND_GRAPH_TRACE", "--trace=cuda --cuda-graph-trace=graph");
const RUNTIME: Source = Source::Table("CUPTI_ACTIVITY_KIND_RUNTIME", "--trace=cuda");
const NVTX: Source = Source::Table("NVTX_EVENTS", "--trace=nvtx");
const OSRT: Source = Source::Table("OSRT_API", "--trace=osrt");
const OPS: [Source; 4] = [KERNEL, MEMCPY, MEMSET, GRAPH];

impl Source {
    /// The names of its tables in an export; the kernel table may have its older name there.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let one = |source: Self| match source {
            Self::Table(name, _) | Self::Column(name, ..) => Some(name),
            Self::GpuOps => None,
        };
        let all = if self == Self::GpuOps { OPS.to_vec() } else { vec![self] };
        all.into_iter().filter_map(one)
    }

    /// The flag that captures it.
    pub const fn flag(self) -> &'static str {
        match self {
            Self::Table(_, flag) | Self::Column(.., flag) => flag,
            Self::GpuOps => "--trace=cuda",
        }
    }
}

/// A column of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamColumn {
    /// Name, type, unit, nullability, definition.
    pub spec: ColumnSpec,
    /// Whether it comes unless columns are named.
    pub is_default: bool,
    /// What it is joined from, beside the table itself.
    pub needs: &'static [Source],
}

/// A stream.
#[derive(Debug, Clone)]
pub struct StreamSpec {
    /// Which one.
    pub table: StreamTable,
    /// Its name.
    pub name: &'static str,
    /// What a row is, and which rows a window selects.
    pub description: &'static str,
    /// What it is made of.
    pub source: Source,
    /// Columns in order.
    pub columns: Vec<StreamColumn>,
}

const fn own(spec: ColumnSpec) -> StreamColumn {
    StreamColumn { spec, is_default: true, needs: &[] }
}

const fn extra(spec: ColumnSpec) -> StreamColumn {
    StreamColumn { spec, is_default: false, needs: &[] }
}

const fn joined(needs: &'static [Source], spec: ColumnSpec) -> StreamColumn {
    StreamColumn { spec: spec.or_null(), is_default: false, needs }
}

fn times() -> [StreamColumn; 3] {
    [
        own(ColumnSpec::ns("start_ns", "First nanosecond, on the trace's clock.")),
        own(ColumnSpec::ns("end_ns", "End, on the trace's clock.")),
        own(ColumnSpec::ns("duration_ns", "From start to end.")),
    ]
}

fn device() -> [StreamColumn; 2] {
    [
        own(ColumnSpec::id("device_id", "CUDA ordinal of the device, as in the report.").or_null()),
        extra(ColumnSpec::id("gpu_id", "Physical id of the GPU, where the export maps it.").or_null()),
    ]
}

fn of_process(is_default: bool) -> [StreamColumn; 2] {
    let pid = ColumnSpec::id("pid", "Process; null where the export does not tell.").or_null();
    [
        StreamColumn { spec: pid, is_default, needs: &[] },
        extra(ColumnSpec::text("process", "Name of the process, where the export has it.").or_null()),
    ]
}

fn of_thread() -> StreamColumn {
    own(ColumnSpec::id("tid", "Thread; null where the export does not tell.").or_null())
}

const CALL_ID: ColumnSpec =
    ColumnSpec::id("call_id", "Number of the call, the same in every stream of this trace that has the column.");
const RANGE_ID: ColumnSpec =
    ColumnSpec::id("range_id", "Number of the range, the same in every stream of this trace that has the column.");

/// What is known of the call that asked for an op.
fn of_call() -> [StreamColumn; 5] {
    [
        joined(&[RUNTIME], CALL_ID),
        joined(&[RUNTIME], ColumnSpec::text("api_name", "The call that asked for it, as exported.")),
        joined(&[RUNTIME], ColumnSpec::ns("launch_start_ns", "Start of that call.")),
        joined(&[RUNTIME], ColumnSpec::ns("launch_end_ns", "End of that call.")),
        joined(&[RUNTIME], ColumnSpec::id("launch_tid", "Thread of that call.")),
    ]
}

fn of_range(description: &'static str) -> [StreamColumn; 2] {
    [joined(&[RUNTIME, NVTX], RANGE_ID), joined(&[RUNTIME, NVTX], ColumnSpec::text("range", description))]
}

fn of_step() -> [StreamColumn; 2] {
    [
        joined(
            &[],
            ColumnSpec::id("step", "Number of the engine's step, as in the table steps; null outside of steps."),
        ),
        joined(&[], ColumnSpec::text("step_kind", "prefill, decode, mixed or unknown; null outside of steps.")),
    ]
}

fn in_graph() -> [StreamColumn; 2] {
    [
        extra(ColumnSpec::flag("in_graph", "Whether it is a node of a CUDA graph.")),
        extra(ColumnSpec::id("graph_id", "The graph it was launched with; null for none.").or_null()),
    ]
}

/// The columns of every table of GPU ops, after those of its own.
fn of_op() -> Vec<StreamColumn> {
    let gap = [
        extra(ColumnSpec::ns(
            "gap_before_ns",
            "Idle time of the device that this op ended; 0 where it ended none. Of several ops that start at once, the \
             one that was asked for first ends the gap.",
        )),
        joined(&[], ColumnSpec::text("gap_cause", "Cause with the largest part of that gap, as in gap_causes.")),
    ];
    let mut columns: Vec<StreamColumn> = device().into();
    columns.push(own(ColumnSpec::id("stream_id", "CUDA stream.").or_null()));
    columns.push(own(ColumnSpec::id("correlation_id", "Links op and call within a process; null for none.").or_null()));
    columns.extend(of_process(false));
    columns.extend(of_call());
    columns.extend(of_range("Innermost NVTX range around that call, normalised, as in nvtx_ranges."));
    columns.extend(of_step());
    columns.extend(gap);
    columns
}

const BYTES: ColumnSpec =
    ColumnSpec { name: "bytes", kind: Kind::Int, unit: Some("bytes"), nullable: true, description: "Bytes copied." };

fn concat(parts: impl IntoIterator<Item = Vec<StreamColumn>>) -> Vec<StreamColumn> {
    parts.into_iter().flatten().collect()
}

fn op_specs() -> [StreamSpec; 4] {
    let kernel = vec![own(ColumnSpec::text("kernel_name", "Demangled name, else the short one."))];
    let category = extra(ColumnSpec::text("category", "Kind of work, as in kernel_categories."));
    let copy = vec![
        own(ColumnSpec::text("direction", "From where to where, as in the section memory.")),
        own(BYTES),
        extra(ColumnSpec::text("src_kind", "Memory it comes from.")),
        extra(ColumnSpec::text("dst_kind", "Memory it goes to.")),
    ];
    let graph = vec![
        own(ColumnSpec::id("graph_id", "The graph; null where the export does not tell.").or_null()),
        extra(ColumnSpec::flag("kernels_traced", "Whether its kernels were traced one by one as well.")),
    ];
    let spec = |table, name, description, source, columns| StreamSpec { table, name, description, source, columns };
    [
        spec(
            StreamTable::Kernels,
            "kernels",
            "One row per kernel. A window selects those that start in it.",
            KERNEL,
            concat([kernel, times().into(), of_op(), vec![category], in_graph().into()]),
        ),
        spec(
            StreamTable::Copies,
            "copies",
            "One row per memory copy on the GPU. A window selects those that start in it.",
            MEMCPY,
            concat([copy, times().into(), of_op(), in_graph().into()]),
        ),
        spec(
            StreamTable::Memsets,
            "memsets",
            "One row per memory set on the GPU. A window selects those that start in it.",
            MEMSET,
            concat([times().into(), of_op(), in_graph().into()]),
        ),
        spec(
            StreamTable::Graphs,
            "graphs",
            "One row per execution of a whole CUDA graph. A window selects those that start in it.",
            GRAPH,
            concat([graph, times().into(), of_op()]),
        ),
    ]
}

fn host_specs() -> [StreamSpec; 3] {
    let calls = StreamSpec {
        table: StreamTable::ApiCalls,
        name: "api_calls",
        description: "One row per call of the CUDA runtime or driver. A window selects those that start in it.",
        source: RUNTIME,
        columns: concat([
            vec![own(ColumnSpec::text("api_name", "Call as exported."))],
            times().into(),
            of_process(true).into(),
            vec![
                of_thread(),
                own(ColumnSpec::id("correlation_id", "Links op and call within a process; null for none.").or_null()),
                extra(CALL_ID),
                extra(ColumnSpec::count("gpu_ops", "GPU ops that it asked for, of those that the window selects.")),
            ],
        ]),
    };
    let ranges = StreamSpec {
        table: StreamTable::Ranges,
        name: "ranges",
        description: "One row per NVTX range that was closed. A window selects those that overlap it.",
        source: NVTX,
        columns: concat([
            vec![
                own(ColumnSpec::text("range_name", "Normalised name, as in nvtx_ranges.")),
                own(ColumnSpec::text("domain", "NVTX domain.")),
            ],
            times().into(),
            of_process(true).into(),
            vec![
                of_thread(),
                extra(ColumnSpec::text("raw_name", "Name as the program gave it.")),
                extra(ColumnSpec::flag("crosses_threads", "Whether it ended on another thread.")),
                extra(RANGE_ID),
            ],
        ]),
    };
    let os = StreamSpec {
        table: StreamTable::OsCalls,
        name: "os_calls",
        description: "One row per call of the operating system. A window selects those that start in it.",
        source: OSRT,
        columns: concat([
            vec![own(ColumnSpec::text("call_name", "Function of the system's libraries."))],
            times().into(),
            of_process(true).into(),
            vec![of_thread()],
        ]),
    };
    [calls, ranges, os]
}

fn derived_specs() -> [StreamSpec; 2] {
    let step = |name, description| own(ColumnSpec::id(name, description));
    let steps = StreamSpec {
        table: StreamTable::Steps,
        name: "steps",
        description: "One row per step of the engine, worker and device, as in the section steps. A window selects the \
                      ops that steps are made of.",
        source: Source::GpuOps,
        columns: concat([
            vec![
                step("step", "Number of the iteration, the same for all workers."),
                own(ColumnSpec::text("step_kind", "prefill, decode, mixed or unknown.")),
            ],
            times().into(),
            device().into(),
            of_process(true).into(),
            vec![
                own(ColumnSpec::ns("period_ns", "To the start of the worker's next step on the device.").or_null()),
                own(ColumnSpec::count("kernels", "Kernels and graph executions of the step.")),
                extra(ColumnSpec::count("graph_launches", "Calls that launch CUDA graphs.")),
                extra(ColumnSpec::flag("steady", "Whether it lies in the steady window.")),
                extra(ColumnSpec::ns("host_start_ns", "Start of its range on the host.").or_null()),
                extra(ColumnSpec::ns("host_end_ns", "End of its range on the host.").or_null()),
            ],
        ]),
    };
    let gaps = StreamSpec {
        table: StreamTable::Gaps,
        name: "gaps",
        description: "One row per idle gap of a device, as in the section budget. A window selects the ops between which \
                      gaps lie.",
        source: Source::GpuOps,
        columns: concat([
            vec![own(ColumnSpec::text("gap_cause", "Cause with the largest part, as in gap_causes."))],
            times().into(),
            device().into(),
            of_call().into(),
            of_range("Innermost NVTX range around that call, before those of libraries, as in gap_causes.").into(),
            of_step().into(),
            vec![extra(ColumnSpec::text("place", "Where it lies among the steps, as in gap_causes."))],
        ]),
    };
    [steps, gaps]
}

/// Every stream.
pub fn specs() -> Vec<StreamSpec> {
    op_specs().into_iter().chain(host_specs()).chain(derived_specs()).collect()
}
