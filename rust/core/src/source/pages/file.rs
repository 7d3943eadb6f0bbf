//! Positioned reads of whole pages.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::error::{Error, Result};
use crate::source::open::{Header, TraceFile};

/// How text is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// UTF-16, least significant byte first.
    Utf16Le,
    /// UTF-16, most significant byte first.
    Utf16Be,
}

/// Where the bytes lie that programs lock.
const LOCKED_BYTES_AT: usize = 1 << 30;

/// A database file as an array of pages, numbered from 1.
#[derive(Debug)]
pub struct PageFile {
    path: PathBuf,
    file: File,
    page_size: usize,
    usable: usize,
    pages: u32,
    encoding: Encoding,
}

impl PageFile {
    /// Opens the pages of a file that was checked, or tells why they cannot be read directly.
    pub fn open(trace: &TraceFile) -> Result<Result<Self, String>> {
        let file = File::open(trace.real_path()).map_err(|error| trace.io_error("the pages", &error))?;
        let mut bytes = [0_u8; Header::BYTES];
        read_exact_at(&file, &mut bytes, 0).map_err(|error| trace.io_error("the header", &error))?;
        let header = Header::new(bytes);
        let encoding = match header.text_encoding() {
            0 | 1 => Encoding::Utf8,
            2 => Encoding::Utf16Le,
            3 => Encoding::Utf16Be,
            other => return Ok(Err(format!("text encoding {other} in the header"))),
        };
        let page_size = header.page_size();
        let usable = page_size.saturating_sub(header.reserved());
        if !Header::PAGE_SIZES.contains(&page_size) || !page_size.is_power_of_two() || usable < 480 {
            return Ok(Err(format!("{page_size} bytes per page, {} of them reserved", header.reserved())));
        }
        let Ok(pages) = u32::try_from(trace.bytes() / page_size as u64) else {
            return Ok(Err("more pages than a page number can tell".into()));
        };
        // Pages beyond what the header tells are no part of the database.
        let pages = header.pages().map_or(pages, |known| known.min(pages));
        Ok(Ok(Self { path: trace.path().into(), file, page_size, usable, pages, encoding }))
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of a page.
    pub const fn page_size(&self) -> usize {
        self.page_size
    }

    /// Bytes of a page without those reserved for extensions.
    pub const fn usable(&self) -> usize {
        self.usable
    }

    /// How many pages the file has.
    pub const fn pages(&self) -> u32 {
        self.pages
    }

    /// Bytes of all pages.
    pub const fn bytes(&self) -> u64 {
        self.pages as u64 * self.page_size as u64
    }

    /// The page that holds the bytes which are locked. No table uses it, and a reader may be refused them.
    pub const fn lock_page(&self) -> u32 {
        // At most 2^30 / 512.
        #[allow(clippy::cast_possible_truncation)]
        let before = (LOCKED_BYTES_AT / self.page_size) as u32;
        before + 1
    }

    /// The most cells that a page can have: each takes a pointer of two bytes and four bytes of its own.
    pub const fn most_cells(&self) -> usize {
        (self.page_size - 8) / 6
    }

    /// How text is stored.
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Reads `count` pages from number `first` on into `buffer`.
    pub fn read(&self, first: u32, count: u32, buffer: &mut Vec<u8>) -> Result<()> {
        let inside = first >= 1 && count >= 1 && u64::from(first) + u64::from(count) <= u64::from(self.pages) + 1;
        if !inside {
            return Err(self.corrupt(first, "the file has no such page"));
        }
        buffer.resize(count as usize * self.page_size, 0);
        read_exact_at(&self.file, buffer, u64::from(first - 1) * self.page_size as u64).map_err(|error| {
            match error.kind() {
                std::io::ErrorKind::UnexpectedEof => self.corrupt(first, "the file ends too early"),
                _ => Error::Query { path: self.path.clone(), what: format!("page {first}"), detail: error.to_string() },
            }
        })
    }

    /// The error for a table that `SQLite` could not read.
    pub fn query_error(&self, table: &str, error: &rusqlite::Error) -> Error {
        let (path, detail) = (self.path.clone(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt) => Error::Corrupt { path, detail: format!("{table}: {detail}") },
            _ => Error::Query { path, what: table.into(), detail },
        }
    }

    /// The error for a row that is larger than any that is read.
    pub fn too_big(&self, page: u32, bytes: u64) -> Error {
        let detail = format!("string or blob too big: a row of {bytes} bytes");
        Error::Query { path: self.path.clone(), what: format!("page {page}"), detail }
    }

    /// The error for a page that does not hold what it must.
    pub fn corrupt(&self, page: u32, detail: &str) -> Error {
        Error::Corrupt { path: self.path.clone(), detail: format!("page {page}: {detail}") }
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                buffer = &mut buffer[n..];
                offset += n as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
