//! Times what the report is compared to: the same columns without any analysis. `scan FILE` prints one line per way of
//! reading, with wall seconds.

use std::path::Path;
use std::time::Instant;

use nsys_explain_core::Result;
use nsys_explain_core::source::RowSource;
use nsys_explain_core::source::load::{BIG_TABLES, columns};
use nsys_explain_core::source::open::TraceFile;
use nsys_explain_core::source::pages::PageRows;
use nsys_explain_core::source::schema::{Schema, quoted};
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
    let path = std::env::args().nth(1).unwrap_or_else(|| "trace.sqlite".into());
    let file = TraceFile::check(Path::new(&path))?;
    let schema = Schema::probe(&file, &file.connect()?)?;
    let timed = |label: &str, work: &dyn Fn() -> Result<()>| {
        let start = Instant::now();
        work()?;
        println!("{label}\t{:.4}", start.elapsed().as_secs_f64());
        Ok(())
    };
    timed("sqlite_step_1_thread", &|| BIG_TABLES.iter().try_for_each(|table| step(&file, &schema, table).map(drop)))?;
    for threads in [1, 2] {
        let Ok(pages) = PageRows::new(&file, file.connect()?, &schema)? else { continue };
        let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(threads).build() else { continue };
        timed(&format!("pages_decode_{threads}_threads"), &|| {
            pool.install(|| BIG_TABLES.iter().try_for_each(|table| decode(&pages, &schema, table).map(drop)))
        })?;
    }
    Ok(())
}
