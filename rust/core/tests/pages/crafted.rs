//! Files made to do harm: each is refused, and the error names the page.

use std::path::{Path, PathBuf};

use nsys_explain_core::Result;
use nsys_explain_core::source::RowSource;
use tempfile::TempDir;

use crate::agree::assert_agree;
use crate::image::{Image, cell, interior, leaf, varint};
use crate::reading::{Cell, Opened, Row, every_column, rows};
use crate::scene::{Edit, Key, NewRow, Scene, Stored};

pub(crate) const PAGE: usize = 512;

/// An export with one table, whose root page a test replaces.
pub(crate) struct Crafted {
    folder: TempDir,
    pub(crate) image: Image,
    root: usize,
}

impl Crafted {
    pub(crate) fn new() -> Self {
        Self::with(&Scene::plain(&["INTEGER", "TEXT"]))
    }

    pub(crate) fn with(scene: &Scene) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = scene.write(folder.path());
        // The first table of a new database has its root on the second page.
        Self { folder, image: Image::read(&path), root: 2 }
    }

    pub(crate) fn root(mut self, page: &[u8]) -> Self {
        self.image.page_mut(self.root).copy_from_slice(page);
        self
    }

    /// The pages from this number on will be these.
    fn next_page(&self) -> u32 {
        u32::try_from(self.image.pages() + 1).expect("a small file")
    }

    pub(crate) fn path(&self) -> PathBuf {
        let path = self.folder.path().join("crafted.sqlite");
        self.image.write(&path);
        path
    }

    /// Rows of the pages, in one piece or several.
    fn read(&self, pieces: usize) -> Result<Vec<Row>> {
        read(&self.path(), pieces)
    }

    /// The file is refused, in one piece and in several, and neither error differs.
    fn assert_refused(&self, message: &str) {
        for pieces in [1, 4] {
            let error = self.read(pieces).expect_err("a refusal").to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}

fn read(path: &Path, pieces: usize) -> Result<Vec<Row>> {
    let opened = Opened::new(path)?;
    let pages = opened.pages()?.unwrap_or_else(|reason| panic!("{reason}"));
    let table = opened.table("NVTX_EVENTS");
    rows(&pages, table, every_column(table).last().expect("a request"), &pages.parts(table, pieces)?)
}

/// A record of an integer below 128 and a text.
pub(crate) fn record(value: u8, text: &[u8]) -> Vec<u8> {
    let kind = varint(13 + 2 * text.len() as u64);
    let header = u8::try_from(2 + kind.len()).expect("a short header");
    [&[header, 1], kind.as_slice(), &[value], text].concat()
}

pub(crate) fn short_leaf(first: u64, rows: u64) -> Vec<u8> {
    leaf(PAGE, &(first..first + rows).map(|id| cell(id, &record(7, b"x"))).collect::<Vec<_>>())
}

#[test]
fn a_page_that_is_its_own_child() {
    let crafted = Crafted::new();
    let root = u32::try_from(crafted.root).expect("a small file");
    crafted.root(&interior(PAGE, &[(root, 1)], root)).assert_refused("page 2: the table's tree visits it twice");
}

#[test]
fn trees_that_fan_out_over_the_same_pages() {
    // Each level names the next one forty times: 40^18 leaves to one that follows them all.
    let mut crafted = Crafted::new();
    let mut below = crafted.image.add_page(&short_leaf(1, 3));
    for _ in 0..18 {
        below = crafted.image.add_page(&interior(PAGE, &[(below, 5); 40], below));
    }
    let root = interior(PAGE, &[(below, 5); 40], below);
    crafted.root(&root).assert_refused("the table's tree visits it twice");
}

#[test]
fn a_tree_deeper_than_any() {
    let of_levels = |levels: u32| {
        let mut crafted = Crafted::new();
        let mut below = crafted.image.add_page(&short_leaf(1, 2));
        for level in 1..levels {
            let last = crafted.image.add_page(&short_leaf(u64::from(10 * level), 2));
            let page = interior(PAGE, &[(below, u64::from(10 * level - 5))], last);
            if level + 1 == levels {
                return crafted.root(&page);
            }
            below = crafted.image.add_page(&page);
        }
        crafted
    };
    for levels in [2, 3, 20] {
        assert_eq!(of_levels(levels).read(1).expect("rows").len(), 2 * levels as usize);
        assert_eq!(assert_agree(&of_levels(levels).path(), "NVTX_EVENTS"), None, "SQLite reads as deep");
    }
    of_levels(21).assert_refused("the table's tree is too deep");
    of_levels(400).assert_refused("the table's tree is too deep");
}

#[test]
fn an_interior_page_among_the_leaves() {
    let mut crafted = Crafted::new();
    let first = crafted.image.add_page(&short_leaf(1, 2));
    let second = crafted.image.add_page(&short_leaf(11, 2));
    let third = crafted.image.add_page(&short_leaf(21, 2));
    let uneven = crafted.image.add_page(&interior(PAGE, &[(second, 12)], third));
    let message = format!("page {uneven}: a page of kind 5 where a table's leaf belongs");
    crafted.root(&interior(PAGE, &[(first, 2)], uneven)).assert_refused(&message);
}

#[test]
fn pages_that_belong_to_no_tree() {
    for (child, message) in [
        (0, "page 0: the table's tree points outside of the file"),
        (1, "page 1: the table's tree points outside of the file"),
        (99, "page 99: the table's tree points outside of the file"),
        (u32::MAX, "the table's tree points outside of the file"),
    ] {
        let mut crafted = Crafted::new();
        let good = crafted.image.add_page(&short_leaf(1, 2));
        crafted.root(&interior(PAGE, &[(good, 2)], child)).assert_refused(message);
        let crafted = Crafted::new();
        crafted.root(&interior(PAGE, &[(child, 2)], good)).assert_refused(message);
    }
    for kind in [0, 2, 10, 255] {
        let mut page = short_leaf(1, 2);
        page[0] = kind;
        let message = format!("page 2: a page of kind {kind} inside a table's tree");
        Crafted::new().root(&page).assert_refused(&message);
    }
}

#[test]
fn pages_without_cells_below_a_root() {
    let mut crafted = Crafted::new();
    let (full, empty) = (crafted.image.add_page(&short_leaf(1, 2)), crafted.image.add_page(&leaf(PAGE, &[])));
    let message = format!("page {empty}: an empty page inside a table's tree");
    crafted.root(&interior(PAGE, &[(full, 2)], empty)).assert_refused(&message);
    let mut crafted = Crafted::new();
    let full = crafted.image.add_page(&short_leaf(1, 2));
    crafted.root(&interior(PAGE, &[], full)).assert_refused("page 2: an interior page without cells");
    assert_eq!(Crafted::new().root(&leaf(PAGE, &[])).read(1).expect("no rows"), Vec::<Row>::new());
}

#[test]
fn row_ids_that_do_not_ascend() {
    Crafted::new()
        .root(&leaf(PAGE, &[cell(5, &record(1, b"a")), cell(5, &record(2, b"b"))]))
        .assert_refused("page 2: row ids are out of order");
    // Across leaves, and so across parts that are read on their own.
    let mut scene = Scene::plain(&["INTEGER", "TEXT", "TEXT", "TEXT"]);
    scene.edits.push(Edit::Fill(900));
    let crafted = Crafted::with(&scene);
    // All but the first three: the header of the file, the root, and the other table.
    let leaves: Vec<usize> = (4..=crafted.image.pages()).filter(|&page| crafted.image.page(page)[0] == 0x0d).collect();
    assert!(leaves.len() > 64 && crafted.read(4).is_ok());
    for (one, other) in leaves.iter().zip(&leaves[1..]).step_by(5) {
        let mut crafted = Crafted::with(&scene);
        let (first, second) = (crafted.image.page(*one).to_vec(), crafted.image.page(*other).to_vec());
        crafted.image.page_mut(*one).copy_from_slice(&second);
        crafted.image.page_mut(*other).copy_from_slice(&first);
        let path = crafted.path();
        for pieces in 1..20 {
            let error = read(&path, pieces).expect_err("rows out of order").to_string();
            assert!(error.contains("row ids are out of order"), "{error}");
        }
    }
}

#[test]
fn cells_outside_of_their_page() {
    let good = cell(1, &record(7, b"text"));
    for at in [0, 7, 9, 509, 511, 512, 4096, 65_535_u16] {
        let mut page = leaf(PAGE, std::slice::from_ref(&good));
        page[8..10].copy_from_slice(&at.to_be_bytes());
        Crafted::new().root(&page).assert_refused("page 2: a cell lies outside of the page");
    }
    for count in [85, 86, 4000, 65_535_u16] {
        let mut page = leaf(PAGE, std::slice::from_ref(&good));
        page[3..5].copy_from_slice(&count.to_be_bytes());
        Crafted::new().root(&page).assert_refused("page 2: more cells than fit on the page");
        page[0] = 5;
        Crafted::new().root(&page).assert_refused("page 2: more cells than fit on the page");
    }
    // A cell at the very end that says to be longer.
    let mut page = leaf(PAGE, std::slice::from_ref(&good));
    page[8..10].copy_from_slice(&508_u16.to_be_bytes());
    page[508..].copy_from_slice(&[9, 1, 2, 1]);
    Crafted::new().root(&page).assert_refused("page 2: a cell reaches beyond its page");
    page[508..].copy_from_slice(&[0xff; 4]);
    Crafted::new().root(&page).assert_refused("page 2: a cell ends too early");
}

#[test]
fn lengths_beyond_all_bounds() {
    let with_length = |length: u64| leaf(PAGE, &[[varint(length), varint(1), vec![0; 480]].concat()]);
    for length in [1 << 20, 1 << 32, (1 << 32) + 3, u64::MAX >> 1, u64::MAX] {
        Crafted::new()
            .root(&with_length(length))
            .assert_refused("page 2: the table's records are longer than the file");
    }
    // A header, or a value in it, that says to be longer than the record.
    for header in [vec![99, 1], [varint(1 << 40), vec![1]].concat(), [varint(u64::MAX), vec![1]].concat()] {
        Crafted::new().root(&leaf(PAGE, &[cell(1, &header)])).assert_refused("page 2: an impossible header");
    }
    for kind in [13 + 2 * 90, 1 << 33 | 1, u64::MAX, u64::MAX - 1] {
        let kind = varint(kind);
        let header = u8::try_from(2 + kind.len()).expect("a short header");
        let page = leaf(PAGE, &[cell(1, &[&[header, 0], kind.as_slice(), b"text"].concat())]);
        Crafted::new().root(&page).assert_refused("page 2: a value reaches beyond its record");
    }
}

#[test]
fn records_that_contradict_themselves() {
    let refused =
        |record: &[u8], message: &str| Crafted::new().root(&leaf(PAGE, &[cell(1, record)])).assert_refused(message);
    refused(&[], "page 2: a record without a header");
    refused(&[0], "page 2: an impossible header");
    refused(&[1], "page 2: an impossible header");
    refused(&[3, 1, 0x81, 7, 0], "page 2: a header ends too early");
    refused(&[3, 10, 13, 0], "page 2: an impossible value in a header");
    refused(&[3, 1, 11, 0], "page 2: an impossible value in a header");
    refused(&[3, 1, 13, 7, 0, 0], "page 2: a record is longer than its values");
    // A column more than the table has is left alone, as after a column was dropped from the schema by hand.
    let crafted = Crafted::new().root(&leaf(PAGE, &[cell(1, &[4, 1, 15, 1, 7, b'x', 9])]));
    assert_eq!(assert_agree(&crafted.path(), "NVTX_EVENTS"), None);
}

#[test]
fn overflow_pages_in_a_circle_or_nowhere() {
    let mut scene = Scene::plain(&["INTEGER", "TEXT"]);
    let text = Stored::Text(b"text".repeat(600));
    scene.rows = vec![NewRow { rowid: None, values: vec![Stored::Int(1), text] }];
    let sound = Crafted::with(&scene);
    let first = sound.image.page(2).len() - 4;
    let overflow = u32::from_be_bytes(sound.image.page(2)[first..].try_into().expect("four bytes"));
    assert_eq!(sound.read(1).expect("one row").len(), 1);
    for next in [0, 1, 99, u32::MAX] {
        let mut crafted = Crafted::with(&scene);
        crafted.image.set_u32(2, first, next);
        crafted.assert_refused("page 2: an overflow page lies outside of the file");
        let mut crafted = Crafted::with(&scene);
        crafted.image.set_u32(overflow as usize, 0, next);
        crafted.assert_refused("page 2: an overflow page lies outside of the file");
    }
    // A circle ends with the length of the record: it is as long as it says, if not what was written.
    let mut crafted = Crafted::with(&scene);
    crafted.image.set_u32(overflow as usize, 0, overflow);
    assert_eq!(assert_agree(&crafted.path(), "NVTX_EVENTS"), None);
}

#[test]
fn cells_that_share_an_overflow_page() {
    // Records of which 39 bytes stand on the leaf and five overflow pages follow, all of them the same page.
    const LOCAL: usize = 39;
    const LENGTH: usize = LOCAL + 5 * (PAGE - 4);
    let of_cells = |count: u64| {
        let mut crafted = Crafted::new();
        let shared = crafted.next_page();
        let text = varint(13 + 2 * (LENGTH as u64 - 5));
        let start = [&[4, 1], text.as_slice(), &[7]].concat();
        let local = [start.as_slice(), &[b'x'; LOCAL][start.len()..]].concat();
        let cell = |id| [varint(LENGTH as u64), varint(id), local.clone(), shared.to_be_bytes().to_vec()].concat();
        crafted.image.add_page(&[shared.to_be_bytes().as_slice(), &[b'y'; PAGE - 4]].concat());
        for _ in 0..16 {
            crafted.image.add_page(&[0; PAGE]);
        }
        crafted.root(&leaf(PAGE, &(1..=count).map(cell).collect::<Vec<_>>()))
    };
    assert_eq!(assert_agree(&of_cells(3).path(), "NVTX_EVENTS"), None);
    of_cells(5).assert_refused("page 2: the table's records are longer than the file");
}

#[test]
fn a_real_that_is_no_number_is_null() {
    let nan = f64::NAN.to_be_bytes();
    let page = leaf(PAGE, &[cell(1, &[&[3, 7, 13], nan.as_slice()].concat())]);
    for declared in ["INTEGER", "REAL"] {
        let crafted = Crafted::with(&Scene::plain(&[declared, "TEXT"])).root(&page);
        assert_eq!(crafted.read(1).expect("a row")[0][0], Cell::Null);
        assert_eq!(assert_agree(&crafted.path(), "NVTX_EVENTS"), None);
    }
}

#[test]
fn a_value_in_place_of_the_row_id() {
    let key = Key::Column { at: 1, declaration: "INTEGER PRIMARY KEY", is_rowid: true };
    let scene = Scene { key, ..Scene::plain(&["INTEGER", "TEXT"]) };
    let crafted = Crafted::with(&scene).root(&leaf(PAGE, &[cell(5, &record(7, b"text"))]));
    assert_eq!(crafted.read(1).expect("a row")[0], [Cell::Int(7), Cell::NoText]);
    assert_eq!(assert_agree(&crafted.path(), "NVTX_EVENTS"), None);
}

#[test]
fn pages_that_the_header_does_not_count() {
    let mut crafted = Crafted::new();
    let first = crafted.image.add_page(&short_leaf(1, 2));
    let last = crafted.image.add_page(&short_leaf(11, 2));
    let mut crafted = crafted.root(&interior(PAGE, &[(first, 2)], last));
    assert_eq!(crafted.read(1).expect("four rows").len(), 4);
    crafted.image.set_u32(1, 28, last - 1);
    crafted.assert_refused(&format!("page {last}: the table's tree points outside of the file"));
}

#[test]
#[cfg(unix)]
fn the_page_of_the_locks() {
    // A file of a gigabyte that takes a few kilobytes: all but its first pages is a hole.
    let lock_page = u32::try_from((1 << 30) / PAGE + 1).expect("a number of a page");
    let mut crafted = Crafted::new();
    let first = crafted.image.add_page(&short_leaf(1, 2));
    let mut crafted = crafted.root(&interior(PAGE, &[(first, 2)], lock_page));
    crafted.image.set_u32(1, 28, lock_page + 2);
    let path = crafted.path();
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("the file");
    file.set_len((u64::from(lock_page) + 2) * PAGE as u64).expect("a sparse file");
    let error = read(&path, 1).expect_err("a refusal").to_string();
    assert!(error.contains(&format!("page {lock_page}: the table's tree points to the page of the locks")), "{error}");
}
