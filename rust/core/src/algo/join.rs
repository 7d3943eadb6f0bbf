//! The call of a GPU op: lookup of API calls by process and correlation id.
//!
//! Definition: the RUNTIME row with the same (process, correlationId); if several match, the latest with `start <= op.start`.

use rustc_hash::FxHashMap;

/// "No such row" in index columns.
pub const NONE: u32 = u32::MAX;

const SEVERAL: u32 = u32::MAX - 1;

/// The calls of one process, by correlation id.
#[derive(Debug, Default)]
pub struct CorrelationIndex {
    first: Slots,
    /// Ids that several calls carry: their (start, row) in ascending order.
    several: FxHashMap<i64, Vec<(i64, u32)>>,
}

#[derive(Debug)]
enum Slots {
    /// Ids are a per-process counter: almost always dense.
    Dense {
        base: i64,
        rows: Vec<u32>,
    },
    Sparse(FxHashMap<i64, u32>),
}

impl Default for Slots {
    fn default() -> Self {
        Self::Sparse(FxHashMap::default())
    }
}

impl CorrelationIndex {
    /// Indexes rows; `call` tells correlation id and start of each. Id 0 means "none" and is left out.
    pub fn new(rows: &[u32], call: impl Fn(u32) -> (i64, i64)) -> Self {
        let identified = || rows.iter().map(|&row| (call(row), row)).filter(|((id, _), _)| *id != 0);
        let ids = || identified().map(|((id, _), _)| id);
        let (Some(low), Some(high)) = (ids().min(), ids().max()) else {
            return Self::default();
        };
        let width = i128::from(high) - i128::from(low) + 1;
        let mut index = Self::default();
        if let Some(width) = usize::try_from(width).ok().filter(|&width| width <= 8 * rows.len() + 1024) {
            index.first = Slots::Dense { base: low, rows: vec![NONE; width] };
        }
        for ((id, _), row) in identified() {
            let slot = match &mut index.first {
                Slots::Dense { base, rows } => {
                    let at = usize::try_from(id - *base).unwrap_or_default();
                    &mut rows[at]
                }
                Slots::Sparse(map) => map.entry(id).or_insert(NONE),
            };
            if *slot == NONE {
                *slot = row;
            } else {
                *slot = SEVERAL;
                index.several.entry(id).or_default();
            }
        }
        if !index.several.is_empty() {
            for ((id, start), row) in identified() {
                if let Some(list) = index.several.get_mut(&id) {
                    list.push((start, row));
                }
            }
            for list in index.several.values_mut() {
                list.sort_unstable();
            }
        }
        index
    }

    /// Whether no row has an id.
    pub fn is_empty(&self) -> bool {
        matches!(&self.first, Slots::Sparse(map) if map.is_empty())
    }

    /// How many rows carry an id.
    pub fn count(&self, id: i64) -> usize {
        match self.slot(id) {
            None | Some(NONE) => 0,
            Some(SEVERAL) => self.several.get(&id).map_or(0, Vec::len),
            Some(_) => 1,
        }
    }

    /// Adds how many rows carry each id from `base` on.
    fn add_counts(&self, base: i64, counts: &mut [u32]) {
        let Slots::Dense { base: own, rows } = &self.first else { return };
        let from = usize::try_from(own - base).unwrap_or_default();
        for (count, &row) in counts[from..].iter_mut().zip(rows) {
            *count += u32::from(row < SEVERAL);
        }
        for (&id, list) in &self.several {
            let at = usize::try_from(id - base).unwrap_or_default();
            counts[at] += u32::try_from(list.len()).unwrap_or(u32::MAX);
        }
    }

    fn slot(&self, id: i64) -> Option<u32> {
        match &self.first {
            Slots::Dense { base, rows } => {
                id.checked_sub(*base).and_then(|at| usize::try_from(at).ok()).and_then(|at| rows.get(at)).copied()
            }
            Slots::Sparse(map) => map.get(&id).copied(),
        }
    }

    /// The row of the call that issued an op, or [`NONE`].
    pub fn find(&self, id: i64, op_start: i64) -> u32 {
        if id == 0 {
            return NONE;
        }
        match self.slot(id) {
            Some(SEVERAL) => self.latest(id, op_start),
            Some(row) => row,
            None => NONE,
        }
    }

    /// Rows that share their id with others, each with the row that stands for all of them.
    pub fn sharing(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.several.values().flat_map(|list| {
            let first = list.iter().map(|&(_, row)| row).min().unwrap_or(NONE);
            list.iter().map(move |&(_, row)| (row, first))
        })
    }

    /// The row that stands for those that share an id.
    pub fn standing_for(&self, id: i64) -> Option<u32> {
        self.several.get(&id)?.iter().map(|&(_, row)| row).min()
    }

    fn latest(&self, id: i64, op_start: i64) -> u32 {
        let Some(list) = self.several.get(&id) else { return NONE };
        match list.partition_point(|&(start, _)| start <= op_start) {
            0 => NONE,
            n => list[n - 1].1,
        }
    }
}

/// How many rows of several indexes together carry an id.
#[derive(Debug)]
pub struct JointCount<'a> {
    indexes: Vec<&'a CorrelationIndex>,
    base: i64,
    /// By id from the base on, where ids are dense in all indexes together; else empty.
    counts: Vec<u32>,
}

impl<'a> JointCount<'a> {
    /// Adds up what the indexes hold.
    pub fn new(indexes: Vec<&'a CorrelationIndex>) -> Self {
        let spans: Option<Vec<(i64, usize)>> = indexes
            .iter()
            .map(|index| match &index.first {
                Slots::Dense { base, rows } => Some((*base, rows.len())),
                Slots::Sparse(map) => map.is_empty().then_some((i64::MAX, 0)),
            })
            .collect();
        let spans = spans.unwrap_or_default();
        let base = spans.iter().map(|span| span.0).min().unwrap_or(i64::MAX);
        let width = |span: &(i64, usize)| usize::try_from(span.0.wrapping_sub(base)).ok()?.checked_add(span.1);
        let widths: Option<Vec<usize>> = spans.iter().filter(|span| span.1 > 0).map(width).collect();
        let slots: usize = spans.iter().map(|span| span.1).sum();
        let width = widths.and_then(|widths| widths.into_iter().max()).filter(|&width| width <= 8 * slots + 1024);
        let mut counts = vec![0_u32; width.unwrap_or(0)];
        if !counts.is_empty() {
            for index in &indexes {
                index.add_counts(base, &mut counts);
            }
        }
        Self { indexes, base, counts }
    }

    /// How many rows carry an id.
    pub fn of(&self, id: i64) -> usize {
        if self.counts.is_empty() {
            return self.indexes.iter().map(|index| index.count(id)).sum();
        }
        let at = id.checked_sub(self.base).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.counts.get(at)).map_or(0, |&count| count as usize)
    }
}
