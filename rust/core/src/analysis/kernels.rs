//! Kernels by name and device.
//!
//! One row per (demangled name, device). `share` is of all kernel time. Names: `demangledName`, else `shortName`; an
//! unresolvable id prints as `<id N>`. Percentiles are exact, over all values, with linear interpolation.

use std::cmp::Reverse;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{
    Availability, GRAPH_TRACE, Input, Outcome, Probe, graph_mode_limit, no_kernels, no_kernels_in, share,
    with_kernel_table,
};
use crate::algo::grouping::Stats;
use crate::algo::topk::smallest_by;
use crate::model::events::Events;
use crate::model::section::{Section, SectionSpec};
use crate::model::table::{Cell, ColumnSpec, Table, TableSpec};

pub(super) struct Analysis;

pub(super) const QUANTILES: &[f64] = &[0.5, 0.9, 0.99];

/// Columns of the table, also of the one that splits it by process.
pub(super) fn columns() -> Vec<ColumnSpec> {
    vec![
        ColumnSpec::text("kernel_name", "Demangled name, in full."),
        ColumnSpec::id("device_id", "CUDA ordinal of the device in the export.").or_null(),
        ColumnSpec::id("gpu_id", "Physical id of the GPU, where the export maps it.").or_null(),
        ColumnSpec::count("calls", "Executions of the kernel."),
        ColumnSpec::ns("total_ns", "Summed duration of the executions."),
        ColumnSpec::ns_float("avg_ns", "Mean duration."),
        ColumnSpec::ns_float("p50_ns", "Median duration.").or_null(),
        ColumnSpec::ns_float("p90_ns", "90th percentile of the duration.").or_null(),
        ColumnSpec::ns_float("p99_ns", "99th percentile of the duration.").or_null(),
        ColumnSpec::ns("min_ns", "Shortest execution."),
        ColumnSpec::ns("max_ns", "Longest execution."),
        ColumnSpec::share("share", "Part of all kernel time of the trace."),
    ]
}

/// Kernels of one name on one device, and in one process where asked for.
pub(super) struct Group {
    pub(super) process: Option<u32>,
    pub(super) device: u32,
    pub(super) name: u32,
    pub(super) stats: Stats,
}

/// All kernels in groups; `by_process` splits them further.
pub(super) fn groups(input: &Input<'_>, by_process: bool) -> Vec<Group> {
    let mut kinds: FxHashMap<(Option<u32>, u32, u32), Vec<u32>> = FxHashMap::default();
    for (number, kind) in (0_u32..).zip(&input.events.kernels.kinds) {
        kinds.entry((by_process.then_some(kind.process), kind.device, kind.name)).or_default().push(number);
    }
    let quantiles = if input.options.kernel_percentiles { QUANTILES } else { &[] };
    let group = |((process, device, name), kinds): (_, Vec<u32>)| {
        let stats = input.derived.kernel_durations.stats(&kinds, quantiles);
        Group { process, device, name, stats }
    };
    kinds.into_iter().map(group).collect()
}

/// The cells of a group, in the order of [`columns`].
pub(super) fn cells(events: &Events, group: &Group, total: i64) -> Vec<Cell> {
    let device = &events.devices[group.device as usize];
    let stats = &group.stats;
    let quantile = |i: usize| stats.quantiles.get(i).copied().flatten();
    vec![
        events.names.text(group.name).into(),
        device.device_id.into(),
        device.gpu_id.into(),
        stats.count.into(),
        stats.total.into(),
        stats.mean().into(),
        quantile(0).into(),
        quantile(1).into(),
        quantile(2).into(),
        stats.min.into(),
        stats.max.into(),
        share(stats.total, total).into(),
    ]
}

/// The table of groups: by total time, then name, device and process.
pub(super) fn table(events: &Events, spec: TableSpec, groups: &[Group], total: i64) -> Table {
    let order = |a: &&Group, b: &&Group| {
        let key = |group: &Group| {
            let name: Arc<str> = Arc::clone(events.names.text(group.name));
            (Reverse(group.stats.total), name, group.device, group.process)
        };
        key(a).cmp(&key(b))
    };
    let first = smallest_by(groups, spec.max_rows(), order);
    let pid = |group: &Group| group.process.map(|process| Cell::from(events.processes[process as usize].key.pid()));
    let rows = first.into_iter().map(|group| pid(group).into_iter().chain(cells(events, group, total)).collect());
    Table::new(spec, groups.len(), rows)
}

impl super::Analysis for Analysis {
    fn spec(&self) -> SectionSpec {
        SectionSpec {
            id: "kernels",
            title: "Kernels",
            summary: vec![
                ColumnSpec::count("kernels", "Kernels executed."),
                ColumnSpec::ns("total_ns", "Summed duration of all kernels; overlapping kernels count each."),
            ],
            tables: vec![TableSpec {
                name: "kernels",
                description: "One row per kernel name and device, by total time.",
                events: false,
                columns: columns(),
            }],
        }
    }

    fn availability(&self, probe: &Probe<'_>) -> Availability {
        match (probe.kernels(), probe.rows(GRAPH_TRACE)) {
            (0, graphs) => no_kernels(graphs > 0),
            (_, 0) => Availability::OK,
            _ => Availability::partial("Kernels inside CUDA graphs are invisible.", Some(super::NODE_MODE)),
        }
    }

    fn run(&self, input: &Input<'_>) -> Outcome {
        let events = input.events;
        if events.kernels.is_empty() {
            return Outcome::Missing(no_kernels_in(events));
        }
        let groups = groups(input, false);
        let total = groups.iter().fold(0_i64, |sum, group| sum.saturating_add(group.stats.total));
        let [spec] = <[TableSpec; 1]>::try_from(self.spec().tables).expect("one table");
        let mut limitations: Vec<String> = graph_mode_limit(events).into_iter().collect();
        if !input.options.kernel_percentiles {
            limitations.push("Percentiles were switched off.".into());
        }
        Outcome::Ok(Section {
            summary: vec![events.kernels.len().into(), total.into()],
            tables: vec![table(events, spec, &groups, total)],
            derived_from: with_kernel_table(input.schema, &["StringIds"]),
            limitations,
            warnings: Vec::new(),
        })
    }
}
