//! Durations gathered by key, and what is said of each group.

use rayon::prelude::*;

use super::quantile::quantiles;

/// Values in contiguous runs, one run per group.
#[derive(Debug)]
pub struct Grouped {
    ends: Vec<usize>,
    values: Vec<i64>,
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

impl Grouped {
    /// Gathers `(group, value)` pairs; every group is below `groups`. The iterator runs twice: once to count.
    pub fn gather<I>(groups: usize, pairs: I) -> Self
    where
        I: Iterator<Item = (u32, i64)> + Clone,
    {
        let mut ends = vec![0_usize; groups];
        for (group, _) in pairs.clone() {
            ends[group as usize] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            let count = *end;
            *end = sum;
            sum += count;
        }
        let mut values = vec![0; sum];
        for (group, value) in pairs {
            let at = &mut ends[group as usize];
            values[*at] = value;
            *at += 1;
        }
        Self { ends, values }
    }

    /// The statistics of every group, computed in parallel.
    pub fn stats(mut self, qs: &[f64]) -> Vec<Stats> {
        let mut slices = Vec::with_capacity(self.ends.len());
        let mut rest = self.values.as_mut_slice();
        let mut from = 0;
        for &end in &self.ends {
            let (head, tail) = rest.split_at_mut(end - from);
            slices.push(head);
            rest = tail;
            from = end;
        }
        slices.into_par_iter().map(|values| stats_of(values, qs)).collect()
    }
}

/// The statistics of one group of values (reordered in place).
pub fn stats_of(values: &mut [i64], qs: &[f64]) -> Stats {
    Stats {
        count: i64::try_from(values.len()).unwrap_or(i64::MAX),
        total: values.iter().fold(0, |sum: i64, &v| sum.saturating_add(v)),
        min: values.iter().copied().min().unwrap_or(0),
        max: values.iter().copied().max().unwrap_or(0),
        quantiles: quantiles(values, qs),
    }
}
