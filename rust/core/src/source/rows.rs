//! Rows through `SQLite`'s own interface.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, ffi};

use super::batch::{BATCH_ROWS, Batch, CellKind, RowInts, Wanted};
use super::open::{Access, LEAST_ROW_BYTES, TraceFile};
use super::schema::{TableInfo, quoted};
use super::{Part, RowSource};
use crate::error::Result;

const TOO_MANY_ROWS: &str = "it has more rows than fit in the file";
/// Below this many row ids a table is read in one piece.
const SPLIT_ROWS: i128 = 20_000;

/// A row source over `SQLite` connections: one per thread, or a single one where the file is a snapshot.
///
/// Rows must come in ascending order of their ids, as in every sound table, which also ends the reading of a tree that
/// names one page often.
pub struct SqliteRows<'a> {
    file: &'a TraceFile,
    /// Idle connections. Each holds a read transaction, so no writer can change the file meanwhile.
    idle: Mutex<Vec<Connection>>,
    /// Tables that were split into several parts, by name.
    splits: Mutex<HashMap<String, Split>>,
}

/// A table in several parts, whose ends `SQLite` finds by the keys of interior pages. Where those are wrong, rows
/// between two parts would be lost; so the parts must add up to what a walk over the whole tree counts.
struct Split {
    parts: Vec<Part>,
    /// Rows of each part that was read.
    rows: Vec<Option<u64>>,
    /// Rows of the table.
    total: Option<u64>,
}

impl Split {
    fn is_wrong(&self) -> bool {
        let sum: Option<u64> = self.rows.iter().copied().sum();
        sum.zip(self.total).is_some_and(|(sum, total)| sum != total)
    }
}

impl<'a> SqliteRows<'a> {
    /// A source over a file that was checked, starting with one connection to it.
    pub fn new(file: &'a TraceFile, connection: Connection) -> Self {
        Self { file, idle: Mutex::new(vec![connection]), splits: Mutex::default() }
    }

    fn with_connection<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // A snapshot is consistent on one connection only: its tables are read one part at a time.
        if self.file.access() == Access::Snapshot {
            let mut connections = idle();
            if connections.is_empty() {
                connections.push(self.file.connect()?);
            }
            return work(&connections[0]);
        }
        let taken = idle().pop();
        let connection = match taken {
            Some(connection) => connection,
            None => self.file.connect()?,
        };
        let result = work(&connection);
        idle().push(connection);
        result
    }

    /// The first and the last row id, if the table has any.
    fn bounds(&self, table: &TableInfo, rowid: &str) -> Result<Option<(i64, i64)>> {
        // Two lookups: SQLite answers min and max from the tree's edges only when asked one at a time.
        let edge = |connection: &Connection, function: &str| {
            let sql = format!("SELECT {function}({rowid}) FROM {} NOT INDEXED", quoted(&table.name));
            connection.query_row(&sql, [], |row| row.get::<_, Option<i64>>(0))
        };
        self.with_connection(|connection| {
            edge(connection, "min")
                .and_then(|low| Ok(low.zip(edge(connection, "max")?)))
                .map_err(|error| self.file.error(&table.name, &error))
        })
    }

    /// Notes how many rows a part had. When all were read, they must be those of the table.
    fn add_up(&self, table: &TableInfo, part: Part, rows: u64) -> Result<()> {
        let splits = || self.splits.lock().unwrap_or_else(PoisonError::into_inner);
        let place = splits().get(&table.name).and_then(|split| split.parts.iter().position(|&known| known == part));
        let Some(place) = place else { return Ok(()) };
        // One of the threads counts while the others read their parts.
        let total = if place == 0 { Some(self.count(table)?) } else { None };
        let is_wrong = splits().get_mut(&table.name).is_some_and(|split| {
            split.rows[place] = Some(rows);
            split.total = total.or(split.total);
            split.is_wrong()
        });
        if is_wrong {
            self.file.check_unchanged()?;
            return Err(self.file.corrupt(&table.name, "row ids are not where its tree leads to"));
        }
        Ok(())
    }
}

impl RowSource for SqliteRows<'_> {
    fn parts(&self, table: &TableInfo, pieces: usize) -> Result<Vec<Part>> {
        // A snapshot is read one part at a time anyway.
        let rowid = table.rowid.filter(|_| pieces > 1 && self.file.access() != Access::Snapshot);
        let Some(rowid) = rowid else { return Ok(vec![Part::Whole]) };
        let Some((low, high)) = self.bounds(table, rowid)? else { return Ok(Vec::new()) };
        let width = i128::from(high) - i128::from(low) + 1;
        if width < SPLIT_ROWS {
            return Ok(vec![Part::Whole]);
        }
        let pieces = i128::try_from(pieces).unwrap_or(SPLIT_ROWS).min(SPLIT_ROWS);
        let at = |k: i128| i64::try_from(i128::from(low) + width * k / pieces).unwrap_or(i64::MAX);
        let last = |k: i128| if k + 1 == pieces { high } else { at(k + 1) - 1 };
        let parts: Vec<Part> = (0..pieces).map(|k| Part::Rows { first: at(k), last: last(k) }).collect();
        let split = Split { rows: vec![None; parts.len()], parts: parts.clone(), total: None };
        self.splits.lock().unwrap_or_else(PoisonError::into_inner).insert(table.name.clone(), split);
        Ok(parts)
    }

    fn read(
        &self,
        table: &TableInfo,
        columns: &[Wanted],
        part: Part,
        sink: &mut dyn FnMut(&Batch) -> Result<()>,
    ) -> Result<()> {
        let sql = select(table, columns, part);
        let mut checks = Checks::new(self.file, table, part);
        self.with_connection(|connection| {
            let failed = |error: rusqlite::Error| self.file.error(&table.name, &error);
            let mut statement = connection.prepare(&sql).map_err(failed)?;
            let mut rows = match part {
                Part::Whole | Part::Leaves { .. } => statement.query([]),
                Part::Rows { first, last } => statement.query([first, last]),
            }
            .map_err(failed)?;
            let mut batch = Batch::new(columns);
            let ints = columns.iter().filter(|column| column.kind == CellKind::Int).count();
            let mut row_ints = RowInts::new(&vec![true; ints]);
            while let Some(row) = rows.next().map_err(failed)? {
                let text_bytes = add_row(row, columns, &mut row_ints, &mut batch).map_err(failed)?;
                let id = table.rowid.map(|_| row.get(columns.len())).transpose().map_err(failed)?;
                checks.row(id, text_bytes)?;
                if batch.rows() == BATCH_ROWS {
                    sink(&batch)?;
                    batch.clear();
                }
            }
            if batch.rows() > 0 { sink(&batch) } else { Ok(()) }
        })?;
        self.add_up(table, part, checks.rows)
    }

    fn expected_rows(&self, table: &TableInfo) -> Result<u64> {
        let Some(rowid) = table.rowid else { return Ok(0) };
        let width = |(low, high): (i64, i64)| u64::try_from(i128::from(high) - i128::from(low) + 1).unwrap_or(0);
        Ok(self.bounds(table, rowid)?.map_or(0, width))
    }

    fn count(&self, table: &TableInfo) -> Result<u64> {
        self.with_connection(|connection| {
            count_up_to(connection, table, self.file.row_limit()).map_err(|error| self.file.error(&table.name, &error))
        })
    }
}

/// What a hostile or damaged table must not do while its rows are read.
struct Checks<'a> {
    file: &'a TraceFile,
    table: &'a TableInfo,
    /// The least id that the next row may have, if any.
    next_id: Option<i64>,
    last_id: i64,
    rows: u64,
    row_limit: u64,
    text_bytes: u64,
    text_limit: u64,
}

impl<'a> Checks<'a> {
    fn new(file: &'a TraceFile, table: &'a TableInfo, part: Part) -> Self {
        let (first_id, last_id) = match part {
            Part::Whole | Part::Leaves { .. } => (i64::MIN, i64::MAX),
            Part::Rows { first, last } => (first, last),
        };
        let (row_limit, text_limit) = (file.row_limit(), file.text_limit());
        Self { file, table, next_id: Some(first_id), last_id, rows: 0, row_limit, text_bytes: 0, text_limit }
    }

    fn row(&mut self, id: Option<i64>, text_bytes: u64) -> Result<()> {
        let refused = |detail: &str| Err(self.file.corrupt(&self.table.name, detail));
        if let Some(id) = id {
            if self.next_id.is_none_or(|next| id < next) || id > self.last_id {
                return refused("row ids are out of order");
            }
            self.next_id = id.checked_add(1);
        }
        self.rows += 1;
        self.text_bytes += text_bytes;
        if self.rows > self.row_limit {
            return refused(TOO_MANY_ROWS);
        }
        if self.text_bytes > self.text_limit {
            return refused("its texts are longer than the file");
        }
        Ok(())
    }
}

/// Adds a row to a batch and tells how many bytes of text it has.
fn add_row(row: &Row<'_>, columns: &[Wanted], ints: &mut RowInts, batch: &mut Batch) -> rusqlite::Result<u64> {
    ints.clear();
    let (mut int, mut text, mut text_bytes) = (0, 0, 0);
    for (i, column) in columns.iter().enumerate() {
        let value = row.get_ref(i)?;
        match column.kind {
            CellKind::Int => {
                set(ints, int, value);
                int += 1;
            }
            CellKind::Text => {
                let cell = value.as_bytes().ok().filter(|_| matches!(value, ValueRef::Text(_)));
                text_bytes += cell.map_or(0, |cell| cell.len() as u64);
                batch.text_mut(text).push(cell);
                text += 1;
            }
        }
    }
    batch.end_row(ints);
    Ok(text_bytes)
}

/// How many rows a table has, or an error if they are more than the pages can hold.
pub fn count(connection: &Connection, table: &TableInfo) -> rusqlite::Result<u64> {
    let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    let bytes: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    count_up_to(connection, table, u64::try_from(bytes).unwrap_or(0) / LEAST_ROW_BYTES)
}

/// How many rows a table has, or an error if they are more than this.
fn count_up_to(connection: &Connection, table: &TableInfo, most: u64) -> rusqlite::Result<u64> {
    // A plain count(*) walks over a whole tree in one step that nothing ends, even one of 40^18 leaves.
    // Another tool's index may be stale, or need a collation that only that tool has.
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {} NOT INDEXED LIMIT ?1)", quoted(&table.name));
    let limit = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let count: i64 = connection.query_row(&sql, [limit], |row| row.get(0))?;
    let count = u64::try_from(count).unwrap_or(0);
    if count > most {
        let corrupt = ffi::Error::new(ffi::SQLITE_CORRUPT);
        return Err(rusqlite::Error::SqliteFailure(corrupt, Some(TOO_MANY_ROWS.into())));
    }
    Ok(count)
}

fn select(table: &TableInfo, columns: &[Wanted], part: Part) -> String {
    let column = |wanted: &Wanted| if table.has(wanted.name) { quoted(wanted.name) } else { "NULL".into() };
    // The row id comes last, to be checked.
    let list: Vec<String> = columns.iter().map(column).chain(table.rowid.map(str::to_owned)).collect();
    let list = if list.is_empty() { "NULL".into() } else { list.join(", ") };
    let mut sql = format!("SELECT {list} FROM {} NOT INDEXED", quoted(&table.name));
    if let Some(rowid) = table.rowid {
        if matches!(part, Part::Rows { .. }) {
            sql.extend([" WHERE ", rowid, " BETWEEN ?1 AND ?2"]);
        }
        sql.extend([" ORDER BY ", rowid]);
    }
    sql
}

fn set(row: &mut RowInts, slot: usize, value: ValueRef<'_>) {
    match value {
        ValueRef::Integer(value) => row.set(slot, value),
        ValueRef::Null => row.set_null(slot),
        _ => {}
    }
}
