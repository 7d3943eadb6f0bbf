//! Integer columns that take 32 bits a row where the values allow it.

use rayon::prelude::*;

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

    /// The parts one after the other. Each part is freed as soon as its values are in place.
    pub fn concat(parts: Vec<Self>) -> Self {
        let narrow: Result<Vec<Vec<u32>>, Vec<Self>> = if parts.iter().all(|part| matches!(part, Self::Narrow(_))) {
            Ok(parts
                .into_iter()
                .filter_map(|part| if let Self::Narrow(values) = part { Some(values) } else { None })
                .collect())
        } else {
            Err(parts)
        };
        match narrow {
            Ok(parts) => Self::Narrow(concat(parts, |_, value| value)),
            Err(parts) => {
                let widened = parts.into_iter().map(|part| match part {
                    Self::Narrow(values) => values.into_iter().map(i64::from).collect(),
                    Self::Wide(values) => values,
                });
                Self::Wide(concat(widened.collect(), |_, value| value))
            }
        }
    }
}

/// The parts one after the other, each value mapped with the number of its part, in parallel.
pub fn concat<T, U>(parts: Vec<Vec<T>>, map: impl Fn(usize, T) -> U + Sync) -> Vec<U>
where
    T: Copy + Send + Sync,
    U: Clone + Default + Send,
{
    let mut all = vec![U::default(); parts.iter().map(Vec::len).sum()];
    let mut rest = all.as_mut_slice();
    let mut places = Vec::with_capacity(parts.len());
    for (number, part) in parts.into_iter().enumerate() {
        let (place, after) = rest.split_at_mut(part.len());
        places.push((number, part, place));
        rest = after;
    }
    places.into_par_iter().for_each(|(number, part, place)| {
        for (to, from) in place.iter_mut().zip(part) {
            *to = map(number, from);
        }
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_whatever_their_width() {
        let values = [0, 5, i64::from(u32::MAX), i64::from(u32::MAX) + 1, -1, i64::MAX, i64::MIN, 7];
        for split in 0..values.len() {
            let parts = [&values[..split], &values[split..]].map(|part| {
                let mut ints = Ints::default();
                for &value in part {
                    ints.push(value);
                }
                ints
            });
            let all = Ints::concat(parts.into());
            assert_eq!((0..values.len()).map(|row| all.get(row)).collect::<Vec<_>>(), values);
        }
    }

    #[test]
    fn small_values_stay_narrow() {
        let mut ints = Ints::default();
        ints.push(i64::from(u32::MAX));
        assert_eq!(Ints::concat(vec![ints, Ints::default()]), Ints::Narrow(vec![u32::MAX]));
    }
}
