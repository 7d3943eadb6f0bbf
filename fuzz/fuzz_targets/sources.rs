//! Both row sources over any bytes as a database: where pages can be read, `SQLite` reads the same rows from them.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use nsys_explain_core::Result;
use nsys_explain_core::source::batch::{Batch, Wanted};
use nsys_explain_core::source::open::TraceFile;
use nsys_explain_core::source::pages::PageRows;
use nsys_explain_core::source::rows::SqliteRows;
use nsys_explain_core::source::schema::{Schema, TableInfo};
use nsys_explain_core::source::{Part, RowSource};

/// One file for each process, in memory where the system has a place for that.
static PATH: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
    folder.join(format!("fuzz-sources-{}", std::process::id()))
});

const COLUMNS: &[Wanted] = &[
    Wanted::int("start"),
    Wanted::int("end"),
    Wanted::text("text"),
    Wanted::int("globalTid"),
    Wanted::int("id"),
    Wanted::text("value"),
    Wanted::int("added"),
    Wanted::text("more"),
];

/// Integers with whether they are NULL, and texts.
type Row = (Vec<(Option<i64>, bool)>, Vec<Option<String>>);

fn rows(source: &dyn RowSource, table: &TableInfo) -> Result<Vec<Row>> {
    let mut found = Vec::new();
    source.read(table, COLUMNS, Part::Whole, &mut |batch| {
        found.extend((0..batch.rows()).map(|row| cells(batch, row)));
        Ok(())
    })?;
    Ok(found)
}

fn cells(batch: &Batch, row: usize) -> Row {
    let (texts, ints): (Vec<usize>, Vec<usize>) =
        (0..COLUMNS.len()).partition(|&i| COLUMNS[i] == Wanted::text(COLUMNS[i].name));
    let ints = ints.into_iter().map(|i| (batch.int(row, i), batch.is_null(row, i))).collect();
    (ints, texts.into_iter().map(|i| batch.text(row, i).map(|text| text.into_owned())).collect())
}

fn compare() -> Result<Corpus> {
    let file = TraceFile::check(&PATH)?;
    let mut connection = file.connect()?;
    let schema = Schema::probe(&file, &mut connection)?;
    let Ok(pages) = PageRows::new(&file, connection, &schema)? else { return Ok(Corpus::Reject) };
    let sqlite = SqliteRows::new(&file, file.connect()?);
    for table in schema.tables().take(4) {
        // A tree that is read has no cycle, so SQLite comes to its end as well.
        let Ok(found) = rows(&pages, table) else { continue };
        let expected = rows(&sqlite, table).unwrap_or_else(|error| panic!("{}: {error}", table.name));
        assert_eq!(found, expected, "{}", table.name);
        assert_eq!(pages.count(table)?, sqlite.count(table)?, "{}", table.name);
    }
    Ok(Corpus::Keep)
}

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if bytes.len() < 512 {
        return Corpus::Reject;
    }
    std::fs::write(&*PATH, bytes).expect("a folder that can be written");
    compare().unwrap_or(Corpus::Reject)
});
