//! What several analyses need, computed once: the call of each op, and when each device was busy.

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use super::Options;
use super::attribution::Attribution;
use crate::algo::intervals::{GapFinder, IntervalSet};
use crate::algo::join::{CorrelationIndex, NONE};
use crate::model::events::{Events, Ops};
use crate::model::ints::Ints;
use crate::source::Progress;

/// When a device was busy.
#[derive(Debug, Default)]
pub struct DeviceActivity {
    /// First op start to last op end.
    pub window: (i64, i64),
    /// The gaps between its ops.
    pub idle: IntervalSet,
    /// Measure of the union of kernels and graph executions.
    pub kernel_busy_ns: i64,
}

impl DeviceActivity {
    /// Length of the window.
    pub const fn window_ns(&self) -> i64 {
        self.window.1 - self.window.0
    }

    /// Measure of the union of all ops.
    pub const fn busy_ns(&self) -> i64 {
        self.window_ns() - self.idle.measure()
    }
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
    /// Computes what the analyses share. The correlation ids of calls are gone afterwards: nothing else needs them.
    pub fn new(events: &mut Events, options: &Options, progress: &Progress) -> Self {
        let call_of = progress.timed("find calls", || call_of(events));
        events.calls.correlation = Ints::default();
        let events = &*events;
        let mut derived = Self {
            call_of,
            activity: Vec::new(),
            devices_of_process: devices_of_process(events),
            graph_is_double: graph_is_double(events),
            attribution: None,
        };
        // Attribution first: its scratch memory is gone before the gaps are gathered.
        if options.nvtx_kernel_map && !events.ranges.is_empty() && events.can_join() {
            derived.attribution =
                Some(progress.timed("attribute kernels", || Attribution::new(events, &derived, progress)));
        }
        derived.activity = progress.timed("find gaps", || activity(events));
        derived
    }

    /// Kernels and graph executions as (table of [`Events::op_tables`], row), without double counting.
    pub fn kernel_rows<'a>(&'a self, events: &'a Events) -> impl Iterator<Item = (usize, usize)> + Clone + 'a {
        let kernels = (0..events.kernels.len()).map(|row| (0, row));
        let graphs = (0..events.graphs.len()).filter(|&row| !self.graph_is_double[row]).map(|row| (3, row));
        kernels.chain(graphs)
    }
}

fn call_of(events: &Events) -> [Vec<u32>; 4] {
    let calls = &events.calls;
    let mut by_process: Vec<Vec<u32>> = vec![Vec::new(); events.processes.len()];
    for (row, &kind) in (0_u32..).zip(&calls.kind) {
        by_process[calls.kinds[kind as usize].process as usize].push(row);
    }
    let index = |rows: Vec<u32>| {
        CorrelationIndex::new(&rows, |row| (calls.correlation.get(row as usize), calls.start[row as usize]))
    };
    let indexes: Vec<CorrelationIndex> = by_process.into_par_iter().map(index).collect();
    let find = |ops: &Ops| -> Vec<u32> {
        (0..ops.len())
            .into_par_iter()
            .map(|i| indexes[ops.kind_of(i).process as usize].find(ops.correlation.get(i), ops.start[i]))
            .collect()
    };
    events.op_tables().map(find)
}

/// The ops of one device in order of their start.
fn in_order<'a>(ops: &'a Ops, device: u32) -> Box<dyn Iterator<Item = (i64, i64)> + 'a> {
    let on_device: Vec<bool> = ops.kinds.iter().map(|kind| kind.device == device).collect();
    if !on_device.contains(&true) {
        return Box::new(std::iter::empty());
    }
    let rows = (0..ops.len()).filter(move |&row| on_device[ops.kind[row] as usize]);
    // Rows of one device are in order in most exports, and then need no copy.
    if rows.clone().is_sorted_by_key(|row| ops.start[row]) {
        return Box::new(rows.map(|row| (ops.start[row], ops.end(row))));
    }
    let mut spans: Vec<(i64, i64)> = rows.map(|row| (ops.start[row], ops.end(row))).collect();
    spans.sort();
    Box::new(spans.into_iter())
}

fn activity(events: &Events) -> Vec<DeviceActivity> {
    let devices = u32::try_from(events.devices.len()).unwrap_or(NONE);
    (0..devices).into_par_iter().map(|device| activity_of(events, device)).collect()
}

fn activity_of(events: &Events, device: u32) -> DeviceActivity {
    let is_kernel = [true, false, false, true];
    let mut streams = events.op_tables().map(|ops| in_order(ops, device).peekable());
    let mut gaps = GapFinder::default();
    let mut kernel_busy_ns = 0;
    let mut kernels_reach = i64::MIN;
    loop {
        let heads = streams.iter_mut().enumerate().filter_map(|(table, ops)| ops.peek().map(|op| (op.0, table)));
        let Some((_, table)) = heads.min() else { break };
        let Some((start, end)) = streams[table].next() else { break };
        gaps.push(start, end);
        if is_kernel[table] {
            kernel_busy_ns += (end - start.max(kernels_reach)).max(0);
            kernels_reach = kernels_reach.max(end);
        }
    }
    let (window, idle) = gaps.finish();
    DeviceActivity { window, idle, kernel_busy_ns }
}

/// A graph execution and kernels of the same process and correlation id are one launch, told twice.
fn graph_is_double(events: &Events) -> Vec<bool> {
    let (graphs, kernels) = (&events.graphs, &events.kernels);
    let launch = |ops: &Ops, row: usize| (ops.kind_of(row).process, ops.correlation.get(row));
    let is_known = |&(process, id): &(u32, i64)| id != 0 && !events.lacks_process(process);
    let launches: FxHashSet<(u32, i64)> = (0..graphs.len()).map(|row| launch(graphs, row)).collect();
    let told: FxHashSet<(u32, i64)> = if launches.is_empty() {
        FxHashSet::default()
    } else {
        (0..kernels.len())
            .map(|row| launch(kernels, row))
            .filter(|key| is_known(key) && launches.contains(key))
            .collect()
    };
    (0..graphs.len()).map(|row| told.contains(&launch(graphs, row))).collect()
}

fn devices_of_process(events: &Events) -> Vec<Vec<u32>> {
    let mut devices: Vec<Vec<u32>> = vec![Vec::new(); events.processes.len()];
    // Kinds exist only where a row of theirs was accepted.
    for kind in events.op_tables().into_iter().flat_map(|ops| &ops.kinds) {
        devices[kind.process as usize].push(kind.device);
    }
    for used in &mut devices {
        used.sort_unstable();
        used.dedup();
    }
    devices
}
