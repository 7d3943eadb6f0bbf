//! Damaged files: each source gives rows or an error that blames the file, and where both give rows they are the same.
//!
//! The page source is at least as strict as `SQLite`: it refuses values of the reserved types, lengths beyond 32 bits
//! and a missing overflow page even of a value that is not wanted, all of which `SQLite` reads in some way. It never
//! reads what `SQLite` refuses when it reads a table whole; in parts that also needs sound keys on interior pages.
//!
//! `DAMAGE_FACTOR=20` does twenty times as much.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nsys_explain_core::source::batch::Wanted;
use nsys_explain_core::source::schema::{READ, TableInfo};
use nsys_explain_core::source::{Part, Progress, RowSource};
use nsys_explain_core::{AnalyzeOptions, Error, Result, Source, Trace};

use crate::damage::{Random, damage};
use crate::image::Image;
use crate::reading::{Opened, blames_the_file, every_column, likely_columns, rows};
use crate::scene::{Edit, Key, NewRow, Scene, Stored};

/// No damaged file of a few hundred kilobytes takes longer, on a busy machine and without optimisation.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of some damaged files.
#[derive(Debug, Default)]
struct Tally {
    refused_at_once: u32,
    both_read: u32,
    only_sqlite_read: u32,
    neither_read: u32,
}

fn factor() -> u64 {
    std::env::var("DAMAGE_FACTOR").map_or(1, |factor| factor.parse().expect("DAMAGE_FACTOR is a number"))
}

/// The error of a damaged file, if it is one.
fn checked<T>(result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) if blames_the_file(&error) => None,
        Err(error) => panic!("{error:?} does not blame the file"),
    }
}

fn compare_table(opened: &Opened, table: &TableInfo, columns: &[Wanted], tally: &mut Tally) {
    let (Some(Ok(pages)), Some(sqlite)) = (checked(opened.pages()), checked(opened.sqlite())) else { return };
    let read = |source: &dyn RowSource| checked(rows(source, table, columns, &[Part::Whole]));
    match (read(&pages), read(&sqlite)) {
        (Some(found), Some(expected)) => {
            assert_eq!(found, expected, "{}", table.name);
            for pieces in [2, 7] {
                let parts = pages.parts(table, pieces).expect("what can be read");
                let found = rows(&pages, table, columns, &parts).expect("what can be read");
                assert_eq!(found, expected, "{} in {parts:?}", table.name);
            }
            let counts =
                [&pages as &dyn RowSource, &sqlite].map(|source| source.count(table).expect("what can be read"));
            assert_eq!(counts, [expected.len() as u64; 2]);
            tally.both_read += 1;
        }
        (None, Some(_)) => {
            for pieces in [2, 7] {
                let parts = checked(pages.parts(table, pieces)).unwrap_or_default();
                let in_parts = checked(rows(&pages, table, columns, &parts));
                assert!(parts.is_empty() || in_parts.is_none(), "{}: an error only in one piece", table.name);
            }
            tally.only_sqlite_read += 1;
        }
        (None, None) => tally.neither_read += 1,
        (Some(_), None) => panic!("{}: only the pages can be read", table.name),
    }
}

fn compare(path: &Path, thorough: bool, tally: &mut Tally) {
    let Some(opened) = checked(Opened::new(path)) else {
        tally.refused_at_once += 1;
        return;
    };
    let tables = opened.schema.tables().filter(|table| READ.contains(&table.name.as_str()));
    for table in tables {
        let requests = if thorough { every_column(table) } else { vec![likely_columns(table)] };
        for columns in requests {
            compare_table(&opened, table, &columns, tally);
        }
    }
}

/// The report of a damaged file is the same from both sources and on any number of threads.
fn compare_reports(path: &Path) {
    let report = |source, threads| {
        let options = AnalyzeOptions { threads: Some(threads), ..AnalyzeOptions::default() };
        let trace = Trace::open(path, source)?;
        let (report, tables) = trace.analyze(&options, &Progress::default())?;
        Ok::<_, Error>(format!("{report:?} {tables:?}"))
    };
    let found = checked(report(Source::Pages, 1));
    assert_eq!(checked(report(Source::Pages, 3)), found);
    match (found, report(Source::Sqlite, 1)) {
        (Some(found), Ok(expected)) => assert_eq!(found, expected),
        // Tables that no analysis reads are only counted, by the pages without a look at their cells.
        (Some(_), Err(Error::Corrupt { detail, .. })) => {
            let read = READ.iter().any(|&table| table != "OSRT_API" && detail.starts_with(&format!("{table}:")));
            assert!(!read, "{detail}, though its pages can be read");
        }
        (Some(_), Err(error)) => panic!("{error}"),
        (None, _) => {}
    }
}

/// The most memory that the process ever had, where the system tells.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kilobytes") << 10
}

fn damage_many(sound: &Image, seed: u64, times: u64, thorough: bool) -> Tally {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("damaged.sqlite");
    let mut tally = Tally::default();
    for round in 0..times {
        let mut image = sound.clone();
        let mut random = Random(seed << 32 | round);
        damage(&mut image, &mut random);
        image.write(&path);
        let start = Instant::now();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            compare(&path, thorough, &mut tally);
            if round % 8 == 0 {
                compare_reports(&path);
            }
        }));
        if outcome.is_err() {
            let kept = std::env::temp_dir().join(format!("damaged-{seed}-{round}.sqlite"));
            image.write(&kept);
            panic!("seed {seed}, round {round}: see {}", kept.display());
        }
        assert!(start.elapsed() < PATIENCE, "seed {seed}, round {round}: {:?}", start.elapsed());
    }
    tally
}

/// Shapes that between them have every kind of page.
fn scenes() -> Vec<Scene> {
    let text = |length: usize| Stored::Text(b"text of a range ".iter().copied().cycle().take(length).collect());
    let row = |i: i64| NewRow {
        rowid: Some(i * i * 11 - 30),
        values: vec![
            Stored::Int(i << (i % 60)),
            Stored::Int(-i),
            Stored::Real(i as f64),
            text(usize::try_from(i % 9 * i).expect("a positive number")),
            if i % 4 == 0 { Stored::Null } else { Stored::Int(i % 3) },
        ],
    };
    let mut plain = Scene::plain(&["INTEGER", "INTEGER", "REAL", "TEXT", "INTEGER"]);
    plain.rows = (0..70).map(row).collect();
    plain.edits = vec![
        Edit::Fill(300),
        Edit::AddColumn { declared: "INTEGER", default: Some(("-7", true)) },
        Edit::AddColumn { declared: "TEXT", default: Some(("'added'", true)) },
        Edit::GrowOther(12),
        Edit::Delete { modulus: 5, rest: 1 },
        Edit::Insert((100..120).map(row).collect()),
    ];
    let keyed = |at, declaration, is_rowid| Key::Column { at, declaration, is_rowid };
    vec![
        plain.clone(),
        Scene { key: keyed(1, "INTEGER PRIMARY KEY", true), auto_vacuum: 1, reserved: 13, ..plain.clone() },
        Scene { key: keyed(0, "INTEGER PRIMARY KEY DESC", false), encoding: "UTF-16le", ..plain.clone() },
        Scene { page_size: 1024, encoding: "UTF-16be", auto_vacuum: 2, ..plain.clone() },
        Scene { page_size: 4096, table: "StringIds", ..plain.clone() },
        Scene { page_size: 65_536, table: "CUPTI_ACTIVITY_KIND_KERNEL", ..plain },
    ]
}

#[test]
fn damaged_databases_give_the_same_rows_or_an_error() {
    let before = peak_bytes();
    let mut only_sqlite_read = 0;
    for (scene, seed) in scenes().into_iter().zip(1..) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sound = Image::read(&scene.write(folder.path()));
        let times = if scene.page_size <= 1024 { 600 } else { 200 };
        let tally = damage_many(&sound, seed, times * factor(), true);
        println!("seed {seed}: {} bytes, {tally:?}", sound.bytes.len());
        assert!(tally.both_read > 0 && tally.neither_read > 0, "{tally:?}");
        only_sqlite_read += tally.only_sqlite_read;
    }
    assert!(only_sqlite_read > 0, "no damage that only the pages refuse");
    assert!(peak_bytes() - before < 256 << 20, "{} bytes", peak_bytes() - before);
}

/// The real exports beside the project, the smallest first.
fn real_exports() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
    let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|ending| ending == "sqlite")).collect();
    paths.sort_by_key(|path| (path.metadata().map_or(0, |metadata| metadata.len()), path.clone()));
    paths
}

#[test]
fn damaged_real_exports_give_the_same_rows_or_an_error() {
    let paths = real_exports();
    if paths.is_empty() {
        println!("skipped: there are no real exports in ../shared/traces beside the project");
    }
    let before = peak_bytes();
    for (path, seed) in paths.iter().take(6).zip(101..) {
        let tally = damage_many(&Image::read(path), seed, 120 * factor(), false);
        println!("seed {seed}: {}, {tally:?}", path.display());
        assert!(tally.both_read > 0, "{tally:?}");
    }
    assert!(peak_bytes() - before < 256 << 20, "{} bytes", peak_bytes() - before);
}
