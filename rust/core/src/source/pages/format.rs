//! Values as the file format writes them: <https://www.sqlite.org/fileformat2.html>.

use super::file::Encoding;

/// A variable-length integer and what follows it.
#[inline]
pub fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    match bytes {
        [first, rest @ ..] if *first < 0x80 => Some((u64::from(*first), rest)),
        _ => long_varint(bytes),
    }
}

/// The same for more than one byte.
#[inline]
fn long_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let mut value = u64::from(first & 0x7f);
    for (i, &byte) in rest.iter().enumerate().take(8) {
        if i == 7 {
            return Some((value << 8 | u64::from(byte), &rest[8..]));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Some((value, &rest[i + 1..]));
        }
    }
    None
}

/// Bytes of a value by its serial type; `None` for the reserved types.
pub fn size_of(serial: u64) -> Option<usize> {
    match serial {
        0 | 8 | 9 => Some(0),
        1..=4 => usize::try_from(serial).ok(),
        5 => Some(6),
        6 | 7 => Some(8),
        10 | 11 => None,
        _ => usize::try_from((serial - 12) / 2).ok(),
    }
}

/// The integer of a serial type below 10, other than 7.
pub fn integer(serial: u64, bytes: &[u8]) -> i64 {
    match serial {
        8 => 0,
        9 => 1,
        _ => {
            let negative = bytes.first().is_some_and(|&byte| byte & 0x80 != 0);
            bytes.iter().fold(if negative { -1 } else { 0 }, |value, &byte| value << 8 | i64::from(byte))
        }
    }
}

/// Whether the eight bytes of a REAL are no number, which is NULL to `SQLite`.
pub fn is_nan(bytes: &[u8]) -> bool {
    bytes.try_into().is_ok_and(|bytes| f64::from_be_bytes(bytes).is_nan())
}

/// Bytes of a payload that stand on the leaf page itself (the file format's own rule).
pub fn local_length(length: usize, usable: usize) -> usize {
    let most = usable - 35;
    if length <= most {
        return length;
    }
    let least = (usable - 12) * 32 / 255 - 23;
    let fitting = least + (length - least) % (usable - 4);
    if fitting <= most { fitting } else { least }
}

/// A text of more bytes than this, some of them on overflow pages, goes through another function of `SQLite`.
pub const LONG_TEXT_BYTES: usize = 4000;

/// A long text of UTF-16 without its byte order mark, and the encoding that this tells. `SQLite` keeps that of others.
pub const fn without_mark(bytes: &[u8], encoding: Encoding) -> (&[u8], Encoding) {
    match bytes {
        [0xfe, 0xff, rest @ ..] => (rest, Encoding::Utf16Be),
        [0xff, 0xfe, rest @ ..] => (rest, Encoding::Utf16Le),
        _ => (bytes, encoding),
    }
}

/// UTF-8 of UTF-16 as `SQLite` makes it: half a surrogate pair is joined with whatever follows.
pub fn utf16(bytes: &[u8], encoding: Encoding) -> Vec<u8> {
    let mut units = bytes.chunks_exact(2).map(|pair| match encoding {
        Encoding::Utf16Be => u32::from(u16::from_be_bytes([pair[0], pair[1]])),
        _ => u32::from(u16::from_le_bytes([pair[0], pair[1]])),
    });
    let mut text = Vec::with_capacity(bytes.len());
    while let Some(mut code) = units.next() {
        if (0xd800..0xe000).contains(&code)
            && let Some(second) = units.next()
        {
            code = ((code & 0x3c0) + 0x40) << 10 | (code & 0x3f) << 10 | second & 0x3ff;
        }
        let byte = |shift: u32| (code >> shift).to_le_bytes()[0];
        let low = |shift: u32| byte(shift) & 0x3f | 0x80;
        match code {
            0..0x80 => text.push(byte(0)),
            0x80..0x800 => text.extend([0xc0 | byte(6), low(0)]),
            0x800..0x1_0000 => text.extend([0xe0 | byte(12), low(6), low(0)]),
            _ => text.extend([0xf0 | byte(18), low(12), low(6), low(0)]),
        }
    }
    text
}

/// The page number in the first four bytes.
pub fn page_number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
