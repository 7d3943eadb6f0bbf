//! What the report is compared to: reading the same columns without any analysis, as a process of its own.
//!
//! `nsys-explain-benches step FILE` steps rows through one `SQLite` connection; `decode FILE [THREADS]` decodes pages.

use std::path::Path;
use std::time::Instant;

use nsys_explain_core::source::RowSource;
use nsys_explain_core::source::load::{BIG_TABLES, columns};
use nsys_explain_core::source::open::TraceFile;
use nsys_explain_core::source::pages::PageRows;
use nsys_explain_core::source::schema::{Schema, quoted};
use nsys_explain_core::{Error, Result};
use rayon::prelude::*;
use rusqlite::types::ValueRef;

/// Steps the wanted columns of one table through a single connection and adds up what is there.
fn step(file: &TraceFile, schema: &Schema, name: &str) -> Result<i64> {
    let Some(table) = schema.table(name) else { return Ok(0) };
    let failed = |error: rusqlite::Error| file.error(name, &error);
    let wanted: Vec<String> =
        columns(name).iter().filter(|column| table.has(column.name)).map(|column| quoted(column.name)).collect();
    let connection = file.connect()?;
    let sql = format!("SELECT {} FROM {}", wanted.join(", "), quoted(&table.name));
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut sum = 0_i64;
    while let Some(row) = rows.next().map_err(failed)? {
        for i in 0..wanted.len() {
            sum = sum.wrapping_add(match row.get_ref(i).map_err(failed)? {
                ValueRef::Integer(value) => value,
                ValueRef::Text(text) => i64::try_from(text.len()).unwrap_or(0),
                _ => 0,
            });
        }
    }
    Ok(sum)
}

/// Decodes the wanted columns of one table from its pages, in parts over the threads of the pool.
fn decode(pages: &PageRows, schema: &Schema, name: &str) -> Result<usize> {
    let Some(table) = schema.table(name) else { return Ok(0) };
    let parts = pages.parts(table, rayon::current_num_threads() * 4)?;
    let rows = parts.into_par_iter().map(|part| {
        let mut rows = 0;
        pages.read(table, columns(name), part, &mut |batch| {
            rows += batch.rows();
            Ok(())
        })?;
        Ok(rows)
    });
    rows.sum()
}

#[allow(clippy::print_stdout)] // a bench prints
fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (mode, path) = (args.next().unwrap_or_default(), args.next().unwrap_or_default());
    let threads: usize = args.next().and_then(|threads| threads.parse().ok()).unwrap_or(1);
    let file = TraceFile::check(Path::new(&path))?;
    let schema = Schema::probe(&file, &mut file.connect()?)?;
    let start = Instant::now();
    if mode == "step" {
        let sums: Result<Vec<i64>> = BIG_TABLES.iter().map(|table| step(&file, &schema, table)).collect();
        println!("{:?} in {:.3} s", sums?, start.elapsed().as_secs_f64());
        return Ok(());
    }
    let invalid = |detail: String| Error::InvalidArgument(format!("{mode} {path}: {detail}"));
    let pages = PageRows::new(&file, file.connect()?, &schema)?.map_err(|unusual| invalid(unusual.reason))?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    let rows: Result<Vec<usize>> = pool
        .build()
        .map_err(|error| invalid(error.to_string()))?
        .install(|| BIG_TABLES.iter().map(|table| decode(&pages, &schema, table)).collect());
    println!("{:?} rows in {:.3} s", rows?, start.elapsed().as_secs_f64());
    Ok(())
}
