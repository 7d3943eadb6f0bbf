//! Shapes of records: most rows of a table share a few headers, so what a header says is worked out once for each.
//!
//! Only the common record has a shape: every type takes one byte, and the record ends on its page. Whatever is less
//! common is left to the general way, which also finds the words for damage.

use crate::source::batch::Batch;

/// Stands for a size where the general way must look: types of several bytes, reserved ones. Beyond any page.
const UNUSUAL: u32 = 1 << 24;

/// Bytes of a value by the byte of its type.
const SIZES: [u32; 256] = sizes();

const fn sizes() -> [u32; 256] {
    let mut sizes = [UNUSUAL; 256];
    let small = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0];
    let mut kind = 0;
    while kind < small.len() {
        sizes[kind] = small[kind];
        kind += 1;
    }
    let mut kind: u32 = 12;
    while kind < 0x80 {
        sizes[kind as usize] = (kind - 12) / 2;
        kind += 1;
    }
    sizes
}

/// What a wanted column of the record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// An integer column.
    Int,
    /// An integer column whose values `SQLite` shows as REAL.
    Real,
    /// The row id under another name.
    RowId,
    /// A text column.
    Text,
}

/// A wanted column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    /// Place in the record.
    pub(super) column: usize,
    /// Place among the wanted columns of its kind.
    pub(super) slot: usize,
    /// What it is.
    pub(super) take: Take,
}

/// An integer of a record: the eight bytes at `at`, shifted, and a constant added.
#[derive(Debug, Clone, Copy)]
struct Field {
    at: u32,
    shift: u8,
    constant: i8,
}

impl Field {
    /// The highest bit of the record: its header is shorter than 128 bytes.
    const ZERO: Self = Self { at: 0, shift: 63, constant: 0 };
    const ONE: Self = Self { constant: 1, ..Self::ZERO };

    /// A field of a type below 10, other than 7, whose value starts at `at`.
    fn new(kind: u8, at: u32) -> Self {
        match SIZES[usize::from(kind)] {
            0 if kind == 9 => Self::ONE,
            0 => Self::ZERO,
            // At most 56.
            size => Self { at, shift: 64 - 8 * size.to_le_bytes()[0], constant: 0 },
        }
    }

    fn value(self, record: &[u8]) -> i64 {
        let at = self.at as usize;
        let bytes = record.get(at..at + 8).and_then(|bytes| bytes.first_chunk()).copied().unwrap_or_default();
        (i64::from_be_bytes(bytes) >> self.shift) + i64::from(self.constant)
    }
}

/// What all records with one header have in common.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// By slot.
    fields: Vec<Field>,
    present: u32,
    odd: u32,
    /// The slot of the row id under another name.
    rowid: Option<usize>,
    /// Start and end of each text, by slot; nothing where the cell holds none.
    texts: Vec<Option<(u32, u32)>>,
    /// Bytes of the record up to the last wanted column.
    end: u32,
    /// Whether other columns follow.
    is_open: bool,
    /// Bytes that must be there to take each integer as eight bytes.
    reach: u32,
}

impl Shape {
    /// Stands for records that need the general way.
    const UNUSUAL: Self = Self {
        fields: Vec::new(),
        present: 0,
        odd: 0,
        rowid: None,
        texts: Vec::new(),
        end: u32::MAX,
        is_open: true,
        reach: 0,
    };

    /// Whether a record of this length has the shape. More bytes of the page may follow it.
    pub(super) fn fits(&self, length: usize, bytes: &[u8]) -> bool {
        let end = self.end as usize;
        (end == length || self.is_open && end < length) && self.reach as usize <= bytes.len()
    }

    /// Start and end of each text, by slot; nothing where the cell holds none.
    pub(super) fn texts(&self) -> &[Option<(u32, u32)>] {
        &self.texts
    }

    /// Adds the integers of a record of this shape to a batch.
    pub(super) fn end_row(&self, record: &[u8], rowid: i64, batch: &mut Batch) {
        batch.push_row(self.fields.iter().map(|field| field.value(record)), self.present, self.odd);
        if let Some(slot) = self.rowid {
            batch.set_last(slot, rowid);
        }
    }
}

/// Words of the first bytes of a header, which tell its shape.
const WORDS: usize = 8;
/// Shapes that are kept: more than a table usually has.
const KEPT: usize = 256;
/// The golden ratio, to spread what is kept.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The shapes of the records of one table, by the first bytes of the header: its length, and the types up to that of
/// the last wanted column.
pub(super) struct Shapes {
    /// In the order of their columns.
    wishes: Vec<Wish>,
    /// Integer columns that the table has.
    known: u32,
    ints: usize,
    texts: usize,
    /// How many types there are up to the last wanted column.
    past: usize,
    /// Words of a key, and the bytes that count.
    words: usize,
    masks: [u64; WORDS],
    keys: Vec<[u64; WORDS]>,
    kept: Vec<Shape>,
}

impl Shapes {
    /// Shapes for these wishes, which are in the order of their columns, for rows of so many integers and texts.
    pub(super) fn new(wishes: Vec<Wish>, known: u32, ints: usize, texts: usize) -> Self {
        let past = wishes.last().map_or(0, |wish| wish.column + 1);
        let counts = |word: usize| match (past + 1).saturating_sub(8 * word) {
            0 => 0,
            bytes => u64::MAX >> (64 - 8 * bytes.min(8)),
        };
        let words = (past + 1).div_ceil(8);
        let places = if words <= WORDS { KEPT } else { 0 };
        let (keys, kept) = (vec![[0; WORDS]; places], vec![Shape::UNUSUAL; places]);
        Self { wishes, known, ints, texts, past, words, masks: std::array::from_fn(counts), keys, kept }
    }

    /// The shape of the record at the start of `bytes`, if it may have one.
    pub(super) fn of(&mut self, bytes: &[u8]) -> Option<&Shape> {
        // As many words as the widest tables need, and few where few will do.
        match self.words {
            ..=1 => self.find::<1>(bytes),
            2..=3 => self.find::<3>(bytes),
            4..=5 => self.find::<5>(bytes),
            _ => self.find::<WORDS>(bytes),
        }
    }

    fn find<const W: usize>(&mut self, bytes: &[u8]) -> Option<&Shape> {
        let mut padded = [0; 8 * WORDS];
        let head = bytes.get(..8 * W).unwrap_or_else(|| {
            padded[..bytes.len()].copy_from_slice(bytes);
            &padded
        });
        let words = head.as_chunks::<8>().0.first_chunk::<W>()?;
        let key: [u64; W] = std::array::from_fn(|i| u64::from_le_bytes(words[i]) & self.masks[i]);
        let mixed = (0..).zip(&key).fold(0_u64, |mixed, (i, word)| mixed ^ word.rotate_left(11 * i));
        let place = (mixed.wrapping_mul(SPREAD) >> 56) as usize;
        let known = self.keys.get_mut(place)?.first_chunk_mut::<W>()?;
        // Spelled out: comparing arrays is a call. A key of zeros is a header without bytes, which has no shape.
        if known.iter().zip(&key).fold(0, |differs, (known, word)| differs | (known ^ word)) != 0 {
            *known = key;
            self.kept[place] = self.shape(bytes).unwrap_or(Shape::UNUSUAL);
        }
        Some(&self.kept[place])
    }

    /// Works out the shape of the record at the start of `bytes`.
    fn shape(&self, bytes: &[u8]) -> Option<Shape> {
        let &header_length = bytes.first()?;
        let types = bytes.get(1..usize::from(header_length))?;
        if header_length >= 0x80 || types.len() < self.past {
            return None;
        }
        let fields = vec![Field::ZERO; self.ints];
        let (texts, is_open) = (vec![None; self.texts], types.len() > self.past);
        let mut shape = Shape { fields, present: 0, odd: self.known, rowid: None, texts, end: 0, is_open, reach: 0 };
        let mut at = u32::from(header_length);
        let mut column = 0;
        for wish in &self.wishes {
            at += types[column..wish.column].iter().map(|&kind| SIZES[usize::from(kind)]).sum::<u32>();
            let kind = types[wish.column];
            let end = at + SIZES[usize::from(kind)];
            let bit = 1 << wish.slot;
            match (wish.take, kind) {
                (Take::RowId, _) => {
                    shape.rowid = Some(wish.slot);
                    (shape.present, shape.odd) = (shape.present | bit, shape.odd & !bit);
                }
                (Take::Int | Take::Real, 7) => return None,
                (Take::Int | Take::Real, 0) => shape.odd &= !bit,
                (Take::Int, 1..=6 | 8 | 9) => {
                    let field = Field::new(kind, at);
                    shape.fields[wish.slot] = field;
                    shape.reach = shape.reach.max(field.at + 8);
                    (shape.present, shape.odd) = (shape.present | bit, shape.odd & !bit);
                }
                (Take::Int | Take::Real, _) => {}
                (Take::Text, _) => shape.texts[wish.slot] = (kind >= 13 && kind % 2 == 1).then_some((at, end)),
            }
            at = end;
            column = wish.column + 1;
        }
        // Sizes of unusual types are beyond any payload on a page, so no record fits them.
        shape.end = at;
        Some(shape)
    }
}
