//! Random databases: every cell is the same through both sources, in one piece and in several.

use std::path::Path;

use nsys_explain_core::source::{Part, RowSource};
use proptest::prelude::*;

use crate::reading::{Opened, every_column, rows};
use crate::scene_strategy::scenes;

/// Compares all of a table. Where pages cannot be read, the reason is given back.
pub(crate) fn assert_agree(path: &Path, table: &str) -> Option<String> {
    let opened = Opened::new(path).expect("a sound file");
    let table = opened.table(table);
    let sqlite = opened.sqlite().expect("a sound file");
    let pages = match opened.pages().expect("a sound file") {
        Ok(pages) => pages,
        Err(reason) => return Some(reason),
    };
    assert_eq!(pages.count(table).expect("rows"), sqlite.count(table).expect("rows"));
    for columns in every_column(table) {
        let expected = rows(&sqlite, table, &columns, &[Part::Whole]).expect("rows of SQLite");
        let read = |source: &dyn RowSource, parts: &[Part]| rows(source, table, &columns, parts).expect("rows");
        assert_eq!(read(&pages, &[Part::Whole]), expected, "{columns:?}");
        for pieces in [1, 3, 8] {
            for source in [&pages as &dyn RowSource, &sqlite] {
                let parts = source.parts(table, pieces).expect("parts");
                assert!(parts.len() <= pieces);
                assert_eq!(read(source, &parts), expected, "{columns:?} in {parts:?}");
            }
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_cell_of_random_tables_is_the_same(scene in scenes()) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = scene.write(folder.path());
        let reason = assert_agree(&path, scene.table);
        match (reason, scene.unusual()) {
            (Some(reason), Some(expected)) => prop_assert!(reason.contains(expected), "{}", reason),
            (found, expected) => prop_assert_eq!(found, expected.map(str::to_owned)),
        }
        prop_assert_eq!(assert_agree(&path, "META_DATA_EXPORT").is_some(), scene.unusual().is_some());
    }
}
