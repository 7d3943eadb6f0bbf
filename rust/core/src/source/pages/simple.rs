//! The common record, decoded without a branch per column: every type takes one byte, and the record ends on its page.
//!
//! Whatever is less common is left to the general way, which also finds the words for damage.

use crate::source::batch::RowInts;

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

/// Decodes a whole record into `row`, and the bounds of its texts into `texts`; `false` where it is not that simple, and
/// then both hold anything. `wishes` are in the order of their columns.
pub(super) fn decode(
    payload: &[u8],
    rowid: i64,
    wishes: &[Wish],
    row: &mut RowInts,
    mut text: impl FnMut(usize, Option<(usize, usize)>),
) -> bool {
    let Some(&header_length) = payload.first() else { return false };
    let Some(types) = payload.get(1..usize::from(header_length)) else { return false };
    let past = wishes.last().map_or(0, |wish| wish.column + 1);
    if header_length >= 0x80 || types.len() < past {
        return false;
    }
    row.clear();
    let mut at = usize::from(header_length);
    let mut column = 0;
    for wish in wishes {
        at += types[column..wish.column].iter().map(|&kind| SIZES[usize::from(kind)] as usize).sum::<usize>();
        let kind = types[wish.column];
        column = wish.column + 1;
        let end = at + SIZES[usize::from(kind)] as usize;
        if end > payload.len() {
            return false;
        }
        match (wish.take, kind) {
            (Take::RowId, _) => row.set(wish.slot, rowid),
            (Take::Int | Take::Real, 0) => row.set_null(wish.slot),
            (Take::Int | Take::Real, 7) => return false,
            (Take::Int, 1..=6) => row.set(wish.slot, integer(payload, at, end)),
            (Take::Int, 8 | 9) => row.set(wish.slot, i64::from(kind - 8)),
            (Take::Int | Take::Real, _) => {}
            (Take::Text, _) => text(wish.slot, (kind >= 13 && kind % 2 == 1).then_some((at, end))),
        }
        at = end;
    }
    // Sizes of unusual types are beyond any payload on a page, so this finds them in skipped columns as well.
    at <= payload.len() && (column < types.len() || at == payload.len())
}

/// The big-endian integer at `at..end`, of one to eight bytes inside the payload.
fn integer(payload: &[u8], at: usize, end: usize) -> i64 {
    let length = end - at;
    if let Some(&bytes) = payload[at..].first_chunk::<8>() {
        return i64::from_be_bytes(bytes) >> (64 - 8 * length);
    }
    let negative = payload[at] & 0x80 != 0;
    payload[at..end].iter().fold(if negative { -1 } else { 0 }, |value, &byte| value << 8 | i64::from(byte))
}
