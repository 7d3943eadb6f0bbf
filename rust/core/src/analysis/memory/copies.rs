//! Copies by device, direction and kinds of memory, and when no kernel hid them.

use std::cmp::Reverse;

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::{PAGEABLE, bytes, direction, memory_kind};
use crate::algo::intervals::IntervalSet;
use crate::algo::join::NONE;
use crate::algo::topk::smallest_by;
use crate::analysis::Input;
use crate::model::events::{Events, OpKind};
use crate::model::strings::api_base_name;
use crate::model::table::{Cell, ColumnSpec, Table, TableSpec};

const NS_PER_S: f64 = 1e9;

pub(super) fn spec() -> TableSpec {
    TableSpec {
        name: "copies",
        description: "One row per device, direction and kinds of memory, by time.",
        events: false,
        columns: vec![
            ColumnSpec::id("device_id", "CUDA ordinal of the device in the export.").or_null(),
            ColumnSpec::id("gpu_id", "Physical id of the GPU, where the export maps it.").or_null(),
            ColumnSpec::text("direction", "HtoD, DtoH, DtoD, PtoP and so on; unified ones are migrations."),
            ColumnSpec::text("src_kind", "Kind of memory that is read."),
            ColumnSpec::text("dst_kind", "Kind of memory that is written."),
            ColumnSpec::count("copies", "Copies."),
            bytes("bytes", "Bytes copied."),
            ColumnSpec::ns("total_ns", "Summed duration of the copies."),
            ColumnSpec::ns("union_ns", "Time in which at least one of them ran."),
            ColumnSpec { unit: Some("bytes/s"), ..ColumnSpec::per_second("bytes_per_s", "Bytes over that time.") },
            ColumnSpec::ns("exposed_ns", "Part of that time in which no kernel ran on the device."),
            ColumnSpec::count("pageable_async", "Copies with pageable memory on a side under an asynchronous call."),
            ColumnSpec::ns("pageable_async_ns", "Summed duration of those."),
        ],
    }
}

/// What copies go between, in words.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Route {
    pub(super) direction: String,
    pub(super) source: String,
    pub(super) destination: String,
}

/// Copies of one route on one device.
pub(super) struct Group {
    device: u32,
    route: u32,
    copies: i64,
    pub(super) bytes: i64,
    pub(super) total_ns: i64,
    union_ns: i64,
    exposed_ns: i64,
    pub(super) pageable_async: i64,
    pub(super) pageable_async_ns: i64,
}

/// All copies.
pub(super) struct Copies<'a> {
    pub(super) events: &'a Events,
    pub(super) call_of: &'a [u32],
    pub(super) routes: Vec<Route>,
    /// The route of each kind of copy.
    pub(super) route_of_kind: Vec<u32>,
    /// For each device, when a copy ran.
    unions: Vec<IntervalSet>,
    /// For each device, when a kernel or a graph execution ran, as far as they overlap a copy.
    working: Vec<IntervalSet>,
    /// By kind of call, whether it copies asynchronously.
    is_async: Vec<bool>,
}

impl<'a> Copies<'a> {
    pub(super) fn new(input: &Input<'a>) -> Self {
        let events = input.events;
        let mut numbers: FxHashMap<Route, u32> = FxHashMap::default();
        let mut routes = Vec::new();
        let route = |kind: &OpKind| {
            let copy = kind.copy;
            let route = Route {
                direction: direction(copy.and_then(|copy| copy.direction)),
                source: memory_kind(&events.labels, copy.and_then(|copy| copy.source)),
                destination: memory_kind(&events.labels, copy.and_then(|copy| copy.destination)),
            };
            *numbers.entry(route).or_insert_with_key(|route| {
                routes.push(route.clone());
                u32::try_from(routes.len() - 1).unwrap_or(NONE)
            })
        };
        let route_of_kind = events.copies.kinds.iter().map(route).collect();
        let unions = unions(events);
        let working = working(events, &unions);
        let is_async = |name: &str| {
            let base = api_base_name(name);
            (base.starts_with("cudaMemcpy") || base.starts_with("cuMemcpy")) && base.contains("Async")
        };
        let is_async = events.calls.kinds.iter().map(|kind| is_async(events.names.text(kind.name))).collect();
        Self { events, call_of: &input.derived.call_of[1], routes, route_of_kind, unions, working, is_async }
    }

    /// Copies without an API call.
    pub(super) fn without_call(&self) -> usize {
        self.call_of.iter().filter(|&&call| call == NONE).count()
    }

    /// The part of some copies of a device in which no kernel ran there.
    pub(super) fn exposed_within(&self, device: u32, copies: &IntervalSet) -> i64 {
        let working = &self.working[device as usize];
        let hidden: i64 = copies.spans().iter().map(|span| working.measure_within(span.0, span.1)).sum();
        copies.measure() - hidden
    }

    /// The exposed time of each device, summed.
    pub(super) fn exposed_ns(&self) -> i64 {
        let exposed = (0_u32..).zip(&self.unions).map(|(device, copies)| self.exposed_within(device, copies));
        exposed.fold(0, i64::saturating_add)
    }

    /// Rows of copies with pageable memory on a side under an asynchronous call.
    fn pageable_async(&self) -> Vec<usize> {
        let is_pageable = |route: &u32| {
            let route = &self.routes[*route as usize];
            route.source == PAGEABLE || route.destination == PAGEABLE
        };
        let is_pageable: Vec<bool> = self.route_of_kind.iter().map(is_pageable).collect();
        let calls = &self.events.calls;
        let is_async = |call: u32| call != NONE && self.is_async[calls.kind[call as usize] as usize];
        let kinds = self.events.copies.kind.iter().zip(self.call_of).enumerate();
        kinds.filter(|(_, (kind, call))| is_pageable[**kind as usize] && is_async(**call)).map(|(row, _)| row).collect()
    }

    /// Summed duration of the calls of those, each counted once.
    pub(super) fn pageable_host_ns(&self) -> i64 {
        let mut calls: Vec<u32> = self.pageable_async().into_iter().map(|row| self.call_of[row]).collect();
        calls.sort_unstable();
        calls.dedup();
        calls.into_iter().fold(0, |sum, call| sum.saturating_add(self.events.calls.length.get(call as usize)))
    }

    /// Copies by device and route.
    pub(super) fn groups(&self) -> Vec<Group> {
        let ops = &self.events.copies;
        let mut keys: Vec<(u32, u32)> = Vec::new();
        let mut numbers: FxHashMap<(u32, u32), u32> = FxHashMap::default();
        let group = |(kind, &route): (&OpKind, &u32)| {
            *numbers.entry((kind.device, route)).or_insert_with(|| {
                keys.push((kind.device, route));
                u32::try_from(keys.len() - 1).unwrap_or(NONE)
            })
        };
        let of_kind: Vec<u32> = ops.kinds.iter().zip(&self.route_of_kind).map(group).collect();
        let group_of = |row: usize| of_kind[ops.kind[row] as usize];
        let mut spans: Vec<(u32, i64, i64)> =
            (0..ops.len()).map(|row| (group_of(row), ops.start[row], ops.end(row))).collect();
        spans.par_sort_unstable();
        let empty = |&(device, route): &(u32, u32)| Group {
            device,
            route,
            copies: 0,
            bytes: 0,
            total_ns: 0,
            union_ns: 0,
            exposed_ns: 0,
            pageable_async: 0,
            pageable_async_ns: 0,
        };
        let mut groups: Vec<Group> = keys.iter().map(empty).collect();
        for spans in spans.chunk_by(|a, b| a.0 == b.0) {
            let union = IntervalSet::union_of_sorted(spans.iter().map(|span| (span.1, span.2)));
            let group = &mut groups[spans[0].0 as usize];
            group.union_ns = union.measure();
            group.exposed_ns = self.exposed_within(group.device, &union);
        }
        for row in 0..ops.len() {
            let group = &mut groups[group_of(row) as usize];
            group.copies += 1;
            group.bytes = group.bytes.saturating_add(self.events.bytes_of_copy(row).unwrap_or(0));
            group.total_ns = group.total_ns.saturating_add(ops.duration(row));
        }
        for row in self.pageable_async() {
            let group = &mut groups[group_of(row) as usize];
            group.pageable_async += 1;
            group.pageable_async_ns = group.pageable_async_ns.saturating_add(ops.duration(row));
        }
        groups
    }

    pub(super) fn table(&self, groups: &[Group]) -> Table {
        let spec = spec();
        let route = |group: &Group| &self.routes[group.route as usize];
        let key = |group: &Group| (Reverse(group.total_ns), group.device);
        let rows = smallest_by(groups, spec.max_rows(), |a, b| {
            (key(a).0, route(a), key(a).1).cmp(&(key(b).0, route(b), key(b).1))
        });
        let rows = rows.into_iter().map(|group| {
            let device = &self.events.devices[group.device as usize];
            let route = route(group);
            let per_second = (group.union_ns > 0).then(|| group.bytes as f64 * NS_PER_S / group.union_ns as f64);
            vec![
                Cell::from(device.device_id),
                device.gpu_id.into(),
                route.direction.as_str().into(),
                route.source.as_str().into(),
                route.destination.as_str().into(),
                group.copies.into(),
                group.bytes.into(),
                group.total_ns.into(),
                group.union_ns.into(),
                per_second.into(),
                group.exposed_ns.into(),
                group.pageable_async.into(),
                group.pageable_async_ns.into(),
            ]
        });
        let rows: Vec<_> = rows.collect();
        Table::new(spec, groups.len(), rows)
    }
}

/// For each device, when a copy ran.
fn unions(events: &Events) -> Vec<IntervalSet> {
    let ops = &events.copies;
    let mut spans: Vec<(u32, i64, i64)> =
        (0..ops.len()).map(|row| (ops.kind_of(row).device, ops.start[row], ops.end(row))).collect();
    spans.par_sort_unstable();
    let mut unions = vec![IntervalSet::default(); events.devices.len()];
    for spans in spans.chunk_by(|a, b| a.0 == b.0) {
        unions[spans[0].0 as usize] = IntervalSet::union_of_sorted(spans.iter().map(|span| (span.1, span.2)));
    }
    unions
}

/// For each device, when a kernel or a graph execution ran, as far as they overlap a copy: few do.
fn working(events: &Events, copies: &[IntervalSet]) -> Vec<IntervalSet> {
    let mut found: Vec<Vec<(i64, i64)>> = vec![Vec::new(); copies.len()];
    for ops in [&events.kernels, &events.graphs] {
        // The first copy that may end after a kernel starts: kernels come in order in most exports.
        let mut next = vec![0_usize; copies.len()];
        for (row, &kind) in ops.kind.iter().enumerate() {
            let device = ops.kinds[kind as usize].device as usize;
            let spans = copies[device].spans();
            if spans.is_empty() {
                continue;
            }
            let (start, end) = (ops.start[row], ops.end(row));
            let is_over = |at: usize| spans.get(at).is_some_and(|span| span.1 <= start);
            let mut at = next[device];
            if is_over(at) {
                at += 1;
            }
            if is_over(at) || at > 0 && !is_over(at - 1) {
                at = spans.partition_point(|span| span.1 <= start);
            }
            next[device] = at;
            if spans.get(at).is_some_and(|span| span.0 < end) {
                match found[device].last_mut() {
                    Some(last) if (last.0..=last.1).contains(&start) => last.1 = last.1.max(end),
                    _ => found[device].push((start, end)),
                }
            }
        }
    }
    let union = |mut spans: Vec<(i64, i64)>| {
        spans.sort();
        IntervalSet::union_of_sorted(spans)
    };
    found.into_par_iter().map(union).collect()
}
