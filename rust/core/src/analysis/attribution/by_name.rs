//! What the ranges of one thread enclose, by the names of the ranges.

use std::sync::atomic::{AtomicU32, Ordering};

use rustc_hash::FxHashMap;

use super::{NameWork, Thread};
use crate::algo::enclosed::{Loads, Work, totals};
use crate::algo::enclosing::innermost;
use crate::algo::join::NONE;
use crate::algo::nested::{Step, walk};
use crate::model::events::{Events, RangeKind};

/// Where the figures of a name stand on its thread. A kind of range belongs to one thread only.
pub(super) struct NameSlots {
    of_kind: Vec<u32>,
    /// For each thread, (process, name) by slot.
    pub(super) keys: Vec<Vec<(u32, u32)>>,
}

impl NameSlots {
    pub(super) fn new(events: &Events) -> Self {
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

/// What the ranges of one thread enclose.
pub(super) struct Enclosed {
    /// The work of each name in its slot.
    pub(super) names: Vec<NameWork>,
    /// Calls whose innermost range is a library's although others enclose them too, with that range.
    pub(super) of_library: Vec<(u32, u32)>,
}

/// What is looked up for every thread.
pub(super) struct Inside<'a> {
    pub(super) events: &'a Events,
    /// The work of each call.
    pub(super) work: &'a [Work],
    pub(super) slots: &'a NameSlots,
    /// By kind of range.
    pub(super) is_library: &'a [bool],
    /// For each call, the innermost range that no library opened, if there is one; it is written here.
    pub(super) own: &'a [AtomicU32],
}

/// An open range.
struct Open {
    range: u32,
    slot: usize,
    /// Whether no range around it has its name.
    outermost: bool,
    /// The innermost range that no library opened, from here outwards.
    own: u32,
}

impl Inside<'_> {
    /// Looks at the calls and ranges of one thread.
    pub(super) fn of(&self, thread: &Thread) -> Enclosed {
        self.nested(thread).unwrap_or_else(|| {
            let names = self.name_totals(thread);
            Enclosed { names, of_library: self.prefer_own_ranges(thread) }
        })
    }

    fn set(&self, call: u32, range: u32) {
        self.own[call as usize].store(range, Ordering::Relaxed);
    }

    /// Everything in one pass; `None` where ranges overlap partly.
    fn nested(&self, thread: &Thread) -> Option<Enclosed> {
        let ranges = &self.events.ranges;
        let names = vec![NameWork::default(); self.slots.keys[thread.number].len()];
        let mut found = Enclosed { names, of_library: Vec::new() };
        let mut reached = vec![i64::MIN; found.names.len()];
        let mut open: Vec<Open> = Vec::new();
        let loads = Loads { calls: &thread.calls, times: &self.events.calls, work: self.work };
        let visit = |step: Step| match step {
            Step::Open(range) => {
                let kind = ranges.kind[range as usize] as usize;
                let (slot, end) = (self.slots.of_kind[kind] as usize, ranges.end(range as usize));
                let outermost = reached[slot] < end;
                reached[slot] = reached[slot].max(end);
                let own = if self.is_library[kind] { open.last().map_or(NONE, |around| around.own) } else { range };
                open.push(Open { range, slot, outermost, own });
            }
            Step::Call(call, enclosing) => {
                let around = enclosing.checked_sub(1).map(|innermost| &open[innermost]);
                self.set(
                    call,
                    around.map_or(NONE, |around| if around.own == NONE { around.range } else { around.own }),
                );
                let Some(around) = around else { return };
                if around.own != around.range && around.own != NONE {
                    found.of_library.push((call, around.range));
                }
                found.names[around.slot].add_own(&self.work[call as usize]);
            }
            Step::Close(total) => {
                let Some(closed) = open.pop() else { return };
                let name = &mut found.names[closed.slot];
                name.projected_ns = name.projected_ns.saturating_add(total.span());
                if closed.outermost {
                    name.kernels_inclusive += total.kernels;
                    name.kernel_inclusive_ns = name.kernel_inclusive_ns.saturating_add(total.kernel_ns);
                }
            }
        };
        walk(&thread.ranges, ranges, &loads, visit).then_some(found)
    }

    /// The innermost range of each call, and the work of each name in its slot, however the ranges overlap.
    fn name_totals(&self, thread: &Thread) -> Vec<NameWork> {
        let (calls, ranges, slots) = (&self.events.calls, &self.events.ranges, self.slots);
        let slot = |range: u32| slots.of_kind[ranges.kind[range as usize] as usize] as usize;
        let mut names = vec![NameWork::default(); slots.keys[thread.number].len()];
        innermost(&thread.ranges, ranges, &thread.calls, calls, |call, range| {
            self.set(call, range);
            if range != NONE {
                names[slot(range)].add_own(&self.work[call as usize]);
            }
        });
        let loads = Loads { calls: &thread.calls, times: calls, work: self.work };
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
        names
    }

    /// Gives the calls whose innermost range is a library's the innermost of the others, where there is one.
    fn prefer_own_ranges(&self, thread: &Thread) -> Vec<(u32, u32)> {
        let (calls, ranges) = (&self.events.calls, &self.events.ranges);
        let of_library = |range: u32| self.is_library[ranges.kind[range as usize] as usize];
        let innermost_of = |call: u32| self.own[call as usize].load(Ordering::Relaxed);
        let is_inside = |call: &u32| {
            let range = innermost_of(*call);
            range != NONE && of_library(range)
        };
        let inside: Vec<u32> = thread.calls.iter().copied().filter(is_inside).collect();
        if inside.is_empty() {
            return Vec::new();
        }
        let own: Vec<u32> = thread.ranges.iter().copied().filter(|&range| !of_library(range)).collect();
        let mut found = Vec::new();
        innermost(&own, ranges, &inside, calls, |call, range| {
            if range != NONE {
                found.push((call, innermost_of(call)));
                self.set(call, range);
            }
        });
        found
    }
}
