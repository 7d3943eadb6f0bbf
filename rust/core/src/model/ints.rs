//! Integer columns that take 32 bits a row where the values allow it.

use crate::algo::grouping::{Stats, grouped};

/// Integers, as 32-bit unsigned numbers unless one of them does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ints {
    /// All values fit.
    Narrow(Vec<u32>),
    /// At least one does not.
    Wide(Vec<i64>),
}

impl Default for Ints {
    fn default() -> Self {
        Self::Narrow(Vec::new())
    }
}

impl Ints {
    /// No values yet, with room for so many narrow ones.
    pub fn with_capacity(rows: usize) -> Self {
        Self::Narrow(Vec::with_capacity(rows))
    }

    /// The value of a row.
    #[inline]
    pub fn get(&self, row: usize) -> i64 {
        match self {
            Self::Narrow(values) => i64::from(values[row]),
            Self::Wide(values) => values[row],
        }
    }

    /// Adds a value.
    pub fn push(&mut self, value: i64) {
        match (&mut *self, u32::try_from(value)) {
            (Self::Narrow(values), Ok(narrow)) => values.push(narrow),
            (Self::Narrow(values), Err(_)) => {
                let mut wide: Vec<i64> = values.iter().map(|&value| i64::from(value)).collect();
                wide.push(value);
                *self = Self::Wide(wide);
            }
            (Self::Wide(values), _) => values.push(value),
        }
    }

    /// Statistics of the values of some rows by group; see [`grouped`].
    pub fn grouped(&self, groups: usize, rows: impl Iterator<Item = (u32, usize)> + Clone, qs: &[f64]) -> Vec<Stats> {
        match self {
            Self::Narrow(values) => grouped(groups, rows.map(|(group, row)| (group, values[row])), qs),
            Self::Wide(values) => grouped(groups, rows.map(|(group, row)| (group, values[row])), qs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_whatever_their_width() {
        let values = [0, 5, i64::from(u32::MAX), i64::from(u32::MAX) + 1, -1, i64::MAX, i64::MIN, 7];
        for first in 0..values.len() {
            let mut ints = Ints::default();
            for &value in &values[first..] {
                ints.push(value);
            }
            assert_eq!((0..values.len() - first).map(|row| ints.get(row)).collect::<Vec<_>>(), values[first..]);
        }
    }

    #[test]
    fn small_values_stay_narrow() {
        let mut ints = Ints::default();
        ints.push(i64::from(u32::MAX));
        assert_eq!(ints, Ints::Narrow(vec![u32::MAX]));
    }
}
