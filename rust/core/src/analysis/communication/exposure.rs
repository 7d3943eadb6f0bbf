//! When a device did nothing but communicate, and what it did in a given time.

use rayon::prelude::*;

use super::Collectives;
use crate::algo::intervals::IntervalSet;
use crate::algo::join::NONE;
use crate::analysis::Input;
use crate::model::events::{OpKind, Ops};

/// Sets of spans are merged, not searched, where the one has at most so many times the spans of the other.
const MERGED: usize = 8;
/// Rows that one task looks at.
const CHUNK: usize = 1 << 16;
/// A step forward in time rarely passes more spans than this; beyond, they are searched.
const NEAR: usize = 8;

/// What devices did, as far as it matters: inside collectives and inside the spans that were asked for.
pub(super) struct Exposure {
    /// By device, when collectives ran.
    pub(super) collectives: Vec<IntervalSet>,
    /// By device, when other kernels and graph executions ran.
    compute: Vec<IntervalSet>,
    /// By device, when any kernel or graph execution ran inside the spans that were asked for.
    kernels: Vec<IntervalSet>,
    /// The same for any op.
    ops: Vec<IntervalSet>,
}

impl Exposure {
    /// `spans` are (device, start, end) to be asked for.
    pub(super) fn new(input: &Input<'_>, collectives: &Collectives, spans: &[(u32, i64, i64)]) -> Self {
        let events = input.events;
        // One device after the other, here and below: the spans of all of them side by side are a large part of the memory.
        let of_device = |device: usize| {
            let groups = collectives.groups.iter().filter(|group| group.device as usize == device);
            union(groups.flat_map(|group| group.spans.iter().copied()).collect())
        };
        let collectives: Vec<IntervalSet> = (0..events.devices.len()).map(of_device).collect();
        let mut asked: Vec<Vec<(i64, i64)>> = vec![Vec::new(); events.devices.len()];
        for &(device, start, end) in spans {
            asked[device as usize].push((start, end));
        }
        let asked: Vec<IntervalSet> = asked.into_iter().map(union).collect();
        let is_compute = |kind: &OpKind| !super::is_collective(input, kind);
        let any = |_: &OpKind| true;
        let compute = busy(&[(&events.kernels, &is_compute), (&events.graphs, &any)], &[&collectives, &asked]);
        let copies = busy(&[(&events.copies, &any), (&events.sets, &any)], &[&asked]);
        let inside = |sets: &[IntervalSet]| -> Vec<IntervalSet> {
            sets.iter().zip(&asked).map(|(set, asked)| set.intersect(asked)).collect()
        };
        let kernels = joined(&inside(&compute), &inside(&collectives));
        let ops = joined(&kernels, &copies);
        Self { collectives, compute, kernels, ops }
    }

    /// The measure of disjoint spans inside collectives of a device in which nothing else computes.
    pub(super) fn alone(&self, device: u32, spans: &IntervalSet) -> i64 {
        let compute = &self.compute[device as usize];
        if compute.spans().len() <= MERGED * spans.spans().len() {
            return spans.measure() - spans.intersect(compute).measure();
        }
        spans.spans().iter().map(|&(start, end)| end - start - compute.measure_within(start, end)).sum()
    }

    /// What a device did most of the time in one of the spans that were asked for; of equal parts the first.
    pub(super) fn dominant(&self, device: u32, start: i64, end: i64) -> &'static str {
        let within = |sets: &[IntervalSet]| sets[device as usize].measure_within(start, end);
        let (compute, kernels, ops) = (within(&self.compute), within(&self.kernels), within(&self.ops));
        let parts = [
            ("compute", compute),
            ("communication", kernels - compute),
            ("copy", ops - kernels),
            ("idle", end - start - ops),
        ];
        parts.iter().rev().max_by_key(|(_, measure)| *measure).map_or("idle", |(label, _)| label)
    }
}

/// By device, the union of two sets.
fn joined(sets: &[IntervalSet], others: &[IntervalSet]) -> Vec<IntervalSet> {
    let join = |(a, b): (&IntervalSet, &IntervalSet)| union(a.spans().iter().chain(b.spans()).copied().collect());
    sets.iter().zip(others).map(join).collect()
}

/// The union of intervals in any order.
pub(super) fn union(mut spans: Vec<(i64, i64)>) -> IntervalSet {
    // Spans of several groups come in ascending runs, which a merge sort takes as they are.
    spans.sort();
    IntervalSet::union_of_sorted(spans)
}

type Accept<'a> = &'a (dyn Fn(&OpKind) -> bool + Sync);

/// By device, the union of the accepted ops: right inside the spans of each of `matters`, incomplete elsewhere.
fn busy(tables: &[(&Ops, Accept<'_>)], matters: &[&[IntervalSet]]) -> Vec<IntervalSet> {
    let devices = matters.iter().map(|sets| sets.len()).max().unwrap_or_default();
    let mut found: Vec<Vec<(i64, i64)>> = vec![Vec::new(); devices];
    let matters: Vec<&[IntervalSet]> =
        matters.iter().copied().filter(|sets| sets.iter().any(|set| !set.spans().is_empty())).collect();
    if matters.is_empty() {
        return found.into_iter().map(union).collect();
    }
    for &(ops, accept) in tables {
        let device_of_kind: Vec<u32> =
            ops.kinds.iter().map(|kind| if accept(kind) { kind.device } else { NONE }).collect();
        let of_chunk = |(chunk, kinds): (usize, &[u32])| {
            let mut cursors = vec![vec![0; devices]; matters.len()];
            let mut cut = Vec::new();
            for (row, &kind) in (chunk * CHUNK..).zip(kinds) {
                let device = device_of_kind[kind as usize];
                if device == NONE {
                    continue;
                }
                for (sets, cursors) in matters.iter().zip(&mut cursors) {
                    let (spans, cursor) = (sets[device as usize].spans(), &mut cursors[device as usize]);
                    cut.extend(clip(spans, cursor, ops.start[row], ops.end(row)).map(|span| (device, span)));
                }
            }
            cut
        };
        let cut: Vec<Vec<(u32, (i64, i64))>> = ops.kind.par_chunks(CHUNK).enumerate().map(of_chunk).collect();
        for (device, span) in cut.into_iter().flatten() {
            found[device as usize].push(span);
        }
    }
    found.into_par_iter().map(union).collect()
}

/// An op cut to the reach of the spans that it overlaps. `cursor` is where the op before was found.
fn clip(spans: &[(i64, i64)], cursor: &mut usize, start: i64, end: i64) -> Option<(i64, i64)> {
    // The first span that ends after the op starts.
    let is_first = |at: usize| (at == 0 || spans[at - 1].1 <= start) && spans.get(at).is_none_or(|span| span.1 > start);
    let near = (*cursor..=(*cursor + NEAR).min(spans.len())).find(|&at| is_first(at));
    *cursor = near.unwrap_or_else(|| spans.partition_point(|span| span.1 <= start));
    let first = spans.get(*cursor).filter(|span| span.0 < end)?;
    let after = *cursor + spans[*cursor..].partition_point(|span| span.0 < end);
    Some((start.max(first.0), end.min(spans[after - 1].1)))
}
