//! Cells of leaf pages: the wanted columns of each record.

use super::file::{Encoding, PageFile};
use super::layout::{ColumnLayout, Default, TableLayout};
use super::tree::LEAF;
use crate::error::Result;
use crate::source::batch::{Batch, CellKind, RowInts, Wanted};
use crate::source::open::MAX_CELL_BYTES;

/// How many cells a leaf page has.
pub fn cells(file: &PageFile, page: u32, bytes: &[u8]) -> Result<usize> {
    let count = usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
    if bytes[0] != LEAF {
        return Err(file.corrupt(page, &format!("a page of kind {} where a table's leaf belongs", bytes[0])));
    }
    if 8 + 2 * count > file.usable() {
        return Err(file.corrupt(page, "more cells than fit on the page"));
    }
    Ok(count)
}

/// What to do with a column of the record.
#[derive(Debug, Clone)]
enum Step {
    Skip,
    Int { slot: usize, is_real: bool, default: Default },
    RowId { slot: usize },
    Text { slot: usize, default: Default },
}

/// Why a record cannot be decoded.
enum Fault {
    /// Wanted bytes lie beyond the given ones: up to this many are needed.
    Short(usize),
    /// The record contradicts itself.
    Damaged(&'static str),
}

/// Decodes the wanted columns of one table, page by page.
pub struct Decoder<'a> {
    file: &'a PageFile,
    steps: Vec<Step>,
    row: RowInts,
    /// The row id of the last cell: ids ascend.
    last: Option<i64>,
    /// Bytes of all records so far.
    bytes: u64,
    /// Records that continue on overflow pages are put together here.
    whole: Vec<u8>,
    page: Vec<u8>,
}

impl<'a> Decoder<'a> {
    /// A decoder for some columns of a table. A column that the table lacks stays NULL.
    pub fn new(file: &'a PageFile, layout: &TableLayout, columns: &[Wanted]) -> Self {
        let mut steps = vec![Step::Skip; layout.columns.len()];
        let (mut ints, mut texts) = (0, 0);
        let mut known = Vec::new();
        for wanted in columns {
            let slot = match wanted.kind {
                CellKind::Int => &mut ints,
                CellKind::Text => &mut texts,
            };
            let is_wanted = |column: &ColumnLayout| column.name.eq_ignore_ascii_case(wanted.name);
            let at = layout.columns.iter().position(is_wanted);
            if wanted.kind == CellKind::Int {
                known.push(at.is_some());
            }
            if let Some(at) = at {
                let column = &layout.columns[at];
                let (slot, default) = (*slot, column.default.clone());
                steps[at] = match wanted.kind {
                    CellKind::Int if column.is_rowid => Step::RowId { slot },
                    CellKind::Int => Step::Int { slot, is_real: column.is_real, default },
                    CellKind::Text => Step::Text { slot, default },
                };
            }
            *slot += 1;
        }
        while let Some(Step::Skip) = steps.last() {
            steps.pop();
        }
        let row = RowInts::new(&known);
        Self { file, steps, row, last: None, bytes: 0, whole: Vec::new(), page: Vec::new() }
    }

    /// Adds the rows of a leaf page.
    pub fn page(&mut self, number: u32, bytes: &[u8], batch: &mut Batch) -> Result<()> {
        let count = cells(self.file, number, bytes)?;
        let usable = &bytes[..self.file.usable()];
        let pointers_end = 8 + 2 * count;
        for pointer in usable[8..pointers_end].chunks_exact(2) {
            let at = usize::from(u16::from_be_bytes([pointer[0], pointer[1]]));
            if at < pointers_end || at >= usable.len() {
                return Err(self.file.corrupt(number, "a cell lies outside of the page"));
            }
            self.cell(number, &usable[at..], batch)?;
        }
        Ok(())
    }

    fn cell(&mut self, number: u32, bytes: &[u8], batch: &mut Batch) -> Result<()> {
        let damaged = |detail| self.file.corrupt(number, detail);
        let (length, rest) = varint(bytes).ok_or_else(|| damaged("a cell ends too early"))?;
        let (rowid, rest) = varint(rest).ok_or_else(|| damaged("a cell ends too early"))?;
        // Cells that share bytes, or a chain of pages in a circle, would fill any memory.
        self.bytes = self.bytes.saturating_add(length);
        if self.bytes > self.file.bytes() {
            return Err(damaged("the table's records are longer than the file"));
        }
        if length > u64::from(MAX_CELL_BYTES) {
            return Err(self.file.too_big(number, length));
        }
        let length = usize::try_from(length).map_err(|_| damaged("a cell of impossible length"))?;
        let local = local_length(length, self.file.usable());
        let Some(payload) = rest.get(..local) else { return Err(damaged("a cell reaches beyond its page")) };
        let rowid = rowid.cast_signed();
        if self.last.is_some_and(|last| last >= rowid) {
            return Err(damaged("row ids are out of order"));
        }
        self.last = Some(rowid);
        let fault = match self.record(payload, rowid, batch) {
            Ok(()) => return Ok(()),
            Err(fault) => fault,
        };
        match fault {
            Fault::Short(needed) if local < length => {
                let first = rest.get(local..local + 4).ok_or_else(|| damaged("a cell reaches beyond its page"))?;
                let first = u32::from_be_bytes([first[0], first[1], first[2], first[3]]);
                let mut whole = std::mem::take(&mut self.whole);
                whole.clear();
                whole.extend_from_slice(payload);
                self.follow(number, first, length, needed, &mut whole)?;
                let again = self.record(&whole, rowid, batch);
                self.whole = whole;
                again.map_err(|_| damaged("a record is longer than its cell"))
            }
            Fault::Short(_) => Err(damaged("a record is longer than its cell")),
            Fault::Damaged(detail) => Err(damaged(detail)),
        }
    }

    /// Appends overflow pages until `needed` bytes of a payload of `length` are there. Each page shortens what is left,
    /// so a cycle ends.
    fn follow(&mut self, cell_page: u32, first: u32, length: usize, needed: usize, whole: &mut Vec<u8>) -> Result<()> {
        let content = self.file.usable() - 4;
        let mut next = first;
        let wanted = needed.min(length);
        while whole.len() < wanted {
            if next < 2 || next > self.file.pages() {
                return Err(self.file.corrupt(cell_page, "an overflow page lies outside of the file"));
            }
            self.file.read(next, 1, &mut self.page)?;
            let take = content.min(length - whole.len());
            whole.extend_from_slice(&self.page[4..4 + take]);
            next = u32::from_be_bytes([self.page[0], self.page[1], self.page[2], self.page[3]]);
        }
        Ok(())
    }

    /// Adds one row. Nothing is added where a fault is returned.
    fn record(&mut self, payload: &[u8], rowid: i64, batch: &mut Batch) -> Result<(), Fault> {
        let (header_length, after) = varint(payload).ok_or(Fault::Damaged("a record without a header"))?;
        let header_length = usize::try_from(header_length).map_err(|_| Fault::Damaged("an impossible header"))?;
        if header_length > payload.len() {
            return Err(Fault::Short(header_length.saturating_add(payload.len())));
        }
        let first_type = payload.len() - after.len();
        if header_length < first_type {
            return Err(Fault::Damaged("an impossible header"));
        }
        let mut types = &payload[first_type..header_length];
        let mut at = header_length;
        self.row.clear();
        let mut texts = [(0_usize, 0_usize, TextSource::Null); MAX_TEXTS];
        for step in &self.steps {
            if types.is_empty() {
                missing(step, rowid, &mut self.row, &mut texts);
                continue;
            }
            let (serial, rest) = varint(types).ok_or(Fault::Damaged("a header ends too early"))?;
            types = rest;
            let size = size_of(serial).ok_or(Fault::Damaged("an impossible value in a header"))?;
            let end = at.checked_add(size).ok_or(Fault::Damaged("an impossible value in a header"))?;
            match step {
                Step::Skip => {}
                Step::RowId { slot } => self.row.set(*slot, rowid),
                Step::Int { slot, is_real, .. } => match serial {
                    0 => self.row.set_null(*slot),
                    1..=6 | 8 | 9 if !is_real => {
                        let value = payload.get(at..end).ok_or(Fault::Short(end))?;
                        self.row.set(*slot, integer(serial, value));
                    }
                    _ => {}
                },
                Step::Text { slot, .. } => {
                    if serial >= 13 && serial % 2 == 1 {
                        if end > payload.len() {
                            return Err(Fault::Short(end));
                        }
                        texts[*slot] = (at, end, TextSource::Record);
                    }
                }
            }
            at = end;
        }
        self.finish(payload, &texts, batch);
        Ok(())
    }

    fn finish(&self, payload: &[u8], texts: &[(usize, usize, TextSource); MAX_TEXTS], batch: &mut Batch) {
        for (slot, &(start, end, source)) in texts.iter().enumerate().take(batch.text_columns()) {
            let column = batch.text_mut(slot);
            match source {
                TextSource::Null => column.push(None),
                TextSource::Default => {
                    let default = self.steps.iter().find_map(|step| match step {
                        Step::Text { slot: of, default: Default::Text(text) } if *of == slot => Some(text.as_slice()),
                        _ => None,
                    });
                    column.push(default);
                }
                TextSource::Record => match self.file.encoding() {
                    Encoding::Utf8 => column.push(Some(&payload[start..end])),
                    encoding => column.push(Some(utf16(&payload[start..end], encoding).as_bytes())),
                },
            }
        }
        batch.end_row(&self.row);
    }
}

/// No analysis reads more text columns of one table.
const MAX_TEXTS: usize = 4;

/// Where the text of a row comes from.
#[derive(Debug, Clone, Copy)]
enum TextSource {
    Null,
    Default,
    Record,
}

/// A column that was added to the table after the record was written.
fn missing(step: &Step, rowid: i64, row: &mut RowInts, texts: &mut [(usize, usize, TextSource); MAX_TEXTS]) {
    match step {
        Step::Skip => {}
        Step::RowId { slot } => row.set(*slot, rowid),
        Step::Int { slot, default: Default::Int(value), .. } => row.set(*slot, *value),
        Step::Int { slot, default: Default::Null, .. } => row.set_null(*slot),
        Step::Int { .. } => {}
        Step::Text { slot, .. } => texts[*slot].2 = TextSource::Default,
    }
}

/// A variable-length integer and what follows it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((u64::from(first), rest));
    }
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
fn size_of(serial: u64) -> Option<usize> {
    match serial {
        0 | 8 | 9 => Some(0),
        1..=4 => usize::try_from(serial).ok(),
        5 => Some(6),
        6 | 7 => Some(8),
        10 | 11 => None,
        _ => usize::try_from((serial - 12) / 2).ok(),
    }
}

fn integer(serial: u64, bytes: &[u8]) -> i64 {
    match serial {
        8 => 0,
        9 => 1,
        _ => {
            let negative = bytes.first().is_some_and(|&byte| byte & 0x80 != 0);
            bytes.iter().fold(if negative { -1 } else { 0 }, |value, &byte| value << 8 | i64::from(byte))
        }
    }
}

/// Bytes of a payload that stand on the leaf page itself (the file format's own rule).
fn local_length(length: usize, usable: usize) -> usize {
    let most = usable - 35;
    if length <= most {
        return length;
    }
    let least = (usable - 12) * 32 / 255 - 23;
    let fitting = least + (length - least) % (usable - 4);
    if fitting <= most { fitting } else { least }
}

fn utf16(bytes: &[u8], encoding: Encoding) -> String {
    let units = bytes.chunks_exact(2).map(|pair| match encoding {
        Encoding::Utf16Be => u16::from_be_bytes([pair[0], pair[1]]),
        _ => u16::from_le_bytes([pair[0], pair[1]]),
    });
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
