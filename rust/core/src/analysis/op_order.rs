//! GPU ops of all tables in order of their start, without a copy of the columns where these are in order already.

use crate::model::events::{Events, OpKind, Ops};

/// One GPU op on its way through a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OpAt {
    /// First nanosecond.
    pub(super) start: i64,
    /// Table of [`Events::op_tables`].
    pub(super) table: usize,
    /// End.
    pub(super) end: i64,
    /// Row in that table.
    pub(super) row: u32,
}

/// The ops of one table.
enum Stream<'a> {
    /// In order as they stand.
    InPlace {
        ops: &'a Ops,
        table: usize,
        accepted: Vec<bool>,
        row: u32,
    },
    Sorted(std::vec::IntoIter<OpAt>),
}

impl Stream<'_> {
    #[inline]
    fn next(&mut self) -> Option<OpAt> {
        match self {
            Stream::InPlace { ops, table, accepted, row } => loop {
                let at = *row as usize;
                let kind = *ops.kind.get(at)?;
                let found = *row;
                *row += 1;
                if accepted[kind as usize] {
                    let start = ops.start[at];
                    return Some(OpAt { start, table: *table, end: start + ops.duration(at), row: found });
                }
            },
            Stream::Sorted(ops) => ops.next(),
        }
    }
}

/// The ops of the accepted kinds, by start, then table, end and row.
pub(super) struct OpOrder<'a> {
    streams: [Stream<'a>; 4],
    heads: [Option<OpAt>; 4],
    /// The table whose head is next.
    first: Option<usize>,
}

impl<'a> OpOrder<'a> {
    /// The ops whose kind is `wanted`.
    pub(super) fn new(events: &'a Events, wanted: impl Fn(&OpKind) -> bool) -> Self {
        let tables = events.op_tables();
        let mut streams = [0, 1, 2, 3].map(|table| in_order(tables[table], table, &wanted));
        let heads = streams.each_mut().map(Stream::next);
        let mut order = Self { streams, heads, first: None };
        order.find_first();
        order
    }

    /// The next op, left in place.
    #[inline]
    pub(super) fn peek(&self) -> Option<OpAt> {
        self.heads[self.first?]
    }

    #[inline]
    fn find_first(&mut self) {
        let mut first = None;
        let mut earliest = i64::MAX;
        for (table, head) in self.heads.iter().enumerate() {
            // Of equal starts the first table, as tables are looked at in order.
            if let Some(op) = head.filter(|op| first.is_none() || op.start < earliest) {
                earliest = op.start;
                first = Some(table);
            }
        }
        self.first = first;
    }
}

impl Iterator for OpOrder<'_> {
    type Item = OpAt;

    #[inline]
    fn next(&mut self) -> Option<OpAt> {
        let table = self.first?;
        let next = self.heads[table].take();
        self.heads[table] = self.streams[table].next();
        self.find_first();
        next
    }
}

fn in_order<'a>(ops: &'a Ops, table: usize, wanted: &impl Fn(&OpKind) -> bool) -> Stream<'a> {
    let accepted: Vec<bool> = ops.kinds.iter().map(wanted).collect();
    let rows = || ops.kind.iter().enumerate().filter(|(_, kind)| accepted[**kind as usize]).map(|(row, _)| row);
    // Rows of one device are in order in most exports, and then need no copy.
    if rows().is_sorted_by_key(|row| ops.start[row]) {
        return Stream::InPlace { ops, table, accepted, row: 0 };
    }
    let at =
        |row: usize| OpAt { start: ops.start[row], table, end: ops.end(row), row: u32::try_from(row).unwrap_or(0) };
    let mut sorted: Vec<OpAt> = rows().map(at).collect();
    sorted.sort();
    Stream::Sorted(sorted.into_iter())
}
