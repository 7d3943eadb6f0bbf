//! Durations of kernels and of ranges by kind, gathered once for every section that asks for those of a name, a device, a
//! process, or all of them.

use rayon::prelude::*;

use crate::algo::by_kind::ByKind;
use crate::algo::grouping::Stats;
use crate::model::events::{Events, Ops};
use crate::model::ints::Ints;

/// Rows that one task looks at.
const CHUNK: usize = 1 << 18;

/// What is known of the durations of each kind.
#[derive(Debug, Default)]
pub struct Durations {
    lengths: Lengths,
    /// First start and last end by kind of kernel; empty for ranges.
    spans: Vec<(i64, i64)>,
}

/// Durations take 32 bits where the column does.
#[derive(Debug)]
enum Lengths {
    Narrow(ByKind<u32>),
    Wide(ByKind<i64>),
}

impl Lengths {
    fn new(kinds: usize, kind_of: &[u32], lengths: &Ints) -> Self {
        match lengths {
            Ints::Narrow(lengths) => Self::Narrow(ByKind::new(kinds, kind_of, lengths)),
            Ints::Wide(lengths) => Self::Wide(ByKind::new(kinds, kind_of, lengths)),
        }
    }
}

impl Default for Lengths {
    fn default() -> Self {
        Self::Narrow(ByKind::default())
    }
}

impl Durations {
    /// Gathers the durations of ops.
    pub(super) fn of_ops(ops: &Ops) -> Self {
        let lengths = || Lengths::new(ops.kinds.len(), &ops.kind, &ops.length);
        let (lengths, spans) = rayon::join(lengths, || spans(ops));
        Self { lengths, spans }
    }

    /// Gathers the durations of the ranges that count in the chosen window.
    pub(super) fn of_ranges(events: &Events) -> Self {
        let ranges = &events.ranges;
        let kinds = ranges.kinds.len();
        let lengths = if events.window.is_none() {
            Lengths::new(kinds, &ranges.kind, &ranges.length)
        } else {
            let counted = || events.counted_ranges();
            let lengths: Vec<i64> = counted().map(|row| ranges.duration(row)).collect();
            Lengths::Wide(ByKind::new(kinds, &counted().map(|row| ranges.kind[row]).collect::<Vec<_>>(), &lengths))
        };
        Self { lengths, spans: Vec::new() }
    }

    /// How many are of some kinds.
    pub(super) fn count(&self, kinds: &[u32]) -> i64 {
        let count = |&kind: &u32| match &self.lengths {
            Lengths::Narrow(lengths) => lengths.count(kind),
            Lengths::Wide(lengths) => lengths.count(kind),
        };
        i64::try_from(kinds.iter().map(count).sum::<usize>()).unwrap_or(i64::MAX)
    }

    /// How many of them take less than a limit.
    pub(super) fn count_under(&self, kinds: &[u32], limit: i64) -> i64 {
        let count = |&kind: &u32| match &self.lengths {
            Lengths::Narrow(lengths) => lengths.count_under(kind, limit),
            Lengths::Wide(lengths) => lengths.count_under(kind, limit),
        };
        i64::try_from(kinds.iter().map(count).sum::<usize>()).unwrap_or(i64::MAX)
    }

    /// How many of one kind take less than a limit, and how long together.
    pub(super) fn under(&self, kind: u32, limit: i64) -> (i64, i64) {
        let total = match &self.lengths {
            Lengths::Narrow(lengths) => lengths.total_under(kind, limit),
            Lengths::Wide(lengths) => lengths.total_under(kind, limit),
        };
        (self.count_under(&[kind], limit), total)
    }

    /// Their summed duration.
    pub(super) fn total(&self, kinds: &[u32]) -> i64 {
        let total = |&kind: &u32| match &self.lengths {
            Lengths::Narrow(lengths) => lengths.total(kind),
            Lengths::Wide(lengths) => lengths.total(kind),
        };
        kinds.iter().map(total).fold(0, i64::saturating_add)
    }

    /// Their first start and last end; `None` without any.
    pub(super) fn span(&self, kinds: &[u32]) -> Option<(i64, i64)> {
        let spans = kinds.iter().map(|&kind| self.spans[kind as usize]).filter(|span| span.0 <= span.1);
        spans.reduce(joined)
    }

    /// Statistics of their durations. No kind is named twice.
    pub(super) fn stats(&self, kinds: &[u32], qs: &[f64]) -> Stats {
        match &self.lengths {
            Lengths::Narrow(lengths) => lengths.stats(kinds, qs),
            Lengths::Wide(lengths) => lengths.stats(kinds, qs),
        }
    }
}

const fn joined(a: (i64, i64), b: (i64, i64)) -> (i64, i64) {
    (if b.0 < a.0 { b.0 } else { a.0 }, if b.1 > a.1 { b.1 } else { a.1 })
}

fn spans(ops: &Ops) -> Vec<(i64, i64)> {
    const NONE: (i64, i64) = (i64::MAX, i64::MIN);
    // Each task has a list of all kinds: together they hold no more than there are rows.
    let chunk = CHUNK.max(ops.kinds.len());
    let of_chunk = |(task, kinds): (usize, &[u32])| {
        let mut spans = vec![NONE; ops.kinds.len()];
        for (row, &kind) in (task * chunk..).zip(kinds) {
            let span = &mut spans[kind as usize];
            *span = joined(*span, (ops.start[row], ops.end(row)));
        }
        spans
    };
    let join = |mut all: Vec<(i64, i64)>, part: Vec<(i64, i64)>| {
        all.iter_mut().zip(part).for_each(|(span, other)| *span = joined(*span, other));
        all
    };
    ops.kind.par_chunks(chunk).enumerate().map(of_chunk).reduce(|| vec![NONE; ops.kinds.len()], join)
}
