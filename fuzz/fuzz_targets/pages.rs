//! The page decoder alone: any bytes as a database, one of its pages as the root of a table of a fixed layout.
//!
//! `SQLite` never sees the file, so nothing that it checks stands between the bytes and the decoder.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use nsys_explain_core::Result;
use nsys_explain_core::source::batch::{Batch, Wanted};
use nsys_explain_core::source::open::TraceFile;
use nsys_explain_core::source::pages::cell::Decoder;
use nsys_explain_core::source::pages::file::PageFile;
use nsys_explain_core::source::pages::layout::{ColumnLayout, Default, TableLayout};
use nsys_explain_core::source::pages::tree;

/// One file for each process, in memory where the system has a place for that.
static PATH: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
    folder.join(format!("fuzz-pages-{}", std::process::id()))
});

/// Where the header keeps a number for the user: here the root page.
const ROOT_AT: usize = 60;

const ALL: &[Wanted] = &[
    Wanted::int("id"),
    Wanted::text("first"),
    Wanted::int("real"),
    Wanted::int("start"),
    Wanted::int("end"),
    Wanted::text("second"),
    Wanted::int("added"),
];
const SOME: &[Wanted] = &[Wanted::int("start"), Wanted::int("added")];

fn layout(root: u32) -> TableLayout {
    let column = |name: &str, default| ColumnLayout {
        name: name.into(),
        is_rowid: name == "id",
        is_real: name == "real",
        default,
    };
    let columns = vec![
        column("start", Default::Null),
        column("first", Default::Text(b"first".to_vec())),
        column("id", Default::Null),
        column("skipped", Default::Null),
        column("end", Default::Null),
        column("real", Default::Null),
        column("second", Default::Null),
        column("added", Default::Int(-7)),
        column("last", Default::Null),
    ];
    TableLayout { root, columns }
}

/// The integers of all rows: start and added.
fn decode(file: &PageFile, root: u32, columns: &[Wanted]) -> Result<Vec<(Option<i64>, Option<i64>)>> {
    let at = |name: &str| columns.iter().position(|column| column.name == name).expect("a column of the request");
    let (start, added) = (at("start"), at("added"));
    let layout = layout(root);
    let mut decoder = Decoder::new(file, &layout, columns);
    let mut batch = Batch::new(columns);
    let (mut found, mut text, mut page) = (Vec::new(), 0, Vec::new());
    for number in tree::leaves(file, root)?.pages {
        file.read(number, 1, &mut page)?;
        decoder.page(number, &page, &mut batch)?;
        for row in 0..batch.rows() {
            found.push((batch.int(row, start), batch.int(row, added)));
            for (i, column) in columns.iter().enumerate() {
                if matches!(column.name, "first" | "second") {
                    text += batch.text(row, i).map_or(0, |text| text.len() as u64);
                }
            }
        }
        batch.clear();
    }
    // A byte of damaged UTF-8 becomes three, and a default is as long as five bytes for each row.
    assert!(text <= file.bytes() * 3 + found.len() as u64 * 5, "{text} bytes of text");
    Ok(found)
}

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if bytes.len() < 512 {
        return Corpus::Reject;
    }
    std::fs::write(&*PATH, bytes).expect("a folder that can be written");
    let Ok(trace) = TraceFile::check(&PATH) else { return Corpus::Reject };
    let Ok(Ok(file)) = PageFile::open(&trace) else { return Corpus::Reject };
    let root = u32::from_be_bytes(bytes[ROOT_AT..ROOT_AT + 4].try_into().expect("four bytes"));
    if let Ok(rows) = decode(&file, root, ALL) {
        assert_eq!(decode(&file, root, SOME).expect("what can be read in full can be read in part"), rows);
    }
    // Any page after another, as a part of a table starts.
    let mut page = Vec::new();
    if file.read(root, 1, &mut page).is_ok() {
        let _ = Decoder::new(&file, &layout(root), SOME).start_after(root, &page);
    }
    Corpus::Keep
});
