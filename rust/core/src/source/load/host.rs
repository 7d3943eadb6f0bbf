//! What happens on the host beside CUDA calls: OS calls and overhead, memory events, creations of graph nodes.
//!
//! Accepted: integer `start` and `end`, `end >= start`; points in time need a `start`.

use super::places::{GlobalKinds, LocalIds, Places};
use super::texts::Strings;
use super::{Columns, Filled, Fills, LoadOptions, Part, Stretch, time, times};
use crate::algo::join::NONE;
use crate::model::events::{GraphNode, HostSpans, MemoryEvent, SpanKind};
use crate::model::ints::Ints;
use crate::source::batch::{Batch, Wanted};
use crate::source::schema::TableInfo;

/// Accepted spans of one part.
#[derive(Debug, Default)]
pub(super) struct SpanPart {
    /// `globalTid`, the id of the name and `overheadType`, by kind.
    kinds: LocalIds<(Option<i64>, Option<i64>, Option<i64>)>,
    rejected: i64,
}

impl Part for SpanPart {
    const COLUMNS: &'static [Wanted] = &[
        Wanted::int("start"),
        Wanted::int("end"),
        Wanted::int("globalTid"),
        Wanted::int("nameId"),
        Wanted::int("overheadType"),
    ];

    const FILLS: Fills = Fills::Spans;

    fn new(_table: &TableInfo) -> Self {
        Self::default()
    }

    fn add(&mut self, batch: &Batch, stretch: &mut Stretch<'_>, _options: &LoadOptions) {
        for row in 0..batch.rows() {
            let cells = batch.ints(row);
            let int = |column: usize| cells.get(column);
            let Some((start, end)) = times(int(0), int(1)) else {
                self.rejected += 1;
                continue;
            };
            stretch.push(start, end - start, self.kinds.number(&(int(2), int(3), int(4))));
        }
    }

    fn rejected(&self) -> i64 {
        self.rejected
    }
}

impl SpanPart {
    /// The threads of all kinds, with repetition.
    pub(super) fn threads(&self) -> impl Iterator<Item = Option<i64>> + '_ {
        self.kinds.values().iter().map(|kind| kind.0)
    }
}

/// All spans of a table.
pub(super) fn spans(spans: Filled<SpanPart>, places: &Places, strings: &mut Strings) -> HostSpans {
    let Filled { parts, mut columns } = spans;
    let mut kinds = GlobalKinds::default();
    let global: Vec<Vec<u32>> = parts
        .iter()
        .map(|part| {
            let local = part.kinds.values().iter();
            local
                .map(|&(tid, name, code)| {
                    let (thread, process) = places.known(tid);
                    kinds.number(SpanKind { thread, process, name: strings.name(name), code })
                })
                .collect()
        })
        .collect();
    columns.number_kinds(&global);
    let Columns { start, length, kind, .. } = columns;
    HostSpans { start, length, kind, kinds: kinds.into_values() }
}

/// The spans of a table on threads that occur elsewhere: others, such as idle pool threads, explain no wait.
pub(super) fn spans_of_known_threads(spans: Filled<SpanPart>, places: &Places, strings: &mut Strings) -> HostSpans {
    let all = self::spans(spans, places, strings);
    let is_known: Vec<bool> = all.kinds.iter().map(|kind| kind.thread != NONE).collect();
    if is_known.iter().all(|known| *known) {
        return all;
    }
    let kept = || (0..all.len()).filter(|&row| is_known[all.kind[row] as usize]);
    let mut length = Ints::default();
    kept().for_each(|row| length.push(all.length.get(row)));
    let start = kept().map(|row| all.start[row]).collect();
    let kind = kept().map(|row| all.kind[row]).collect();
    HostSpans { start, length, kind, kinds: all.kinds }
}

/// Memory events of one part.
#[derive(Debug, Default)]
pub(super) struct MemoryPart {
    events: Vec<(Option<i64>, MemoryEvent)>,
    rejected: i64,
}

impl Part for MemoryPart {
    const COLUMNS: &'static [Wanted] = &[
        Wanted::int("start"),
        Wanted::int("globalPid"),
        Wanted::int("deviceId"),
        Wanted::int("bytes"),
        Wanted::int("memKind"),
        Wanted::int("memoryOperationType"),
    ];

    fn new(_table: &TableInfo) -> Self {
        Self::default()
    }

    fn add(&mut self, batch: &Batch, _stretch: &mut Stretch<'_>, _options: &LoadOptions) {
        for row in 0..batch.rows() {
            let cells = batch.ints(row);
            let int = |column: usize| cells.get(column);
            let (Some(at), Some(bytes), Some(operation)) = (time(int(0)), int(3), int(5)) else {
                self.rejected += 1;
                continue;
            };
            let event =
                MemoryEvent { time: at, process: NONE, ordinal: int(2), bytes, kind: int(4), frees: operation == 1 };
            self.events.push((int(1), event));
        }
    }

    fn rejected(&self) -> i64 {
        self.rejected
    }
}

/// All memory events, in order of time.
pub(super) fn memory(parts: Vec<MemoryPart>, places: &Places) -> Vec<MemoryEvent> {
    let located =
        |(process, event): (Option<i64>, MemoryEvent)| MemoryEvent { process: places.known(process).1, ..event };
    let mut events: Vec<MemoryEvent> = parts.into_iter().flat_map(|part| part.events).map(located).collect();
    events.sort_by_key(|event| event.time);
    events
}

/// Creations of graph nodes of one part.
#[derive(Debug, Default)]
pub(super) struct NodePart {
    nodes: Vec<(Option<i64>, GraphNode)>,
    rejected: i64,
}

impl Part for NodePart {
    const COLUMNS: &'static [Wanted] = &[
        Wanted::int("start"),
        Wanted::int("globalTid"),
        Wanted::int("graphNodeId"),
        Wanted::int("originalGraphNodeId"),
    ];

    fn new(_table: &TableInfo) -> Self {
        Self::default()
    }

    fn add(&mut self, batch: &Batch, _stretch: &mut Stretch<'_>, _options: &LoadOptions) {
        for row in 0..batch.rows() {
            let cells = batch.ints(row);
            let int = |column: usize| cells.get(column);
            let (Some(at), Some(id)) = (time(int(0)), int(2)) else {
                self.rejected += 1;
                continue;
            };
            let original = int(3).filter(|&original| original != 0);
            self.nodes.push((int(1), GraphNode { time: at, thread: NONE, process: NONE, id, original }));
        }
    }

    fn rejected(&self) -> i64 {
        self.rejected
    }
}

/// All creations of graph nodes, in the order of their rows.
pub(super) fn nodes(parts: Vec<NodePart>, places: &Places) -> Vec<GraphNode> {
    let located = |(tid, node): (Option<i64>, GraphNode)| {
        let (thread, process) = places.known(tid);
        GraphNode { thread, process, ..node }
    };
    parts.into_iter().flat_map(|part| part.nodes).map(located).collect()
}
