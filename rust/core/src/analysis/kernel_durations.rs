//! Durations of kernels by kind, computed once for every section that asks for the kernels of a name, a device, a
//! process, or all of them.

use rayon::prelude::*;

use crate::algo::by_kind::ByKind;
use crate::algo::grouping::Stats;
use crate::model::events::Ops;
use crate::model::ints::Ints;

/// Rows that one task looks at.
const CHUNK: usize = 1 << 18;

/// What is known of the kernels of each kind.
#[derive(Debug, Default)]
pub struct KernelDurations {
    lengths: Lengths,
    /// First start and last end by kind.
    spans: Vec<(i64, i64)>,
}

/// Durations take 32 bits where the column does.
#[derive(Debug)]
enum Lengths {
    Narrow(ByKind<u32>),
    Wide(ByKind<i64>),
}

impl Default for Lengths {
    fn default() -> Self {
        Self::Narrow(ByKind::default())
    }
}

impl KernelDurations {
    /// Gathers the durations of ops.
    pub(super) fn new(ops: &Ops) -> Self {
        let kinds = ops.kinds.len();
        let lengths = || match &ops.length {
            Ints::Narrow(lengths) => Lengths::Narrow(ByKind::new(kinds, &ops.kind, lengths)),
            Ints::Wide(lengths) => Lengths::Wide(ByKind::new(kinds, &ops.kind, lengths)),
        };
        let (lengths, spans) = rayon::join(lengths, || spans(ops));
        Self { lengths, spans }
    }

    /// How many kernels are of some kinds.
    pub(super) fn count(&self, kinds: &[u32]) -> i64 {
        let count = |&kind: &u32| match &self.lengths {
            Lengths::Narrow(lengths) => lengths.count(kind),
            Lengths::Wide(lengths) => lengths.count(kind),
        };
        i64::try_from(kinds.iter().map(count).sum::<usize>()).unwrap_or(i64::MAX)
    }

    /// How many of them run for less than a limit.
    pub(super) fn count_under(&self, kinds: &[u32], limit: i64) -> i64 {
        let count = |&kind: &u32| match &self.lengths {
            Lengths::Narrow(lengths) => lengths.count_under(kind, limit),
            Lengths::Wide(lengths) => lengths.count_under(kind, limit),
        };
        i64::try_from(kinds.iter().map(count).sum::<usize>()).unwrap_or(i64::MAX)
    }

    /// How many of one kind run for less than a limit, and for how long together.
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
    let of_chunk = |(chunk, kinds): (usize, &[u32])| {
        let mut spans = vec![NONE; ops.kinds.len()];
        for (row, &kind) in (chunk * CHUNK..).zip(kinds) {
            let span = &mut spans[kind as usize];
            *span = joined(*span, (ops.start[row], ops.end(row)));
        }
        spans
    };
    let join = |mut all: Vec<(i64, i64)>, part: Vec<(i64, i64)>| {
        all.iter_mut().zip(part).for_each(|(span, other)| *span = joined(*span, other));
        all
    };
    // As many lists as tasks: where kinds are as many as rows, one task has to do.
    let chunk = CHUNK.max(ops.kinds.len());
    if chunk > CHUNK {
        return of_chunk((0, &ops.kind));
    }
    ops.kind.par_chunks(CHUNK).enumerate().map(of_chunk).reduce(|| vec![NONE; ops.kinds.len()], join)
}
