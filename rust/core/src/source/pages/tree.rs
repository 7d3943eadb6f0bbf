//! Which leaf pages a table has: its interior pages are walked once.

use super::file::PageFile;
use crate::error::Result;

const INTERIOR: u8 = 0x05;
pub(super) const LEAF: u8 = 0x0d;
/// The deepest tree that `SQLite` itself reads; five levels hold any file that fits on a disk.
const MAX_DEPTH: usize = 20;

/// The leaf pages below `root` in key order. Each page occurs once, so a cycle is an error.
pub fn leaves(file: &PageFile, root: u32) -> Result<Vec<u32>> {
    let mut walk = Walk { file, seen: vec![false; file.pages() as usize + 1], leaves: Vec::new(), buffer: Vec::new() };
    walk.visit(root, 0, true)?;
    Ok(walk.leaves)
}

struct Walk<'a> {
    file: &'a PageFile,
    seen: Vec<bool>,
    leaves: Vec<u32>,
    buffer: Vec<u8>,
}

impl Walk<'_> {
    /// Visits a page of unknown kind. Below the lowest interior level nothing is read: all leaves are equally deep.
    fn visit(&mut self, page: u32, depth: usize, read: bool) -> Result<()> {
        if page < 2 || page > self.file.pages() {
            return Err(self.file.corrupt(page, "the table's tree points outside of the file"));
        }
        if std::mem::replace(&mut self.seen[page as usize], true) {
            return Err(self.file.corrupt(page, "the table's tree visits it twice"));
        }
        if !read {
            self.leaves.push(page);
            return Ok(());
        }
        self.file.read(page, 1, &mut self.buffer)?;
        match self.buffer[0] {
            LEAF => {
                self.leaves.push(page);
                Ok(())
            }
            INTERIOR if depth < MAX_DEPTH => {
                let children = self.children(page)?;
                let lowest = self.is_leaf(children[0])?;
                children.into_iter().try_for_each(|child| self.visit(child, depth + 1, !lowest))
            }
            INTERIOR => Err(self.file.corrupt(page, "the table's tree is too deep")),
            other => Err(self.file.corrupt(page, &format!("a page of kind {other} inside a table's tree"))),
        }
    }

    fn is_leaf(&mut self, page: u32) -> Result<bool> {
        if page < 2 || page > self.file.pages() {
            return Err(self.file.corrupt(page, "the table's tree points outside of the file"));
        }
        self.file.read(page, 1, &mut self.buffer)?;
        Ok(self.buffer[0] == LEAF)
    }

    /// The children of the interior page in the buffer, in key order; at least the rightmost.
    fn children(&self, page: u32) -> Result<Vec<u32>> {
        let bytes = &self.buffer[..self.file.usable()];
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let cells = usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
        let first_cell = 12 + 2 * cells;
        if first_cell > bytes.len() {
            return Err(self.file.corrupt(page, "more cells than fit on the page"));
        }
        let mut children = Vec::with_capacity(cells + 1);
        for pointer in bytes[12..first_cell].chunks_exact(2) {
            let at = usize::from(u16::from_be_bytes([pointer[0], pointer[1]]));
            if at < first_cell || at + 4 > bytes.len() {
                return Err(self.file.corrupt(page, "a cell lies outside of the page"));
            }
            children.push(word(at));
        }
        children.push(word(8));
        Ok(children)
    }
}
