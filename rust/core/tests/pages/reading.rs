//! Rows of a table through each source, as values that can be compared.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use nsys_explain_core::source::batch::{Batch, CellKind, Wanted};
use nsys_explain_core::source::open::TraceFile;
use nsys_explain_core::source::pages::{PageRows, Unusual};
use nsys_explain_core::source::rows::SqliteRows;
use nsys_explain_core::source::schema::{Schema, TableInfo};
use nsys_explain_core::source::{Part, RowSource};
use nsys_explain_core::{Error, Result};

/// A cell as the sources tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Int(i64),
    Null,
    /// Neither an integer nor NULL where an integer was wanted.
    Other,
    Text(String),
    /// No text where one was wanted.
    NoText,
}

pub(crate) type Row = Vec<Cell>;

/// A file that both sources can be made for.
pub(crate) struct Opened {
    pub(crate) file: TraceFile,
    pub(crate) schema: Schema,
}

impl Opened {
    pub(crate) fn new(path: &Path) -> Result<Self> {
        let file = TraceFile::check(path)?;
        let schema = Schema::probe(&file, &mut file.connect()?)?;
        Ok(Self { file, schema })
    }

    /// The source over pages, or why there is none.
    pub(crate) fn pages(&self) -> Result<std::result::Result<PageRows, String>> {
        let source = PageRows::new(&self.file, self.file.connect()?, &self.schema)?;
        Ok(source.map_err(|Unusual { reason, .. }| reason))
    }

    pub(crate) fn sqlite(&self) -> Result<SqliteRows<'_>> {
        Ok(SqliteRows::new(&self.file, self.file.connect()?))
    }

    pub(crate) fn table(&self, name: &str) -> &TableInfo {
        self.schema.table(name).expect("the table is in the schema")
    }
}

/// A name that lives as long as the program, as requests want it.
fn lasting(name: &str) -> &'static str {
    static NAMES: OnceLock<Mutex<HashSet<&'static str>>> = OnceLock::new();
    let mut names = NAMES.get_or_init(Mutex::default).lock().expect("no test panics while it holds the names");
    if let Some(known) = names.get(name) {
        return known;
    }
    let name: &'static str = Box::leak(name.into());
    names.insert(name);
    name
}

/// The columns of these names. No request wants one whose name is damaged, and SQL could not name it.
fn wanted(names: &[String], kind: CellKind) -> Vec<Wanted> {
    let sound = names.iter().filter(|name| name.is_ascii());
    sound.map(|name| Wanted { name: lasting(&name.to_ascii_lowercase()), kind }).collect()
}

/// Requests that together want every column as an integer and as text, and one that the table lacks.
pub(crate) fn every_column(table: &TableInfo) -> Vec<Vec<Wanted>> {
    let mut columns = table.columns.clone();
    columns.push("a column that is not there".into());
    let ints = columns.chunks(31).map(|names| wanted(names, CellKind::Int));
    let texts = columns.chunks(4).map(|names| wanted(names, CellKind::Text));
    let mut requests: Vec<_> = ints.chain(texts).collect();
    // Both kinds in one request, with columns between that nobody wants.
    let mixed = |(i, name): (usize, &String)| match i % 3 {
        0 => wanted(std::slice::from_ref(name), CellKind::Int),
        1 if i < 12 => wanted(std::slice::from_ref(name), CellKind::Text),
        _ => Vec::new(),
    };
    requests.push(table.columns.iter().take(60).enumerate().flat_map(mixed).collect());
    requests
}

/// One request like those of the analyses: texts where the name says so, integers otherwise.
pub(crate) fn likely_columns(table: &TableInfo) -> Vec<Wanted> {
    let is_text = |name: &&String| ["text", "name", "value"].contains(&name.to_ascii_lowercase().as_str());
    let (texts, ints): (Vec<_>, Vec<_>) = table.columns.iter().partition(is_text);
    let take = |names: Vec<&String>, most| names.into_iter().take(most).cloned().collect::<Vec<_>>();
    let mut columns = wanted(&take(ints, 20), CellKind::Int);
    columns.extend(wanted(&take(texts, 4), CellKind::Text));
    columns
}

/// The rows of some parts in order.
pub(crate) fn rows(source: &dyn RowSource, table: &TableInfo, columns: &[Wanted], parts: &[Part]) -> Result<Vec<Row>> {
    let mut found = Vec::new();
    for &part in parts {
        source.read(table, columns, part, &mut |batch| {
            found.extend((0..batch.rows()).map(|row| cells(batch, row, columns)));
            Ok(())
        })?;
    }
    Ok(found)
}

fn cells(batch: &Batch, row: usize, columns: &[Wanted]) -> Row {
    let cell = |(i, column): (usize, &Wanted)| match column.kind {
        CellKind::Text => batch.text(row, i).map_or(Cell::NoText, |text| Cell::Text(text.into_owned())),
        CellKind::Int => match (batch.int(row, i), batch.is_null(row, i)) {
            (Some(value), false) => Cell::Int(value),
            (None, true) => Cell::Null,
            (None, false) => Cell::Other,
            (Some(value), true) => panic!("{value} and NULL at once"),
        },
    };
    columns.iter().enumerate().map(cell).collect()
}

/// Whether an error is one that a damaged file may give: it says that the file is at fault.
pub(crate) fn blames_the_file(error: &Error) -> bool {
    match error {
        Error::Corrupt { .. } | Error::NotAnExport { .. } | Error::UnsafeSchema { .. } | Error::Query { .. } => true,
        Error::NotFound { .. }
        | Error::IsDirectory { .. }
        | Error::PermissionDenied { .. }
        | Error::NotCaptured { .. }
        | Error::InvalidArgument(_)
        | Error::Cancelled => false,
    }
}
