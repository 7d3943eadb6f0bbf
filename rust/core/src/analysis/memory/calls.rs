//! Copies by the call and the NVTX range that they come from.

use std::cmp::Reverse;
use std::sync::Arc;

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::bytes;
use super::copies::Copies;
use crate::algo::intervals::IntervalSet;
use crate::algo::join::NONE;
use crate::algo::topk::smallest_by;
use crate::analysis::Input;
use crate::analysis::launch_path::CallGroups;
use crate::model::table::{Cell, ColumnSpec, Table, TableSpec};

pub(super) fn spec() -> TableSpec {
    TableSpec {
        name: "copy_calls",
        description: "One row per process, API, direction, kinds of memory and innermost NVTX range, by time in the calls. Copies without a call are in no row.",
        events: false,
        columns: vec![
            ColumnSpec::id("pid", "Process id."),
            ColumnSpec::text("api_name", "Base name of the call."),
            ColumnSpec::text("direction", "HtoD, DtoH, DtoD, PtoP and so on."),
            ColumnSpec::text("src_kind", "Kind of memory that is read."),
            ColumnSpec::text("dst_kind", "Kind of memory that is written."),
            ColumnSpec::text("range_name", "Normalised name of the innermost NVTX range around the call.").or_null(),
            ColumnSpec::count("copies", "Copies."),
            bytes("bytes", "Bytes copied."),
            ColumnSpec::ns("call_ns", "Summed duration of the calls, each counted once however many copies it makes."),
            ColumnSpec::ns(
                "exposed_ns",
                "Time in which one of the copies and no kernel ran on the device of the copy.",
            ),
        ],
    }
}

/// Group of calls, route, range name.
type Key = (u32, u32, u32);

/// A copy with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Copy {
    group: u32,
    device: u32,
    start: i64,
    end: i64,
    call: u32,
    bytes: i64,
}

struct Row {
    key: Key,
    copies: i64,
    bytes: i64,
    call_ns: i64,
    exposed_ns: i64,
}

/// Copies with a call, in groups that stand side by side, each in order of device and time.
fn matched(input: &Input<'_>, copies: &Copies<'_>, of_call_kind: &[u32]) -> (Vec<Key>, Vec<Copy>) {
    let events = input.events;
    let (calls, ranges, ops) = (&events.calls, &events.ranges, &events.copies);
    let range_name = |call: u32| {
        let range = input.derived.attribution.as_ref().map_or(NONE, |found| found.innermost(call));
        if range == NONE { NONE } else { ranges.kind_of(range as usize).name }
    };
    let mut keys: Vec<Key> = Vec::new();
    let mut numbers: FxHashMap<Key, u32> = FxHashMap::default();
    let with_call = copies.call_of.iter().enumerate().filter(|(_, call)| **call != NONE);
    let mut matched: Vec<Copy> = with_call
        .map(|(row, &call)| {
            let kind = ops.kind[row] as usize;
            let key = (of_call_kind[calls.kind[call as usize] as usize], copies.route_of_kind[kind], range_name(call));
            let group = *numbers.entry(key).or_insert_with(|| {
                keys.push(key);
                u32::try_from(keys.len() - 1).unwrap_or(NONE)
            });
            let (start, end, device) = (ops.start[row], ops.end(row), ops.kinds[kind].device);
            Copy { group, device, start, end, call, bytes: events.bytes_of_copy(row).unwrap_or(0) }
        })
        .collect();
    matched.par_sort_unstable();
    (keys, matched)
}

fn row(input: &Input<'_>, copies: &Copies<'_>, key: Key, group: &[Copy]) -> Row {
    let mut calls: Vec<u32> = group.iter().map(|copy| copy.call).collect();
    calls.sort_unstable();
    calls.dedup();
    let exposed = group.chunk_by(|a, b| a.device == b.device).map(|on_device| {
        let union = IntervalSet::union_of_sorted(on_device.iter().map(|copy| (copy.start, copy.end)));
        copies.exposed_within(on_device[0].device, &union)
    });
    let length = &input.events.calls.length;
    Row {
        key,
        copies: i64::try_from(group.len()).unwrap_or(i64::MAX),
        bytes: group.iter().fold(0, |sum, copy| sum.saturating_add(copy.bytes)),
        call_ns: calls.iter().fold(0, |sum: i64, &call| sum.saturating_add(length.get(call as usize))),
        exposed_ns: exposed.fold(0, i64::saturating_add),
    }
}

pub(super) fn table(input: &Input<'_>, copies: &Copies<'_>) -> Table {
    let (events, spec) = (input.events, spec());
    let by_api = CallGroups::new(events, |_| true);
    let (keys, matched) = matched(input, copies, &by_api.of_kind);
    let groups: Vec<&[Copy]> = matched.chunk_by(|a, b| a.group == b.group).collect();
    let groups: Vec<Row> =
        groups.into_par_iter().map(|group| row(input, copies, keys[group[0].group as usize], group)).collect();
    let range_name = |row: &Row| (row.key.2 != NONE).then(|| events.range_names.text(row.key.2));
    let pid = |process: u32| events.processes[process as usize].key.pid();
    let order = |a: &&Row, b: &&Row| {
        let key = |row: &Row| {
            let (process, name) = by_api.keys[row.key.0 as usize];
            let range: Option<Arc<str>> = range_name(row).cloned();
            (Reverse(row.call_ns), name, &copies.routes[row.key.1 as usize], range, pid(process), process)
        };
        key(a).cmp(&key(b))
    };
    let rows = smallest_by(&groups, spec.max_rows(), order).into_iter().map(|row| {
        let (process, name) = by_api.keys[row.key.0 as usize];
        let route = &copies.routes[row.key.1 as usize];
        vec![
            Cell::from(pid(process)),
            name.into(),
            route.direction.as_str().into(),
            route.source.as_str().into(),
            route.destination.as_str().into(),
            range_name(row).into(),
            row.copies.into(),
            row.bytes.into(),
            row.call_ns.into(),
            row.exposed_ns.into(),
        ]
    });
    let rows: Vec<_> = rows.collect();
    Table::new(spec, groups.len(), rows)
}
