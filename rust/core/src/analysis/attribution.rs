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
use crate::algo::enclosing::{Times, innermost, sort_outer_to_inner};
use crate::algo::join::NONE;
use crate::model::events::{ApiCalls, Events, NvtxRanges};

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

impl Times for ApiCalls {
    fn start(&self, row: u32) -> i64 {
        self.start[row as usize]
    }

    fn end(&self, row: u32) -> i64 {
        Self::end(self, row as usize)
    }
}

impl Times for NvtxRanges {
    fn start(&self, row: u32) -> i64 {
        self.start[row as usize]
    }

    fn end(&self, row: u32) -> i64 {
        Self::end(self, row as usize)
    }
}

/// Rows of the ranges and of the calls with GPU work of one thread, sorted.
#[derive(Debug, Default)]
struct Thread {
    ranges: Vec<u32>,
    calls: Vec<u32>,
}

/// The GPU work of those calls that have any.
struct CallWork {
    /// Place of each call in `work`, or [`NONE`].
    place: Vec<u32>,
    work: Vec<Work>,
}

impl Attribution {
    pub(super) fn new(events: &Events, derived: &Derived) -> Self {
        let work = CallWork::new(events, derived);
        let threads = threads(events, &work, |_| true);
        let totals_of = |thread: Thread| {
            let names = name_totals(events, &thread, &work);
            (thread, names)
        };
        let parts: Vec<_> = threads.into_par_iter().map(totals_of).collect();
        let mut attribution = Self { innermost: vec![NONE; events.calls.len()], by_name: FxHashMap::default() };
        for (thread, names) in parts {
            let inner = &mut attribution.innermost;
            innermost(&thread.ranges, &events.ranges, &thread.calls, &events.calls, |call, range| {
                inner[call as usize] = range;
            });
            for (key, part) in names {
                attribution.by_name.entry(key).or_default().add(&part);
            }
        }
        attribution
    }
}

/// For each call with GPU work, the innermost of the ranges of those kinds that `wanted` accepts, or [`NONE`].
pub(super) fn innermost_among(events: &Events, derived: &Derived, wanted: impl Fn(usize) -> bool) -> Vec<u32> {
    let work = CallWork::new(events, derived);
    let mut found = vec![NONE; events.calls.len()];
    for thread in threads(events, &work, wanted) {
        innermost(&thread.ranges, &events.ranges, &thread.calls, &events.calls, |call, range| {
            found[call as usize] = range;
        });
    }
    found
}

impl CallWork {
    fn new(events: &Events, derived: &Derived) -> Self {
        let mut place = vec![NONE; events.calls.len()];
        let mut work: Vec<Work> = Vec::new();
        for (table, (ops, call_of)) in events.op_tables().into_iter().zip(&derived.call_of).enumerate() {
            let counts = |row: usize| table == 0 || (table == 3 && !derived.graph_is_double[row]);
            for (row, &call) in call_of.iter().enumerate().filter(|(_, call)| **call != NONE) {
                let at = &mut place[call as usize];
                if *at == NONE {
                    *at = u32::try_from(work.len()).unwrap_or(NONE);
                    work.push(Work::EMPTY);
                }
                let length = ops.duration(row);
                let kernel_ns = if counts(row) { length } else { 0 };
                let (first_op, last_op) = (ops.start[row], ops.start[row] + length);
                work[*at as usize].add(&Work { kernels: i64::from(counts(row)), kernel_ns, first_op, last_op });
            }
        }
        Self { place, work }
    }

    fn of(&self, call: u32) -> &Work {
        &self.work[self.place[call as usize] as usize]
    }
}

fn threads(events: &Events, work: &CallWork, wanted: impl Fn(usize) -> bool) -> Vec<Thread> {
    let mut threads: Vec<Thread> = events.threads.iter().map(|_| Thread::default()).collect();
    for ((row, &kind), &place) in (0_u32..).zip(&events.calls.kind).zip(&work.place) {
        let thread = events.calls.kinds[kind as usize].thread;
        if place != NONE && thread != NONE {
            threads[thread as usize].calls.push(row);
        }
    }
    let kinds = events.ranges.kinds.iter().enumerate();
    let accepted: Vec<bool> = kinds.map(|(kind, range)| range.can_enclose() && wanted(kind)).collect();
    for (row, &kind) in (0_u32..).zip(&events.ranges.kind) {
        if accepted[kind as usize] {
            threads[events.ranges.kinds[kind as usize].thread as usize].ranges.push(row);
        }
    }
    threads.retain(|thread| !thread.calls.is_empty() && !thread.ranges.is_empty());
    threads.par_iter_mut().for_each(|thread| {
        let calls = &events.calls;
        thread.calls.sort_by_key(|&call| (calls.start[call as usize], calls.end(call as usize), call));
        sort_outer_to_inner(&mut thread.ranges, &events.ranges);
    });
    threads
}

/// The work of each name on one thread, by (process, name).
fn name_totals(events: &Events, thread: &Thread, work: &CallWork) -> Vec<((u32, u32), NameWork)> {
    let mut names = Names::new(events, thread);
    innermost(&thread.ranges, &events.ranges, &thread.calls, &events.calls, |call, range| {
        if range != NONE {
            let (slot, done) = (names.slot(range), work.of(call));
            names.work[slot].kernels += done.kernels;
            names.work[slot].kernel_ns = names.work[slot].kernel_ns.saturating_add(done.kernel_ns);
        }
    });
    let (calls, ranges) = (&events.calls, &events.ranges);
    let load = |&call: &u32| {
        let row = call as usize;
        Load { start: calls.start[row], end: calls.end(row), work: *work.of(call) }
    };
    let loads: Vec<Load> = thread.calls.iter().map(load).collect();
    let span = |i: usize| {
        let row = thread.ranges[i] as usize;
        (ranges.start[row], ranges.end(row))
    };
    // Of the ranges of one name only the outermost count for the inclusive figures; where two of them overlap partly,
    // what lies in both is taken off again.
    let mut shared: Vec<(usize, (i64, i64))> = Vec::new();
    totals(&loads, thread.ranges.len(), span, |i, total| {
        let (start, end) = span(i);
        let slot = names.slot(thread.ranges[i]);
        let reached = names.reached[slot];
        let work = &mut names.work[slot];
        work.projected_ns = work.projected_ns.saturating_add(total.span());
        if reached.is_some_and(|reached| reached >= end) {
            return;
        }
        if let Some(reached) = reached.filter(|&reached| start <= reached) {
            shared.push((slot, (start, reached)));
        }
        names.reached[slot] = Some(end);
        work.kernels_inclusive += total.kernels;
        work.kernel_inclusive_ns = work.kernel_inclusive_ns.saturating_add(total.kernel_ns);
    });
    totals(
        &loads,
        shared.len(),
        |i| shared[i].1,
        |i, total| {
            let work = &mut names.work[shared[i].0];
            work.kernels_inclusive -= total.kernels;
            work.kernel_inclusive_ns -= total.kernel_ns;
        },
    );
    names.keys.into_iter().zip(names.work).collect()
}

/// Figures by name on one thread, in dense slots.
struct Names<'a> {
    ranges: &'a NvtxRanges,
    slot_of_kind: FxHashMap<u32, usize>,
    keys: Vec<(u32, u32)>,
    work: Vec<NameWork>,
    /// End of the outermost range of the name so far.
    reached: Vec<Option<i64>>,
}

impl<'a> Names<'a> {
    fn new(events: &'a Events, thread: &Thread) -> Self {
        let ranges = &events.ranges;
        let mut slots: FxHashMap<(u32, u32), usize> = FxHashMap::default();
        let mut names = Self {
            ranges,
            slot_of_kind: FxHashMap::default(),
            keys: Vec::new(),
            work: Vec::new(),
            reached: Vec::new(),
        };
        for &range in &thread.ranges {
            let kind = ranges.kind[range as usize];
            names.slot_of_kind.entry(kind).or_insert_with(|| {
                let key = (ranges.kinds[kind as usize].process, ranges.kinds[kind as usize].name);
                *slots.entry(key).or_insert_with(|| {
                    names.keys.push(key);
                    names.keys.len() - 1
                })
            });
        }
        names.work = vec![NameWork::default(); names.keys.len()];
        names.reached = vec![None; names.keys.len()];
        names
    }

    fn slot(&self, range: u32) -> usize {
        self.slot_of_kind[&self.ranges.kind[range as usize]]
    }
}
