//! What several analyses need, computed once: the call of each op, and when each device was busy.

use rayon::prelude::*;

use super::Options;
use super::attribution::Attribution;
use crate::algo::intervals::IntervalSet;
use crate::algo::join::{CorrelationIndex, NONE};
use crate::model::events::{Events, Ops};
use crate::source::Progress;

/// When a device was busy.
#[derive(Debug, Default)]
pub struct DeviceActivity {
    /// First op start to last op end.
    pub window: (i64, i64),
    /// The union of all its ops.
    pub busy: IntervalSet,
    /// The gaps between its ops.
    pub idle: IntervalSet,
    /// Measure of the union of kernels and graph executions.
    pub kernel_busy_ns: i64,
}

/// Shared results.
#[derive(Debug)]
pub struct Derived {
    /// For each op table of [`Events::op_tables`], the call of each op or [`NONE`].
    pub call_of: [Vec<u32>; 4],
    /// By device.
    pub activity: Vec<DeviceActivity>,
    /// Devices that each process uses, in ascending order.
    pub devices_of_process: Vec<Vec<u32>>,
    /// For each graph execution, whether its kernels were traced one by one as well: then it is busy time, but no
    /// kernel of its own.
    pub graph_is_double: Vec<bool>,
    /// Kernels by NVTX range; `None` if it was not asked for or nothing can be attributed.
    pub attribution: Option<Attribution>,
}

impl Derived {
    /// Computes what the analyses share.
    pub fn new(events: &Events, options: &Options, progress: &Progress) -> Self {
        let (call_of, activity) = rayon::join(
            || progress.timed("find calls", || call_of(events)),
            || progress.timed("unite busy time", || activity(events)),
        );
        let graph_is_double = graph_is_double(events, &call_of);
        let devices_of_process = devices_of_process(events);
        let mut derived = Self { call_of, activity, devices_of_process, graph_is_double, attribution: None };
        if options.nvtx_kernel_map && !events.ranges.is_empty() && events.can_join() {
            derived.attribution = Some(progress.timed("attribute kernels", || Attribution::new(events, &derived)));
        }
        derived
    }

    /// Kernels and graph executions as (table of [`Events::op_tables`], row), without double counting.
    pub fn kernel_rows<'a>(&'a self, events: &'a Events) -> impl Iterator<Item = (usize, usize)> + Clone + 'a {
        let kernels = (0..events.kernels.ops.len()).map(|row| (0, row));
        let graphs = (0..events.graphs.len()).filter(|&row| !self.graph_is_double[row]).map(|row| (3, row));
        kernels.chain(graphs)
    }
}

fn call_of(events: &Events) -> [Vec<u32>; 4] {
    let calls = &events.calls;
    let mut by_process: Vec<Vec<(i64, i64, u32)>> = vec![Vec::new(); events.processes.len()];
    for (row, number) in (0..calls.len()).zip(0_u32..) {
        by_process[calls.process[row] as usize].push((calls.correlation[row], calls.start[row], number));
    }
    let indexes: Vec<CorrelationIndex> = by_process.par_iter().map(|calls| CorrelationIndex::new(calls)).collect();
    let find = |ops: &Ops| -> Vec<u32> {
        (0..ops.len())
            .into_par_iter()
            .map(|i| indexes[ops.process[i] as usize].find(ops.correlation[i], ops.start[i]))
            .collect()
    };
    events.op_tables().map(find)
}

fn activity(events: &Events) -> Vec<DeviceActivity> {
    let tables = events.op_tables();
    (0..events.devices.len())
        .into_par_iter()
        .map(|device| {
            let spans = |ops: &Ops| -> Vec<(i64, i64)> {
                let on_device = |&i: &usize| ops.device[i] as usize == device;
                (0..ops.len()).filter(on_device).map(|i| (ops.start[i], ops.end[i])).collect()
            };
            let mut kernels = [spans(tables[0]), spans(tables[3])].concat();
            // Rows come in long ascending runs, one per process: a merge sort takes them as they are.
            kernels.sort();
            let kernel_busy = IntervalSet::union_of_sorted(kernels.iter().copied());
            let mut all = kernels;
            all.extend(spans(tables[1]));
            all.extend(spans(tables[2]));
            all.sort();
            let first = all.iter().map(|span| span.0).min().unwrap_or(0);
            let last = all.iter().map(|span| span.1).max().unwrap_or(0);
            let idle = IntervalSet::gaps_of_sorted(&all);
            let busy = IntervalSet::union_of_sorted(all);
            DeviceActivity { window: (first, last), busy, idle, kernel_busy_ns: kernel_busy.measure() }
        })
        .collect()
}

fn graph_is_double(events: &Events, call_of: &[Vec<u32>; 4]) -> Vec<bool> {
    if events.graphs.is_empty() {
        return Vec::new();
    }
    let mut has_kernels = vec![false; events.calls.len()];
    for &call in call_of[0].iter().filter(|&&call| call != NONE) {
        has_kernels[call as usize] = true;
    }
    call_of[3].iter().map(|&call| call != NONE && has_kernels[call as usize]).collect()
}

fn devices_of_process(events: &Events) -> Vec<Vec<u32>> {
    let devices = events.devices.len();
    let mut used = vec![false; events.processes.len() * devices];
    for ops in events.op_tables() {
        for (&process, &device) in ops.process.iter().zip(&ops.device) {
            used[process as usize * devices + device as usize] = true;
        }
    }
    let of = |used: &[bool]| (0_u32..).zip(used).filter(|(_, used)| **used).map(|(device, _)| device).collect();
    (0..events.processes.len()).map(|process| of(&used[process * devices..(process + 1) * devices])).collect()
}
