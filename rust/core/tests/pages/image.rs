//! A database file as bytes that can be changed page by page.

use std::path::Path;

/// The bytes of a database.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    pub(crate) page_size: usize,
}

impl Image {
    pub(crate) fn read(path: &Path) -> Self {
        Self::new(std::fs::read(path).expect("a file that was just written"))
    }

    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let page_size = match u16::from_be_bytes([bytes[16], bytes[17]]) {
            1 => 65_536,
            size => usize::from(size),
        };
        Self { bytes, page_size }
    }

    pub(crate) fn write(&self, path: &Path) {
        std::fs::write(path, &self.bytes).expect("a temporary folder that can be written");
    }

    pub(crate) fn pages(&self) -> usize {
        self.bytes.len() / self.page_size
    }

    /// A page by its number, from 1 on.
    pub(crate) fn page(&self, number: usize) -> &[u8] {
        &self.bytes[(number - 1) * self.page_size..number * self.page_size]
    }

    pub(crate) fn page_mut(&mut self, number: usize) -> &mut [u8] {
        &mut self.bytes[(number - 1) * self.page_size..number * self.page_size]
    }

    /// Where the header of a page's tree starts, from its first byte.
    pub(crate) fn head(number: usize) -> usize {
        if number == 1 { 100 } else { 0 }
    }

    /// How many cells a page has, if it is one of a tree.
    pub(crate) fn cells(&self, number: usize) -> usize {
        let (page, head) = (self.page(number), Self::head(number));
        usize::from(u16::from_be_bytes([page[head + 3], page[head + 4]])).min((self.page_size - head - 12) / 2)
    }

    pub(crate) fn set_u32(&mut self, number: usize, at: usize, value: u32) {
        self.page_mut(number)[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }

    /// Adds a page and tells its number. The header says how many there are.
    pub(crate) fn add_page(&mut self, page: &[u8]) -> u32 {
        assert_eq!(page.len(), self.page_size);
        self.bytes.extend_from_slice(page);
        let pages = u32::try_from(self.pages()).expect("a small file");
        self.set_u32(1, 28, pages);
        pages
    }
}

/// A number in the form of variable length, as short as it goes.
pub(crate) fn varint(value: u64) -> Vec<u8> {
    if value >> 56 != 0 {
        let mut bytes: Vec<u8> = (0..8).rev().map(|i| 0x80 | (value >> (8 + 7 * i) & 0x7f).to_le_bytes()[0]).collect();
        bytes.push(value.to_le_bytes()[0]);
        return bytes;
    }
    let groups = (1..9).find(|groups| value >> (7 * groups) == 0).unwrap_or(8);
    (0..groups).rev().map(|i| (value >> (7 * i) & 0x7f).to_le_bytes()[0] | if i == 0 { 0 } else { 0x80 }).collect()
}

/// An interior page: the child and the key of each cell, and the last child.
pub(crate) fn interior(page_size: usize, cells: &[(u32, u64)], last: u32) -> Vec<u8> {
    let cells: Vec<Vec<u8>> =
        cells.iter().map(|&(child, key)| [child.to_be_bytes().as_slice(), &varint(key)].concat()).collect();
    let mut page = page_of(page_size, 0x05, &cells);
    page[8..12].copy_from_slice(&last.to_be_bytes());
    page
}

/// A leaf page of finished cells.
pub(crate) fn leaf(page_size: usize, cells: &[Vec<u8>]) -> Vec<u8> {
    page_of(page_size, 0x0d, cells)
}

/// A cell of a leaf whose record fits.
pub(crate) fn cell(rowid: u64, record: &[u8]) -> Vec<u8> {
    [varint(record.len() as u64), varint(rowid), record.to_vec()].concat()
}

/// A leaf page of a tree without row ids, of finished records.
pub(crate) fn index_leaf(page_size: usize, records: &[Vec<u8>]) -> Vec<u8> {
    let cells: Vec<_> = records.iter().map(|record| [varint(record.len() as u64), record.clone()].concat()).collect();
    page_of(page_size, 0x0a, &cells)
}

/// An interior page of a tree without row ids: the child and the record of each cell, and the last child.
pub(crate) fn index_interior(page_size: usize, cells: &[(u32, Vec<u8>)], last: u32) -> Vec<u8> {
    let cell = |(child, record): &(u32, Vec<u8>)| {
        [child.to_be_bytes().as_slice(), &varint(record.len() as u64), record].concat()
    };
    let mut page = page_of(page_size, 0x02, &cells.iter().map(cell).collect::<Vec<_>>());
    page[8..12].copy_from_slice(&last.to_be_bytes());
    page
}

fn page_of(page_size: usize, kind: u8, cells: &[Vec<u8>]) -> Vec<u8> {
    let mut page = vec![0; page_size];
    let pointers = if kind == 0x05 || kind == 0x02 { 12 } else { 8 };
    let short = |value: usize| u16::try_from(value).expect("an offset within a page").to_be_bytes();
    let mut end = page_size;
    for (i, cell) in cells.iter().enumerate() {
        end -= cell.len().max(4);
        page[end..end + cell.len()].copy_from_slice(cell);
        page[pointers + 2 * i..pointers + 2 * i + 2].copy_from_slice(&short(end));
    }
    page[0] = kind;
    page[3..5].copy_from_slice(&short(cells.len()));
    page[5..7].copy_from_slice(&short(end % 65_536));
    page
}
