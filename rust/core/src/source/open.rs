//! Opening an untrusted file: read-only, hardened, and without leaving anything beside it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::{Error, Result};

const MAGIC: &[u8] = b"SQLite format 3\0";
const WAL_FORMAT: u8 = 2;
/// Bytes of the smallest row with its place on the page.
pub const LEAST_ROW_BYTES: u64 = 6;
/// Longest text or row that is read: beyond any real name, below what would exhaust a login node.
pub const MAX_CELL_BYTES: u32 = 256 << 20;
/// A writer holds its exclusive lock for the time of a commit.
const WRITER_PATIENCE: Duration = Duration::from_secs(5);

/// The first bytes of a database.
#[derive(Debug, Clone, Copy)]
pub struct Header([u8; Header::BYTES]);

impl Header {
    /// How many bytes.
    pub const BYTES: usize = 100;
    /// Sizes that a page can have.
    pub const PAGE_SIZES: std::ops::RangeInclusive<usize> = 512..=65_536;

    /// A header of bytes that were read.
    pub const fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    /// Bytes of a page.
    pub fn page_size(&self) -> usize {
        match u16::from_be_bytes([self.0[16], self.0[17]]) {
            1 => 65_536,
            size => usize::from(size),
        }
    }

    /// Bytes at the end of each page that belong to an extension.
    pub fn reserved(&self) -> usize {
        usize::from(self.0[20])
    }

    /// 1 for UTF-8, 2 and 3 for UTF-16.
    pub fn text_encoding(&self) -> u32 {
        self.word(56)
    }

    /// How many pages the file must have, where the header tells.
    pub fn pages(&self) -> Option<u32> {
        (self.word(24) == self.word(92)).then(|| self.word(28)).filter(|&pages| pages > 0)
    }

    fn is_wal(&self) -> bool {
        self.0[18] == WAL_FORMAT || self.0[19] == WAL_FORMAT
    }
}

/// How a file may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// An ordinary database: its read lock keeps writers out.
    Locked,
    /// In write-ahead mode with nothing in the log: read as it is, so that no shared-memory file is made.
    Immutable,
    /// In write-ahead mode with a log: one snapshot on one connection.
    Snapshot,
}

/// A file that passed the checks of its header.
#[derive(Debug)]
pub struct TraceFile {
    path: PathBuf,
    /// The path without symbolic links: `SQLite` looks for a log and a journal beside that one. Being absolute, it is
    /// never taken for the name of a database in memory or a URI.
    real: PathBuf,
    bytes: u64,
    access: Access,
    /// Modification time, to notice a writer where no lock keeps it out.
    modified: Option<std::time::SystemTime>,
}

/// Operations of `SQLite`'s machine that reading a byte of the schema may take; an entry of the smallest size takes
/// some ten for six bytes.
const OPERATIONS_PER_BYTE: u64 = 8;

impl TraceFile {
    /// Checks that the path is a complete `SQLite` database and decides how it may be read.
    pub fn check(path: &Path) -> Result<Self> {
        let refused = |error: &std::io::Error| io_error(path, "the file", error);
        let metadata = std::fs::metadata(path).map_err(|error| refused(&error))?;
        if metadata.is_dir() {
            return Err(Error::IsDirectory { path: path.into() });
        }
        if !metadata.is_file() {
            return Err(not_an_export(path, "it is no regular file"));
        }
        let mut header = [0_u8; Header::BYTES];
        let mut file = File::open(path).map_err(|error| refused(&error))?;
        let filled = read_up_to(&mut file, &mut header).map_err(|error| refused(&error))?;
        check_magic(path, &header[..filled])?;
        let real = real_path(path).map_err(|error| refused(&error))?;
        let header = Header::new(header);
        let access = access_of(&real, header)?;
        let modified = metadata.modified().ok();
        let trace = Self { path: path.into(), real, bytes: metadata.len(), access, modified };
        if access != Access::Snapshot {
            trace.check_length(header)?;
        }
        Ok(trace)
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is without symbolic links, from the root on.
    pub fn real_path(&self) -> &Path {
        &self.real
    }

    /// More text than the file can hold in one table. Cells that share bytes would otherwise fill any memory.
    pub fn text_limit(&self) -> u64 {
        // Two bytes of UTF-16 are up to three of UTF-8.
        self.bytes_with_log().saturating_mul(2)
    }

    /// The most rows of one table. A tree that names one page often would otherwise have more than can ever be read.
    pub fn row_limit(&self) -> u64 {
        self.bytes_with_log() / LEAST_ROW_BYTES
    }

    fn bytes_with_log(&self) -> u64 {
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        // The log first: what a writer moves from it to the file meanwhile counts twice rather than not at all.
        let log = bytes(&log_path(&self.real));
        self.bytes.max(bytes(&self.real)).saturating_add(log)
    }

    /// Size in bytes.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How the file is read.
    pub const fn access(&self) -> Access {
        self.access
    }

    /// An error if the file changed since it was opened, which only a writer without locks can do.
    pub fn check_unchanged(&self) -> Result<()> {
        let metadata = std::fs::metadata(&self.real).map_err(|error| io_error(&self.path, "the file", &error))?;
        if self.access != Access::Snapshot
            && (metadata.len() != self.bytes || metadata.modified().ok() != self.modified)
        {
            return Err(self.changed());
        }
        Ok(())
    }

    /// An error if a log appeared or went away since the file was checked: it would be read in the wrong way.
    fn check_log(&self) -> Result<()> {
        let as_before = match self.access {
            Access::Locked => true,
            Access::Immutable => !has_log(&self.real)?,
            Access::Snapshot => has_log(&self.real)?,
        };
        if as_before { Ok(()) } else { Err(self.changed()) }
    }

    fn changed(&self) -> Error {
        Error::Query {
            path: self.path.clone(),
            what: "a consistent state".into(),
            detail: "another program changed the file after it was opened; open it again when that program is done"
                .into(),
        }
    }

    /// The error for a table that does not hold what it must.
    pub fn corrupt(&self, table: &str, detail: &str) -> Error {
        Error::Corrupt { path: self.path.clone(), detail: format!("{table}: {detail}") }
    }

    /// Whether a rollback journal with content lies beside the file.
    pub fn has_rollback_journal(&self) -> bool {
        let mut journal = self.real.as_os_str().to_owned();
        journal.push("-journal");
        std::fs::metadata(journal).is_ok_and(|metadata| metadata.len() > 0)
    }

    /// The error for a read that the operating system refused.
    pub fn io_error(&self, what: &str, error: &std::io::Error) -> Error {
        io_error(&self.path, what, error)
    }

    /// A hardened read-only connection inside a read transaction.
    pub fn connect(&self) -> Result<Connection> {
        self.check_log()?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = match self.access {
            Access::Locked => Connection::open_with_flags(&self.real, flags),
            Access::Immutable => {
                Connection::open_with_flags(self.uri("immutable=1"), flags | OpenFlags::SQLITE_OPEN_URI)
            }
            Access::Snapshot => {
                Connection::open_with_flags(self.uri("readonly_shm=1"), flags | OpenFlags::SQLITE_OPEN_URI)
            }
        };
        let mut connection = opened.map_err(|error| self.error("the file", &error))?;
        self.bounded(&mut connection, |connection| {
            harden(connection).and_then(|()| begin(connection)).map_err(|error| self.error("the schema", &error))
        })?;
        Ok(connection)
    }

    /// Runs work on the schema, which `SQLite` walks as it is: pages that name each other many times over would keep it
    /// at that for ever, so that it gets as many operations as any schema of a file of this size takes.
    pub fn bounded<T>(&self, connection: &mut Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        const STEP: i32 = 10_000;
        let failed = |error: rusqlite::Error| self.error("the schema", &error);
        let limit = self.bytes.saturating_mul(OPERATIONS_PER_BYTE) / u64::from(STEP.unsigned_abs()) + 100;
        let mut steps = 0;
        let out_of_steps = move || {
            steps += 1;
            steps > limit
        };
        connection.progress_handler(STEP, Some(out_of_steps)).map_err(failed)?;
        let result = work(connection);
        connection.progress_handler(0, None::<fn() -> bool>).map_err(failed)?;
        match result {
            // Nobody else interrupts a connection while its schema is read.
            Err(Error::Cancelled) => Err(self.corrupt("the schema", "it has more entries than the file can hold")),
            other => other,
        }
    }

    /// The error of a failed `SQLite` call, by what the user can do about it.
    pub fn error(&self, what: &str, error: &rusqlite::Error) -> Error {
        let path = self.path.clone();
        let detail = error.to_string();
        match error.sqlite_error().map(|e| (e.code, e.extended_code)) {
            Some((ErrorCode::DatabaseCorrupt, _)) => Error::Corrupt { path, detail: format!("{what}: {detail}") },
            Some((ErrorCode::NotADatabase, _)) => not_an_export(&self.path, "SQLite does not accept it as a database"),
            Some((_, rusqlite::ffi::SQLITE_IOERR_SHORT_READ)) => {
                Error::Corrupt { path, detail: format!("{what}: the file ends too early") }
            }
            // A format number beyond what exists; SQLite has no code of its own for it.
            _ if detail == "unsupported file format" => Error::Corrupt { path, detail: format!("{what}: {detail}") },
            Some((ErrorCode::OperationInterrupted, _)) => Error::Cancelled,
            Some((ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _)) => Error::Query {
                path,
                what: what.into(),
                detail: "another program is writing it; wait until it is done, or explain a copy".into(),
            },
            Some((ErrorCode::ReadOnly | ErrorCode::CannotOpen, _)) => Error::Query {
                path,
                what: what.into(),
                detail: format!(
                    "{detail}: a writer has left unfinished changes beside it (a -journal or -wal file); close the \
                     program that writes it, or copy both files, open the copy once with `sqlite3 COPY .tables` and \
                     explain that"
                ),
            },
            _ => Error::Query { path, what: what.into(), detail },
        }
    }

    fn uri(&self, parameters: &str) -> String {
        let mut uri = String::from("file:");
        for &byte in self.real.as_os_str().as_encoded_bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => uri.push(char::from(byte)),
                b'\\' if cfg!(windows) => uri.push('/'),
                b':' if cfg!(windows) => uri.push(':'),
                _ => {
                    let hex = |digit: u8| char::from_digit(u32::from(digit), 16).unwrap_or('0');
                    uri.extend(['%', hex(byte >> 4), hex(byte & 15)]);
                }
            }
        }
        uri + "?mode=ro&" + parameters
    }

    /// The header says how many pages there are; a shorter file was cut off in a copy or by a full disk.
    fn check_length(&self, header: Header) -> Result<()> {
        let page_size = header.page_size() as u64;
        let expected = header.pages().map_or(0, |pages| page_size * u64::from(pages));
        if !page_size.is_power_of_two() || page_size < 512 {
            return Err(Error::Corrupt {
                path: self.path.clone(),
                detail: format!("page size {page_size} in the header"),
            });
        }
        if expected > self.bytes || self.bytes < page_size {
            return Err(Error::Corrupt {
                path: self.path.clone(),
                detail: format!("the file has {} bytes, its header says {}", self.bytes, expected.max(page_size)),
            });
        }
        Ok(())
    }
}

/// The error for a path that the operating system refused.
fn io_error(path: &Path, what: &str, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound { path: path.into() },
        std::io::ErrorKind::PermissionDenied => Error::PermissionDenied { path: path.into() },
        std::io::ErrorKind::InvalidInput => {
            Error::InvalidArgument(format!("{}: {error}", path.to_string_lossy().escape_debug()))
        }
        _ => Error::Query { path: path.into(), what: what.into(), detail: error.to_string() },
    }
}

fn not_an_export(path: &Path, found: &str) -> Error {
    Error::NotAnExport { path: path.into(), found: found.into() }
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn check_magic(path: &Path, header: &[u8]) -> Result<()> {
    if header.is_empty() {
        return Err(not_an_export(path, "the file is empty"));
    }
    if !header.starts_with(MAGIC) {
        return Err(not_an_export(
            path,
            "the file is no SQLite database (an .nsys-rep must be exported first: nsys export --type sqlite FILE)",
        ));
    }
    if header.len() < Header::BYTES {
        return Err(Error::Corrupt { path: path.into(), detail: "the file ends inside its header".into() });
    }
    Ok(())
}

fn access_of(path: &Path, header: Header) -> Result<Access> {
    if !header.is_wal() {
        return Ok(Access::Locked);
    }
    Ok(if has_log(path)? { Access::Snapshot } else { Access::Immutable })
}

/// Whether there is a write-ahead log with something in it.
fn has_log(path: &Path) -> Result<bool> {
    let log = log_path(path);
    match std::fs::metadata(&log) {
        Ok(metadata) => Ok(metadata.len() > 0),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error(&log, "the write-ahead log", &error)),
    }
}

fn log_path(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

fn real_path(path: &Path) -> std::io::Result<PathBuf> {
    // On Windows the result of canonicalize is a verbatim path, which no URI can hold.
    if cfg!(windows) { std::path::absolute(path) } else { std::fs::canonicalize(path) }
}

/// Settings of sqlite.org/security.html for a database file that nobody vouches for.
fn harden(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_CELL_BYTES.cast_signed())?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.busy_timeout(WRITER_PATIENCE)?;
    // mmap stays off: a file that another program truncates would end the process with a signal.
    connection
        .execute_batch("PRAGMA query_only=ON; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;")
}

/// Takes the read lock, which is held for as long as the connection lives.
fn begin(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN")?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}
