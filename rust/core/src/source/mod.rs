//! The only place that knows `SQLite`: opening, probing, and rows of chosen columns.
//!
//! [`RowSource`] stands between "rows of these columns of this table" and everything else.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

pub mod batch;
pub mod load;
pub mod metadata;
pub mod open;
pub mod pages;
pub mod rows;
pub mod schema;

use batch::{Batch, Wanted};
use schema::TableInfo;

/// A slice of a table that can be read on its own. Parts of a table are in row order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The whole table.
    Whole,
    /// Rows with `first <= rowid <= last`.
    Rows {
        /// First row id.
        first: i64,
        /// Last row id.
        last: i64,
    },
    /// Leaf pages `first..end`, in key order.
    Leaves {
        /// Place of the first leaf.
        first: usize,
        /// Place after the last leaf.
        end: usize,
    },
}

/// Rows of chosen columns of a table, in row order within a part.
pub trait RowSource: Sync {
    /// Splits a table into at most about `pieces` parts.
    fn parts(&self, table: &TableInfo, pieces: usize) -> Result<Vec<Part>>;

    /// About how many rows a table has, at no cost worth naming.
    fn expected_rows(&self, table: &TableInfo) -> Result<u64>;

    /// Rows that a part probably does not exceed; 0 where nothing tells.
    fn room(&self, _table: &TableInfo, _part: Part) -> Result<usize> {
        Ok(0)
    }

    /// Reads one part, batch by batch.
    fn read(
        &self,
        table: &TableInfo,
        columns: &[Wanted],
        part: Part,
        sink: &mut dyn FnMut(&Batch) -> Result<()>,
    ) -> Result<()>;

    /// How many rows a table has.
    fn count(&self, table: &TableInfo) -> Result<u64>;
}

/// Rows read of rows expected, and the wish to stop: shared between the reading threads and the caller.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    expected: AtomicU64,
    computing: AtomicBool,
    cancelled: AtomicBool,
    stages: Mutex<Vec<(String, Duration)>>,
}

impl Progress {
    /// Adds rows that will be read.
    pub fn expect(&self, rows: u64) {
        let add = |expected: u64| Some(expected.saturating_add(rows));
        // The closure never declines.
        let _ = self.expected.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Adds rows that were read; an error if the caller asked to stop.
    pub fn advance(&self, rows: u64) -> Result<()> {
        self.done.fetch_add(rows, Ordering::Relaxed);
        self.check()
    }

    /// Reading is over, computing begins.
    pub fn start_computing(&self) {
        self.computing.store(true, Ordering::Relaxed);
    }

    /// An error if the caller asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Asks every thread to stop.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Runs one stage and notes how long it took.
    pub fn timed<T>(&self, stage: &str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.stages.lock().unwrap_or_else(PoisonError::into_inner).push((stage.to_owned(), start.elapsed()));
        result
    }

    /// The stages that ended so far, with their wall time. Stages of one level may run side by side.
    pub fn stages(&self) -> Vec<(String, Duration)> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stage, rows read, rows expected: never fewer than were read, as tables without row ids are not counted before.
    pub fn state(&self) -> (&'static str, u64, u64) {
        let stage = if self.computing.load(Ordering::Relaxed) { "computing" } else { "reading" };
        let done = self.done.load(Ordering::Relaxed);
        (stage, done, self.expected.load(Ordering::Relaxed).max(done))
    }
}
