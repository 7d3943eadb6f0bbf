//! Rows on their way from a source to the event columns: a few thousand at a time.
//!
//! Integers stand row by row, as they are read and consumed; which of them are present is a bit set per row.

use std::borrow::Cow;

/// Rows per batch: large enough to hide the call, small enough for the cache.
pub const BATCH_ROWS: usize = 1024;

/// What the reader wants of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellKind {
    /// An integer.
    Int,
    /// Text, decoded leniently.
    Text,
}

/// A column to read. One that the table lacks reads as NULL in every row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Name in the export.
    pub name: &'static str,
    /// Type.
    pub kind: CellKind,
}

impl Wanted {
    /// An integer column.
    pub const fn int(name: &'static str) -> Self {
        Self { name, kind: CellKind::Int }
    }

    /// A text column.
    pub const fn text(name: &'static str) -> Self {
        Self { name, kind: CellKind::Text }
    }
}

/// The integer cells of one row: integers, NULLs, and values of other types, which no genuine export has.
#[derive(Debug)]
pub struct RowInts {
    values: Vec<i64>,
    present: u32,
    /// Cells that hold neither an integer nor NULL.
    odd: u32,
    /// Columns that the table has.
    known: u32,
}

impl RowInts {
    /// A row of integer columns; those that the table lacks are NULL in every row.
    ///
    /// # Panics
    /// Above 32 columns, which no request has.
    pub fn new(known: &[bool]) -> Self {
        assert!(known.len() <= 32, "{} integer columns in one request", known.len());
        let bits = known.iter().zip(0..).fold(0, |bits, (&known, slot)| bits | u32::from(known) << slot);
        Self { values: vec![0; known.len()], present: 0, odd: bits, known: bits }
    }

    /// The columns that the table has, as bits by slot.
    pub const fn known(&self) -> u32 {
        self.known
    }

    /// Makes the cell of every known column one of another type, until it is set.
    pub fn clear(&mut self) {
        self.present = 0;
        self.odd = self.known;
    }

    /// An integer.
    pub fn set(&mut self, slot: usize, value: i64) {
        self.values[slot] = value;
        self.present |= 1 << slot;
        self.odd &= !(1 << slot);
    }

    /// NULL.
    pub fn set_null(&mut self, slot: usize) {
        self.odd &= !(1 << slot);
    }
}

/// The text of some bytes. Invalid UTF-8 becomes U+FFFD.
pub fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    // Nearly all texts are valid, and are told so faster than they are mended.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Into::into)
}

/// Text cells, as bytes of one buffer.
#[derive(Debug, Default)]
pub struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    present: Vec<bool>,
}

impl Texts {
    /// The text, if the cell is one. Invalid UTF-8 becomes U+FFFD.
    pub fn get(&self, row: usize) -> Option<Cow<'_, str>> {
        self.bytes(row).map(decoded)
    }

    /// The bytes of the text, if the cell is one.
    pub fn bytes(&self, row: usize) -> Option<&[u8]> {
        let from = if row == 0 { 0 } else { self.ends[row - 1] };
        self.present[row].then(|| &self.bytes[from..self.ends[row]])
    }

    /// Adds a cell.
    pub fn push(&mut self, text: Option<&[u8]>) {
        self.bytes.extend_from_slice(text.unwrap_or_default());
        self.ends.push(self.bytes.len());
        self.present.push(text.is_some());
    }
}

/// The integer cells of one row, by their place among the integer columns of the request.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'a> {
    values: &'a [i64],
    present: u32,
    odd: u32,
}

impl Cells<'_> {
    /// The cell, if it is an integer.
    pub fn get(&self, slot: usize) -> Option<i64> {
        (self.present >> slot & 1 == 1).then(|| self.values[slot])
    }

    /// Whether the cell is NULL.
    pub const fn is_null(&self, slot: usize) -> bool {
        (self.present | self.odd) >> slot & 1 == 0
    }
}

/// Some consecutive rows.
#[derive(Debug)]
pub struct Batch {
    rows: usize,
    /// For each column of the request, its place among those of its kind.
    slots: Vec<usize>,
    width: usize,
    values: Vec<i64>,
    present: Vec<u32>,
    odd: Vec<u32>,
    texts: Vec<Texts>,
}

impl Batch {
    /// An empty batch for these columns.
    pub fn new(columns: &[Wanted]) -> Self {
        let (mut ints, mut texts) = (0, 0);
        let slots = columns
            .iter()
            .map(|column| {
                let next = match column.kind {
                    CellKind::Int => &mut ints,
                    CellKind::Text => &mut texts,
                };
                *next += 1;
                *next - 1
            })
            .collect();
        let texts = (0..texts).map(|_| Texts::default()).collect();
        Self { rows: 0, slots, width: ints, values: Vec::new(), present: Vec::new(), odd: Vec::new(), texts }
    }

    /// How many rows.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// The cell of an integer column, if it is an integer. `column` counts all columns of the request.
    pub fn int(&self, row: usize, column: usize) -> Option<i64> {
        self.ints(row).get(self.slots[column])
    }

    /// Whether the cell of an integer column is NULL.
    pub fn is_null(&self, row: usize, column: usize) -> bool {
        self.ints(row).is_null(self.slots[column])
    }

    /// The cells of all integer columns.
    pub fn ints(&self, row: usize) -> Cells<'_> {
        let values = &self.values[row * self.width..][..self.width];
        Cells { values, present: self.present[row], odd: self.odd[row] }
    }

    /// The cell of a text column, if it is text.
    pub fn text(&self, row: usize, column: usize) -> Option<Cow<'_, str>> {
        self.texts[self.slots[column]].get(row)
    }

    /// The bytes of the cell of a text column, if it is text.
    pub fn text_bytes(&self, row: usize, column: usize) -> Option<&[u8]> {
        self.texts[self.slots[column]].bytes(row)
    }

    /// How many text columns there are.
    pub fn text_columns(&self) -> usize {
        self.texts.len()
    }

    /// A text column by its place among the text columns, for a source that fills it.
    pub fn text_mut(&mut self, slot: usize) -> &mut Texts {
        &mut self.texts[slot]
    }

    /// Adds a row, whose texts are already there.
    pub fn end_row(&mut self, ints: &RowInts) {
        self.push_row(ints.values.iter().copied(), ints.present, ints.odd);
    }

    /// Adds a row, whose texts are already there: a value for every integer column, and bits by slot.
    pub fn push_row(&mut self, values: impl Iterator<Item = i64>, present: u32, odd: u32) {
        self.values.extend(values);
        self.present.push(present);
        self.odd.push(odd);
        self.rows += 1;
    }

    /// Replaces the integer of the last row in a slot.
    pub fn set_last(&mut self, slot: usize, value: i64) {
        let last = self.values.len() - self.width;
        self.values[last + slot] = value;
    }

    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.rows = 0;
        self.values.clear();
        self.present.clear();
        self.odd.clear();
        for text in &mut self.texts {
            text.bytes.clear();
            text.ends.clear();
            text.present.clear();
        }
    }
}
