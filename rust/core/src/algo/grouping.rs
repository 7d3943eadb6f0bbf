//! Durations gathered by key, and what is said of each group.

use rayon::prelude::*;

use super::quantile::quantiles;

/// A duration: 32 bits where the column allows it.
pub trait Value: Copy + Default + Ord + Send + Sync {
    /// As nanoseconds.
    fn ns(self) -> i64;
}

impl Value for u32 {
    fn ns(self) -> i64 {
        i64::from(self)
    }
}

impl Value for i64 {
    fn ns(self) -> i64 {
        self
    }
}

/// What every table of durations says of one group.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stats {
    /// How many values.
    pub count: i64,
    /// Their sum.
    pub total: i64,
    /// The smallest.
    pub min: i64,
    /// The largest.
    pub max: i64,
    /// The quantiles that were asked for.
    pub quantiles: Vec<Option<f64>>,
}

impl Stats {
    /// Sum over count; 0 for an empty group.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.total as f64 / self.count as f64 }
    }
}

/// The statistics of every group, computed in parallel. `pairs` are (group, value), each group below `groups`; the
/// iterator runs twice: once to count, once to place the values of a group side by side.
pub fn grouped<V: Value>(groups: usize, pairs: impl Iterator<Item = (u32, V)> + Clone, qs: &[f64]) -> Vec<Stats> {
    let (mut values, ends) = side_by_side(groups, pairs);
    slices(&mut values, &ends).into_par_iter().map(|values| stats_of(values, qs)).collect()
}

/// As [`grouped`], and the statistics of all values together with quantiles of their own.
pub fn grouped_and_all<V: Value>(
    groups: usize,
    pairs: impl Iterator<Item = (u32, V)> + Clone,
    qs: &[f64],
    all_qs: &[f64],
) -> (Vec<Stats>, Stats) {
    let (mut values, ends) = side_by_side(groups, pairs);
    let by_group = slices(&mut values, &ends).into_par_iter().map(|values| stats_of(values, qs)).collect();
    (by_group, stats_of(&mut values, all_qs))
}

/// The values of each group one after the other, and where each group ends.
pub(super) fn side_by_side<V: Value>(
    groups: usize,
    pairs: impl Iterator<Item = (u32, V)> + Clone,
) -> (Vec<V>, Vec<usize>) {
    let mut ends = vec![0_usize; groups];
    for (group, _) in pairs.clone() {
        ends[group as usize] += 1;
    }
    let mut sum = 0;
    for end in &mut ends {
        sum += std::mem::replace(end, sum);
    }
    let mut values = vec![V::default(); sum];
    for (group, value) in pairs {
        let at = &mut ends[group as usize];
        values[*at] = value;
        *at += 1;
    }
    (values, ends)
}

/// The groups that end there.
pub(super) fn slices<'a, V>(values: &'a mut [V], ends: &[usize]) -> Vec<&'a mut [V]> {
    let mut slices = Vec::with_capacity(ends.len());
    let (mut rest, mut from) = (values, 0);
    for &end in ends {
        let (head, tail) = rest.split_at_mut(end - from);
        slices.push(head);
        (rest, from) = (tail, end);
    }
    slices
}

/// The statistics of one group of values (reordered in place).
pub fn stats_of<V: Value>(values: &mut [V], qs: &[f64]) -> Stats {
    Stats {
        count: i64::try_from(values.len()).unwrap_or(i64::MAX),
        total: values.iter().fold(0, |sum: i64, v| sum.saturating_add(v.ns())),
        min: values.iter().min().map_or(0, |v| v.ns()),
        max: values.iter().max().map_or(0, |v| v.ns()),
        quantiles: quantiles(values, qs),
    }
}
