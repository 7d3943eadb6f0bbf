//! Durations gathered by kind, those of each kind in ascending order: what is said of some kinds together needs no
//! second look at the rows.

use rayon::prelude::*;

use super::grouping::{Stats, Value, side_by_side, slices};
use super::quantile::between;

/// Slices over this are sorted by several threads.
const SORTED_ALONE: usize = 1 << 16;

/// Durations by kind.
#[derive(Debug, Clone, Default)]
pub struct ByKind<V> {
    /// Those of each kind, one kind after the other, each in ascending order.
    values: Vec<V>,
    /// Where each kind ends.
    ends: Vec<usize>,
    /// Their sums.
    totals: Vec<i64>,
}

impl<V: Value> ByKind<V> {
    /// Gathers values; every kind is below `kinds`.
    pub fn new(kinds: usize, kind_of: &[u32], values: &[V]) -> Self {
        let (mut placed, ends) = side_by_side(kinds, kind_of.iter().copied().zip(values.iter().copied()));
        let sorted_total = |slice: &mut [V]| {
            if slice.len() > SORTED_ALONE {
                slice.par_sort_unstable();
            } else {
                slice.sort_unstable();
            }
            slice.iter().fold(0, |sum: i64, value| sum.saturating_add(value.ns()))
        };
        let totals = slices(&mut placed, &ends).into_par_iter().map(sorted_total).collect();
        Self { values: placed, ends, totals }
    }

    /// Those of one kind, in ascending order.
    fn of(&self, kind: u32) -> &[V] {
        let kind = kind as usize;
        let from = kind.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.values[from..self.ends[kind]]
    }

    /// How many there are of a kind.
    pub fn count(&self, kind: u32) -> usize {
        self.of(kind).len()
    }

    /// The sum of those of a kind.
    pub fn total(&self, kind: u32) -> i64 {
        self.totals[kind as usize]
    }

    /// How many of a kind are under a limit.
    pub fn count_under(&self, kind: u32, limit: i64) -> usize {
        self.of(kind).partition_point(|value| value.ns() < limit)
    }

    /// The sum of those of a kind that are under a limit.
    pub fn total_under(&self, kind: u32, limit: i64) -> i64 {
        let under = &self.of(kind)[..self.count_under(kind, limit)];
        under.iter().fold(0, |sum, value| sum.saturating_add(value.ns()))
    }

    /// The statistics of some kinds together, none of which is named twice.
    pub fn stats(&self, kinds: &[u32], qs: &[f64]) -> Stats {
        let slices: Vec<&[V]> = kinds.iter().map(|&kind| self.of(kind)).filter(|slice| !slice.is_empty()).collect();
        let count = slices.iter().map(|slice| slice.len()).sum();
        let low = slices.iter().map(|slice| slice[0].ns()).min();
        let high = slices.iter().map(|slice| slice[slice.len() - 1].ns()).max();
        Stats {
            count: i64::try_from(count).unwrap_or(i64::MAX),
            total: kinds.iter().fold(0, |sum: i64, &kind| sum.saturating_add(self.total(kind))),
            min: low.unwrap_or(0),
            max: high.unwrap_or(0),
            quantiles: qs.iter().map(|&q| quantile(&slices, count, q)).collect(),
        }
    }
}

/// A quantile of the values of sorted slices, `count` in all.
fn quantile<V: Value>(slices: &[&[V]], count: usize, q: f64) -> Option<f64> {
    let last = count.checked_sub(1)?;
    let position = q * last as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 <= q <= 1
    let low = (position.floor() as usize).min(last);
    let (below, above) = neighbours(slices, low);
    Some(between(below.ns() as f64, above.ns() as f64, position - low as f64))
}

/// The value with `rank` values before it, and the one after it, the same where there is none.
fn neighbours<V: Value>(slices: &[&[V]], rank: usize) -> (V, V) {
    if let [slice] = slices {
        return (slice[rank], slice[(rank + 1).min(slice.len() - 1)]);
    }
    // What is left of each slice, and how many values are known to come before all of that.
    let mut rest: Vec<&[V]> = slices.to_vec();
    let mut before = 0;
    while rest.len() > 1 {
        let pivot = pivot(&rest);
        let under: Vec<usize> = rest.iter().map(|slice| slice.partition_point(|value| *value < pivot)).collect();
        let under_all: usize = under.iter().sum();
        if rank < before + under_all {
            rest = rest.iter().zip(under).map(|(slice, under)| &slice[..under]).collect();
        } else {
            let upto: Vec<usize> = rest.iter().map(|slice| slice.partition_point(|value| *value <= pivot)).collect();
            let upto_all: usize = upto.iter().sum();
            if rank < before + upto_all {
                let after = if rank + 1 < before + upto_all { pivot } else { first_over(slices, pivot) };
                return (pivot, after);
            }
            before += upto_all;
            rest = rest.iter().zip(upto).map(|(slice, upto)| &slice[upto..]).collect();
        }
        rest.retain(|slice| !slice.is_empty());
    }
    let value = rest[0][rank - before];
    let upto: usize = slices.iter().map(|slice| slice.partition_point(|other| *other <= value)).sum();
    (value, if rank + 1 < upto { value } else { first_over(slices, value) })
}

/// The median of the medians of slices, by their lengths: on either side of it lies a quarter of all values or more.
fn pivot<V: Value>(slices: &[&[V]]) -> V {
    let mut medians: Vec<(V, usize)> = slices.iter().map(|slice| (slice[slice.len() / 2], slice.len())).collect();
    medians.sort_unstable();
    let half = medians.iter().map(|median| median.1).sum::<usize>() / 2;
    let mut before = 0;
    let is_past = |&&(_, length): &&(V, usize)| {
        before += length;
        before > half
    };
    medians.iter().find(is_past).map_or_else(V::default, |median| median.0)
}

/// The smallest value over another one, or that one where there is none.
fn first_over<V: Value>(slices: &[&[V]], value: V) -> V {
    let over = slices.iter().filter_map(|slice| slice.get(slice.partition_point(|other| *other <= value)));
    over.min().copied().unwrap_or(value)
}
