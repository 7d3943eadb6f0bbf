//! What the ranges of one thread enclose, by the names of the ranges.

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
#[derive(Default)]
pub(super) struct Enclosed {
    /// The innermost range of each call, in the order of the calls.
    pub(super) innermost: Vec<u32>,
    /// The work of each name in its slot.
    pub(super) names: Vec<NameWork>,
    /// For the calls whose innermost range is a library's, the innermost of the others, where there is one.
    pub(super) own: Vec<(u32, u32)>,
}

impl Enclosed {
    /// Looks at a thread; `work` is that of all calls, `is_library` is told by kind of range.
    pub(super) fn new(events: &Events, thread: &Thread, work: &[Work], slots: &NameSlots, is_library: &[bool]) -> Self {
        nested(events, thread, work, slots, is_library).unwrap_or_else(|| {
            let (innermost, names) = name_totals(events, thread, work, slots);
            let own = own_ranges(events, thread, &innermost, is_library);
            Self { innermost, names, own }
        })
    }
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

/// The same in one pass; `None` where ranges overlap partly.
fn nested(events: &Events, thread: &Thread, work: &[Work], slots: &NameSlots, is_library: &[bool]) -> Option<Enclosed> {
    let (calls, ranges) = (&events.calls, &events.ranges);
    let mut found = Enclosed { innermost: Vec::with_capacity(thread.calls.len()), ..Enclosed::default() };
    found.names = vec![NameWork::default(); slots.keys[thread.number].len()];
    let mut reached = vec![i64::MIN; found.names.len()];
    let mut open: Vec<Open> = Vec::new();
    let loads = Loads { calls: &thread.calls, times: calls, work };
    let visit = |step: Step| match step {
        Step::Open(range) => {
            let kind = ranges.kind[range as usize] as usize;
            let (slot, end) = (slots.of_kind[kind] as usize, ranges.end(range as usize));
            let outermost = reached[slot] < end;
            reached[slot] = reached[slot].max(end);
            let own = if is_library[kind] { open.last().map_or(NONE, |around| around.own) } else { range };
            open.push(Open { range, slot, outermost, own });
        }
        Step::Call(call, enclosing) => {
            let Some(around) = enclosing.checked_sub(1).map(|innermost| &open[innermost]) else {
                found.innermost.push(NONE);
                return;
            };
            found.innermost.push(around.range);
            if around.own != around.range && around.own != NONE {
                found.own.push((call, around.own));
            }
            let (done, name) = (&work[call as usize], &mut found.names[around.slot]);
            name.kernels += done.kernels;
            name.kernel_ns = name.kernel_ns.saturating_add(done.kernel_ns);
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

/// The innermost range of each call of a thread, and the work of each name in its slot, however the ranges overlap.
fn name_totals(events: &Events, thread: &Thread, work: &[Work], slots: &NameSlots) -> (Vec<u32>, Vec<NameWork>) {
    let (calls, ranges) = (&events.calls, &events.ranges);
    let slot = |range: u32| slots.of_kind[ranges.kind[range as usize] as usize] as usize;
    let mut names = vec![NameWork::default(); slots.keys[thread.number].len()];
    let mut inner = Vec::with_capacity(thread.calls.len());
    innermost(&thread.ranges, ranges, &thread.calls, calls, |call, range| {
        let done = &work[call as usize];
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
