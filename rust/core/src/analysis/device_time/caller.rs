//! What the gaps before the ops of one call share.

use super::{INSIDE_GRAPH, QUEUED, Sweep, UNMATCHED};
use crate::algo::join::NONE;

/// The call of the op that ends a gap, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    /// Its row, or [`NONE`].
    pub(super) call: u32,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) thread: u32,
    /// Its name, or [`NONE`].
    pub(super) name: u32,
    /// The name of the innermost range around it, or [`NONE`].
    pub(super) range_name: u32,
    pub(super) launches_graph: bool,
    /// Whether calls of the operating system were captured on its thread.
    pub(super) sees_system: bool,
    /// Start of the first op of its correlation id.
    first_op: i64,
}

impl Caller {
    /// No call.
    pub(super) const NONE: Self = Self {
        call: NONE,
        start: i64::MAX,
        end: i64::MAX,
        thread: NONE,
        name: NONE,
        range_name: NONE,
        launches_graph: false,
        sees_system: false,
        first_op: i64::MAX,
    };

    pub(super) fn new(sweep: &Sweep<'_>, call: u32) -> Self {
        if call == NONE {
            return Self::NONE;
        }
        let row = call as usize;
        let calls = &sweep.events.calls;
        let (kind, range) = (calls.kind_of(row), sweep.derived.own_range(call));
        let shared = sweep.first_of_shared.get(&call);
        Self {
            call,
            start: calls.start[row],
            end: calls.end(row),
            thread: kind.thread,
            name: kind.name,
            range_name: if range == NONE { NONE } else { sweep.events.ranges.kind_of(range as usize).name },
            launches_graph: sweep.launches_graphs[calls.kind[row] as usize],
            sees_system: sweep.threads.sees_system(kind.thread),
            first_op: shared.copied().unwrap_or_else(|| sweep.derived.first_ops.start(calls, row)),
        }
    }

    /// What the device waits for from the end of the call to the op that ends a gap at `end`.
    pub(super) fn bucket_of_rest(&self, end: i64) -> usize {
        if self.call == NONE {
            UNMATCHED
        } else if self.first_op < end {
            INSIDE_GRAPH
        } else {
            QUEUED
        }
    }
}
