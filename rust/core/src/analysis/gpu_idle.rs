//! When each device worked.
//!
//! The window of a device is its first op start to its last op end. `busy_ns` is the measure of the union of all its ops
//! (kernels, copies, sets, graph executions) of all processes and streams; `kernel_busy_ns` of kernels and graph
//! executions only. Idle is the gaps between ops inside the window: busy + idle = window exactly.

use std::cmp::Reverse;

use super::derived::DeviceActivity;
use super::{
    Availability, GRAPH_TRACE, Input, MEMCPY, MEMSET, Outcome, Probe, TRACE_CUDA, device_cells, device_columns,
    empty_window, share, with_kernel_table,
};
use crate::algo::topk::smallest_by;
use crate::model::section::{Section, SectionSpec};
use crate::model::table::{Cell, ColumnSpec, Table, TableSpec};

pub(super) struct Analysis;

/// Labels of gap sizes with their exclusive upper limits.
const BUCKETS: [(&str, i64); 7] = [
    ("under 1 us", 1_000),
    ("1-10 us", 10_000),
    ("10-100 us", 100_000),
    ("0.1-1 ms", 1_000_000),
    ("1-10 ms", 10_000_000),
    ("10-100 ms", 100_000_000),
    ("over 100 ms", i64::MAX),
];

fn columns(rest: &[ColumnSpec]) -> Vec<ColumnSpec> {
    device_columns().into_iter().chain(rest.iter().copied()).collect()
}

fn device_table(input: &Input<'_>, spec: TableSpec) -> Table {
    let rows = input.derived.activity.iter().enumerate().map(|(device, activity)| {
        let window = activity.window_ns();
        let idle = activity.idle.measure();
        let cells = [
            input.events.devices[device].name.as_deref().into(),
            window.into(),
            activity.busy_ns().into(),
            idle.into(),
            share(idle, window).into(),
            activity.kernel_busy_ns.into(),
            activity.window.0.into(),
            activity.window.1.into(),
        ];
        device_cells(input, device).into_iter().chain(cells).collect()
    });
    Table::new(spec, input.derived.activity.len(), rows)
}

fn gap_table(input: &Input<'_>, spec: TableSpec) -> Table {
    let of_device = |(device, activity): (usize, &'_ DeviceActivity)| {
        // The longest of each device first: the longest of all are among them.
        let order = |a: &(i64, i64), b: &(i64, i64)| (Reverse(a.1 - a.0), a.0).cmp(&(Reverse(b.1 - b.0), b.0));
        let longest = smallest_by(activity.idle.iter(), spec.max_rows(), order);
        longest.into_iter().map(move |gap| (device, gap))
    };
    let gaps = || input.derived.activity.iter().enumerate().flat_map(of_device);
    let order = |a: &(usize, (i64, i64)), b: &(usize, (i64, i64))| {
        let key = |&(device, (start, end)): &(usize, (i64, i64))| (Reverse(end - start), device, start);
        key(a).cmp(&key(b))
    };
    let rows = smallest_by(gaps(), spec.max_rows(), order).into_iter().map(|(device, (start, end))| {
        device_cells(input, device).into_iter().chain([start.into(), end.into(), (end - start).into()]).collect()
    });
    let total = input.derived.activity.iter().map(|activity| activity.idle.len()).sum();
    let rows: Vec<_> = rows.collect();
    Table::new(spec, total, rows)
}

fn size_table(input: &Input<'_>, spec: TableSpec) -> Table {
    let mut rows = Vec::new();
    for (device, activity) in input.derived.activity.iter().enumerate() {
        let mut sizes = [(0_i64, 0_i64); BUCKETS.len()];
        for (start, end) in activity.idle.iter() {
            let bucket = BUCKETS.partition_point(|&(_, limit)| limit <= end - start);
            sizes[bucket].0 += 1;
            sizes[bucket].1 += end - start;
        }
        for ((label, _), (gaps, total)) in BUCKETS.iter().zip(sizes).filter(|(_, (gaps, _))| *gaps > 0) {
            let cells = [Cell::from(*label), gaps.into(), total.into()];
            rows.push(device_cells(input, device).into_iter().chain(cells).collect());
        }
    }
    let total = rows.len();
    Table::new(spec, total, rows)
}

impl super::Analysis for Analysis {
    fn spec(&self) -> SectionSpec {
        let devices = TableSpec {
            name: "gpu_devices",
            description: "One row per GPU, in the order of their CUDA ordinals.",
            events: false,
            columns: columns(&[
                ColumnSpec::text("gpu_name", "Product name, where the export tells it.").or_null(),
                ColumnSpec::ns("window_ns", "First op start to last op end on the device."),
                ColumnSpec::ns("busy_ns", "Measure of the union of all GPU ops."),
                ColumnSpec::ns("idle_ns", "Window without busy time."),
                ColumnSpec::share("idle_share", "Idle time over the window."),
                ColumnSpec::ns("kernel_busy_ns", "Measure of the union of kernels and graph executions."),
                ColumnSpec::ns("window_start_ns", "First op start on the trace's clock."),
                ColumnSpec::ns("window_end_ns", "Last op end on the trace's clock."),
            ]),
        };
        let gaps = TableSpec {
            name: "gpu_idle_gaps",
            description: "One row per gap between GPU ops, the longest over all devices first.",
            events: true,
            columns: columns(&[
                ColumnSpec::ns("start_ns", "End of the op before."),
                ColumnSpec::ns("end_ns", "Start of the op after."),
                ColumnSpec::ns("gap_ns", "Length of the gap."),
            ]),
        };
        let sizes = TableSpec {
            name: "gap_sizes",
            description: "One row per device and gap size that occurs, from small to large.",
            events: false,
            columns: columns(&[
                ColumnSpec::text("bucket", "Size of the gaps; a limit belongs to the larger size."),
                ColumnSpec::count("gaps", "Gaps of that size."),
                ColumnSpec::ns("total_ns", "Their summed length."),
            ]),
        };
        let summary = vec![
            ColumnSpec::count("devices", "GPUs with at least one op."),
            ColumnSpec::ns("window_ns", "Summed windows of the devices."),
            ColumnSpec::ns("busy_ns", "Summed busy time."),
            ColumnSpec::ns("idle_ns", "Summed idle time."),
            ColumnSpec::share("idle_share", "Idle time over the summed windows."),
        ];
        SectionSpec { id: "gpu_idle", title: "GPU busy and idle", summary, tables: vec![devices, gaps, sizes] }
    }

    fn availability(&self, probe: &Probe<'_>) -> Availability {
        if probe.gpu_ops() == 0 {
            Availability::missing("The export has no GPU ops.", Some(TRACE_CUDA))
        } else {
            Availability::OK
        }
    }

    fn run(&self, input: &Input<'_>) -> Outcome {
        if !input.events.has_gpu_ops() {
            return Outcome::Missing(match input.events.window {
                Some(_) => empty_window("GPU ops"),
                None => Availability::missing("The export has no GPU ops.", Some(TRACE_CUDA)).absence(),
            });
        }
        let activity = &input.derived.activity;
        let sum = |of: &dyn Fn(usize) -> i64| (0..activity.len()).fold(0_i64, |sum, d| sum.saturating_add(of(d)));
        let window = sum(&|d| activity[d].window_ns());
        let idle = sum(&|d| activity[d].idle.measure());
        let [devices, gaps, sizes] = <[TableSpec; 3]>::try_from(self.spec().tables).expect("three tables");
        Outcome::Ok(Section {
            summary: vec![
                activity.len().into(),
                window.into(),
                sum(&|d| activity[d].busy_ns()).into(),
                idle.into(),
                share(idle, window).into(),
            ],
            tables: vec![device_table(input, devices), gap_table(input, gaps), size_table(input, sizes)],
            derived_from: with_kernel_table(input.schema, &[MEMCPY, MEMSET, GRAPH_TRACE]),
            limitations: vec![
                "The window of a device begins with its first op and ends with its last: idle time before and after is not counted.".into(),
                "Busy is time with at least one op, however small: it does not tell how much of the GPU was used.".into(),
            ],
            warnings: Vec::new(),
        })
    }
}
