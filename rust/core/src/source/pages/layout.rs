//! How the records of each table map to its columns, and whether pages may be read at all.

use std::collections::HashMap;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::error::Result;
use crate::source::open::{Access, TraceFile};
use crate::source::schema::{READ, Schema, TableInfo, quoted};

/// What stands for a column that a record is too short to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Default {
    /// NULL.
    Null,
    /// An integer.
    Int(i64),
    /// Text.
    Text(Vec<u8>),
}

/// A column as records hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnLayout {
    /// Name.
    pub name: String,
    /// The row id under another name: NULL in the record.
    pub is_rowid: bool,
    /// Has REAL affinity: integers on the page are REAL to `SQLite`.
    pub is_real: bool,
    /// Value in records that were written before the column was added.
    pub default: Default,
}

/// A table as its b-tree holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableLayout {
    /// Root page.
    pub root: u32,
    /// Columns in record order.
    pub columns: Vec<ColumnLayout>,
}

/// The layouts of all tables, or the reason why the file must be read through `SQLite`.
pub fn layouts(
    file: &TraceFile,
    connection: &Connection,
    schema: &Schema,
) -> Result<Result<HashMap<String, TableLayout>, String>> {
    match file.access() {
        Access::Locked => {}
        Access::Immutable => return Ok(Err("the file is in write-ahead mode".into())),
        Access::Snapshot => return Ok(Err("the file has a write-ahead log with content".into())),
    }
    if file.has_rollback_journal() {
        return Ok(Err("a rollback journal lies beside the file".into()));
    }
    let failed = |error: rusqlite::Error| file.error("the schema", &error);
    let roots = roots(connection).map_err(failed)?;
    let mut layouts = HashMap::new();
    for table in schema.tables() {
        let is_read = READ.iter().any(|name| name.eq_ignore_ascii_case(&table.name));
        let layout = match roots.get(&table.name) {
            _ if table.rowid.is_none() => Err(format!("{} is WITHOUT ROWID or hides its row ids", table.name)),
            None => Err(format!("{} has no root page", table.name)),
            Some(&root) => layout(connection, table, root).map_err(failed)?,
        };
        match layout {
            Ok(layout) => {
                layouts.insert(table.name.clone(), layout);
            }
            Err(reason) if is_read => return Ok(Err(reason)),
            // Tables that are only counted go through SQLite where they are unusual.
            Err(_) => {}
        }
    }
    Ok(Ok(layouts))
}

fn roots(connection: &Connection) -> rusqlite::Result<HashMap<String, u32>> {
    let mut statement = connection.prepare("SELECT name, rootpage FROM sqlite_schema WHERE type = 'table'")?;
    let mut rows = statement.query([])?;
    let mut roots = HashMap::new();
    while let Some(row) = rows.next()? {
        if let (ValueRef::Text(name), ValueRef::Integer(root)) = (row.get_ref(0)?, row.get_ref(1)?)
            && let Ok(root) = u32::try_from(root)
        {
            roots.insert(String::from_utf8_lossy(name).into_owned(), root);
        }
    }
    Ok(roots)
}

fn layout(connection: &Connection, table: &TableInfo, root: u32) -> rusqlite::Result<Result<TableLayout, String>> {
    let mut statement = connection.prepare(&format!("PRAGMA table_xinfo({})", quoted(&table.name)))?;
    let mut rows = statement.query([])?;
    let mut columns = Vec::new();
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        let text = |i: usize| -> rusqlite::Result<String> {
            Ok(match row.get_ref(i)? {
                ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                _ => String::new(),
            })
        };
        let (name, declared) = (text(1)?, text(2)?);
        if row.get::<_, i64>(6)? != 0 {
            return Ok(Err(format!("column {name} of {} is generated", table.name)));
        }
        if row.get::<_, i64>(5)? != 0 {
            keys.push((columns.len(), declared.eq_ignore_ascii_case("INTEGER")));
        }
        let default = match row.get_ref(4)? {
            ValueRef::Null => Default::Null,
            ValueRef::Text(sql) => match literal(&String::from_utf8_lossy(sql), &declared) {
                Some(default) => default,
                None => return Ok(Err(format!("column {name} of {} has an unusual default", table.name))),
            },
            _ => return Ok(Err(format!("column {name} of {} has an unusual default", table.name))),
        };
        columns.push(ColumnLayout { name, is_rowid: false, is_real: is_real(&declared), default });
    }
    // A single INTEGER PRIMARY KEY is the row id itself, unless SQLite made an index for the key.
    if let [(column, true)] = keys.as_slice() {
        columns[*column].is_rowid = !has_key_index(connection, &table.name)?;
    }
    Ok(Ok(TableLayout { root, columns }))
}

fn has_key_index(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare(&format!("PRAGMA index_list({})", quoted(table)))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if row.get_ref(3)? == ValueRef::Text(b"pk") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `SQLite`'s rules of column affinity, as far as they tell REAL from the rest.
fn is_real(declared: &str) -> bool {
    let declared = declared.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    !has(&["INT", "CHAR", "CLOB", "TEXT", "BLOB"]) && has(&["REAL", "FLOA", "DOUB"])
}

/// A default that means the same whatever the affinity: NULL, an integer of an integer column, text of a text column.
fn literal(sql: &str, declared: &str) -> Option<Default> {
    let (sql, declared) = (sql.trim(), declared.to_ascii_uppercase());
    if sql.eq_ignore_ascii_case("NULL") {
        return Some(Default::Null);
    }
    if declared.contains("INT") {
        return sql.parse().ok().map(Default::Int);
    }
    let is_text = ["CHAR", "CLOB", "TEXT"].iter().any(|word| declared.contains(word));
    let quoted = sql.strip_prefix('\'')?.strip_suffix('\'')?;
    (is_text && !quoted.replace("''", "").contains('\'')).then(|| Default::Text(quoted.replace("''", "'").into_bytes()))
}
