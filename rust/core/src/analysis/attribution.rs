//! Kernels by NVTX range.
//!
//! A kernel (or graph execution) belongs to a range if the whole of its call lies in the range, on the same `globalTid`;
//! ranges that end on another thread are left out. Exclusive figures count a kernel for its innermost range alone,
//! inclusive figures once for every name that encloses it, and the projection of a range spans from the first start to
//! the last end of the GPU ops whose calls lie in it.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::derived::Derived;
use crate::algo::enclosed::{Load, Work, totals};
use crate::algo::enclosing::{Span, innermost, sort_outer_to_inner};
use crate::algo::join::NONE;
use crate::model::events::Events;

/// GPU work of the ranges of one name in one process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NameWork {
    /// Kernels of which a range of the name is the innermost.
    pub kernels: i64,
    /// Their time.
    pub kernel_ns: i64,
    /// Kernels that any range of the name encloses.
    pub kernels_inclusive: i64,
    /// Their time.
    pub kernel_inclusive_ns: i64,
    /// Sum over ranges of last op end minus first op start.
    pub projected_ns: i64,
}

impl NameWork {
    /// Adds the work of the same name in another process.
    pub fn add(&mut self, other: &Self) {
        self.kernels += other.kernels;
        self.kernel_ns = self.kernel_ns.saturating_add(other.kernel_ns);
        self.kernels_inclusive += other.kernels_inclusive;
        self.kernel_inclusive_ns = self.kernel_inclusive_ns.saturating_add(other.kernel_inclusive_ns);
        self.projected_ns = self.projected_ns.saturating_add(other.projected_ns);
    }
}

/// The outcome for the whole trace.
#[derive(Debug, Default)]
pub struct Attribution {
    /// The innermost range of each call that has GPU work, or [`NONE`].
    pub innermost: Vec<u32>,
    /// By (process, range name).
    pub by_name: FxHashMap<(u32, u32), NameWork>,
}

/// Ranges and loaded calls of one thread, both sorted.
struct Thread {
    ranges: Vec<Span>,
    calls: Vec<Span>,
}

impl Attribution {
    pub(super) fn new(events: &Events, derived: &Derived) -> Self {
        let work = work_of_calls(events, derived);
        let threads = threads(events, &work, |_| true);
        let parts: Vec<_> = threads.par_iter().map(|thread| thread_totals(events, thread, &work)).collect();
        let mut attribution = Self { innermost: vec![NONE; events.calls.len()], by_name: FxHashMap::default() };
        for (thread, (inner, names)) in threads.iter().zip(parts) {
            for (call, range) in thread.calls.iter().zip(inner) {
                attribution.innermost[call.row as usize] = range;
            }
            for (key, part) in names {
                attribution.by_name.entry(key).or_default().add(&part);
            }
        }
        attribution
    }
}

/// For each call with GPU work, the innermost of those ranges that `wanted` accepts, or [`NONE`].
pub(super) fn innermost_among(events: &Events, derived: &Derived, wanted: impl Fn(usize) -> bool) -> Vec<u32> {
    let work = work_of_calls(events, derived);
    let mut found = vec![NONE; events.calls.len()];
    for thread in threads(events, &work, wanted) {
        for (call, range) in thread.calls.iter().zip(innermost(&thread.ranges, &thread.calls)) {
            found[call.row as usize] = range;
        }
    }
    found
}

/// The GPU work that each call asked for.
fn work_of_calls(events: &Events, derived: &Derived) -> Vec<Work> {
    let mut work = vec![Work::EMPTY; events.calls.len()];
    for (table, (ops, call_of)) in events.op_tables().into_iter().zip(&derived.call_of).enumerate() {
        let counts = |row: usize| table == 0 || (table == 3 && !derived.graph_is_double[row]);
        for (row, &call) in call_of.iter().enumerate().filter(|(_, call)| **call != NONE) {
            let kernel_ns = if counts(row) { ops.duration(row) } else { 0 };
            let one =
                Work { kernels: i64::from(counts(row)), kernel_ns, first_op: ops.start[row], last_op: ops.end[row] };
            work[call as usize].add(&one);
        }
    }
    work
}

fn threads(events: &Events, work: &[Work], wanted: impl Fn(usize) -> bool) -> Vec<Thread> {
    let mut threads: Vec<Thread> =
        events.threads.iter().map(|_| Thread { ranges: Vec::new(), calls: Vec::new() }).collect();
    let calls = &events.calls;
    for (row, number) in (0..calls.len()).zip(0_u32..) {
        if work[row] != Work::EMPTY && calls.thread[row] != NONE {
            let call = Span { start: calls.start[row], end: calls.end[row], row: number };
            threads[calls.thread[row] as usize].calls.push(call);
        }
    }
    let ranges = &events.ranges;
    for (row, number) in (0..ranges.len()).zip(0_u32..) {
        if ranges.thread[row] != NONE && !ranges.crosses_threads[row] && wanted(row) {
            let range = Span { start: ranges.start[row], end: ranges.end[row], row: number };
            threads[ranges.thread[row] as usize].ranges.push(range);
        }
    }
    threads.retain(|thread| !thread.calls.is_empty() && !thread.ranges.is_empty());
    threads.par_iter_mut().for_each(|thread| {
        thread.calls.sort_by_key(|call| (call.start, call.end, call.row));
        sort_outer_to_inner(&mut thread.ranges);
    });
    threads
}

type NameParts = FxHashMap<(u32, u32), NameWork>;

fn thread_totals(events: &Events, thread: &Thread, work: &[Work]) -> (Vec<u32>, NameParts) {
    let mut names = NameParts::default();
    let key = |range: u32| (events.ranges.process[range as usize], events.ranges.name[range as usize]);
    let inner = innermost(&thread.ranges, &thread.calls);
    for (call, &range) in thread.calls.iter().zip(&inner) {
        if range != NONE {
            let entry = names.entry(key(range)).or_default();
            entry.kernels += work[call.row as usize].kernels;
            entry.kernel_ns = entry.kernel_ns.saturating_add(work[call.row as usize].kernel_ns);
        }
    }
    let loads: Vec<Load> = thread
        .calls
        .iter()
        .map(|call| Load { start: call.start, end: call.end, work: work[call.row as usize] })
        .collect();
    let spans: Vec<(i64, i64)> = thread.ranges.iter().map(|range| (range.start, range.end)).collect();
    let inside = totals(&loads, &spans);
    for (range, total) in thread.ranges.iter().zip(&inside) {
        let entry = names.entry(key(range.row)).or_default();
        entry.projected_ns = entry.projected_ns.saturating_add(total.span());
    }
    add_inclusive(&mut names, thread, &inside, &loads, key);
    (inner, names)
}

/// Adds what any range of a name encloses. Of the ranges of one name only the outermost matter; where two of them
/// overlap partly, what lies in both is counted once.
fn add_inclusive(
    names: &mut NameParts,
    thread: &Thread,
    inside: &[Work],
    loads: &[Load],
    key: impl Fn(u32) -> (u32, u32),
) {
    let mut outermost: FxHashMap<(u32, u32), (i64, i64)> = FxHashMap::default();
    let mut shared = Vec::new();
    let mut shared_by = Vec::new();
    for (range, total) in thread.ranges.iter().zip(inside) {
        let name = key(range.row);
        let last = outermost.get(&name).copied();
        if last.is_some_and(|(_, end)| end >= range.end) {
            continue;
        }
        if let Some((_, end)) = last.filter(|&(_, end)| range.start <= end) {
            shared.push((range.start, end));
            shared_by.push(name);
        }
        outermost.insert(name, (range.start, range.end));
        let entry = names.entry(name).or_default();
        entry.kernels_inclusive += total.kernels;
        entry.kernel_inclusive_ns = entry.kernel_inclusive_ns.saturating_add(total.kernel_ns);
    }
    for (name, total) in shared_by.iter().zip(totals(loads, &shared)) {
        let entry = names.entry(*name).or_default();
        entry.kernels_inclusive -= total.kernels;
        entry.kernel_inclusive_ns -= total.kernel_ns;
    }
}
