//! Bytes by collective and communicator, from what NCCL attaches to its NVTX ranges.
//!
//! A kernel belongs to the innermost such range of its thread that the whole of its call lies in; where NCCL launches a
//! group of collectives at its end, no range encloses the call. The rate over the bus is that of the ranges with a
//! kernel: message size times the factor of the operation, over the time from the last rank's start to the last end
//! (the kernel's own time where the ranks are not matched). NCCL tells the size of one message: for `AllGather` and
//! `ReduceScatter` that is the part of one rank, of which each rank passes on n - 1.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::ranks::Ranks;
use super::{Collectives, Input};
use crate::algo::enclosing::{innermost, sort_outer_to_inner};
use crate::algo::join::NONE;
use crate::algo::topk::smallest_by;
use crate::model::events::{Events, Payload};
use crate::model::table::{ColumnSpec, Table, TableSpec};

/// Calls of one name in one communicator.
#[derive(Debug, Default)]
struct Traffic {
    calls: i64,
    bytes: i64,
    processes: BTreeSet<u32>,
    devices: BTreeSet<u32>,
    kernel: Option<i64>,
    /// Bytes of the calls with a kernel.
    moved: i64,
    transfer: i64,
}

impl Traffic {
    /// Ranks that the trace shows.
    fn ranks(&self) -> usize {
        self.processes.len().max(self.devices.len())
    }

    /// Bytes that each rank passed over its bus per second.
    fn bus_rate(&self, name: &str) -> Option<f64> {
        let factor = bus_factor(name, self.ranks())?;
        (self.transfer > 0).then(|| self.moved as f64 * factor / (self.transfer as f64 / 1e9))
    }
}

/// How often a rank of so many passes the message on.
fn bus_factor(name: &str, ranks: usize) -> Option<f64> {
    let name = name.to_ascii_lowercase();
    let is_any = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    let ranks = (ranks > 1).then_some(ranks as f64)?;
    if is_any(&["allreduce"]) {
        Some(2.0 * (ranks - 1.0) / ranks)
    } else if is_any(&["allgather", "reducescatter"]) {
        Some(ranks - 1.0)
    } else if is_any(&["broadcast", "bcast", "reduce", "send", "recv"]) {
        Some(1.0)
    } else {
        None
    }
}

/// For each call of a collective, its innermost range with a message size.
fn range_of_call(events: &Events, call_of: &[u32], collectives: &Collectives) -> FxHashMap<u32, u32> {
    let mut threads: BTreeMap<u32, (Vec<u32>, Vec<u32>)> = BTreeMap::new();
    for payload in events.payloads.iter().filter(|payload| counts(events, payload)) {
        let kind = events.ranges.kind_of(payload.range as usize);
        if kind.can_enclose() {
            threads.entry(kind.thread).or_default().0.push(payload.range);
        }
    }
    for &row in collectives.groups.iter().flat_map(|group| &group.rows) {
        let call = call_of[row as usize];
        if call == NONE {
            continue;
        }
        if let Some((_, calls)) = threads.get_mut(&events.calls.kind_of(call as usize).thread) {
            calls.push(call);
        }
    }
    let mut found = FxHashMap::default();
    for (mut ranges, mut calls) in threads.into_values() {
        sort_outer_to_inner(&mut ranges, &events.ranges);
        calls.sort_by_key(|&call| (events.calls.start[call as usize], call));
        calls.dedup();
        innermost(&ranges, &events.ranges, &calls, &events.calls, |call, range| {
            if range != NONE {
                found.insert(call, range);
            }
        });
    }
    found
}

/// Ranges outside of the window are there for the kernels of other sections.
fn counts(events: &Events, payload: &Payload) -> bool {
    events.counts_range(payload.range as usize)
}

/// Name of the range, and communicator.
type Key = (u32, Option<i64>);

fn traffic(input: &Input<'_>, collectives: &Collectives, ranks: &Ranks) -> FxHashMap<Key, Traffic> {
    let events = input.events;
    let key = |payload: &Payload| (events.ranges.kind_of(payload.range as usize).name, payload.communicator);
    let mut traffic: FxHashMap<Key, Traffic> = FxHashMap::default();
    for payload in events.payloads.iter().filter(|payload| counts(events, payload)) {
        let of_key = traffic.entry(key(payload)).or_default();
        of_key.calls += 1;
        of_key.bytes = of_key.bytes.saturating_add(payload.bytes);
        of_key.processes.insert(events.ranges.kind_of(payload.range as usize).process);
    }
    let call_of = &input.derived.call_of[0];
    let range_of_call = range_of_call(events, call_of, collectives);
    let mut has_kernel = vec![false; events.payloads.len()];
    for (number, group) in collectives.groups.iter().enumerate() {
        for (i, (&row, (start, end))) in group.rows.iter().zip(&group.spans).enumerate() {
            let Some(range) = range_of_call.get(&call_of[row as usize]) else { continue };
            let Ok(place) = events.payloads.binary_search_by_key(range, |payload| payload.range) else { continue };
            let payload = &events.payloads[place];
            let of_key = traffic.entry(key(payload)).or_default();
            of_key.devices.insert(group.device);
            of_key.kernel = Some(of_key.kernel.unwrap_or_default().saturating_add(end - start));
            of_key.transfer = of_key.transfer.saturating_add(ranks.transfer(number, i).unwrap_or(end - start));
            if !std::mem::replace(&mut has_kernel[place], true) {
                of_key.moved = of_key.moved.saturating_add(payload.bytes);
            }
        }
    }
    traffic
}

/// The table: by bytes, then name and communicator.
pub(super) fn table(input: &Input<'_>, spec: TableSpec, collectives: &Collectives, ranks: &Ranks) -> Table {
    let name = |name: u32| -> &Arc<str> { input.events.range_names.text(name) };
    let found: Vec<(Key, Traffic)> = traffic(input, collectives, ranks).into_iter().collect();
    let order = |a: &&(Key, Traffic), b: &&(Key, Traffic)| {
        let key = |((range, communicator), traffic): &(Key, Traffic)| {
            (Reverse(traffic.bytes), name(*range).clone(), communicator.map(i64::cast_unsigned))
        };
        key(a).cmp(&key(b))
    };
    let rows = smallest_by(&found, spec.max_rows(), order).into_iter().map(|((range, communicator), traffic)| {
        vec![
            name(*range).into(),
            communicator.map(|id| id.cast_unsigned().to_string()).as_deref().into(),
            traffic.calls.into(),
            traffic.bytes.into(),
            (traffic.bytes as f64 / traffic.calls as f64).into(),
            traffic.ranks().into(),
            traffic.kernel.into(),
            traffic.bus_rate(name(*range)).into(),
        ]
    });
    Table::new(spec, found.len(), rows)
}

/// The declared table.
pub(super) fn spec() -> TableSpec {
    let bytes = Some("bytes");
    TableSpec {
        name: "collective_bytes",
        description: "One row per NCCL call and communicator, by bytes.",
        events: false,
        columns: vec![
            ColumnSpec::text("name", "Name of NCCL's own range."),
            ColumnSpec::text("communicator", "NCCL's id of the communicator.").or_null(),
            ColumnSpec::count("calls", "Calls of all ranks that the trace shows."),
            ColumnSpec { unit: bytes, ..ColumnSpec::count("bytes", "Summed size of their messages.") },
            ColumnSpec { unit: bytes, ..ColumnSpec::float("bytes_avg", "Mean size of a message.") },
            ColumnSpec::count("ranks", "Processes that called, or devices that ran their kernels, whichever are more.")
                .or_null(),
            ColumnSpec::ns("kernel_ns", "Summed duration of the kernels whose call lies in such a range.").or_null(),
            ColumnSpec {
                unit: Some("bytes/s"),
                ..ColumnSpec::per_second(
                    "bus_bytes_per_s",
                    "Bytes that a rank passes on per second of transfer: AllReduce 2(n-1)/n of the message, AllGather \
                     and ReduceScatter n-1 messages, Broadcast, Reduce, Send and Recv one.",
                )
            },
        ],
    }
}
