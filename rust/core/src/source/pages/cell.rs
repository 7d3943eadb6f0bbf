//! Cells of leaf pages: the wanted columns of each record.

use super::file::{Encoding, PageFile};
use super::format::{
    LONG_TEXT_BYTES, integer, is_nan, local_length, page_number, size_of, utf16, varint, without_mark,
};
use super::layout::{ColumnLayout, Default, TableLayout};
use super::shape::{Shapes, Take, Wish};
use super::tree::LEAF;
use crate::error::Result;
use crate::source::batch::{Batch, CellKind, RowInts, Texts, Wanted};
use crate::source::open::MAX_CELL_BYTES;

/// How many cells a leaf page has. Only the root of an empty table has none.
pub fn cells(file: &PageFile, page: u32, bytes: &[u8]) -> Result<usize> {
    let count = usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
    if bytes[0] != LEAF {
        return Err(file.corrupt(page, &format!("a page of kind {} where a table's leaf belongs", bytes[0])));
    }
    if count > file.most_cells() {
        return Err(file.corrupt(page, "more cells than fit on the page"));
    }
    Ok(count)
}

/// The cells of a leaf page, each from its first byte to the end of the page.
fn each_cell<'a>(file: &PageFile, page: u32, bytes: &'a [u8]) -> Result<impl Iterator<Item = Result<&'a [u8]>>> {
    let usable = &bytes[..file.usable()];
    let pointers_end = 8 + 2 * cells(file, page, bytes)?;
    Ok(usable[8..pointers_end].chunks_exact(2).map(move |pointer| {
        let at = usize::from(u16::from_be_bytes([pointer[0], pointer[1]]));
        if at < pointers_end || at + LEAST_CELL_BYTES > usable.len() {
            return Err(file.corrupt(page, "a cell lies outside of the page"));
        }
        Ok(&usable[at..])
    }))
}

/// A cell takes so much even where its record is shorter.
const LEAST_CELL_BYTES: usize = 4;

/// What to do with a column of the record.
#[derive(Debug, Clone)]
enum Step {
    Skip,
    Int { slot: usize, is_real: bool, default: Default },
    RowId { slot: usize },
    Text { slot: usize, default: Default },
}

impl Step {
    /// What is wanted of the column that this step is about, if anything.
    fn wish(&self, column: usize) -> Option<Wish> {
        let (slot, take) = match *self {
            Self::Skip => return None,
            Self::Int { slot, is_real: false, .. } => (slot, Take::Int),
            Self::Int { slot, is_real: true, .. } => (slot, Take::Real),
            Self::RowId { slot } => (slot, Take::RowId),
            Self::Text { slot, .. } => (slot, Take::Text),
        };
        Some(Wish { column, slot, take })
    }
}

/// What a cell says of its record.
#[derive(Clone, Copy)]
struct Cell {
    page: u32,
    /// Bytes of the record, with those on overflow pages.
    length: usize,
    /// Bytes of the record on the leaf page itself.
    local: usize,
    rowid: i64,
}

/// Why a record cannot be decoded.
enum Fault {
    /// Wanted bytes lie beyond the given ones, inside of the record: this many are needed at least.
    Short(usize),
    /// The record contradicts itself.
    Damaged(&'static str),
}

/// Decodes the wanted columns of one table, page by page.
pub struct Decoder<'a> {
    file: &'a PageFile,
    steps: Vec<Step>,
    /// The same for records without anything special.
    shapes: Shapes,
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
    /// A decoder for some columns of a table, each wanted once. A column that the table lacks stays NULL.
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
                debug_assert!(matches!(steps[at], Step::Skip), "{} is wanted twice", wanted.name);
                let column = &layout.columns[at];
                let (slot, default) = (*slot, column.default.clone());
                steps[at] = match wanted.kind {
                    CellKind::Int if column.is_rowid => Step::RowId { slot },
                    CellKind::Int => Step::Int { slot, is_real: column.is_real, default },
                    // Whatever the record holds there, the column is the row id, which is no text.
                    CellKind::Text if column.is_rowid => Step::Skip,
                    CellKind::Text => Step::Text { slot, default },
                };
            }
            *slot += 1;
        }
        while let Some(Step::Skip) = steps.last() {
            steps.pop();
        }
        let row = RowInts::new(&known);
        let wishes = steps.iter().enumerate().filter_map(|(column, step)| step.wish(column)).collect();
        let shapes = Shapes::new(wishes, row.known(), ints, texts);
        Self { file, steps, shapes, row, last: None, bytes: 0, whole: Vec::new(), page: Vec::new() }
    }

    /// Takes the last row id of the page before: those that follow must be above it.
    pub fn start_after(&mut self, number: u32, bytes: &[u8]) -> Result<()> {
        if let Some(cell) = each_cell(self.file, number, bytes)?.last() {
            let rowid = varint(cell?).and_then(|(_, rest)| varint(rest));
            let (rowid, _) = rowid.ok_or_else(|| self.file.corrupt(number, "a cell ends too early"))?;
            self.last = Some(rowid.cast_signed());
        }
        Ok(())
    }

    /// Adds the rows of a leaf page.
    pub fn page(&mut self, number: u32, bytes: &[u8], batch: &mut Batch) -> Result<()> {
        let file = self.file;
        for cell in each_cell(file, number, bytes)? {
            self.cell(number, cell?, batch)?;
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
        // What does not fit is followed by the number of the first overflow page.
        let tail = if local < length { 4 } else { 0 };
        let Some(here) = rest.get(..local + tail) else { return Err(damaged("a cell reaches beyond its page")) };
        let rowid = rowid.cast_signed();
        if self.last.is_some_and(|last| last >= rowid) {
            return Err(damaged("row ids are out of order"));
        }
        self.last = Some(rowid);
        let (payload, overflow) = here.split_at(local);
        let cell = Cell { page: number, length, local, rowid };
        if local == length
            && let Some(shape) = self.shapes.of(rest)
            && shape.fits(length, rest)
        {
            for (slot, bounds) in shape.texts().iter().enumerate() {
                let bounds = bounds.map(|(start, end)| (start as usize, end as usize));
                push_text(self.file.encoding(), cell, payload, bounds, batch.text_mut(slot));
            }
            shape.end_row(rest, rowid, batch);
            return Ok(());
        }
        match self.record(cell, payload, batch) {
            Ok(()) => Ok(()),
            Err(Fault::Damaged(detail)) => Err(self.file.corrupt(number, detail)),
            Err(Fault::Short(needed)) => self.long_cell(cell, payload, page_number(overflow), needed, batch),
        }
    }

    /// Adds a row of which wanted bytes lie on overflow pages.
    fn long_cell(
        &mut self,
        cell: Cell,
        local: &[u8],
        mut next: u32,
        mut needed: usize,
        batch: &mut Batch,
    ) -> Result<()> {
        let mut whole = std::mem::take(&mut self.whole);
        whole.clear();
        whole.extend_from_slice(local);
        loop {
            next = self.follow(cell, next, needed, &mut whole)?;
            match self.record(cell, &whole, batch) {
                Ok(()) => break,
                Err(Fault::Damaged(detail)) => return Err(self.file.corrupt(cell.page, detail)),
                // More than before, and no more than the record has.
                Err(Fault::Short(more)) => needed = more,
            }
        }
        self.whole = whole;
        Ok(())
    }

    /// Appends overflow pages until `needed` bytes of a payload are there; returns the page that follows. Each page
    /// shortens what is left, so a cycle ends.
    fn follow(&mut self, cell: Cell, first: u32, needed: usize, whole: &mut Vec<u8>) -> Result<u32> {
        let content = self.file.usable() - 4;
        let mut next = first;
        while whole.len() < needed {
            if next < 2 || next > self.file.pages() || next == self.file.lock_page() {
                return Err(self.file.corrupt(cell.page, "an overflow page lies outside of the file"));
            }
            self.file.read(next, 1, &mut self.page)?;
            let take = content.min(cell.length - whole.len());
            whole.extend_from_slice(&self.page[4..4 + take]);
            next = page_number(&self.page);
        }
        Ok(next)
    }

    /// Adds one row from the first bytes of its record. Nothing is added where a fault is returned.
    fn record(&mut self, cell: Cell, payload: &[u8], batch: &mut Batch) -> Result<(), Fault> {
        let Cell { length, rowid, .. } = cell;
        let (header_length, after) = varint(payload).ok_or(Fault::Damaged("a record without a header"))?;
        let first_type = payload.len() - after.len();
        let header_length = usize::try_from(header_length).unwrap_or(usize::MAX);
        if header_length <= first_type || header_length > length.min(MOST_HEADER_BYTES) {
            return Err(Fault::Damaged("an impossible header"));
        }
        if header_length > payload.len() {
            return Err(Fault::Short(header_length));
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
            let end = at.saturating_add(size);
            if end > length {
                return Err(Fault::Damaged("a value reaches beyond its record"));
            }
            // Also a value of another type must be there: SQLite would look for it.
            let value = match payload.get(at..end) {
                Some(value) => value,
                None if size == 0 || matches!(step, Step::Skip | Step::RowId { .. }) => &[],
                None => return Err(Fault::Short(end)),
            };
            match step {
                Step::RowId { slot } => self.row.set(*slot, rowid),
                Step::Int { slot, is_real, .. } => match serial {
                    0 => self.row.set_null(*slot),
                    1..=6 | 8 | 9 if !is_real => self.row.set(*slot, integer(serial, value)),
                    7 if is_nan(value) => self.row.set_null(*slot),
                    _ => {}
                },
                Step::Text { slot, .. } if serial >= 13 && serial % 2 == 1 => {
                    // An empty text may stand after the bytes that are given.
                    let start = if value.is_empty() { 0 } else { at };
                    texts[*slot] = (start, start + value.len(), TextSource::Record);
                }
                Step::Skip | Step::Text { .. } => {}
            }
            at = end;
        }
        if types.is_empty() && at != length {
            return Err(Fault::Damaged("a record is longer than its values"));
        }
        self.finish(cell, payload, &texts, batch);
        Ok(())
    }

    fn finish(&self, cell: Cell, payload: &[u8], texts: &[(usize, usize, TextSource); MAX_TEXTS], batch: &mut Batch) {
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
                TextSource::Record => push_text(self.file.encoding(), cell, payload, Some((start, end)), column),
            }
        }
        batch.end_row(&self.row);
    }
}

/// Adds the text that lies at these bounds of a record, if any.
fn push_text(encoding: Encoding, cell: Cell, payload: &[u8], bounds: Option<(usize, usize)>, column: &mut Texts) {
    let Some((start, end)) = bounds else { return column.push(None) };
    let bytes = &payload[start..end];
    if encoding == Encoding::Utf8 {
        return column.push(Some(bytes));
    }
    let (mut bytes, mut encoding) = (bytes, encoding);
    if end > cell.local && bytes.len() > LONG_TEXT_BYTES {
        (bytes, encoding) = without_mark(bytes, encoding);
    }
    column.push(Some(&utf16(bytes, encoding)));
}

/// A record of the most columns that a table can have, with types of three bytes, has no longer header.
const MOST_HEADER_BYTES: usize = 98_307;

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
        Step::RowId { slot } => row.set(*slot, rowid),
        Step::Int { slot, default: Default::Int(value), .. } => row.set(*slot, *value),
        Step::Int { slot, default: Default::Null, .. } => row.set_null(*slot),
        Step::Skip | Step::Int { .. } => {}
        Step::Text { slot, .. } => texts[*slot].2 = TextSource::Default,
    }
}
