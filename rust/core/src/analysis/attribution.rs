//! Kernels by NVTX range.
//!
//! A kernel (or graph execution) belongs to a range if the whole of its call lies in the range, on the same `globalTid`;
//! ranges that end on another thread are left out. Exclusive figures count a kernel for its innermost range alone,
//! inclusive figures once for every name that encloses it, and the projection of a range spans from the first start to
//! the last end of the GPU ops whose calls lie in it.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::derived::Derived;
use crate::algo::enclosed::{Loads, Work, totals};
use crate::algo::enclosing::{Times, innermost, sort_by_start, sort_outer_to_inner};
use crate::algo::join::NONE;
use crate::model::events::{ApiCalls, Events, NvtxRanges, RangeKind};
use crate::source::Progress;

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
    /// The innermost range of each call that has GPU work, or [`NONE`]: of the ranges that no library opened, where there
    /// is one.
    own: Vec<u32>,
    /// Calls whose innermost range is another one, which a library opened, with that range; in order.
    of_library: Vec<(u32, u32)>,
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
    number: usize,
    /// Place of its first call among those of all threads.
    first: usize,
    ranges: Vec<u32>,
    calls: Vec<u32>,
}

impl Attribution {
    pub(super) fn new(events: &Events, derived: &Derived, progress: &Progress) -> Self {
        let threads = progress.timed("attribute: sort by thread", || threads(events, derived, |_| true));
        let work = progress.timed("attribute: work of calls", || work_of_calls(events, derived, &threads));
        let slots = NameSlots::new(events);
        let is_library: Vec<bool> = events.ranges.kinds.iter().map(|kind| is_library(events, kind)).collect();
        let totals_of = |thread: &Thread| {
            let (inner, names) = name_totals(events, thread, &work, &slots);
            let own = own_ranges(events, thread, &inner, &is_library);
            (inner, names, own)
        };
        let parts: Vec<_> = progress.timed("attribute: sum by name", || threads.par_iter().map(totals_of).collect());
        let mut attribution = Self { own: vec![NONE; events.calls.len()], ..Self::default() };
        for (thread, (inner, names, own)) in threads.iter().zip(parts) {
            for (&call, range) in thread.calls.iter().zip(inner) {
                attribution.own[call as usize] = range;
            }
            for (call, range) in own {
                let of_library = std::mem::replace(&mut attribution.own[call as usize], range);
                attribution.of_library.push((call, of_library));
            }
            for (&key, part) in slots.keys[thread.number].iter().zip(&names) {
                attribution.by_name.entry(key).or_default().add(part);
            }
        }
        attribution.of_library.sort_unstable();
        attribution
    }

    /// The innermost range around a call with GPU work, or [`NONE`].
    pub fn innermost(&self, call: u32) -> u32 {
        let of_library = self.of_library.binary_search_by_key(&call, |&(call, _)| call);
        of_library.map_or(self.own[call as usize], |at| self.of_library[at].1)
    }

    /// The same, but of the ranges that no library opened, if there is one.
    #[inline]
    pub fn own_range(&self, call: u32) -> u32 {
        self.own[call as usize]
    }
}

/// Domains of ranges that libraries open around their own work.
const LIBRARIES: [&str; 10] =
    ["nccl", "cccl", "cublas", "cublaslt", "cudnn", "cusolver", "cusparse", "cufft", "tensorrt", "myelin-exec"];

fn is_library(events: &Events, kind: &RangeKind) -> bool {
    let domain = events.domains.text(kind.domain).to_ascii_lowercase();
    let name = events.range_names.text(kind.name);
    let is_nccl = name.strip_prefix("nccl").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
    LIBRARIES.contains(&domain.as_str()) || is_nccl
}

/// For the calls of a thread whose innermost range is a library's, the innermost of the others, where there is one.
fn own_ranges(events: &Events, thread: &Thread, inner: &[u32], is_library: &[bool]) -> Vec<(u32, u32)> {
    let (calls, ranges) = (&events.calls, &events.ranges);
    let of_library = |range: u32| is_library[ranges.kind[range as usize] as usize];
    let inside = thread.calls.iter().zip(inner).filter(|(_, range)| **range != NONE && of_library(**range));
    let inside: Vec<u32> = inside.map(|(&call, _)| call).collect();
    if inside.is_empty() {
        return Vec::new();
    }
    let own: Vec<u32> = thread.ranges.iter().copied().filter(|&range| !of_library(range)).collect();
    let mut found = Vec::new();
    innermost(&own, ranges, &inside, calls, |call, range| {
        if range != NONE {
            found.push((call, range));
        }
    });
    found
}

/// For each call with GPU work, the innermost of the ranges of those kinds that `wanted` accepts, or [`NONE`].
pub(super) fn innermost_among(events: &Events, derived: &Derived, wanted: impl Fn(usize) -> bool) -> Vec<u32> {
    let mut found = vec![NONE; events.calls.len()];
    for thread in threads(events, derived, wanted) {
        innermost(&thread.ranges, &events.ranges, &thread.calls, &events.calls, |call, range| {
            found[call as usize] = range;
        });
    }
    found
}

/// The threads with ranges and with calls that have GPU work, each with those rows in order.
fn threads(events: &Events, derived: &Derived, wanted: impl Fn(usize) -> bool) -> Vec<Thread> {
    let (calls, ranges) = (&events.calls, &events.ranges);
    let mut threads: Vec<Thread> =
        (0..events.threads.len()).map(|number| Thread { number, ..Thread::default() }).collect();
    for (row, &kind) in calls.kind.iter().enumerate().filter(|(row, _)| derived.first_ops.has_ops(*row)) {
        let thread = calls.kinds[kind as usize].thread;
        if thread != NONE {
            threads[thread as usize].calls.push(u32::try_from(row).unwrap_or(NONE));
        }
    }
    let accepted: Vec<bool> =
        ranges.kinds.iter().enumerate().map(|(kind, range)| range.can_enclose() && wanted(kind)).collect();
    for (row, &kind) in (0_u32..).zip(&ranges.kind).filter(|(_, kind)| accepted[**kind as usize]) {
        threads[ranges.kinds[kind as usize].thread as usize].ranges.push(row);
    }
    threads.retain(|thread| !thread.calls.is_empty() && !thread.ranges.is_empty());
    threads.par_iter_mut().for_each(|thread| {
        sort_by_start(&mut thread.calls, calls, |call| (calls.end(call as usize), call));
        sort_outer_to_inner(&mut thread.ranges, ranges);
    });
    let mut first = 0;
    for thread in &mut threads {
        thread.first = first;
        first += thread.calls.len();
    }
    threads
}

/// The GPU work of the calls of each thread, in the order of the threads and of their calls.
fn work_of_calls(events: &Events, derived: &Derived, threads: &[Thread]) -> Vec<Work> {
    let mut place = vec![NONE; events.calls.len()];
    for (&call, at) in threads.iter().flat_map(|thread| &thread.calls).zip(0_u32..) {
        place[call as usize] = at;
    }
    let mut work = vec![Work::EMPTY; threads.iter().map(|thread| thread.calls.len()).sum()];
    for (table, (ops, call_of)) in events.op_tables().into_iter().zip(&derived.call_of).enumerate() {
        let counts = |row: usize| table == 0 || (table == 3 && !derived.graph_is_double[row]);
        for (row, &call) in call_of.iter().enumerate().filter(|(_, call)| **call != NONE) {
            let Some(work) = work.get_mut(place[call as usize] as usize) else { continue };
            let length = ops.duration(row);
            let kernel_ns = if counts(row) { length } else { 0 };
            let (first_op, last_op) = (ops.start[row], ops.start[row] + length);
            work.add(&Work { kernels: i64::from(counts(row)), kernel_ns, first_op, last_op });
        }
    }
    work
}

/// Where the figures of a name stand on its thread. A kind of range belongs to one thread only.
struct NameSlots {
    of_kind: Vec<u32>,
    /// For each thread, (process, name) by slot.
    keys: Vec<Vec<(u32, u32)>>,
}

impl NameSlots {
    fn new(events: &Events) -> Self {
        let mut keys: Vec<Vec<(u32, u32)>> = vec![Vec::new(); events.threads.len()];
        let mut known: FxHashMap<(u32, u32), u32> = FxHashMap::default();
        let mut slot = |kind: &RangeKind| {
            if kind.thread == NONE {
                return NONE;
            }
            let keys = &mut keys[kind.thread as usize];
            *known.entry((kind.thread, kind.name)).or_insert_with(|| {
                keys.push((kind.process, kind.name));
                u32::try_from(keys.len() - 1).unwrap_or(NONE)
            })
        };
        let of_kind = events.ranges.kinds.iter().map(&mut slot).collect();
        Self { of_kind, keys }
    }
}

/// The innermost range of each call of a thread, and the work of each name in its slot.
fn name_totals(events: &Events, thread: &Thread, work: &[Work], slots: &NameSlots) -> (Vec<u32>, Vec<NameWork>) {
    let (calls, ranges) = (&events.calls, &events.ranges);
    let slot = |range: u32| slots.of_kind[ranges.kind[range as usize] as usize] as usize;
    let mut names = vec![NameWork::default(); slots.keys[thread.number].len()];
    let mut inner = Vec::with_capacity(thread.calls.len());
    let work = &work[thread.first..thread.first + thread.calls.len()];
    innermost(&thread.ranges, ranges, &thread.calls, calls, |_, range| {
        let done = &work[inner.len()];
        inner.push(range);
        if range != NONE {
            let name = &mut names[slot(range)];
            name.kernels += done.kernels;
            name.kernel_ns = name.kernel_ns.saturating_add(done.kernel_ns);
        }
    });
    let loads = Loads { calls: &thread.calls, times: calls, work };
    let span = |i: usize| {
        let row = thread.ranges[i] as usize;
        (ranges.start[row], ranges.end(row))
    };
    // Of the ranges of one name only the outermost count for the inclusive figures; where two of them overlap partly,
    // what lies in both is taken off again.
    let mut reached: Vec<Option<i64>> = vec![None; names.len()];
    let mut shared: Vec<(usize, (i64, i64))> = Vec::new();
    totals(&loads, thread.ranges.len(), span, |i, total| {
        let (start, end) = span(i);
        let slot = slot(thread.ranges[i]);
        let name = &mut names[slot];
        name.projected_ns = name.projected_ns.saturating_add(total.span());
        let last = reached[slot];
        if last.is_some_and(|last| last >= end) {
            return;
        }
        if let Some(last) = last.filter(|&last| start <= last) {
            shared.push((slot, (start, last)));
        }
        reached[slot] = Some(end);
        name.kernels_inclusive += total.kernels;
        name.kernel_inclusive_ns = name.kernel_inclusive_ns.saturating_add(total.kernel_ns);
    });
    totals(
        &loads,
        shared.len(),
        |i| shared[i].1,
        |i, total| {
            let name = &mut names[shared[i].0];
            name.kernels_inclusive -= total.kernels;
            name.kernel_inclusive_ns -= total.kernel_ns;
        },
    );
    (inner, names)
}
