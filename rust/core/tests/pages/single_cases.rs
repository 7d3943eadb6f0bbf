//! Sound files of one notable shape each.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use nsys_explain_core::source::batch::Wanted;
use nsys_explain_core::source::{Part, RowSource};
use rusqlite::Connection;

use crate::agree::assert_agree;
use crate::image::Image;
use crate::reading::{Cell, Opened, every_column, rows};
use crate::scene::{NewRow, Scene, Stored};

/// Writes a database by statements, as an export.
fn database(folder: &Path, sql: &str) -> PathBuf {
    let path = folder.join("case.sqlite");
    let connection = Connection::open(&path).expect("a new database");
    connection.execute_batch("PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF").expect("settings");
    connection.execute_batch(sql).expect("valid statements");
    path
}

/// The table is the same through both sources, which has this many rows.
fn assert_same(sql: &str, rows: u64) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = database(folder.path(), sql);
    assert_eq!(assert_agree(&path, "NVTX_EVENTS"), None);
    let opened = Opened::new(&path).expect("a sound file");
    let pages = opened.pages().expect("a sound file").unwrap_or_else(|reason| panic!("{reason}"));
    assert_eq!(pages.count(opened.table("NVTX_EVENTS")).expect("rows"), rows);
}

/// Why the pages of a database cannot be read.
fn reason(path: &Path) -> String {
    let opened = Opened::new(path).expect("a sound file");
    opened.pages().expect("a sound file").err().expect("a reason")
}

#[test]
fn values_on_several_overflow_pages_of_one_row() {
    assert_same(
        "PRAGMA page_size=512;
         CREATE TABLE NVTX_EVENTS (a TEXT, b TEXT, c BLOB, start INTEGER, d TEXT, \"end\" INTEGER);
         INSERT INTO NVTX_EVENTS VALUES (printf('%.*c', 900, 'a'), printf('%.*c', 2000, 'b'), zeroblob(5000), 7,
                                         printf('%.*c', 3000, 'd'), -8);",
        1,
    );
}

#[test]
fn nothing_after_what_the_leaf_holds() {
    // Empty texts, NULLs and the numbers without bytes stand where the record goes on elsewhere.
    assert_same(
        "PRAGMA page_size=512;
         CREATE TABLE NVTX_EVENTS (a BLOB, b TEXT, c INT, d INT, e INT, f TEXT, g TEXT, h INT);
         INSERT INTO NVTX_EVENTS VALUES (zeroblob(4000), '', NULL, 0, 1, '', NULL, ''), (zeroblob(900), '', 0, 1, 2, '', 'x', 3);
         ALTER TABLE NVTX_EVENTS ADD COLUMN i TEXT DEFAULT '';",
        2,
    );
}

#[test]
fn a_record_whose_header_does_not_fit_on_the_leaf() {
    let columns: Vec<String> = (0..600).map(|i| format!("c{i} INTEGER")).collect();
    let mut sql = format!("PRAGMA page_size=512; CREATE TABLE NVTX_EVENTS ({});", columns.join(", "));
    for row in 0..5 {
        let values: Vec<String> = (0..600_i64).map(|i| ((i * i * i) << (row * 8)).to_string()).collect();
        write!(sql, "INSERT INTO NVTX_EVENTS VALUES ({});", values.join(", ")).expect("a string takes all");
    }
    // The last columns of a row with one huge value of text before them.
    sql += "UPDATE NVTX_EVENTS SET c1 = printf('%.*c', 70000, 'x') WHERE oid % 2 = 0;";
    assert_same(&sql, 5);
}

#[test]
fn more_kinds_of_headers_than_are_remembered() {
    // Each column takes one of ten types, at its own pace, so that headers come back after many others.
    let value = |column: i64| {
        let turn = format!("(i / {column} + {column}) % 10");
        let texts = "substr('a text of some length', 1, i % 21)";
        let numbers = "WHEN 0 THEN NULL WHEN 1 THEN 0 WHEN 2 THEN 1 WHEN 3 THEN -i WHEN 4 THEN 70000 + i";
        let others = "WHEN 5 THEN i << 20 WHEN 6 THEN -i << 35 WHEN 7 THEN i << 50 WHEN 8 THEN i + 0.5";
        format!("CASE {turn} {numbers} {others} ELSE {texts} END")
    };
    for columns in [3, 12, 20, 50, 64, 70] {
        let names: Vec<String> = (1..=columns).map(|i| format!("c{i}")).collect();
        let values: Vec<String> = (1..=columns).map(value).collect();
        let sql = format!(
            "PRAGMA page_size=1024;
             CREATE TABLE NVTX_EVENTS ({}, real REAL, id INTEGER PRIMARY KEY, text TEXT);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO NVTX_EVENTS SELECT {}, i % 3, 2 * i, substr('and one more', i % 12) FROM n;",
            names.join(", "),
            values.join(", ")
        );
        assert_same(&sql, 3000);
    }
}

#[test]
fn the_room_of_a_part_is_that_of_its_rows_where_row_ids_have_no_gaps() {
    let insert = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)
                  INSERT INTO NVTX_EVENTS SELECT i, printf('%.*c', 60, 'x') FROM n;";
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = database(folder.path(), &format!("CREATE TABLE NVTX_EVENTS (start INT, text TEXT);{insert}"));
    let opened = Opened::new(&path).expect("a sound file");
    let pages = opened.pages().expect("a sound file").unwrap_or_else(|reason| panic!("{reason}"));
    let (table, columns) = (opened.table("NVTX_EVENTS"), [Wanted::int("start")]);
    let parts = pages.parts(table, 4).expect("parts");
    assert_eq!(parts.len(), 4);
    for (i, &part) in parts.iter().enumerate() {
        let rows = rows(&pages, table, &columns, &[part]).expect("rows").len();
        let room = pages.room(table, part).expect("room");
        assert!(room == rows || i + 1 == parts.len() && room > rows, "{room} for {rows} rows");
    }
}

#[test]
fn the_most_columns() {
    let columns: Vec<String> = (0..2000).map(|i| format!("c{i}")).collect();
    let sql = format!(
        "CREATE TABLE NVTX_EVENTS ({}); INSERT INTO NVTX_EVENTS (c0, c1999) VALUES (1, 'last'), (zeroblob(9000), 2);",
        columns.join(", ")
    );
    assert_same(&sql, 2);
}

#[test]
fn one_row_larger_than_every_buffer() {
    let text = "printf('%.*c', 3000000, 'long')";
    assert_same(
        &format!("CREATE TABLE NVTX_EVENTS (text TEXT, start INT); INSERT INTO NVTX_EVENTS VALUES ({text}, 5);"),
        1,
    );
}

#[test]
fn a_deep_tree_of_the_smallest_pages() {
    let sql = "PRAGMA page_size=512;
         CREATE TABLE NVTX_EVENTS (start INTEGER, text TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO NVTX_EVENTS (oid, start, text) SELECT i * 1000003 - 5000000000, i, printf('%.*c', i % 90, 'x') FROM n;";
    assert_same(sql, 20_000);
    // Without its leftmost, its rightmost and every third row.
    let sql = format!("{sql} DELETE FROM NVTX_EVENTS WHERE start % 3 = 0 OR start < 4000 OR start > 17000;");
    assert_same(&sql, 8_668);
    assert_same(&format!("{sql} VACUUM;"), 8_668);
}

#[test]
fn half_surrogate_pairs_and_byte_order_marks() {
    for encoding in ["UTF-16le", "UTF-16be"] {
        let texts =
            ["3dd800de", "d83dde00", "00d8", "d800", "00dc4100", "3dd84100", "fffe4100", "feff0041", "41", "ffff"];
        let mut scene = Scene::plain(&["TEXT"]);
        scene.encoding = encoding;
        for text in texts {
            let bytes = |i: usize| u8::from_str_radix(&text[i..i + 2], 16).expect("hexadecimal digits");
            let bytes: Vec<u8> = (0..text.len()).step_by(2).map(bytes).collect();
            // SQLite treats a text differently that is longer than 4000 bytes and not on its leaf alone.
            for times in [1, 100, 997, 998, 1000, 1001, 2001, 4001] {
                scene.rows.push(NewRow { rowid: None, values: vec![Stored::Text(bytes.repeat(times))] });
            }
        }
        for page_size in [512, 4096, 65_536] {
            scene.page_size = page_size;
            let folder = tempfile::tempdir().expect("a temporary folder");
            assert_eq!(assert_agree(&scene.write(folder.path()), scene.table), None);
        }
    }
}

#[test]
fn pages_after_the_last_that_the_header_counts_are_ignored() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = database(folder.path(), "CREATE TABLE NVTX_EVENTS (start INT); INSERT INTO NVTX_EVENTS VALUES (7)");
    let mut image = Image::read(&path);
    let more = image.bytes.repeat(2);
    image.bytes.extend(more);
    image.write(&path);
    assert_eq!(assert_agree(&path, "NVTX_EVENTS"), None);
}

#[test]
fn defaults_that_only_sqlite_can_tell_are_a_reason() {
    let plain = ["INT DEFAULT 5", "INTEGER DEFAULT (-5)", "TEXT DEFAULT 'it''s'", "REAL DEFAULT NULL", "BLOB"];
    let unusual = ["TEXT DEFAULT 5", "INT DEFAULT '5'", "REAL DEFAULT 1", "BLOB DEFAULT 'b'", "NUMERIC DEFAULT 3"];
    for (column, is_plain) in plain.iter().map(|c| (c, true)).chain(unusual.iter().map(|c| (c, false))) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sql = format!(
            "CREATE TABLE NVTX_EVENTS (start INT); INSERT INTO NVTX_EVENTS VALUES (1), (2);
             ALTER TABLE NVTX_EVENTS ADD COLUMN added {column}; INSERT INTO NVTX_EVENTS VALUES (3, 4);"
        );
        let path = database(folder.path(), &sql);
        let expected = (!is_plain).then(|| "column added of NVTX_EVENTS has an unusual default".to_owned());
        assert_eq!(assert_agree(&path, "NVTX_EVENTS"), expected, "{column}");
    }
}

#[test]
fn tables_that_are_only_counted_may_be_unusual() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = database(
        folder.path(),
        "CREATE TABLE NVTX_EVENTS (start INT);
         CREATE TABLE extra (a TEXT PRIMARY KEY, b INT) WITHOUT ROWID;
         CREATE TABLE computed (a INT, b INT AS (a + 1));
         CREATE TABLE added (a INT DEFAULT (random()));
         INSERT INTO extra VALUES ('x', 1), ('y', 2);
         INSERT INTO computed VALUES (1), (2), (3);
         INSERT INTO added VALUES (1);",
    );
    let opened = Opened::new(&path).expect("a sound file");
    let pages = opened.pages().expect("a sound file").unwrap_or_else(|reason| panic!("{reason}"));
    for (table, rows) in [("extra", 2), ("computed", 3), ("added", 1), ("NVTX_EVENTS", 0)] {
        assert_eq!(pages.count(opened.table(table)).expect("rows"), rows, "{table}");
    }
}

#[test]
fn files_that_are_not_at_rest_are_a_reason() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sql = "CREATE TABLE NVTX_EVENTS (start INT); INSERT INTO NVTX_EVENTS VALUES (7);";
    let path = database(folder.path(), sql);

    std::fs::write(folder.path().join("case.sqlite-journal"), b"").expect("a temporary folder");
    assert_eq!(assert_agree(&path, "NVTX_EVENTS"), None, "an empty journal is that of a finished transaction");
    // SQLite takes a journal that starts with zeros for that of a finished transaction, and any other for a hot one.
    std::fs::write(folder.path().join("case.sqlite-journal"), [0; 512]).expect("a temporary folder");
    assert_eq!(reason(&path), "a rollback journal lies beside the file");
    std::fs::write(folder.path().join("case.sqlite-journal"), b"content").expect("a temporary folder");
    let refused = Opened::new(&path).map(|_| ()).expect_err("unfinished changes").to_string();
    assert!(refused.contains("unfinished changes beside it"), "{refused}");
    std::fs::remove_file(folder.path().join("case.sqlite-journal")).expect("a temporary folder");

    let connection = Connection::open(&path).expect("a database");
    connection.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(())).expect("write-ahead mode");
    drop(connection);
    assert_eq!(reason(&path), "the file is in write-ahead mode");
    let connection = Connection::open(&path).expect("a database");
    connection.execute_batch("INSERT INTO NVTX_EVENTS VALUES (8)").expect("a row");
    assert_eq!(reason(&path), "the file has a write-ahead log with content");
    let opened = Opened::new(&path).expect("a sound file");
    let (sqlite, table) = (opened.sqlite().expect("a sound file"), opened.table("NVTX_EVENTS"));
    let found = rows(&sqlite, table, &every_column(table)[0], &[Part::Whole]).expect("rows");
    assert_eq!(found.iter().map(|row| row[0].clone()).collect::<Vec<_>>(), [Cell::Int(7), Cell::Int(8)]);
}

#[test]
fn a_text_encoding_that_does_not_exist_is_a_reason() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = database(folder.path(), "CREATE TABLE NVTX_EVENTS (start INT); INSERT INTO NVTX_EVENTS VALUES (7);");
    let mut image = Image::read(&path);
    image.set_u32(1, 56, 5);
    image.write(&path);
    assert_eq!(reason(&path), "text encoding 5 in the header");
}
