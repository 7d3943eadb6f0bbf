//! Probing: which tables and columns an export has. Nothing is assumed, exports differ by version and create tables lazily.

use std::collections::BTreeMap;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::open::TraceFile;
use crate::error::{Error, Result};

/// A table of the export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInfo {
    /// Name as it stands in the schema.
    pub name: String,
    /// Columns in order.
    pub columns: Vec<String>,
    /// The name under which `SQLite` gives the row id, if the table has one.
    pub rowid: Option<&'static str>,
}

impl TableInfo {
    /// Whether the table has a column.
    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|name| name.eq_ignore_ascii_case(column))
    }
}

/// All tables, and what else stood in the schema.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    tables: BTreeMap<String, TableInfo>,
    /// Views, triggers and virtual tables that are left alone, as "view NAME".
    pub ignored: Vec<String>,
}

/// Tables that analyses read: none of them may be anything but a plain table.
pub const READ: &[&str] = &[
    "StringIds",
    "CUPTI_ACTIVITY_KIND_KERNEL",
    "CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL",
    "CUPTI_ACTIVITY_KIND_MEMCPY",
    "CUPTI_ACTIVITY_KIND_MEMSET",
    "CUPTI_ACTIVITY_KIND_GRAPH_TRACE",
    "CUPTI_ACTIVITY_KIND_RUNTIME",
    "NVTX_EVENTS",
    "OSRT_API",
    "CUPTI_ACTIVITY_KIND_OVERHEAD",
    "PROFILER_OVERHEAD",
    "CUDA_GPU_MEMORY_USAGE_EVENTS",
    "CUDA_GRAPH_NODE_EVENTS",
    "ENUM_CUDA_MEMCPY_OPER",
    "ENUM_CUDA_MEM_KIND",
    "ENUM_CUPTI_OVERHEAD_TYPE",
    "PROCESSES",
    "TARGET_INFO_CUDA_DEVICE",
    "TARGET_INFO_GPU",
    "TARGET_INFO_SYSTEM_ENV",
    "META_DATA_EXPORT",
    "META_DATA_CAPTURE",
    "EXPORT_META_DATA",
    "DIAGNOSTIC_EVENT",
    "ANALYSIS_DETAILS",
];

/// Tables that only an Nsight Systems export has.
const SIGNS: &[&str] = &[
    "CUPTI_ACTIVITY_",
    "TARGET_INFO_",
    "META_DATA_",
    "EXPORT_META_DATA",
    "NVTX_",
    "OSRT_API",
    "ANALYSIS_",
    "SCHED_EVENTS",
];

impl Schema {
    /// Reads the schema through a hardened connection.
    pub fn probe(file: &TraceFile, connection: &mut Connection) -> Result<Self> {
        file.bounded(connection, |connection| Self::read(file, connection))
    }

    fn read(file: &TraceFile, connection: &Connection) -> Result<Self> {
        let failed = |error: rusqlite::Error| file.error("the schema", &error);
        let mut schema = Self::default();
        let kinds = table_kinds(connection).map_err(failed)?;
        for (kind, name) in objects(connection).map_err(failed)? {
            if kind == "index" || name.starts_with(b"sqlite_") {
                continue;
            }
            let Ok(name) = String::from_utf8(name.clone()) else {
                // No statement can name it.
                schema.ignored.push(format!("{kind} {}", String::from_utf8_lossy(&name)));
                continue;
            };
            let known = kinds.get(&name);
            let is_virtual = kind == "table" && known.is_none_or(|known| known.is_virtual);
            if kind != "table" || is_virtual {
                let kind = if is_virtual { "virtual table" } else { kind.as_str() };
                if READ.iter().any(|read| read.eq_ignore_ascii_case(&name)) && kind != "trigger" {
                    return Err(Error::UnsafeSchema {
                        path: file.path().into(),
                        detail: format!("{name} is a {kind} where an event table belongs"),
                    });
                }
                schema.ignored.push(format!("{kind} {name}"));
                continue;
            }
            let columns = columns(file, connection, &name)?;
            let has_rowid = known.is_some_and(|known| known.has_rowid);
            let rowid = if has_rowid { rowid_name(&columns) } else { None };
            schema.tables.insert(name.clone(), TableInfo { name, columns, rowid });
        }
        schema.ignored.sort();
        schema.check_is_export(file)?;
        Ok(schema)
    }

    /// The table of a name, in any case.
    pub fn table(&self, name: &str) -> Option<&TableInfo> {
        self.tables.get(name).or_else(|| self.tables.values().find(|table| table.name.eq_ignore_ascii_case(name)))
    }

    /// Whether a table has a column.
    pub fn has(&self, table: &str, column: &str) -> bool {
        self.table(table).is_some_and(|table| table.has(column))
    }

    /// All tables by name.
    pub fn tables(&self) -> impl Iterator<Item = &TableInfo> {
        self.tables.values()
    }

    /// The kernel table under either of its names.
    pub fn kernel_table(&self) -> Option<&TableInfo> {
        self.table("CUPTI_ACTIVITY_KIND_KERNEL").or_else(|| self.table("CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL"))
    }

    fn check_is_export(&self, file: &TraceFile) -> Result<()> {
        let is_sign = |name: &String| SIGNS.iter().any(|sign| name.starts_with(sign));
        if self.tables.keys().any(is_sign) {
            return Ok(());
        }
        let names: Vec<&str> = self.tables.keys().take(8).map(String::as_str).collect();
        let found = if names.is_empty() {
            "a SQLite database without tables".into()
        } else {
            let more = if self.tables.len() > names.len() { ", ..." } else { "" };
            format!("a SQLite database with the tables {}{more}", names.join(", "))
        };
        Err(Error::NotAnExport { path: file.path().into(), found })
    }
}

/// Quotes an identifier that comes from the file.
pub fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

fn lenient(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}

/// Kind and name of every object.
fn objects(connection: &Connection) -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
    let mut statement = connection.prepare("SELECT type, name FROM sqlite_schema ORDER BY rowid")?;
    let mut rows = statement.query([])?;
    let mut objects = Vec::new();
    while let Some(row) = rows.next()? {
        let name = match row.get_ref(1)? {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_vec(),
            _ => Vec::new(),
        };
        objects.push((lenient(row.get_ref(0)?), name));
    }
    Ok(objects)
}

/// What `SQLite` itself takes a table for; the text of its statement can be dressed up.
struct TableKind {
    is_virtual: bool,
    has_rowid: bool,
}

fn table_kinds(connection: &Connection) -> rusqlite::Result<BTreeMap<String, TableKind>> {
    let mut statement = connection.prepare("SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main'")?;
    let mut rows = statement.query([])?;
    let mut kinds = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let is_virtual = lenient(row.get_ref(1)?) == "virtual";
        let has_rowid = row.get_ref(2)? == ValueRef::Integer(0);
        kinds.insert(lenient(row.get_ref(0)?), TableKind { is_virtual, has_rowid });
    }
    Ok(kinds)
}

fn columns(file: &TraceFile, connection: &Connection, table: &str) -> Result<Vec<String>> {
    let failed = |error: rusqlite::Error| file.error(table, &error);
    let mut statement = connection.prepare(&format!("PRAGMA table_xinfo({})", quoted(table))).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut columns = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let name = lenient(row.get_ref(1).map_err(failed)?);
        let hidden: i64 = row.get(6).map_err(failed)?;
        if hidden != 0 && READ.iter().any(|read| read.eq_ignore_ascii_case(table)) {
            return Err(Error::UnsafeSchema {
                path: file.path().into(),
                detail: format!("column {name} of {table} is generated"),
            });
        }
        columns.push(name);
    }
    Ok(columns)
}

fn rowid_name(columns: &[String]) -> Option<&'static str> {
    ["rowid", "_rowid_", "oid"].into_iter().find(|alias| !columns.iter().any(|name| name.eq_ignore_ascii_case(alias)))
}
