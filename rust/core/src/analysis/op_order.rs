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

/// Rows that are looked at in one go.
const BLOCK: usize = 512;

/// The accepted rows of a table, block by block: without a branch on each row, which nothing could predict where rows of
/// several devices alternate.
struct Rows<'a> {
    kinds: &'a [u32],
    accepted: Vec<bool>,
    /// The first row that was not looked at.
    row: usize,
    /// Accepted rows of the last block.
    ready: [u32; BLOCK],
    count: usize,
    at: usize,
}

impl<'a> Rows<'a> {
    fn new(ops: &'a Ops, wanted: &impl Fn(&OpKind) -> bool) -> Self {
        let accepted = ops.kinds.iter().map(wanted).collect();
        Self { kinds: &ops.kind, accepted, row: 0, ready: [0; BLOCK], count: 0, at: 0 }
    }

    fn look_at_block(&mut self) {
        let block = &self.kinds[self.row..self.kinds.len().min(self.row + BLOCK)];
        let mut count = 0;
        for (row, &kind) in (self.row..).zip(block) {
            self.ready[count] = u32::try_from(row).unwrap_or(u32::MAX);
            count += usize::from(self.accepted[kind as usize]);
        }
        self.row += block.len();
        (self.count, self.at) = (count, 0);
    }
}

impl Iterator for Rows<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        while self.at == self.count {
            if self.row == self.kinds.len() {
                return None;
            }
            self.look_at_block();
        }
        self.at += 1;
        Some(self.ready[self.at - 1])
    }
}

/// The ops of one table.
enum Stream<'a> {
    /// In order as they stand.
    InPlace {
        ops: &'a Ops,
        table: usize,
        rows: Box<Rows<'a>>,
    },
    Sorted(std::vec::IntoIter<OpAt>),
}

impl Stream<'_> {
    #[inline]
    fn next(&mut self) -> Option<OpAt> {
        match self {
            Stream::InPlace { ops, table, rows } => rows.next().map(|row| op_at(ops, *table, row)),
            Stream::Sorted(ops) => ops.next(),
        }
    }
}

#[inline]
fn op_at(ops: &Ops, table: usize, row: u32) -> OpAt {
    let start = ops.start[row as usize];
    OpAt { start, table, end: start + ops.duration(row as usize), row }
}

/// The ops of the accepted kinds, by start, then table, end and row.
pub(super) struct OpOrder<'a> {
    streams: [Stream<'a>; 4],
    heads: [Option<OpAt>; 4],
    /// The table whose head is next.
    first: Option<usize>,
    /// Start and table of the earliest of the other heads.
    rival: (i64, usize),
}

impl<'a> OpOrder<'a> {
    /// The ops whose kind is `wanted`.
    pub(super) fn new(events: &'a Events, wanted: impl Fn(&OpKind) -> bool) -> Self {
        let tables = events.op_tables();
        let mut streams = [0, 1, 2, 3].map(|table| in_order(tables[table], table, &wanted));
        let heads = streams.each_mut().map(Stream::next);
        let mut order = Self { streams, heads, first: None, rival: (i64::MAX, usize::MAX) };
        order.find_first();
        order
    }

    /// The next op, left in place.
    #[inline]
    pub(super) fn peek(&self) -> Option<OpAt> {
        self.heads[self.first?]
    }

    fn find_first(&mut self) {
        let heads = self.heads.iter().enumerate().filter_map(|(table, head)| Some((head.as_ref()?.start, table)));
        // Of equal starts the first table.
        let first = heads.clone().min();
        self.first = first.map(|(_, table)| table);
        self.rival = heads.filter(|head| Some(*head) != first).min().unwrap_or((i64::MAX, usize::MAX));
    }
}

impl Iterator for OpOrder<'_> {
    type Item = OpAt;

    #[inline]
    fn next(&mut self) -> Option<OpAt> {
        let table = self.first?;
        let next = self.heads[table].take();
        self.heads[table] = self.streams[table].next();
        if self.heads[table].is_none_or(|op| (op.start, table) > self.rival) {
            self.find_first();
        }
        next
    }
}

fn in_order<'a>(ops: &'a Ops, table: usize, wanted: &impl Fn(&OpKind) -> bool) -> Stream<'a> {
    let rows = || Rows::new(ops, wanted);
    // Rows of one device are in order in most exports, and then need no copy.
    if rows().is_sorted_by_key(|row| ops.start[row as usize]) {
        return Stream::InPlace { ops, table, rows: Box::new(rows()) };
    }
    let mut sorted: Vec<OpAt> = rows().map(|row| op_at(ops, table, row)).collect();
    sorted.sort();
    Stream::Sorted(sorted.into_iter())
}
