//! Launches by process and API.

use std::cell::Cell as Flag;
use std::cmp::Reverse;

use super::{CallGroups, Launches, OVERHEAD, overheads};
use crate::algo::grouping::{Stats, grouped_and_all};
use crate::algo::intervals::IntervalSet;
use crate::algo::join::NONE;
use crate::algo::topk::smallest_by;
use crate::analysis::Input;
use crate::model::events::Events;
use crate::model::table::{Cell, ColumnSpec, Table, TableSpec};

const QUANTILES: &[f64] = &[0.5, 0.9, 0.99];

pub(super) fn spec() -> TableSpec {
    TableSpec {
        name: "launch_calls",
        description: "One row per process and API that launches GPU work, by time in the calls.",
        events: false,
        columns: vec![
            ColumnSpec::id("pid", "Process id."),
            ColumnSpec::text("api_name", "Base name of the call."),
            ColumnSpec::count("calls", "Calls that GPU ops belong to."),
            ColumnSpec::count("ops", "Their GPU ops."),
            ColumnSpec::ns("api_total_ns", "Summed duration of the calls."),
            ColumnSpec::ns_float("api_p50_ns", "Median duration of a call.").or_null(),
            ColumnSpec::ns_float("api_p90_ns", "90th percentile of the duration of a call.").or_null(),
            ColumnSpec::ns_float("api_p99_ns", "99th percentile of the duration of a call.").or_null(),
            ColumnSpec::count("queued", "Calls whose first op starts after the call ends."),
            ColumnSpec::ns("queue_total_ns", "Summed time from the end of those calls to their first op."),
            ColumnSpec::ns_float("queue_p50_ns", "Median of that time, over those calls.").or_null(),
            ColumnSpec::ns_float("queue_p90_ns", "90th percentile of that time.").or_null(),
            ColumnSpec::ns_float("queue_p99_ns", "99th percentile of that time.").or_null(),
            ColumnSpec::ns(
                "command_buffer_full_ns",
                "Part of the calls in which they waited for room in the queue; null where the export has no OVERHEAD table.",
            )
            .or_null(),
        ],
    }
}

/// Launches of one API in one process.
struct Group<'a> {
    process: u32,
    name: &'a str,
    ops: i64,
    api: Stats,
    queue: Stats,
    full_ns: Option<i64>,
}

/// All launches.
pub(super) struct Calls<'a> {
    groups: Vec<Group<'a>>,
    /// Whether the export has the table that tells of full buffers.
    knows_full_buffers: bool,
    pub(super) queue_p50: Option<f64>,
}

impl<'a> Calls<'a> {
    pub(super) fn new(input: &Input<'a>, launches: &Launches<'a>) -> Self {
        let (events, calls) = (input.events, &input.events.calls);
        let by_api = CallGroups::new(events, |_| true);
        let groups = by_api.keys.len();
        let group = |row: usize| by_api.of_kind[calls.kind[row] as usize];
        let rows = launches.rows().map(|row| (group(row), row));
        // One after the other: side by side, their durations would take twice the memory.
        let api = calls.length.grouped(groups, rows.clone(), QUANTILES);
        let (queue, all) = queues(launches, groups, rows.clone());
        let ops = ops_of_groups(launches, &by_api);
        let queue_p50 = all.quantiles[0];
        let full = input.schema.table(OVERHEAD).is_some().then(|| full_ns(events, rows, groups));
        let groups = by_api.keys.into_iter().zip(ops).zip(api).zip(queue).enumerate();
        let groups = groups.map(|(i, ((((process, name), ops), api), queue))| {
            let full_ns = full.as_ref().map(|full| full[i]);
            Group { process, name, ops, api, queue, full_ns }
        });
        Self {
            groups: groups.filter(|group| group.api.count > 0).collect(),
            knows_full_buffers: full.is_some(),
            queue_p50,
        }
    }

    pub(super) fn calls(&self) -> i64 {
        self.groups.iter().map(|group| group.api.count).sum()
    }

    pub(super) fn api_ns(&self) -> i64 {
        self.groups.iter().fold(0, |sum, group| sum.saturating_add(group.api.total))
    }

    pub(super) fn command_buffer_full_ns(&self) -> Option<i64> {
        let full = self.groups.iter().filter_map(|group| group.full_ns);
        self.knows_full_buffers.then(|| full.fold(0, i64::saturating_add))
    }

    pub(super) fn table(&self, events: &Events) -> Table {
        let spec = spec();
        let pid = |group: &Group<'_>| events.processes[group.process as usize].key.pid();
        let key = |group: &Group<'a>| (Reverse(group.api.total), group.name, pid(group), group.process);
        let rows = smallest_by(&self.groups, spec.max_rows(), |a, b| key(a).cmp(&key(b)));
        let rows = rows.into_iter().map(|group| {
            let (api, queue) = (&group.api, &group.queue);
            let head: [Cell; 5] =
                [pid(group).into(), group.name.into(), api.count.into(), group.ops.into(), api.total.into()];
            let quantiles = |stats: &Stats| stats.quantiles.iter().map(|&q| Cell::from(q)).collect::<Vec<_>>();
            let mut cells: Vec<Cell> = head.into_iter().chain(quantiles(api)).collect();
            cells.extend([queue.count.into(), queue.total.into()]);
            cells.extend(quantiles(queue));
            cells.push(group.full_ns.into());
            cells
        });
        Table::new(spec, self.groups.len(), rows)
    }
}

/// From the end of each call to the start of its first op, where positive: by group, and the median of all.
fn queues(
    launches: &Launches<'_>,
    groups: usize,
    rows: impl Iterator<Item = (u32, usize)> + Clone,
) -> (Vec<Stats>, Stats) {
    let (calls, first_ops) = (&launches.events.calls, &launches.derived.first_ops);
    let queue = |row: usize| first_ops.start(calls, row) - calls.end(row);
    let queued = rows.map(|(group, row)| (group, queue(row))).filter(|(_, queue)| *queue > 0);
    let fits = Flag::new(true);
    let narrow = queued.clone().map(|(group, queue)| {
        let narrow = u32::try_from(queue);
        fits.set(fits.get() && narrow.is_ok());
        (group, narrow.unwrap_or(u32::MAX))
    });
    let found = grouped_and_all(groups, narrow, QUANTILES, &[0.5]);
    if fits.get() { found } else { grouped_and_all(groups, queued, QUANTILES, &[0.5]) }
}

/// How many ops the calls of each group have.
fn ops_of_groups(launches: &Launches<'_>, by_api: &CallGroups<'_>) -> Vec<i64> {
    let calls = &launches.events.calls;
    let mut ops = vec![0_i64; by_api.keys.len()];
    for &call in launches.derived.call_of.iter().flatten().filter(|call| **call != NONE) {
        ops[by_api.of_kind[calls.kind[call as usize] as usize] as usize] += 1;
    }
    ops
}

/// For each group, the part of its calls in which their thread waited for room in the queue.
fn full_ns(events: &Events, rows: impl Iterator<Item = (u32, usize)>, groups: usize) -> Vec<i64> {
    let mut sums = vec![0_i64; groups];
    let full = full_buffers(events);
    if full.iter().all(|waits| waits.spans().is_empty()) {
        return sums;
    }
    for (group, row) in rows {
        let thread = events.calls.kind_of(row).thread;
        let waits = full.get(thread as usize).filter(|waits| !waits.spans().is_empty());
        if let Some(waits) = waits {
            let sum = &mut sums[group as usize];
            *sum = sum.saturating_add(waits.measure_within(events.calls.start[row], events.calls.end(row)));
        }
    }
    sums
}

/// When each thread waited for room in the queue.
fn full_buffers(events: &Events) -> Vec<IntervalSet> {
    let spans = &events.overheads;
    let mut waits: Vec<(u32, i64, i64)> = (0..spans.len())
        .filter(|&row| spans.kind_of(row).code == Some(overheads::COMMAND_BUFFER_FULL))
        .map(|row| (spans.kind_of(row).thread, spans.start[row], spans.end(row)))
        .filter(|wait| wait.0 != NONE)
        .collect();
    waits.sort_unstable();
    let mut full = vec![IntervalSet::default(); events.threads.len()];
    for thread in waits.chunk_by(|a, b| a.0 == b.0) {
        full[thread[0].0 as usize] = IntervalSet::union_of_sorted(thread.iter().map(|wait| (wait.1, wait.2)));
    }
    full
}
