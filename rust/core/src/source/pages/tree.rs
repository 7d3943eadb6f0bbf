//! Which leaf pages a table has: its interior pages are walked once.

use super::file::PageFile;
use super::format::varint;
use crate::error::Result;

const INTERIOR: u8 = 0x05;
pub(super) const LEAF: u8 = 0x0d;
/// Levels of the deepest tree that `SQLite` itself reads; five hold any file that fits on a disk.
const MAX_LEVELS: usize = 20;

/// The leaf pages of a table in key order.
#[derive(Debug, Default)]
pub struct Leaves {
    /// Their numbers.
    pub pages: Vec<u32>,
    /// How many rows each may have by the keys of interior pages, if row ids begin at 1: no more than a guess.
    pub rows: Vec<u16>,
}

/// The leaf pages below `root`. Each page occurs once, so a cycle is an error.
pub fn leaves(file: &PageFile, root: u32) -> Result<Leaves> {
    let mut walk = Walk { file, seen: PageSet::new(file.pages()), leaves: Leaves::default(), buffer: Vec::new() };
    walk.visit(root, 1, true, Keys { before: 0, last: i64::MAX })?;
    Ok(walk.leaves)
}

/// The row ids below a page: those after `before`, up to `last`.
#[derive(Clone, Copy)]
struct Keys {
    before: i64,
    last: i64,
}

/// No row of a table of events is as short.
const SHORT_ROW_BYTES: usize = 16;

/// A set of page numbers: one bit for each page of the file, touched only where it is set.
struct PageSet(Vec<u64>);

impl PageSet {
    fn new(pages: u32) -> Self {
        Self(vec![0; pages as usize / 64 + 1])
    }

    /// Whether the page was not there before.
    fn insert(&mut self, page: u32) -> bool {
        let (word, bit) = (&mut self.0[page as usize / 64], 1 << (page % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}

struct Walk<'a> {
    file: &'a PageFile,
    seen: PageSet,
    leaves: Leaves,
    buffer: Vec<u8>,
}

impl Walk<'_> {
    /// Visits a page of unknown kind. Below the lowest interior level nothing is read: all leaves are equally deep.
    fn visit(&mut self, page: u32, level: usize, read: bool, keys: Keys) -> Result<()> {
        self.check_inside(page)?;
        if !self.seen.insert(page) {
            return Err(self.file.corrupt(page, "the table's tree visits it twice"));
        }
        if !read {
            self.add_leaf(page, keys);
            return Ok(());
        }
        self.file.read(page, 1, &mut self.buffer)?;
        match self.buffer[0] {
            LEAF => {
                self.add_leaf(page, keys);
                Ok(())
            }
            INTERIOR if level < MAX_LEVELS => {
                let children = self.children(page, keys.last)?;
                let lowest = self.is_leaf(children[0].0)?;
                let mut before = keys.before;
                children.into_iter().try_for_each(|(child, last)| {
                    let before = std::mem::replace(&mut before, last);
                    self.visit(child, level + 1, !lowest, Keys { before, last })
                })
            }
            INTERIOR => Err(self.file.corrupt(page, "the table's tree is too deep")),
            other => Err(self.file.corrupt(page, &format!("a page of kind {other} inside a table's tree"))),
        }
    }

    fn add_leaf(&mut self, page: u32, keys: Keys) {
        let most = self.file.usable() / SHORT_ROW_BYTES;
        let rows = usize::try_from(keys.last.saturating_sub(keys.before)).unwrap_or(0).min(most);
        self.leaves.pages.push(page);
        self.leaves.rows.push(u16::try_from(rows).unwrap_or(u16::MAX));
    }

    fn check_inside(&self, page: u32) -> Result<()> {
        if page < 2 || page > self.file.pages() {
            return Err(self.file.corrupt(page, "the table's tree points outside of the file"));
        }
        if page == self.file.lock_page() {
            return Err(self.file.corrupt(page, "the table's tree points to the page of the locks"));
        }
        Ok(())
    }

    fn is_leaf(&mut self, page: u32) -> Result<bool> {
        self.check_inside(page)?;
        self.file.read(page, 1, &mut self.buffer)?;
        Ok(self.buffer[0] == LEAF)
    }

    /// The children of the interior page in the buffer, in key order, each with its last key: that of the page for the
    /// last one.
    fn children(&self, page: u32, last: i64) -> Result<Vec<(u32, i64)>> {
        let bytes = &self.buffer[..self.file.usable()];
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let cells = usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
        if cells == 0 {
            return Err(self.file.corrupt(page, "an interior page without cells"));
        }
        if cells > self.file.most_cells() {
            return Err(self.file.corrupt(page, "more cells than fit on the page"));
        }
        let first_cell = 12 + 2 * cells;
        let mut children = Vec::with_capacity(cells + 1);
        for pointer in bytes[12..first_cell].chunks_exact(2) {
            let at = usize::from(u16::from_be_bytes([pointer[0], pointer[1]]));
            let key = bytes.get(at + 4..).filter(|_| at >= first_cell).and_then(varint);
            let Some((key, _)) = key else { return Err(self.file.corrupt(page, "a cell lies outside of the page")) };
            children.push((word(at), key.cast_signed()));
        }
        children.push((word(8), last));
        Ok(children)
    }
}
