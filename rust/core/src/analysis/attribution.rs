//! Kernels by NVTX range.
//!
//! A kernel (or graph execution) belongs to a range if the whole of its call lies in the range, on the same `globalTid`;
//! ranges that end on another thread are left out. Exclusive figures count a kernel for its innermost range alone,
//! inclusive figures once for every name that encloses it, and the projection of a range spans from the first start to
//! the last end of the GPU ops whose calls lie in it.

mod by_name;

use std::sync::atomic::AtomicU32;

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::derived::Derived;
use crate::algo::enclosed::Work;
use crate::algo::enclosing::{Times, innermost, sort_by_start, sort_outer_to_inner};
use crate::algo::join::NONE;
use crate::model::events::{ApiCalls, Events, NvtxRanges, RangeKind};
use crate::source::Progress;
use by_name::{Enclosed, Inside, NameSlots};

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
    /// Adds the work of a call of which a range of the name is the innermost.
    fn add_own(&mut self, work: &Work) {
        self.kernels += work.kernels;
        self.kernel_ns = self.kernel_ns.saturating_add(work.kernel_ns);
    }

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
    ranges: Vec<u32>,
    calls: Vec<u32>,
}

impl Attribution {
    /// `work` is that of each call, `of_ranges` what [`ranges_of_threads`] found.
    pub(super) fn new(
        events: &Events,
        derived: &Derived,
        work: &[Work],
        of_ranges: Vec<Vec<u32>>,
        progress: &Progress,
    ) -> Self {
        let threads = progress.timed("attribute: sort by thread", || threads(events, derived, of_ranges));
        let slots = NameSlots::new(events);
        let is_library: Vec<bool> = events.ranges.kinds.iter().map(|kind| is_library(events, kind)).collect();
        // A call belongs to one thread: each thread writes the ranges of its own calls.
        let own: Vec<AtomicU32> = (0..events.calls.len()).map(|_| AtomicU32::new(NONE)).collect();
        let inside = Inside { events, work, slots: &slots, is_library: &is_library, own: &own };
        let parts: Vec<Enclosed> =
            progress.timed("attribute: sum by name", || threads.par_iter().map(|thread| inside.of(thread)).collect());
        let mut by_name: FxHashMap<(u32, u32), NameWork> = FxHashMap::default();
        let mut of_library = Vec::new();
        for (thread, part) in threads.iter().zip(parts) {
            of_library.extend(part.of_library);
            for (&key, part) in slots.keys[thread.number].iter().zip(&part.names) {
                by_name.entry(key).or_default().add(part);
            }
        }
        of_library.sort_unstable();
        Self { own: own.into_iter().map(AtomicU32::into_inner).collect(), of_library, by_name }
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

/// For each call with GPU work, the innermost of the ranges of those kinds that `wanted` accepts, or [`NONE`].
pub(super) fn innermost_among(events: &Events, derived: &Derived, wanted: impl Fn(usize) -> bool) -> Vec<u32> {
    let mut found = vec![NONE; events.calls.len()];
    for thread in threads(events, derived, ranges_of_threads(events, wanted)) {
        innermost(&thread.ranges, &events.ranges, &thread.calls, &events.calls, |call, range| {
            found[call as usize] = range;
        });
    }
    found
}

/// By thread, the ranges that can enclose calls, of the kinds that are `wanted`.
pub(super) fn ranges_of_threads(events: &Events, wanted: impl Fn(usize) -> bool) -> Vec<Vec<u32>> {
    let ranges = &events.ranges;
    let mut rows: Vec<Vec<u32>> = vec![Vec::new(); events.threads.len()];
    let accepted: Vec<bool> =
        ranges.kinds.iter().enumerate().map(|(kind, range)| range.can_enclose() && wanted(kind)).collect();
    for (row, &kind) in (0_u32..).zip(&ranges.kind).filter(|(_, kind)| accepted[**kind as usize]) {
        rows[ranges.kinds[kind as usize].thread as usize].push(row);
    }
    rows
}

/// The threads with ranges and with calls that have GPU work, each with those rows in order.
fn threads(events: &Events, derived: &Derived, of_ranges: Vec<Vec<u32>>) -> Vec<Thread> {
    let (calls, ranges) = (&events.calls, &events.ranges);
    let mut of_calls: Vec<Vec<u32>> = vec![Vec::new(); events.threads.len()];
    for (row, &kind) in calls.kind.iter().enumerate().filter(|(row, _)| derived.first_ops.has_ops(*row)) {
        let thread = calls.kinds[kind as usize].thread;
        if thread != NONE {
            of_calls[thread as usize].push(u32::try_from(row).unwrap_or(NONE));
        }
    }
    let threads = of_calls.into_iter().zip(of_ranges).enumerate();
    let mut threads: Vec<Thread> = threads.map(|(number, (calls, ranges))| Thread { number, ranges, calls }).collect();
    threads.retain(|thread| !thread.calls.is_empty() && !thread.ranges.is_empty());
    threads.par_iter_mut().for_each(|thread| {
        sort_by_start(&mut thread.calls, calls, |call| (calls.end(call as usize), call));
        sort_outer_to_inner(&mut thread.ranges, ranges);
    });
    threads
}

/// The GPU work of each call.
pub(super) fn work_of_calls(events: &Events, call_of: &[Vec<u32>; 4], graph_is_double: &[bool]) -> Vec<Work> {
    let mut work = vec![Work::EMPTY; events.calls.len()];
    for (table, (ops, call_of)) in events.op_tables().into_iter().zip(call_of).enumerate() {
        let counts = |row: usize| table == 0 || (table == 3 && !graph_is_double[row]);
        for (row, &call) in call_of.iter().enumerate().filter(|(_, call)| **call != NONE) {
            let length = ops.duration(row);
            let kernel_ns = if counts(row) { length } else { 0 };
            let (first_op, last_op) = (ops.start[row], ops.start[row] + length);
            work[call as usize].add(&Work { kernels: i64::from(counts(row)), kernel_ns, first_op, last_op });
        }
    }
    work
}
