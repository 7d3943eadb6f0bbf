//! Files made to do harm, read through `SQLite`: what it would follow without end or lose without a word is an error.

use std::path::Path;

use nsys_explain_core::source::{Progress, RowSource};
use nsys_explain_core::{AnalyzeOptions, Error, Result, Source, Trace};

use crate::agree::assert_agree;
use crate::crafted::{Crafted, PAGE, record, short_leaf};
use crate::image::{cell, index_interior, index_leaf, interior, leaf};
use crate::reading::{Opened, Row, every_column, rows};
use crate::scene::{Key, NewRow, Scene, Stored};

/// Both format numbers of the header say write-ahead mode, which sends a file without a log through `SQLite`.
const WRITE_AHEAD: [u8; 2] = [2, 2];

const OUT_OF_ORDER: &str = "NVTX_EVENTS: row ids are out of order";
const TOO_MANY: &str = "NVTX_EVENTS: it has more rows than fit in the file";
const LOST: &str = "NVTX_EVENTS: row ids are not where its tree leads to";

fn in_pieces(path: &Path, pieces: usize) -> Result<Vec<Row>> {
    let opened = Opened::new(path)?;
    let (sqlite, table) = (opened.sqlite()?, opened.table("NVTX_EVENTS"));
    rows(&sqlite, table, every_column(table).last().expect("a request"), &sqlite.parts(table, pieces)?)
}

fn counted(path: &Path) -> Result<u64> {
    let opened = Opened::new(path)?;
    opened.sqlite()?.count(opened.table("NVTX_EVENTS"))
}

fn analyzed(path: &Path, source: Source, threads: usize) -> Result<()> {
    let options = AnalyzeOptions { threads: Some(threads), ..AnalyzeOptions::default() };
    Trace::open(path, source)?.analyze(&options, &Progress::default()).map(|_| ())
}

fn assert_corrupt<T: std::fmt::Debug>(result: Result<T>, message: &str) {
    match result {
        Err(Error::Corrupt { detail, .. }) => assert_eq!(detail, message),
        other => panic!("{other:?} instead of {message}"),
    }
}

#[test]
fn trees_that_fan_out_over_the_same_pages() {
    // Each level names the next one forty times: 40^18 leaves to one that follows them all.
    let mut crafted = Crafted::new();
    crafted.image.bytes[18..20].copy_from_slice(&WRITE_AHEAD);
    let mut below = crafted.image.add_page(&short_leaf(1, 3));
    for _ in 0..18 {
        below = crafted.image.add_page(&interior(PAGE, &[(below, 5); 40], below));
    }
    let crafted = crafted.root(&interior(PAGE, &[(below, 5); 40], below));
    let path = crafted.path();
    assert_corrupt(counted(&path), TOO_MANY);
    assert_corrupt(in_pieces(&path, 1), OUT_OF_ORDER);
    assert_corrupt(in_pieces(&path, 4), OUT_OF_ORDER);
    for source in [Source::Auto, Source::Sqlite] {
        assert_corrupt(Trace::open(&path, source).expect("its metadata is sound").tables(), TOO_MANY);
        assert_corrupt(Trace::open(&path, source).expect("its metadata is sound").span_ns(), OUT_OF_ORDER);
        assert_corrupt(analyzed(&path, source, 2), OUT_OF_ORDER);
    }
}

#[test]
fn trees_without_row_ids_that_fan_out() {
    // No ids tell that rows come again and again: only their number does.
    let mut scene = Scene::plain(&["INTEGER", "TEXT"]);
    scene.key = Key::WithoutRowId { at: 0 };
    let mut crafted = Crafted::with(&scene);
    let row = record(7, b"x");
    let mut below = crafted.image.add_page(&index_leaf(PAGE, &[row.clone(), row.clone()]));
    for _ in 0..18 {
        below = crafted.image.add_page(&index_interior(PAGE, &vec![(below, row.clone()); 30], below));
    }
    let crafted = crafted.root(&index_interior(PAGE, &vec![(below, row); 30], below));
    let path = crafted.path();
    assert_corrupt(counted(&path), TOO_MANY);
    assert_corrupt(in_pieces(&path, 4), TOO_MANY);
    assert_corrupt(analyzed(&path, Source::Auto, 2), TOO_MANY);
}

#[test]
fn tables_of_the_smallest_rows() {
    // Hardly more fit in a file: records of one NULL, in cells that fill their pages.
    let mut crafted = Crafted::new();
    let page = |first: u64| leaf(PAGE, &(first..first + 72).map(|id| cell(id, &[2, 0])).collect::<Vec<_>>());
    let leaves: Vec<_> = (2..42).map(|k| (crafted.image.add_page(&page(72 * k)), 72 * k + 71)).collect();
    let crafted = crafted.root(&interior(PAGE, &leaves[..39], leaves[39].0));
    assert_eq!(counted(&crafted.path()).expect("rows"), 40 * 72);
    assert_eq!(assert_agree(&crafted.path(), "NVTX_EVENTS"), None);
}

/// Three leaves with rows 1 to 3, 14 990 to 15 019 and 30 000 to 30 002, below a root of these keys.
fn three_leaves(keys: [u64; 2]) -> Crafted {
    let mut crafted = Crafted::new();
    let [a, b, c] =
        [(1, 3), (14_990, 30), (30_000, 3)].map(|(first, rows)| crafted.image.add_page(&short_leaf(first, rows)));
    crafted.root(&interior(PAGE, &[(a, keys[0]), (b, keys[1])], c))
}

#[test]
fn keys_that_lead_past_rows() {
    let sound = three_leaves([5, 15_019]);
    for pieces in 1..12 {
        assert_eq!(in_pieces(&sound.path(), pieces).expect("rows").len(), 36);
    }
    // In four parts, the third starts at row 15 002.
    let crafted = three_leaves([5, 14_995]);
    let too_small = crafted.path();
    assert_eq!(in_pieces(&too_small, 1).expect("rows in one piece").len(), 36);
    assert_corrupt(in_pieces(&too_small, 4), LOST);
    assert_corrupt(in_pieces(&too_small, 2), LOST);
    assert_corrupt(analyzed(&too_small, Source::Sqlite, 1), LOST);
    assert_corrupt(analyzed(&too_small, Source::Sqlite, 3), LOST);
    let crafted = three_leaves([20_000, 25_000]);
    let too_large = crafted.path();
    assert_eq!(in_pieces(&too_large, 1).expect("rows in one piece").len(), 36);
    assert_corrupt(in_pieces(&too_large, 4), OUT_OF_ORDER);
}

#[test]
fn parts_in_any_order_add_up() {
    let (sound, wrong) = (three_leaves([5, 15_019]), three_leaves([5, 14_995]));
    let read = |crafted: &Crafted, order: [usize; 4]| {
        let opened = Opened::new(&crafted.path()).expect("a sound schema");
        let (sqlite, table) = (opened.sqlite().expect("a connection"), opened.table("NVTX_EVENTS"));
        let parts = sqlite.parts(table, 4).expect("parts");
        let parts = order.map(|k| parts[k]);
        rows(&sqlite, table, every_column(table).last().expect("a request"), &parts).map(|rows| rows.len())
    };
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        assert_eq!(read(&sound, order).expect("rows"), 36);
        assert_corrupt(read(&wrong, order), LOST);
    }
}

#[test]
fn leaves_in_the_wrong_order() {
    // The edges of the tree, which tell the first and the last row id, are the wrong way round.
    let mut crafted = Crafted::new();
    let [a, b] = [30_000, 1].map(|first| crafted.image.add_page(&short_leaf(first, 3)));
    let crafted = crafted.root(&interior(PAGE, &[(a, 40_000)], b));
    let path = crafted.path();
    for pieces in 1..6 {
        assert_corrupt(in_pieces(&path, pieces), OUT_OF_ORDER);
    }
    // The edges are right, and the row ids between them are not.
    let mut crafted = Crafted::new();
    let [a, b, c, d] = [1, 20_000, 10_000, 30_000].map(|first| crafted.image.add_page(&short_leaf(first, 3)));
    let crafted = crafted.root(&interior(PAGE, &[(a, 3), (b, 20_002), (c, 20_003)], d));
    let path = crafted.path();
    for pieces in 1..6 {
        let error = in_pieces(&path, pieces).expect_err("a refusal").to_string();
        assert!(error.contains(OUT_OF_ORDER) || error.contains(LOST), "{error}");
    }
    // The same row twice.
    let twice = leaf(PAGE, &[cell(5, &record(1, b"a")), cell(5, &record(2, b"b"))]);
    assert_corrupt(in_pieces(&Crafted::new().root(&twice).path(), 1), OUT_OF_ORDER);
}

#[test]
fn the_least_and_the_largest_row_id() {
    let mut scene = Scene::plain(&["INTEGER", "TEXT"]);
    let row = |id| NewRow { rowid: Some(id), values: vec![Stored::Int(id), Stored::Null] };
    scene.rows = [i64::MIN, i64::MIN + 1, 0, i64::MAX - 1, i64::MAX].map(row).to_vec();
    let folder = tempfile::tempdir().expect("a temporary folder");
    assert_eq!(assert_agree(&scene.write(folder.path()), scene.table), None);
}

#[test]
fn metadata_comes_through_sqlite_where_it_was_asked_for() {
    // A value of a reserved type, which pages refuse and SQLite takes for NULL.
    let mut crafted = Crafted::new();
    let (name, version) = (b"EXPORT_PRODUCT_VERSION", b"2025.1");
    let version = [&[3, 13 + 2 * 22, 13 + 2 * 6], name.as_slice(), version].concat();
    let page = leaf(PAGE, &[cell(1, &version), cell(2, &[3, 10, 13])]);
    crafted.image.page_mut(3).copy_from_slice(&page);
    let path = crafted.path();
    let trace = Trace::open(&path, Source::Sqlite).expect("no page is looked at");
    assert_eq!(trace.metadata().nsys_version.as_deref(), Some("2025.1"));
    assert_eq!(trace.source(), ("sqlite", "asked for".to_owned()));
    analyzed(&path, Source::Sqlite, 2).expect("a report");
    for source in [Source::Auto, Source::Pages] {
        let error = Trace::open(&path, source).expect_err("a page is refused").to_string();
        assert!(error.contains("page 3: an impossible value in a header"), "{error}");
    }
}

#[test]
fn schemas_that_fan_out_over_the_same_pages() {
    const BESIDES_CELLS: usize = 12 + 2 * 40;
    let mut crafted = Crafted::new();
    let first = crafted.image.page(1).to_vec();
    // The schema as it was, on a page of its own: cells keep their places, only what leads to them moves to the front.
    let mut leaf = first.clone();
    leaf[..PAGE - 100].copy_from_slice(&first[100..]);
    let content = usize::from(u16::from_be_bytes([first[105], first[106]]));
    leaf[content..].copy_from_slice(&first[content..]);
    let mut below = crafted.image.add_page(&leaf);
    for _ in 0..18 {
        below = crafted.image.add_page(&interior(PAGE, &[(below, 5); 40], below));
    }
    let top = interior(PAGE, &[(below, 5); 40], below);
    let page = crafted.image.page_mut(1);
    page[100..].copy_from_slice(&top[100..]);
    page[100..100 + BESIDES_CELLS].copy_from_slice(&top[..BESIDES_CELLS]);
    let path = crafted.path();
    for source in [Source::Auto, Source::Sqlite] {
        let error = Trace::open(&path, source).expect_err("a schema without end");
        assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    }
}
