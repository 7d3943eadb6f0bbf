//! Runs of small kernels that were launched one by one: what a CUDA graph, or a fused kernel, would take together.
//!
//! A run is at least 32 eager kernels of at most 10 us each that follow each other on one device, with at most 50 us
//! between. A kernel of a graph or a longer kernel ends it; copies and sets do not. Runs are gathered by device, first
//! kernel, most frequent kernel, and number of kernels to the power of two.

use std::cmp::Reverse;
use std::sync::Arc;

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::Launches;
use crate::algo::topk::smallest_by;
use crate::model::events::Events;
use crate::model::table::{Cell, ColumnSpec, Table, TableSpec};

const MIN_KERNELS: usize = 32;
const SHORT_NS: i64 = 10_000;
const MAX_GAP_NS: i64 = 50_000;
const NS_PER_S: f64 = 1e9;

pub(super) fn spec() -> TableSpec {
    TableSpec {
        name: "kernel_runs",
        description: "One row per kind of run of at least 32 eager kernels of at most 10 us each, with at most 50 us between, by time.",
        events: false,
        columns: vec![
            ColumnSpec::id("device_id", "CUDA ordinal of the device in the export.").or_null(),
            ColumnSpec::id("gpu_id", "Physical id of the GPU, where the export maps it.").or_null(),
            ColumnSpec::text("first_kernel", "The kernel that each run begins with."),
            ColumnSpec::text("top_kernel", "The most frequent kernel of each run."),
            ColumnSpec::count("runs", "Runs; their numbers of kernels are the same to the power of two."),
            ColumnSpec::count("kernels", "Kernels in all of them."),
            ColumnSpec::ns("kernel_ns", "Time in which a kernel of the runs ran."),
            ColumnSpec::ns("gap_ns", "Time between their kernels."),
            ColumnSpec::ns("total_ns", "First kernel start to last kernel end, summed over the runs."),
            ColumnSpec::per_second("launches_per_s", "Kernels over that time."),
            ColumnSpec::ns("example_start_ns", "Start of the longest run."),
            ColumnSpec::ns("example_end_ns", "End of the longest run."),
        ],
    }
}

/// A run on its way.
#[derive(Debug, Clone, Default)]
struct Run {
    start: i64,
    /// Latest end so far.
    reach: i64,
    /// Union of its kernels.
    busy: i64,
    names: Vec<u32>,
}

/// Device, first kernel, most frequent kernel, power of two.
type Key = (u32, u32, u32, u32);

#[derive(Debug, Default)]
struct Group {
    runs: i64,
    kernels: i64,
    kernel_ns: i64,
    total_ns: i64,
    example: (i64, i64),
}

struct Runs<'a> {
    events: &'a Events,
    /// By device.
    open: Vec<Run>,
    groups: FxHashMap<Key, Group>,
}

impl Runs<'_> {
    fn add(&mut self, row: usize, is_eager: bool) {
        let kernels = &self.events.kernels;
        let kind = kernels.kind_of(row);
        let (start, length) = (kernels.start[row], kernels.duration(row));
        let run = &mut self.open[kind.device as usize];
        let fits = is_eager && length <= SHORT_NS;
        if !run.names.is_empty() && (!fits || start - run.reach > MAX_GAP_NS) {
            self.close(kind.device);
        }
        if !fits {
            return;
        }
        let run = &mut self.open[kind.device as usize];
        if run.names.is_empty() {
            (run.start, run.reach, run.busy) = (start, start, 0);
        }
        run.names.push(kind.name);
        run.busy += (start + length - start.max(run.reach)).max(0);
        run.reach = run.reach.max(start + length);
    }

    fn close(&mut self, device: u32) {
        let run = &mut self.open[device as usize];
        if run.names.len() >= MIN_KERNELS {
            let first = run.names[0];
            run.names.sort_unstable();
            let frequency = |alike: &[u32]| (alike.len(), Reverse(self.events.names.text(alike[0])));
            let top =
                run.names.chunk_by(|a, b| a == b).max_by_key(|alike| frequency(alike)).map_or(first, |alike| alike[0]);
            let group = self.groups.entry((device, first, top, run.names.len().ilog2())).or_default();
            group.runs += 1;
            group.kernels += i64::try_from(run.names.len()).unwrap_or(i64::MAX);
            group.kernel_ns = group.kernel_ns.saturating_add(run.busy);
            group.total_ns = group.total_ns.saturating_add(run.reach - run.start);
            // Runs of a device come in order: of the longest, the first stays.
            if group.runs == 1 || run.reach - run.start > group.example.1 - group.example.0 {
                group.example = (run.start, run.reach);
            }
        }
        run.names.clear();
    }
}

/// Whether the kernels of each device come in the order that a sort would give.
fn is_in_order(events: &Events, compare: impl Fn(usize, usize) -> std::cmp::Ordering) -> bool {
    let kernels = &events.kernels;
    let mut last: Vec<Option<usize>> = vec![None; events.devices.len()];
    kernels.kind.iter().enumerate().all(|(row, &kind)| {
        let last = last[kernels.kinds[kind as usize].device as usize].replace(row);
        last.is_none_or(|last| compare(last, row).is_le())
    })
}

fn groups(launches: &Launches<'_>) -> FxHashMap<Key, Group> {
    let (events, kernels) = (launches.events, &launches.events.kernels);
    let mut runs = Runs { events, open: vec![Run::default(); events.devices.len()], groups: FxHashMap::default() };
    // Nothing that differs between two kernels is left to the order of their rows.
    let compare = |a: usize, b: usize| {
        let times = |row: usize| (kernels.start[row], kernels.duration(row));
        let rest = |row: usize| (events.names.text(kernels.kind_of(row).name), launches.is_graph_kernel[row]);
        times(a).cmp(&times(b)).then_with(|| rest(a).cmp(&rest(b)))
    };
    if is_in_order(events, compare) {
        (0..kernels.len()).for_each(|row| runs.add(row, !launches.is_graph_kernel[row]));
    } else {
        let mut rows: Vec<u32> = (0_u32..).take(kernels.len()).collect();
        rows.par_sort_unstable_by(|&a, &b| compare(a as usize, b as usize));
        for row in rows.into_iter().map(|row| row as usize) {
            runs.add(row, !launches.is_graph_kernel[row]);
        }
    }
    (0_u32..).take(events.devices.len()).for_each(|device| runs.close(device));
    runs.groups
}

pub(super) fn table(launches: &Launches<'_>) -> Table {
    let (events, spec) = (launches.events, spec());
    let groups: Vec<(Key, Group)> = groups(launches).into_iter().collect();
    let text = |name: u32| events.names.text(name);
    let order = |item: &&(Key, Group)| -> (Reverse<i64>, Arc<str>, Arc<str>, u32, u32) {
        let ((device, first, top, power), group) = item;
        (Reverse(group.total_ns), Arc::clone(text(*first)), Arc::clone(text(*top)), *device, *power)
    };
    let rows = smallest_by(&groups, spec.max_rows(), |a, b| order(a).cmp(&order(b))).into_iter();
    let rows = rows.map(|((device, first, top, _), group)| {
        let device = &events.devices[*device as usize];
        let per_second = (group.total_ns > 0).then(|| group.kernels as f64 / (group.total_ns as f64 / NS_PER_S));
        vec![
            Cell::from(device.device_id),
            device.gpu_id.into(),
            text(*first).into(),
            text(*top).into(),
            group.runs.into(),
            group.kernels.into(),
            group.kernel_ns.into(),
            (group.total_ns - group.kernel_ns).into(),
            group.total_ns.into(),
            per_second.into(),
            group.example.0.into(),
            group.example.1.into(),
        ]
    });
    let rows: Vec<_> = rows.collect();
    Table::new(spec, groups.len(), rows)
}
