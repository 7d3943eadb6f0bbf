//! A database of any shape that `SQLite` can write, and how it is written.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::image::Image;

/// How the table is keyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// By row ids alone.
    RowId,
    /// A column with its whole declaration. `is_rowid`: it is the row id under another name.
    Column { at: usize, declaration: &'static str, is_rowid: bool },
    /// A declared column with a constraint of the table; `{}` stands for the column.
    Constraint { at: usize, declared: &'static str, constraint: &'static str, is_rowid: bool },
    /// All in the index of the key.
    WithoutRowId { at: usize },
}

/// A value to store.
#[derive(Debug, Clone)]
pub(crate) enum Stored {
    Null,
    Int(i64),
    Real(f64),
    /// Bytes cast to text, so they need not be valid in the encoding.
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

/// A row with its id, if that is chosen.
#[derive(Debug, Clone)]
pub(crate) struct NewRow {
    pub(crate) rowid: Option<i64>,
    pub(crate) values: Vec<Stored>,
}

/// A default of an added column: how it is written and whether pages can be read with it.
pub(crate) type AddedDefault = (&'static str, bool);

/// What happens to the table after its first rows.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    Insert(Vec<NewRow>),
    /// Many short rows.
    Fill(u16),
    /// Rows whose id leaves this rest.
    Delete {
        modulus: i64,
        rest: i64,
    },
    DeleteAll,
    Update {
        column: usize,
        value: Stored,
        modulus: i64,
    },
    AddColumn {
        declared: &'static str,
        default: Option<AddedDefault>,
    },
    DropLastColumn,
    /// Pages of another table between those of this one.
    GrowOther(u16),
    ShrinkOther,
    IncrementalVacuum,
    Vacuum,
}

/// A database with one table that is read.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) table: &'static str,
    pub(crate) page_size: u32,
    pub(crate) reserved: u8,
    pub(crate) auto_vacuum: u8,
    pub(crate) encoding: &'static str,
    pub(crate) is_strict: bool,
    pub(crate) columns: Vec<&'static str>,
    pub(crate) key: Key,
    pub(crate) rows: Vec<NewRow>,
    pub(crate) edits: Vec<Edit>,
}

impl Scene {
    /// The smallest of all.
    pub(crate) fn plain(columns: &[&'static str]) -> Self {
        Self {
            table: "NVTX_EVENTS",
            page_size: 512,
            reserved: 0,
            auto_vacuum: 0,
            encoding: "UTF-8",
            is_strict: false,
            columns: columns.to_vec(),
            key: Key::RowId,
            rows: Vec::new(),
            edits: Vec::new(),
        }
    }

    /// Why pages cannot be read, if so: a part of the reason that the source gives.
    pub(crate) fn unusual(&self) -> Option<&'static str> {
        if matches!(self.key, Key::WithoutRowId { .. }) {
            return Some("WITHOUT ROWID");
        }
        let mut unusual = Vec::new();
        for edit in &self.edits {
            match edit {
                Edit::AddColumn { default, .. } => unusual.push(default.is_some_and(|(_, is_plain)| !is_plain)),
                Edit::DropLastColumn => drop(unusual.pop()),
                _ => {}
            }
        }
        unusual.contains(&true).then_some("unusual default")
    }

    /// Writes the database and tells where.
    pub(crate) fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("scene.sqlite");
        let connection = self.start(&path);
        connection.execute_batch(&self.create()).expect("a valid table");
        connection.execute_batch("CREATE TABLE META_DATA_EXPORT (name TEXT, value TEXT)").expect("a valid table");
        let mut added = 0;
        let mut written = Edit::Insert(self.rows.clone());
        for edit in self.edits.iter().map(Some).chain([None]) {
            // Constraints refuse some of the random rows and edits, which is as good as any other state.
            connection.execute_batch("BEGIN").expect("a transaction");
            self.apply(&connection, &written, &mut added);
            // Where no row id is left, all of it is undone.
            if !connection.is_autocommit() {
                connection.execute_batch("COMMIT").expect("the end of a transaction");
            }
            match edit {
                Some(edit @ (Edit::Vacuum | Edit::IncrementalVacuum)) => {
                    let sql = if matches!(edit, Edit::Vacuum) { "VACUUM" } else { "PRAGMA incremental_vacuum(3)" };
                    connection.execute_batch(sql).expect("a vacuum");
                    written = Edit::Insert(Vec::new());
                }
                Some(edit) => written = edit.clone(),
                None => {}
            }
        }
        path
    }

    /// An empty database of the page size, encoding and reserved bytes.
    fn start(&self, path: &Path) -> Connection {
        let open = || {
            let connection = Connection::open(path).expect("a new database");
            connection.execute_batch("PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF;").expect("settings");
            connection
        };
        let connection = open();
        let settings = format!(
            "PRAGMA page_size={}; PRAGMA encoding='{}'; PRAGMA auto_vacuum={}; PRAGMA user_version=1;",
            self.page_size, self.encoding, self.auto_vacuum
        );
        connection.execute_batch(&settings).expect("settings");
        if self.reserved == 0 {
            return connection;
        }
        // Only a file control sets reserved bytes; the first page of an empty database is as easily written.
        drop(connection);
        let mut image = Image::read(path);
        assert_eq!(image.pages(), 1);
        let end = self.page_size - u32::from(self.reserved);
        image.bytes[20] = self.reserved;
        image.bytes[105..107].copy_from_slice(&u16::try_from(end).expect("reserved bytes").to_be_bytes());
        image.write(path);
        open()
    }

    fn create(&self) -> String {
        let mut columns: Vec<String> =
            self.columns.iter().enumerate().map(|(i, declared)| format!("{} {declared}", name(i))).collect();
        match &self.key {
            Key::RowId => {}
            Key::Column { at, declaration, .. } => columns[*at] = format!("{} {declaration}", name(*at)),
            Key::Constraint { at, declared, constraint, .. } => {
                columns[*at] = format!("{} {declared}", name(*at));
                columns.push(constraint.replace("{}", name(*at)));
            }
            Key::WithoutRowId { at } => columns.push(format!("PRIMARY KEY ({})", name(*at))),
        }
        let options = match (&self.key, self.is_strict) {
            (Key::WithoutRowId { .. }, _) => " WITHOUT ROWID",
            (_, true) => " STRICT",
            _ => "",
        };
        format!("CREATE TABLE \"{}\" ({}){options}", self.table, columns.join(", "))
    }

    fn rowid_column(&self) -> Option<usize> {
        match self.key {
            Key::Column { at, is_rowid: true, .. } | Key::Constraint { at, is_rowid: true, .. } => Some(at),
            _ => None,
        }
    }

    fn apply(&self, connection: &Connection, edit: &Edit, added: &mut usize) {
        let table = self.table;
        let run = |sql: String| connection.execute_batch(&sql).is_ok();
        match edit {
            Edit::Insert(rows) => rows.iter().for_each(|row| self.insert(connection, row)),
            Edit::Fill(count) => {
                for i in 0..*count {
                    let values = (0..self.columns.len()).map(|column| filling(i, column)).collect();
                    self.insert(connection, &NewRow { rowid: Some(i64::from(i) * 3 - 40), values });
                }
            }
            Edit::Delete { modulus, rest } => {
                run(format!("DELETE FROM {table} WHERE abs(oid % {modulus}) = {rest}"));
            }
            Edit::DeleteAll => {
                run(format!("DELETE FROM {table}"));
            }
            Edit::Update { column, value, modulus } => {
                let column = name(column % self.columns.len());
                let sql = format!("UPDATE OR IGNORE {table} SET {column} = {} WHERE oid % {modulus} = 0", mark(value));
                let _ = connection.execute(&sql, [bound(value)]);
            }
            Edit::AddColumn { declared, default } => {
                let default = default.map(|(sql, _)| format!(" DEFAULT {sql}")).unwrap_or_default();
                let column = name(MOST_COLUMNS + *added);
                let sql = format!("ALTER TABLE {table} ADD COLUMN {column} {declared}{default}");
                connection.execute_batch(&sql).expect("a valid column");
                *added += 1;
            }
            Edit::DropLastColumn => {
                if *added > 0 {
                    let column = name(MOST_COLUMNS + *added - 1);
                    let sql = format!("ALTER TABLE {table} DROP COLUMN {column}");
                    connection.execute_batch(&sql).expect("a column without uses");
                    *added -= 1;
                }
            }
            Edit::GrowOther(rows) => {
                for i in 0..*rows {
                    run(format!("INSERT INTO META_DATA_EXPORT VALUES ('key {i}', '{}')", "v".repeat(usize::from(i))));
                }
            }
            Edit::ShrinkOther => {
                run("DELETE FROM META_DATA_EXPORT WHERE rowid % 2 = 0".into());
            }
            Edit::IncrementalVacuum | Edit::Vacuum => unreachable!("no part of a transaction"),
        }
    }

    fn insert(&self, connection: &Connection, row: &NewRow) {
        let mut names: Vec<&str> = (0..self.columns.len()).map(name).collect();
        let mut values = row.values.clone();
        values.resize(self.columns.len(), Stored::Null);
        let rowid = row.rowid.map_or(Stored::Null, Stored::Int);
        match (self.rowid_column(), &self.key) {
            (Some(at), _) => values[at] = rowid,
            (None, Key::WithoutRowId { .. }) => {}
            (None, _) => {
                names.push("oid");
                values.push(rowid);
            }
        }
        let marks: Vec<&str> = values.iter().map(mark).collect();
        let sql = format!("INSERT OR REPLACE INTO {} ({}) VALUES ({})", self.table, names.join(", "), marks.join(", "));
        let mut statement = connection.prepare(&sql).expect("a valid statement");
        let _ = statement.execute(rusqlite::params_from_iter(values.iter().map(bound)));
    }
}

/// More columns than this are added later: no added column may be called like a row id.
pub(crate) const MOST_COLUMNS: usize = 8;

/// Columns have the names of an export, two of them those of a row id.
fn name(column: usize) -> &'static str {
    const NAMES: [&str; 16] = [
        "start",
        "END",
        "rowid",
        "text",
        "globalTid",
        "textId",
        "_rowid_",
        "eventType",
        "jsonText",
        "domainId",
        "a",
        "b",
        "c",
        "d",
        "e",
        "f",
    ];
    NAMES[column]
}

/// A short value for one of many rows.
fn filling(row: u16, column: usize) -> Stored {
    match (usize::from(row) + column) % 4 {
        0 => Stored::Int(i64::from(row) << (row % 40)),
        1 => Stored::Text(format!("row {row} ").repeat(1 + column * 3).into()),
        2 => Stored::Null,
        _ => Stored::Real(f64::from(row)),
    }
}

fn mark(value: &Stored) -> &'static str {
    if matches!(value, Stored::Text(_)) { "CAST(? AS TEXT)" } else { "?" }
}

fn bound(value: &Stored) -> Value {
    match value {
        Stored::Null => Value::Null,
        Stored::Int(value) => Value::Integer(*value),
        Stored::Real(value) => Value::Real(*value),
        Stored::Text(bytes) | Stored::Blob(bytes) => Value::Blob(bytes.clone()),
    }
}
