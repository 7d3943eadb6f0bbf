//! Memory in use: a running sum of allocations minus releases, relative to the start.
//!
//! What happens in the same nanosecond counts together, so the order of rows says nothing. Sums that no 64-bit number
//! holds are cut.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{ON_DEVICE, bytes, memory_kind};
use crate::algo::join::NONE;
use crate::algo::topk::smallest_by;
use crate::analysis::launch_path::counts;
use crate::model::events::Events;
use crate::model::table::{Cell, ColumnSpec, Table, TableSpec};

pub(super) fn spec() -> TableSpec {
    TableSpec {
        name: "memory_usage",
        description: "One row per process, device and kind of memory: how the memory in use changed since the start, by its peak.",
        events: false,
        columns: vec![
            ColumnSpec::id("pid", "Process id."),
            ColumnSpec::id("device_id", "CUDA ordinal of the device in the process.").or_null(),
            ColumnSpec::text("mem_kind", "Kind of memory."),
            ColumnSpec::count("allocations", "Allocations."),
            ColumnSpec::count("frees", "Releases."),
            bytes("allocated_bytes", "Bytes allocated."),
            bytes("freed_bytes", "Bytes released."),
            bytes("peak_bytes", "Most bytes in use above those at the start."),
            bytes("end_bytes", "Bytes in use at the end minus those at the start."),
        ],
    }
}

/// Process, ordinal, kind of memory.
type Key = (u32, Option<i64>, String);

/// Memory of one kind that a process holds on a device.
#[derive(Debug, Default)]
pub(super) struct Usage {
    allocations: i64,
    frees: i64,
    allocated: i128,
    freed: i128,
    peak: i128,
    /// When the last event was.
    last: i64,
}

impl Usage {
    const fn held(&self) -> i128 {
        self.allocated - self.freed
    }

    /// The sum counts once all events of an instant are in.
    fn settle(&mut self) {
        self.peak = self.peak.max(self.held());
    }
}

/// All memory events of the window, by process, device and kind.
pub(super) fn groups(events: &Events) -> Vec<(Key, Usage)> {
    let mut by_number: BTreeMap<(u32, Option<i64>, Option<i64>), u32> = BTreeMap::new();
    let mut by_word: BTreeMap<Key, u32> = BTreeMap::new();
    let mut found: Vec<Usage> = Vec::new();
    for event in events.memory.iter().filter(|event| event.process != NONE && counts(events, event.time)) {
        let (process, ordinal) = (event.process, event.ordinal);
        let number = *by_number.entry((process, ordinal, event.kind)).or_insert_with(|| {
            let key = (process, ordinal, memory_kind(&events.labels, event.kind));
            *by_word.entry(key).or_insert_with(|| {
                found.push(Usage::default());
                u32::try_from(found.len() - 1).unwrap_or(NONE)
            })
        });
        let usage = &mut found[number as usize];
        if event.time != usage.last {
            usage.settle();
            usage.last = event.time;
        }
        if event.frees {
            usage.frees += 1;
            usage.freed += i128::from(event.bytes);
        } else {
            usage.allocations += 1;
            usage.allocated += i128::from(event.bytes);
        }
    }
    found.iter_mut().for_each(Usage::settle);
    let mut keyed: Vec<(Key, u32)> = by_word.into_iter().collect();
    keyed.sort_unstable_by_key(|(_, number)| *number);
    keyed.into_iter().map(|(key, _)| key).zip(found).collect()
}

/// Memory events whose process occurs nowhere else.
pub(super) fn without_process(events: &Events) -> usize {
    events.memory.iter().filter(|event| event.process == NONE && counts(events, event.time)).count()
}

fn cut(sum: i128) -> i64 {
    i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX })
}

/// The highest peak of device memory; `None` where nothing tells of device memory.
pub(super) fn peak(groups: &[(Key, Usage)]) -> Option<i64> {
    let on_device = groups.iter().filter(|((_, _, kind), _)| ON_DEVICE.contains(&kind.as_str()));
    on_device.map(|(_, usage)| cut(usage.peak)).max()
}

/// The table: by peak, then kind, process and device.
pub(super) fn table(events: &Events, groups: &[(Key, Usage)]) -> Table {
    let spec = spec();
    let pid = |key: &Key| events.processes[key.0 as usize].key.pid();
    let order = |a: &&(Key, Usage), b: &&(Key, Usage)| {
        let key = |(key, usage): &(Key, Usage)| (Reverse(usage.peak), key.2.clone(), pid(key), key.0, key.1);
        key(a).cmp(&key(b))
    };
    let rows = smallest_by(groups, spec.max_rows(), order).into_iter().map(|(key, usage)| {
        vec![
            Cell::from(pid(key)),
            key.1.into(),
            key.2.as_str().into(),
            usage.allocations.into(),
            usage.frees.into(),
            cut(usage.allocated).into(),
            cut(usage.freed).into(),
            cut(usage.peak).into(),
            cut(usage.held()).into(),
        ]
    });
    let rows: Vec<_> = rows.collect();
    Table::new(spec, groups.len(), rows)
}
