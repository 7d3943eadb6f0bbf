//! Rows through `SQLite`'s own interface.

use std::sync::Mutex;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::batch::{BATCH_ROWS, Batch, CellKind, RowInts, Wanted};
use super::open::{Access, TraceFile};
use super::schema::{TableInfo, quoted};
use super::{Part, RowSource};
use crate::error::{Error, Result};

/// Bytes of the smallest row with its place on the page: a tree that names one page often has more rows than that.
const LEAST_ROW_BYTES: u64 = 6;
/// Below this many row ids a table is read in one piece.
const SPLIT_ROWS: i128 = 20_000;

/// A row source over `SQLite` connections: one per thread, or a single one where the file is a snapshot.
pub struct SqliteRows<'a> {
    file: &'a TraceFile,
    /// Idle connections. Each holds a read transaction, so no writer can change the file meanwhile.
    idle: Mutex<Vec<Connection>>,
}

impl<'a> SqliteRows<'a> {
    /// A source over a file that was checked, starting with one connection to it.
    pub fn new(file: &'a TraceFile, connection: Connection) -> Self {
        Self { file, idle: Mutex::new(vec![connection]) }
    }

    fn with_connection<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = || self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
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
}

impl RowSource for SqliteRows<'_> {
    fn parts(&self, table: &TableInfo, pieces: usize) -> Result<Vec<Part>> {
        let Some(rowid) = table.rowid else { return Ok(vec![Part::Whole]) };
        // Two lookups: SQLite answers min and max from the tree's edges only when asked one at a time.
        let edge = |connection: &Connection, function: &str| {
            let sql = format!("SELECT {function}({rowid}) FROM {} NOT INDEXED", quoted(&table.name));
            connection.query_row(&sql, [], |row| row.get::<_, Option<i64>>(0))
        };
        let bounds = self.with_connection(|connection| {
            edge(connection, "min")
                .and_then(|low| Ok(low.zip(edge(connection, "max")?)))
                .map_err(|error| self.file.error(&table.name, &error))
        })?;
        let Some((low, high)) = bounds else { return Ok(Vec::new()) };
        let width = i128::from(high) - i128::from(low) + 1;
        let pieces = if width < SPLIT_ROWS { 1 } else { i128::try_from(pieces.max(1)).unwrap_or(1) };
        let at = |k: i128| i64::try_from(i128::from(low) + width * k / pieces).unwrap_or(i64::MAX);
        Ok((0..pieces)
            .map(|k| Part::Rows { first: at(k), last: if k + 1 == pieces { high } else { at(k + 1) - 1 } })
            .filter(|part| matches!(part, Part::Rows { first, last } if first <= last))
            .collect())
    }

    fn read(
        &self,
        table: &TableInfo,
        columns: &[Wanted],
        part: Part,
        sink: &mut dyn FnMut(&Batch) -> Result<()>,
    ) -> Result<()> {
        let sql = select(table, columns, part);
        let text_limit = self.file.text_limit();
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
            let mut text_bytes = 0_u64;
            let mut seen = 0_u64;
            while let Some(row) = rows.next().map_err(failed)? {
                row_ints.clear();
                let (mut int, mut text) = (0, 0);
                for (i, column) in columns.iter().enumerate() {
                    let value = row.get_ref(i).map_err(failed)?;
                    match column.kind {
                        CellKind::Int => {
                            set(&mut row_ints, int, value);
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
                batch.end_row(&row_ints);
                seen += 1;
                if seen > text_limit / LEAST_ROW_BYTES {
                    let detail = format!("{}: it has more rows than fit in the file", table.name);
                    return Err(Error::Corrupt { path: self.file.path().into(), detail });
                }
                if text_bytes > text_limit {
                    let detail = format!("{}: its texts are longer than the file", table.name);
                    return Err(Error::Corrupt { path: self.file.path().into(), detail });
                }
                if batch.rows() == BATCH_ROWS {
                    sink(&batch)?;
                    batch.clear();
                }
            }
            if batch.rows() > 0 { sink(&batch) } else { Ok(()) }
        })
    }

    fn expected_rows(&self, table: &TableInfo) -> Result<u64> {
        let width = |part: &Part| match part {
            Part::Rows { first, last } => u64::try_from(i128::from(*last) - i128::from(*first) + 1).unwrap_or(0),
            Part::Whole | Part::Leaves { .. } => 0,
        };
        Ok(self.parts(table, 1)?.iter().map(width).sum())
    }

    fn count(&self, table: &TableInfo) -> Result<u64> {
        self.with_connection(|connection| {
            count(connection, table).map_err(|error| self.file.error(&table.name, &error))
        })
    }
}

/// How many rows a table has.
pub fn count(connection: &Connection, table: &TableInfo) -> rusqlite::Result<u64> {
    // Another tool's index may be stale, or need a collation that only that tool has.
    let sql = format!("SELECT count(*) FROM {} NOT INDEXED", quoted(&table.name));
    let count: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

fn select(table: &TableInfo, columns: &[Wanted], part: Part) -> String {
    let list: Vec<String> =
        columns.iter().map(|column| if table.has(column.name) { quoted(column.name) } else { "NULL".into() }).collect();
    let mut sql = format!("SELECT {} FROM {} NOT INDEXED", list.join(", "), quoted(&table.name));
    if let (Part::Rows { .. }, Some(rowid)) = (part, table.rowid) {
        sql.extend([" WHERE ", rowid, " BETWEEN ?1 AND ?2"]);
    }
    if let Some(rowid) = table.rowid {
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
