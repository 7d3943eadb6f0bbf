//! What the streams of one reading share: events, and what was derived of them.

use std::collections::BTreeMap;

use super::spec::StreamTable;
use crate::algo::join::NONE;
use crate::analysis::derived::Derived;
use crate::analysis::ended_gap::EndedGap;
use crate::analysis::iterations::Step;
use crate::categories::Categories;
use crate::model::events::{Events, Ops};
use crate::model::ids::ProcessKey;

/// Events and what was derived of them.
#[derive(Debug)]
pub(super) struct Data {
    pub(super) events: Events,
    /// `None` where no column needs it.
    pub(super) derived: Option<Derived>,
    pub(super) categories: Categories,
    /// All gaps with their device, where a column needs them.
    pub(super) gaps: Vec<(u32, EndedGap)>,
    /// By op table, for each op the gap that it ended, or [`NONE`]; empty where no column needs it.
    pub(super) gap_of: [Vec<u32>; 4],
    /// Rows that are no events, per table of the export.
    pub(super) rejected: BTreeMap<String, i64>,
}

/// The place of a table of ops among those of the events.
pub(super) const fn op_table(table: StreamTable) -> Option<usize> {
    match table {
        StreamTable::Kernels => Some(0),
        StreamTable::Copies => Some(1),
        StreamTable::Memsets => Some(2),
        StreamTable::Graphs => Some(3),
        _ => None,
    }
}

impl Data {
    pub(super) fn ops(&self, table: usize) -> &Ops {
        self.events.op_tables()[table]
    }

    fn steps(&self) -> &[Step] {
        self.derived.as_ref().map_or(&[], |derived| &derived.steps.list)
    }

    pub(super) fn step(&self, at: usize) -> &Step {
        &self.steps()[at]
    }

    pub(super) fn gap(&self, at: usize) -> &EndedGap {
        &self.gaps[at].1
    }

    /// How many rows a table has.
    pub(super) fn len(&self, table: StreamTable) -> usize {
        match table {
            StreamTable::ApiCalls => self.events.calls.len(),
            StreamTable::Ranges => self.events.ranges.len(),
            StreamTable::OsCalls => self.events.os_calls.len(),
            StreamTable::Steps => self.steps().len(),
            StreamTable::Gaps => self.gaps.len(),
            ops => op_table(ops).map_or(0, |ops| self.ops(ops).len()),
        }
    }

    pub(super) fn start(&self, table: StreamTable, row: usize) -> i64 {
        match table {
            StreamTable::Kernels => self.events.kernels.start[row],
            StreamTable::Copies => self.events.copies.start[row],
            StreamTable::Memsets => self.events.sets.start[row],
            StreamTable::Graphs => self.events.graphs.start[row],
            StreamTable::ApiCalls => self.events.calls.start[row],
            StreamTable::Ranges => self.events.ranges.start[row],
            StreamTable::OsCalls => self.events.os_calls.start[row],
            StreamTable::Steps => self.step(row).start,
            StreamTable::Gaps => self.gap(row).start,
        }
    }

    pub(super) fn end(&self, table: StreamTable, row: usize) -> i64 {
        match table {
            StreamTable::Kernels => self.events.kernels.end(row),
            StreamTable::Copies => self.events.copies.end(row),
            StreamTable::Memsets => self.events.sets.end(row),
            StreamTable::Graphs => self.events.graphs.end(row),
            StreamTable::ApiCalls => self.events.calls.end(row),
            StreamTable::Ranges => self.events.ranges.end(row),
            StreamTable::OsCalls => self.events.os_calls.end(row),
            StreamTable::Steps => self.step(row).end,
            StreamTable::Gaps => self.gap(row).end,
        }
    }

    /// The kind of a row; of steps and gaps each row is a kind.
    pub(super) fn kind(&self, table: StreamTable, row: usize) -> usize {
        let kind = match table {
            StreamTable::Kernels => self.events.kernels.kind[row],
            StreamTable::Copies => self.events.copies.kind[row],
            StreamTable::Memsets => self.events.sets.kind[row],
            StreamTable::Graphs => self.events.graphs.kind[row],
            StreamTable::ApiCalls => self.events.calls.kind[row],
            StreamTable::Ranges => self.events.ranges.kind[row],
            StreamTable::OsCalls => self.events.os_calls.kind[row],
            StreamTable::Steps | StreamTable::Gaps => return row,
        };
        kind as usize
    }

    /// Device of each kind of a table; [`NONE`] for what runs on the host.
    pub(super) fn devices(&self, table: StreamTable) -> Vec<u32> {
        match (table, op_table(table)) {
            (_, Some(ops)) => self.ops(ops).kinds.iter().map(|kind| kind.device).collect(),
            (StreamTable::Steps, _) => self.steps().iter().map(|step| step.device).collect(),
            (StreamTable::Gaps, _) => self.gaps.iter().map(|gap| gap.0).collect(),
            _ => Vec::new(),
        }
    }

    /// Process and thread of each kind of a table; [`NONE`] for what is unknown.
    pub(super) fn places(&self, table: StreamTable) -> Vec<(u32, u32)> {
        let events = &self.events;
        match (table, op_table(table)) {
            (_, Some(ops)) => self.ops(ops).kinds.iter().map(|kind| (kind.process, NONE)).collect(),
            (StreamTable::ApiCalls, _) => events.calls.kinds.iter().map(|kind| (kind.process, kind.thread)).collect(),
            (StreamTable::Ranges, _) => events.ranges.kinds.iter().map(|kind| (kind.process, kind.thread)).collect(),
            (StreamTable::OsCalls, _) => events.os_calls.kinds.iter().map(|kind| (kind.process, kind.thread)).collect(),
            (StreamTable::Steps, _) => self.steps().iter().map(|step| (step.process, NONE)).collect(),
            _ => Vec::new(),
        }
    }

    /// The call that asked for the op of a row, or for the op that ended a gap; [`NONE`] without any.
    pub(super) fn call(&self, table: StreamTable, row: usize) -> u32 {
        match (op_table(table), &self.derived) {
            (Some(ops), Some(derived)) => derived.call_of[ops][row],
            (None, _) if table == StreamTable::Gaps => self.gap(row).call,
            _ => NONE,
        }
    }

    /// The range of that call: the innermost, or for gaps the innermost that no library opened; [`NONE`] without any.
    pub(super) fn range(&self, table: StreamTable, row: usize) -> u32 {
        let call = self.call(table, row);
        let Some(derived) = self.derived.as_ref().filter(|_| call != NONE) else { return NONE };
        match &derived.attribution {
            _ if table == StreamTable::Gaps => derived.own_range(call),
            Some(attribution) => attribution.innermost(call),
            None => NONE,
        }
    }

    pub(super) fn pid(&self, process: u32) -> Option<i64> {
        let process = self.events.processes.get(process as usize)?;
        (process.key != ProcessKey::UNKNOWN).then(|| process.key.pid())
    }

    pub(super) fn tid(&self, thread: u32) -> Option<i64> {
        self.events.thread_ids.get(thread as usize).map(|tid| tid & 0xFF_FFFF)
    }

    /// Whether the window selects a row: calls and ranges are all kept while loading.
    pub(super) fn counts(&self, table: StreamTable, row: usize) -> bool {
        match table {
            StreamTable::ApiCalls => self.events.counts_call(row),
            StreamTable::Ranges => self.events.counts_range(row),
            StreamTable::OsCalls => {
                self.events.window.is_none_or(|(from, to)| (from..to).contains(&self.events.os_calls.start[row]))
            }
            _ => true,
        }
    }

    /// The rows that count, by start, end and row; `None` where these are all rows as they stand.
    pub(super) fn order(&self, table: StreamTable) -> Option<Vec<u32>> {
        let key = |row: usize| (self.start(table, row), self.end(table, row));
        let len = self.len(table);
        let all = (0..len).all(|row| self.counts(table, row));
        if all && (1..len).all(|row| key(row - 1) <= key(row)) {
            return None;
        }
        let rows = 0..u32::try_from(len).unwrap_or(u32::MAX);
        let mut order: Vec<u32> = rows.filter(|&row| self.counts(table, row as usize)).collect();
        order.sort_by_key(|&row| key(row as usize));
        Some(order)
    }
}
