//! Calls that allocate or free memory, or make host memory known to the GPU.

use std::cmp::Reverse;

use crate::algo::grouping::Stats;
use crate::algo::join::NONE;
use crate::algo::topk::smallest_by;
use crate::analysis::Input;
use crate::analysis::launch_path::CallGroups;
use crate::analysis::sync::common_idle;
use crate::model::events::Events;
use crate::model::table::{Cell, ColumnSpec, Table, TableSpec};

pub(super) fn spec() -> TableSpec {
    TableSpec {
        name: "allocations",
        description: "One row per process and API that allocates or frees memory, by time.",
        events: false,
        columns: vec![
            ColumnSpec::id("pid", "Process id."),
            ColumnSpec::text("api_name", "Base name of the call."),
            ColumnSpec::count("calls", "Calls."),
            ColumnSpec::ns("total_ns", "Summed duration of the calls."),
            ColumnSpec::ns("exposed_ns", "Time in the calls while the devices of the process were idle.").or_null(),
            ColumnSpec::count("steady_calls", "Calls that start in the steady window; null without one.").or_null(),
            ColumnSpec::ns("steady_ns", "Summed duration of those.").or_null(),
            ColumnSpec::ns("steady_exposed_ns", "Time in those while the devices of the process were idle.").or_null(),
        ],
    }
}

/// Whether a call allocates or frees, by its base name.
pub(in crate::analysis) fn is_allocation(name: &str) -> bool {
    const RUNTIME: [&str; 13] = [
        "cudaMalloc",
        "cudaFree",
        "cudaMallocHost",
        "cudaHostAlloc",
        "cudaFreeHost",
        "cudaMallocAsync",
        "cudaFreeAsync",
        "cudaMallocManaged",
        "cudaMallocPitch",
        "cudaMalloc3D",
        "cudaMallocFromPoolAsync",
        "cudaHostRegister",
        "cudaHostUnregister",
    ];
    const DRIVER: [&str; 7] = [
        "cuMemHostAlloc",
        "cuMemCreate",
        "cuMemRelease",
        "cuMemMap",
        "cuMemUnmap",
        "cuMemAddressReserve",
        "cuMemAddressFree",
    ];
    RUNTIME.contains(&name) || DRIVER.contains(&name) || name.starts_with("cuMemAlloc") || name.starts_with("cuMemFree")
}

/// Calls of one API in one process.
pub(super) struct Group<'a> {
    process: u32,
    name: &'a str,
    pub(super) stats: Stats,
    exposed: Option<i64>,
    steady: Steady,
}

/// Those calls that start in the steady window.
#[derive(Debug, Clone, Copy, Default)]
struct Steady {
    calls: i64,
    total: i64,
    exposed: i64,
}

/// All allocation calls.
pub(super) fn groups<'a>(input: &Input<'a>) -> Vec<Group<'a>> {
    let (events, calls) = (input.events, &input.events.calls);
    let by_api = CallGroups::new(events, is_allocation);
    if by_api.keys.is_empty() {
        return Vec::new();
    }
    let rows: Vec<(u32, usize)> = calls
        .kind
        .iter()
        .enumerate()
        .map(|(row, &kind)| (by_api.of_kind[kind as usize], row))
        .filter(|&(group, row)| group != NONE && events.counts_call(row))
        .collect();
    let idle = common_idle(input);
    let is_steady = |start: i64| input.derived.steps.steady.is_some_and(|(from, to)| (from..to).contains(&start));
    let mut sums = vec![(0_i64, Steady::default()); by_api.keys.len()];
    for &(group, row) in &rows {
        let (start, end) = (calls.start[row], calls.end(row));
        let idle = idle[calls.kind_of(row).process as usize].as_ref();
        let exposed = idle.map_or(0, |idle| idle.measure_within(start, end));
        let (sum, steady) = &mut sums[group as usize];
        *sum = sum.saturating_add(exposed);
        if is_steady(start) {
            steady.calls += 1;
            steady.total = steady.total.saturating_add(end - start);
            steady.exposed = steady.exposed.saturating_add(exposed);
        }
    }
    let stats = calls.length.grouped(by_api.keys.len(), rows.iter().copied(), &[]);
    let groups = by_api.keys.into_iter().zip(stats).zip(sums);
    let groups = groups.map(|(((process, name), stats), (sum, steady))| {
        let exposed = idle[process as usize].as_ref().map(|_| sum);
        Group { process, name, stats, exposed, steady }
    });
    groups.filter(|group| group.stats.count > 0).collect()
}

/// The table: by time, then name and process.
pub(super) fn table(input: &Input<'_>, groups: &[Group<'_>]) -> Table {
    let (events, spec): (&Events, _) = (input.events, spec());
    let has_steady = input.derived.steps.steady.is_some();
    let pid = |group: &Group<'_>| events.processes[group.process as usize].key.pid();
    let order = |a: &&Group<'_>, b: &&Group<'_>| {
        let key = |group: &Group<'_>| (Reverse(group.stats.total), group.name.to_owned(), pid(group), group.process);
        key(a).cmp(&key(b))
    };
    let rows = smallest_by(groups, spec.max_rows(), order).into_iter().map(|group| {
        let steady = has_steady.then_some(group.steady);
        vec![
            Cell::from(pid(group)),
            group.name.into(),
            group.stats.count.into(),
            group.stats.total.into(),
            group.exposed.into(),
            steady.map(|steady| steady.calls).into(),
            steady.map(|steady| steady.total).into(),
            steady.filter(|_| group.exposed.is_some()).map(|steady| steady.exposed).into(),
        ]
    });
    let rows: Vec<_> = rows.collect();
    Table::new(spec, groups.len(), rows)
}
