//! Synchronisation calls, and how much of them left the GPU idle.
//!
//! Kind by API base name: `blocking` calls wait for the GPU, `enqueue` calls make a stream wait, `poll` calls only ask.
//! Only blocking calls are synchronisations. `exposed_ns` sums, over the calls, the measure of the call inside the idle
//! time of the devices that its process uses (where all of them are idle, if there are several). It is null where the
//! export has no GPU op of any process that makes the call.

use std::borrow::Cow;
use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::{Availability, GRAPH_TRACE, Input, MEMCPY, MEMSET, Outcome, Probe, RUNTIME, TRACE_CUDA, with_kernel_table};
use crate::algo::gaps::Gaps;
use crate::algo::grouping::Stats;
use crate::algo::topk::smallest_by;
use crate::model::events::{CallKind, Events};
use crate::model::section::{Section, SectionSpec};
use crate::model::strings::api_base_name;
use crate::model::table::{Cell, ColumnSpec, Table, TableSpec};

pub(super) struct Analysis;

const QUANTILES: &[f64] = &[0.5, 0.9];
const BLOCKING: &str = "blocking";

/// The kind of a synchronisation call; `None` for any other call.
fn kind(name: &str) -> Option<&'static str> {
    match api_base_name(name) {
        "cudaDeviceSynchronize"
        | "cudaStreamSynchronize"
        | "cudaEventSynchronize"
        | "cudaThreadSynchronize"
        | "cuCtxSynchronize"
        | "cuStreamSynchronize"
        | "cuEventSynchronize" => Some(BLOCKING),
        "cudaStreamWaitEvent" | "cuStreamWaitEvent" => Some("enqueue"),
        "cudaEventQuery" | "cudaStreamQuery" | "cuEventQuery" | "cuStreamQuery" => Some("poll"),
        _ => None,
    }
}

/// Whether a call waits for the GPU.
pub(super) fn is_blocking(name: &str) -> bool {
    kind(name) == Some(BLOCKING)
}

/// Columns of the table, also of the one that splits it by process.
pub(super) fn columns() -> Vec<ColumnSpec> {
    vec![
        ColumnSpec::text("api_name", "Name of the call as exported."),
        ColumnSpec::text("kind", "blocking, enqueue or poll."),
        ColumnSpec::count("calls", "Calls."),
        ColumnSpec::ns("total_ns", "Summed duration of the calls."),
        ColumnSpec::ns_float("avg_ns", "Mean duration."),
        ColumnSpec::ns_float("p50_ns", "Median duration.").or_null(),
        ColumnSpec::ns_float("p90_ns", "90th percentile of the duration.").or_null(),
        ColumnSpec::ns("max_ns", "Longest call."),
        ColumnSpec::ns("exposed_ns", "Time in the calls while the devices of the calling process were idle.").or_null(),
    ]
}

/// Calls of one name, and in one process where asked for.
pub(super) struct Group {
    process: Option<u32>,
    name: u32,
    kind: &'static str,
    stats: Stats,
    exposed: Option<i64>,
}

/// All synchronisation calls in groups; `by_process` splits them further.
pub(super) fn groups(input: &Input<'_>, by_process: bool) -> Vec<Group> {
    let events = input.events;
    let calls = &events.calls;
    let mut numbers: FxHashMap<(Option<u32>, u32), u32> = FxHashMap::default();
    let mut keys: Vec<(Option<u32>, u32, &'static str)> = Vec::new();
    let group = |call: &CallKind| {
        let kind = kind(events.names.text(call.name))?;
        let process = by_process.then_some(call.process);
        let number = numbers.entry((process, call.name)).or_insert_with(|| {
            keys.push((process, call.name, kind));
            u32::try_from(keys.len() - 1).unwrap_or(u32::MAX)
        });
        Some(*number)
    };
    let group_of_kind: Vec<Option<u32>> = calls.kinds.iter().map(group).collect();
    let rows: Vec<(u32, usize)> = calls
        .kind
        .iter()
        .enumerate()
        .filter_map(|(row, &kind)| Some((group_of_kind[kind as usize]?, row)))
        .filter(|&(_, row)| events.counts_call(row))
        .collect();
    let idle = common_idle(input);
    let mut exposed: Vec<Option<i64>> = vec![None; keys.len()];
    for &(group, row) in &rows {
        if let Some(idle) = &idle[calls.kind_of(row).process as usize] {
            *exposed[group as usize].get_or_insert(0) += idle.measure_within(calls.start[row], calls.end(row));
        }
    }
    let stats = calls.length.grouped(keys.len(), rows.iter().copied(), QUANTILES);
    let group = |(((process, name, kind), stats), exposed)| Group { process, name, kind, stats, exposed };
    // A kind of call may occur outside of the window only.
    keys.into_iter().zip(stats).zip(exposed).map(group).filter(|group| group.stats.count > 0).collect()
}

/// For each process, when all devices that it uses are idle; `None` for a process without devices.
pub(super) fn common_idle<'a>(input: &Input<'a>) -> Vec<Option<Cow<'a, Gaps>>> {
    let derived = input.derived;
    let idle_of = |devices: &'a Vec<u32>| {
        let mut sets = devices.iter().map(|&device| &derived.activity[device as usize].idle);
        let first = Cow::Borrowed(sets.next()?);
        Some(sets.fold(first, |common, idle| Cow::Owned(common.intersect(idle))))
    };
    derived.devices_of_process.iter().map(idle_of).collect()
}

/// The table of groups: by total time, then name and process.
pub(super) fn table(events: &Events, spec: TableSpec, groups: &[Group]) -> Table {
    let order = |a: &&Group, b: &&Group| {
        let key = |group: &Group| (Reverse(group.stats.total), events.names.text(group.name).clone(), group.process);
        key(a).cmp(&key(b))
    };
    let rows = smallest_by(groups, spec.max_rows(), order).into_iter().map(|group| {
        let pid = group.process.map(|process| Cell::from(events.processes[process as usize].key.pid()));
        let cells = [
            events.names.text(group.name).into(),
            group.kind.into(),
            group.stats.count.into(),
            group.stats.total.into(),
            group.stats.mean().into(),
            group.stats.quantiles[0].into(),
            group.stats.quantiles[1].into(),
            group.stats.max.into(),
            group.exposed.into(),
        ];
        pid.into_iter().chain(cells).collect()
    });
    Table::new(spec, groups.len(), rows)
}

impl super::Analysis for Analysis {
    fn spec(&self) -> SectionSpec {
        SectionSpec {
            id: "sync",
            title: "Synchronisation",
            summary: vec![
                ColumnSpec::count("blocking_calls", "Calls that wait for the GPU."),
                ColumnSpec::ns("blocking_ns", "Summed duration of those."),
                ColumnSpec::ns("blocking_exposed_ns", "Time in those while the GPU was idle.").or_null(),
            ],
            tables: vec![TableSpec {
                name: "sync_calls",
                description: "One row per synchronisation call, by total time.",
                events: false,
                columns: columns(),
            }],
        }
    }

    fn availability(&self, probe: &Probe<'_>) -> Availability {
        if probe.rows(RUNTIME) == 0 {
            Availability::missing("The export has no CUDA API calls.", Some(TRACE_CUDA))
        } else if probe.gpu_ops() == 0 {
            Availability::partial("Without GPU ops, exposed time cannot be told.", Some(TRACE_CUDA))
        } else {
            Availability::OK
        }
    }

    fn run(&self, input: &Input<'_>) -> Outcome {
        let events = input.events;
        if events.calls.is_empty() {
            return Outcome::Missing(
                Availability::missing("The export has no CUDA API calls.", Some(TRACE_CUDA)).absence(),
            );
        }
        let groups = groups(input, false);
        let blocking = || groups.iter().filter(|group| group.kind == BLOCKING);
        let unknown = blocking().count() > 0 && blocking().all(|group| group.exposed.is_none());
        let exposed = (!unknown).then(|| blocking().filter_map(|group| group.exposed).sum::<i64>());
        let mut limitations = vec![
            "Time in a call is not lost time: a call that waits while the GPU works costs nothing. The exposed part is what counts."
                .into(),
        ];
        if exposed.is_none() {
            limitations.push("No GPU op of the calling processes was captured, so exposed time is unknown.".into());
        }
        let [spec] = <[TableSpec; 1]>::try_from(self.spec().tables).expect("one table");
        Outcome::Ok(Section {
            summary: vec![
                blocking().map(|group| group.stats.count).sum::<i64>().into(),
                blocking().fold(0_i64, |sum, group| sum.saturating_add(group.stats.total)).into(),
                exposed.into(),
            ],
            tables: vec![table(events, spec, &groups)],
            derived_from: [RUNTIME.to_owned()]
                .into_iter()
                .chain(with_kernel_table(input.schema, &[MEMCPY, MEMSET, GRAPH_TRACE, "StringIds"]))
                .collect(),
            limitations,
            warnings: Vec::new(),
        })
    }
}
