//! Columns of events, filled by the parts of a table side by side.
//!
//! Each part writes into a stretch of its own, as long as the part is expected to have rows. Where that is right, the
//! columns are whole as soon as all parts are read; otherwise rows are moved.

use rayon::prelude::*;

use crate::model::ints::Ints;

/// The columns of a table of events.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// First nanosecond.
    pub(super) start: Vec<i64>,
    /// Nanoseconds from start to end.
    pub(super) length: Ints,
    /// Number of the kind within its part.
    pub(super) kind: Vec<u32>,
    /// Correlation id, 0 for none; empty in a table without.
    pub(super) correlation: Ints,
    /// One more number; empty in a table without.
    pub(super) more: Ints,
    /// How many rows each part has.
    rows: Vec<usize>,
}

/// Which columns a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fills {
    /// None: its rows are no events.
    Nothing,
    /// Times and kinds.
    Spans,
    /// Correlation ids as well.
    Calls,
    /// One more number as well.
    All,
}

impl Columns {
    /// Lets `fill` fill the stretch of each part, in parallel, with room for about so many rows.
    pub(super) fn fill<P: Send, E: Send>(
        fills: Fills,
        rooms: &[usize],
        fill: impl Fn(usize, &mut Stretch<'_>) -> Result<P, E> + Sync,
    ) -> Result<(Self, Vec<P>), E> {
        let rooms_for = |least| if fills >= least { rooms.to_vec() } else { vec![0; rooms.len()] };
        let mut start: Column<i64> = Column::new(rooms_for(Fills::Spans));
        let [mut length, mut kind] = [(); 2].map(|()| Column::<u32>::new(rooms_for(Fills::Spans)));
        let (mut correlation, mut more) = (Column::new(rooms_for(Fills::Calls)), Column::new(rooms_for(Fills::All)));
        let (starts, kinds) = (start.pieces().into_iter(), kind.pieces().into_iter());
        let [lengths, correlations, mores] = [&mut length, &mut correlation, &mut more].map(Column::numbers);
        let stretches: Vec<Stretch<'_>> = (starts.zip(lengths).zip(kinds).zip(correlations).zip(mores))
            .map(|((((start, length), kind), correlation), more)| Stretch { start, length, kind, correlation, more })
            .collect();
        let filled = stretches.into_par_iter().enumerate().map(|(number, mut stretch)| {
            let part = fill(number, &mut stretch)?;
            let Stretch { start, length, kind, correlation, more } = stretch;
            let lengths = [length, correlation, more].map(Numbers::end);
            Ok((part, start.end(), kind.end(), lengths))
        });
        let filled: Vec<_> = filled.collect::<Result<_, E>>()?;
        let mut parts = Vec::with_capacity(filled.len());
        let (mut starts, mut kinds, mut numbers) = (Vec::new(), Vec::new(), [(); 3].map(|()| Vec::new()));
        for (part, start, kind, of_part) in filled {
            parts.push(part);
            starts.push(start);
            kinds.push(kind);
            for (all, one) in numbers.iter_mut().zip(of_part) {
                all.push(one);
            }
        }
        let rows = kinds.iter().map(Filled::len).collect();
        let [lengths, correlations, mores] = numbers;
        let columns = Self {
            start: start.join(starts),
            length: length.join_numbers(lengths),
            kind: kind.join(kinds),
            correlation: correlation.join_numbers(correlations),
            more: more.join_numbers(mores),
            rows,
        };
        Ok((columns, parts))
    }

    /// The kinds of the rows of each part.
    pub(super) fn kinds_of_parts(&self) -> impl Iterator<Item = &[u32]> {
        let mut rest = self.kind.as_slice();
        self.rows.iter().filter_map(move |&rows| rest.split_off(..rows))
    }

    /// Numbers the kinds of each part anew.
    pub(super) fn number_kinds(&mut self, global: &[Vec<u32>]) {
        let mut rest = self.kind.as_mut_slice();
        let parts: Vec<_> = self.rows.iter().filter_map(|&rows| rest.split_off_mut(..rows)).zip(global).collect();
        parts.into_par_iter().for_each(|(kinds, global)| {
            for kind in kinds {
                *kind = global[*kind as usize];
            }
        });
    }
}

/// The columns as one part fills them.
pub(super) struct Stretch<'a> {
    start: Piece<'a, i64>,
    length: Numbers<'a>,
    kind: Piece<'a, u32>,
    /// Of each row, in a table that has correlation ids.
    pub(super) correlation: Numbers<'a>,
    /// Of each row, in a table that has one more number.
    pub(super) more: Numbers<'a>,
}

impl Stretch<'_> {
    /// How many rows the part has so far.
    pub(super) fn len(&self) -> usize {
        self.kind.used + self.kind.beyond.len()
    }

    /// Adds a row.
    pub(super) fn push(&mut self, start: i64, length: i64, kind: u32) {
        self.start.push(start);
        self.length.push(length);
        self.kind.push(kind);
    }
}

/// Memory of a column with some room for each part.
struct Column<T> {
    values: Vec<T>,
    rooms: Vec<usize>,
}

/// The piece of a column that one part fills.
struct Piece<'a, T> {
    place: &'a mut [T],
    used: usize,
    /// What has no place.
    beyond: Vec<T>,
}

/// What a part left in its piece.
struct Filled<T> {
    used: usize,
    beyond: Vec<T>,
}

impl<T> Filled<T> {
    const fn len(&self) -> usize {
        self.used + self.beyond.len()
    }
}

impl<T> Piece<'_, T> {
    fn push(&mut self, value: T) {
        match self.place.get_mut(self.used) {
            Some(place) => {
                *place = value;
                self.used += 1;
            }
            None => self.beyond.push(value),
        }
    }

    fn end(self) -> Filled<T> {
        Filled { used: self.used, beyond: self.beyond }
    }
}

impl<T: Copy + Default + Send + Sync> Column<T> {
    fn new(mut rooms: Vec<usize>) -> Self {
        let all = rooms.iter().fold(0, |sum: usize, &room| sum.saturating_add(room));
        // Rooms are guesses that a hostile file can drive beyond any memory. Then parts grow by the rows that there are.
        if Vec::<T>::new().try_reserve_exact(all).is_err() {
            rooms.fill(0);
        }
        Self { values: vec![T::default(); rooms.iter().sum()], rooms }
    }

    fn pieces(&mut self) -> Vec<Piece<'_, T>> {
        let mut rest = self.values.as_mut_slice();
        let places = self.rooms.iter().filter_map(|&room| rest.split_off_mut(..room));
        places.map(|place| Piece { place, used: 0, beyond: Vec::new() }).collect()
    }

    /// Where the rooms begin.
    fn edges(&self) -> impl Iterator<Item = usize> {
        self.rooms.iter().scan(0, |edge, room| Some(std::mem::replace(edge, *edge + room)))
    }

    /// All values in order.
    fn join(mut self, filled: Vec<Filled<T>>) -> Vec<T> {
        let edges: Vec<usize> = self.edges().collect();
        if filled.iter().any(|part| !part.beyond.is_empty()) {
            let parts = edges.iter().zip(filled).map(|(&edge, Filled { used, beyond })| match used {
                0 => beyond,
                _ => [&self.values[edge..edge + used], &beyond].concat(),
            });
            return concat(parts.collect());
        }
        let mut end = 0;
        for (edge, Filled { used, .. }) in edges.into_iter().zip(filled) {
            if edge > end {
                self.values.copy_within(edge..edge + used, end);
            }
            end += used;
        }
        self.values.truncate(end);
        self.values.shrink_to_fit();
        self.values
    }
}

/// A piece of integers, of 32 bits unless one of them does not fit.
pub(super) struct Numbers<'a> {
    narrow: Piece<'a, u32>,
    /// All values, where one does not fit.
    wide: Option<Vec<i64>>,
}

impl Numbers<'_> {
    /// Adds a value.
    pub(super) fn push(&mut self, value: i64) {
        match (&mut self.wide, u32::try_from(value)) {
            (None, Ok(narrow)) => self.narrow.push(narrow),
            (Some(wide), _) => wide.push(value),
            (None, Err(_)) => self.widen(value),
        }
    }

    #[cold]
    fn widen(&mut self, value: i64) {
        let narrow = self.narrow.place[..self.narrow.used].iter().chain(&self.narrow.beyond);
        self.wide = Some(narrow.map(|&value| i64::from(value)).chain([value]).collect());
    }

    fn end(self) -> (Filled<u32>, Option<Vec<i64>>) {
        (self.narrow.end(), self.wide)
    }
}

impl Column<u32> {
    fn numbers(&mut self) -> impl Iterator<Item = Numbers<'_>> {
        self.pieces().into_iter().map(|narrow| Numbers { narrow, wide: None })
    }

    fn join_numbers(self, filled: Vec<(Filled<u32>, Option<Vec<i64>>)>) -> Ints {
        if filled.iter().all(|(_, wide)| wide.is_none()) {
            return Ints::Narrow(self.join(filled.into_iter().map(|(narrow, _)| narrow).collect()));
        }
        let parts = self.edges().zip(filled).map(|(edge, (Filled { used, beyond }, wide))| {
            let narrow = || self.values[edge..edge + used].iter().chain(&beyond);
            wide.unwrap_or_else(|| narrow().map(|&value| i64::from(value)).collect())
        });
        let parts = parts.collect();
        drop(self);
        Ints::Wide(concat(parts))
    }
}

/// The parts one after the other, in parallel. Each part is freed as soon as its values are in place.
fn concat<T: Copy + Default + Send + Sync>(parts: Vec<Vec<T>>) -> Vec<T> {
    let mut all = vec![T::default(); parts.iter().map(Vec::len).sum()];
    let mut rest = all.as_mut_slice();
    let places = parts.into_iter().filter_map(|part| Some((rest.split_off_mut(..part.len())?, part)));
    let places: Vec<_> = places.collect();
    places.into_par_iter().for_each(|(place, part)| place.copy_from_slice(&part));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns of parts of these rows, in rooms of these sizes.
    fn filled(rooms: &[usize], parts: &[&[i64]]) -> Columns {
        let fill = |part: usize, stretch: &mut Stretch<'_>| {
            for (kind, &value) in (0..).zip(parts[part]) {
                assert_eq!(stretch.len(), kind as usize);
                stretch.push(value, value, kind);
                stretch.correlation.push(value + 1);
            }
            Ok::<_, ()>(part)
        };
        let (columns, order) = Columns::fill(Fills::Calls, rooms, fill).expect("no part fails");
        assert_eq!(order, (0..parts.len()).collect::<Vec<_>>());
        columns
    }

    #[test]
    fn columns_are_the_parts_in_order_whatever_the_rooms() {
        let wide = i64::from(u32::MAX) + 1;
        for parts in [[&[1, 2][..], &[], &[3, 4, 5]], [&[7], &[wide, 8], &[9]], [&[1, -1, wide], &[2], &[]]] {
            let all = parts.concat();
            for rooms in [[0, 0, 0], [2, 0, 3], [9, 9, 9], [1, 1, 1], [3, 1, 0], [0, 5, 2]] {
                let mut columns = filled(&rooms, &parts);
                assert_eq!(columns.start, all, "{rooms:?}");
                assert_eq!((0..all.len()).map(|row| columns.length.get(row)).collect::<Vec<_>>(), all, "{rooms:?}");
                assert_eq!((0..all.len()).map(|row| columns.correlation.get(row) - 1).collect::<Vec<_>>(), all);
                assert_eq!(columns.more, Ints::default());
                assert_eq!(columns.kinds_of_parts().map(<[u32]>::len).collect::<Vec<_>>(), parts.map(<[i64]>::len));
                columns.number_kinds(&[vec![10, 11, 12], vec![20, 21], vec![30, 31, 32]]);
                let tens = columns.kind.iter().map(|kind| kind / 10).collect::<Vec<_>>();
                let of_parts = parts.iter().zip(1..).flat_map(|(part, ten)| vec![ten; part.len()]);
                assert_eq!(tens, of_parts.collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn rooms_beyond_any_memory_are_no_rooms() {
        for most in [usize::MAX, 1 << 60, 1 << 50] {
            let columns = filled(&[1, most, most], &[&[1, 2], &[3], &[]]);
            assert_eq!((columns.start, columns.length), (vec![1, 2, 3], Ints::Narrow(vec![1, 2, 3])));
        }
    }

    #[test]
    fn only_values_that_need_it_take_64_bits() {
        let columns = filled(&[1, 1], &[&[1], &[i64::from(u32::MAX)]]);
        assert_eq!(columns.length, Ints::Narrow(vec![1, u32::MAX]));
        assert!(matches!(columns.correlation, Ints::Wide(_)));
    }

    #[test]
    fn the_error_of_a_part_is_that_of_all() {
        let fill = |part: usize, _: &mut Stretch<'_>| if part == 1 { Err("damaged") } else { Ok(()) };
        assert_eq!(Columns::fill(Fills::Spans, &[4, 4], fill).map(|_| ()), Err("damaged"));
    }
}
