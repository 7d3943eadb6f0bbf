//! Ids on their way to dense numbers: numbered per part while reading, then over the whole trace in ascending order.

use std::hash::{BuildHasher, Hash};

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::calls::CallPart;
use super::host::SpanPart;
use super::ops::OpPart;
use super::ranges::RangePart;
use crate::algo::join::NONE;
use crate::model::events::{CopyKind, Events, Process};
use crate::model::ids::{Device, ProcessKey};
use crate::source::metadata::DeviceMap;

/// Distinct ids of one part, numbered in order of arrival. Rows mostly repeat the last id, or one of a few.
#[derive(Debug)]
pub(super) struct LocalIds<K> {
    index: FxHashMap<K, u32>,
    values: Vec<K>,
    last: u32,
    /// Numbers of the ids that came last, each at a place that its hash tells.
    recent: [u32; RECENT],
}

/// How many recent ids are looked at before all.
const RECENT: usize = 256;

impl<K> Default for LocalIds<K> {
    fn default() -> Self {
        Self { index: FxHashMap::default(), values: Vec::new(), last: 0, recent: [0; RECENT] }
    }
}

impl<K: Copy + Eq + Hash> LocalIds<K> {
    /// The number of an id.
    pub(super) fn number(&mut self, id: &K) -> u32 {
        if self.values.get(self.last as usize) != Some(id) {
            let hash = FxBuildHasher.hash_one(id).to_le_bytes()[0];
            let recent = &mut self.recent[usize::from(hash)];
            if self.values.get(*recent as usize) != Some(id) {
                let next = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
                *recent = *self.index.entry(*id).or_insert(next);
                if *recent == next {
                    self.values.push(*id);
                }
            }
            self.last = *recent;
        }
        self.last
    }

    /// All ids by number.
    pub(super) fn values(&self) -> &[K] {
        &self.values
    }
}

/// Kinds of the whole trace, numbered in order of arrival. Numbers never reach an output.
#[derive(Debug)]
pub(super) struct GlobalKinds<K> {
    numbers: FxHashMap<K, u32>,
    values: Vec<K>,
}

impl<K> Default for GlobalKinds<K> {
    fn default() -> Self {
        Self { numbers: FxHashMap::default(), values: Vec::new() }
    }
}

impl<K: Copy + Eq + Hash> GlobalKinds<K> {
    /// The number of a kind.
    pub(super) fn number(&mut self, kind: K) -> u32 {
        let next = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(kind).or_insert(next);
        if number == next {
            self.values.push(kind);
        }
        number
    }

    /// All kinds by number.
    pub(super) fn into_values(self) -> Vec<K> {
        self.values
    }
}

/// Where a GPU op ran, as its row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct OpPlace {
    /// `globalPid`.
    pub(super) process: Option<i64>,
    /// `deviceId`; `None` in an export without that column.
    pub(super) device: Option<i64>,
    /// Whether `graphNodeId` is set.
    pub(super) in_graph: bool,
    /// `graphId`, 0 for none.
    pub(super) graph_id: i64,
    /// `streamId`, where it is wanted.
    pub(super) stream: Option<i64>,
    /// What a copy goes between.
    pub(super) copy: Option<CopyKind>,
}

/// Processes, threads and devices of the whole trace.
pub(super) struct Places {
    processes: Vec<Process>,
    keys: Vec<ProcessKey>,
    threads: Vec<i64>,
    devices: Vec<Device>,
    device_of: FxHashMap<(ProcessKey, Option<i64>), u32>,
    /// Ops without a process belong to the one process that calls CUDA, where there is just one.
    sole_caller: Option<ProcessKey>,
    pub(super) partly_mapped: bool,
}

impl Places {
    pub(super) fn new<'a>(
        ops: impl Iterator<Item = &'a OpPart>,
        calls: &[CallPart],
        ranges: &[RangePart],
        others: &[SpanPart],
        devices: &DeviceMap,
    ) -> Self {
        let call_threads = || calls.iter().flat_map(|part| part.threads.values().iter().copied());
        let range_threads = || ranges.iter().flat_map(|part| part.threads.values().iter().copied());
        let other_threads = || others.iter().flat_map(SpanPart::threads);
        let callers = distinct(call_threads().map(process_of));
        let sole_caller = if let [one] = callers.as_slice() { Some(*one) } else { None };
        let used = distinct(ops.flat_map(|part| {
            part.places.values().iter().map(|place| (resolve(place.process, sole_caller), place.device))
        }));
        let keys = distinct(
            callers
                .into_iter()
                .chain(used.iter().map(|place| place.0))
                .chain(range_threads().chain(other_threads()).map(process_of)),
        );
        let threads = distinct(call_threads().chain(range_threads()).chain(other_threads()).flatten());
        let processes = keys.iter().map(|&key| Process { key, name: devices.process_name(key) }).collect();
        let (devices, device_of, partly_mapped) = devices.resolve(&used);
        Self { processes, keys, threads, devices, device_of, sole_caller, partly_mapped }
    }

    /// The number of the process of an op.
    pub(super) fn op_process(&self, own: Option<i64>) -> u32 {
        position(&self.keys, &resolve(own, self.sole_caller))
    }

    /// The number of the device of an op.
    pub(super) fn device(&self, place: OpPlace) -> u32 {
        self.device_of[&(resolve(place.process, self.sole_caller), place.device)]
    }

    /// The number of the process of a thread.
    pub(super) fn thread_process(&self, tid: Option<i64>) -> u32 {
        position(&self.keys, &process_of(tid))
    }

    /// The number of a thread; [`NONE`] for an unknown one, which equals no other.
    pub(super) fn thread(&self, tid: Option<i64>) -> u32 {
        tid.map_or(NONE, |tid| position(&self.threads, &tid))
    }

    /// The numbers of a thread and of its process; [`NONE`] for what no op, call or range has.
    pub(super) fn known(&self, tid: Option<i64>) -> (u32, u32) {
        let Some(tid) = tid else { return (NONE, NONE) };
        let find = |at: Result<usize, usize>| at.ok().and_then(|at| u32::try_from(at).ok()).unwrap_or(NONE);
        (find(self.threads.binary_search(&tid)), find(self.keys.binary_search(&ProcessKey::of(tid))))
    }

    /// Ops whose process is neither told nor certain.
    pub(super) fn ops_without_process<'a>(&self, ops: impl Iterator<Item = (&'a OpPart, &'a [u32])>) -> usize {
        if self.sole_caller.is_some() {
            return 0;
        }
        let without = ops.map(|(part, of_part)| {
            let places = part.places.values();
            let kinds = part.kinds.values().iter();
            let unknown: Vec<bool> = kinds.map(|&(place, _)| places[place as usize].process.is_none()).collect();
            of_part.iter().filter(|&&kind| unknown[kind as usize]).count()
        });
        without.sum()
    }

    /// Hands over what the events refer to.
    pub(super) fn finish(self, events: &mut Events) {
        let keys = self.keys;
        events.threads = self.threads.iter().map(|&tid| position(&keys, &ProcessKey::of(tid))).collect();
        events.thread_ids = self.threads;
        events.processes = self.processes;
        events.devices = self.devices;
    }
}

/// Sorted, without repetition.
fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.dedup();
    values
}

fn process_of(tid: Option<i64>) -> ProcessKey {
    tid.map_or(ProcessKey::UNKNOWN, ProcessKey::of)
}

fn resolve(own: Option<i64>, sole_caller: Option<ProcessKey>) -> ProcessKey {
    own.map(ProcessKey::of).or(sole_caller).unwrap_or(ProcessKey::UNKNOWN)
}

/// The place of a value in a sorted list that holds it.
fn position<T: Ord>(sorted: &[T], value: &T) -> u32 {
    u32::try_from(sorted.partition_point(|other| other < value)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_their_numbers_however_many_there_are() {
        let mut ids: LocalIds<i64> = LocalIds::default();
        let id = |i: i64| (i * i) % 3_001 - 700;
        for i in 0..20_000 {
            let number = ids.number(&id(i));
            assert_eq!(ids.values()[number as usize], id(i));
        }
        let distinct: std::collections::HashSet<i64> = (0..20_000).map(id).collect();
        assert!(distinct.len() > RECENT);
        assert_eq!(ids.values().len(), distinct.len());
    }
}
