//! Rows straight from the pages of a table's b-tree: several times cheaper than stepping rows through `SQLite`.
//!
//! Positioned reads of runs of pages, no memory map: a file that another program truncates is an error, not a signal.
//! Every bound is checked, so a hostile file is an error with its page number, never a panic, a hang or an allocation by
//! a length field. Only plain rowid tables of a quiescent rollback-journal database are read this way.

pub mod cell;
pub mod file;
pub mod format;
pub mod layout;
mod shape;
pub mod tree;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::batch::{BATCH_ROWS, Batch, Wanted};
use super::open::TraceFile;
use super::rows::count;
use super::schema::{Schema, TableInfo};
use super::{Part, RowSource};
use crate::error::{Error, Result};

use cell::Decoder;
use file::PageFile;
use layout::TableLayout;
use tree::Leaves;

/// Pages read at once: enough to hide the call, small enough for the cache.
const RUN_BYTES: usize = 256 << 10;
/// Pages of other kinds that a run reads over rather than ending there.
const RUN_GAP: u32 = 3;
/// Below this many leaves a table is read in one piece.
const SPLIT_LEAVES: usize = 64;

/// A row source over pages. Its connection holds the read lock that keeps writers out.
pub struct PageRows {
    file: PageFile,
    layouts: HashMap<String, TableLayout>,
    leaves: Mutex<HashMap<String, Arc<Leaves>>>,
    /// Its read transaction keeps the file as it is, and it counts tables of unusual layout.
    connection: Mutex<Connection>,
}

impl PageRows {
    /// A source over a file that was checked, or the reason why its rows must come through `SQLite`.
    ///
    /// The connection is inside a read transaction.
    pub fn new(file: &TraceFile, connection: Connection, schema: &Schema) -> Result<Result<Self, Unusual>> {
        let layouts = match layout::layouts(file, &connection, schema)? {
            Ok(layouts) => layouts,
            Err(reason) => return Ok(Err(Unusual { connection, reason })),
        };
        let pages = match PageFile::open(file)? {
            Ok(pages) => pages,
            Err(reason) => {
                // Closing the pages gave up the lock: locks belong to the process and the file, not to the connection.
                drop(connection);
                return Ok(Err(Unusual { connection: file.connect()?, reason }));
            }
        };
        Ok(Ok(Self { file: pages, layouts, leaves: Mutex::default(), connection: Mutex::new(connection) }))
    }

    fn layout(&self, table: &TableInfo) -> Result<&TableLayout> {
        self.layouts.get(&table.name).ok_or_else(|| Error::Query {
            path: self.file.path().into(),
            what: table.name.clone(),
            detail: "the table was not there when the file was opened".into(),
        })
    }

    /// The leaf pages of a table in key order, listed once.
    fn leaves(&self, table: &TableInfo) -> Result<Arc<Leaves>> {
        let known = || self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaves) = known().get(&table.name) {
            return Ok(Arc::clone(leaves));
        }
        let leaves = Arc::new(tree::leaves(&self.file, self.layout(table)?.root)?);
        known().insert(table.name.clone(), Arc::clone(&leaves));
        Ok(leaves)
    }

    /// Calls `visit` with some of the leaf pages in order, reading runs of neighbouring pages at once.
    fn each_leaf(
        &self,
        leaves: &[u32],
        range: Range<usize>,
        mut visit: impl FnMut(u32, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let page_size = self.file.page_size();
        let run_pages = u32::try_from(RUN_BYTES / page_size).unwrap_or(1).max(1);
        let lock_page = self.file.lock_page();
        let mut buffer = Vec::new();
        let mut rest = &leaves[range];
        while let Some(&first) = rest.first() {
            let fits = |pair: &[u32]| {
                let is_near = pair[1] > pair[0] && pair[1] - pair[0] <= RUN_GAP && pair[1] - first < run_pages;
                is_near && !(pair[0]..pair[1]).contains(&lock_page)
            };
            let length = 1 + rest.windows(2).take_while(|pair| fits(pair)).count();
            let (run, after) = rest.split_at(length);
            let last = run[length - 1];
            self.file.read(first, last - first + 1, &mut buffer)?;
            for &page in run {
                let at = (page - first) as usize * page_size;
                let bytes = &buffer[at..at + page_size];
                if leaves.len() > 1 && cell::cells(&self.file, page, bytes)? == 0 {
                    return Err(self.file.corrupt(page, "an empty page inside a table's tree"));
                }
                visit(page, bytes)?;
            }
            rest = after;
        }
        Ok(())
    }
}

/// The leaves of a part.
fn leaves_of(part: Part, leaves: &Leaves) -> Range<usize> {
    match part {
        Part::Whole | Part::Rows { .. } => 0..leaves.pages.len(),
        Part::Leaves { first, end } => first..end,
    }
}

/// A file whose rows must come through `SQLite`, with its open connection.
pub struct Unusual {
    /// The connection that was to hold the lock.
    pub connection: Connection,
    /// Why.
    pub reason: String,
}

impl RowSource for PageRows {
    fn parts(&self, table: &TableInfo, pieces: usize) -> Result<Vec<Part>> {
        let leaves = self.leaves(table)?.pages.len();
        let pieces = if leaves < SPLIT_LEAVES { 1 } else { pieces.clamp(1, leaves) };
        let edge = |k: usize| leaves * k / pieces;
        Ok((0..pieces).map(|k| Part::Leaves { first: edge(k), end: edge(k + 1) }).collect())
    }

    fn expected_rows(&self, table: &TableInfo) -> Result<u64> {
        let leaves = self.leaves(table)?;
        let Some(&middle) = leaves.pages.get(leaves.pages.len() / 2) else { return Ok(0) };
        let mut buffer = Vec::new();
        self.file.read(middle, 1, &mut buffer)?;
        Ok(cell::cells(&self.file, middle, &buffer)? as u64 * leaves.pages.len() as u64)
    }

    fn read(
        &self,
        table: &TableInfo,
        columns: &[Wanted],
        part: Part,
        sink: &mut dyn FnMut(&Batch) -> Result<()>,
    ) -> Result<()> {
        let leaves = self.leaves(table)?;
        let range = leaves_of(part, &leaves);
        let mut decoder = Decoder::new(&self.file, self.layout(table)?, columns);
        let mut batch = Batch::new(columns);
        if range.start > 0 {
            self.each_leaf(&leaves.pages, range.start - 1..range.start, |number, page| {
                decoder.start_after(number, page)
            })?;
        }
        self.each_leaf(&leaves.pages, range, |number, page| {
            decoder.page(number, page, &mut batch)?;
            if batch.rows() >= BATCH_ROWS {
                sink(&batch)?;
                batch.clear();
            }
            Ok(())
        })?;
        if batch.rows() > 0 { sink(&batch) } else { Ok(()) }
    }

    fn room(&self, table: &TableInfo, part: Part) -> Result<usize> {
        let leaves = self.leaves(table)?;
        Ok(leaves.rows[leaves_of(part, &leaves)].iter().map(|&rows| usize::from(rows)).sum())
    }

    fn count(&self, table: &TableInfo) -> Result<u64> {
        if !self.layouts.contains_key(&table.name) {
            let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
            return count(&connection, table).map_err(|error| self.file.query_error(&table.name, &error));
        }
        let mut rows = 0;
        let leaves = self.leaves(table)?;
        self.each_leaf(&leaves.pages, 0..leaves.pages.len(), |number, page| {
            rows += cell::cells(&self.file, number, page)? as u64;
            Ok(())
        })?;
        Ok(rows)
    }
}
