//! Reads `SQLite` exports of Nsight Systems and computes where GPU time went.
//!
//! One pass: open and probe, read every needed table once into columns, analyse the columns in parallel. The file is
//! opened read-only and nothing is written.

pub mod algo;
pub mod analysis;
pub mod categories;
pub mod error;
pub mod model;
pub mod phase_map;
pub mod source;
pub mod stream;

mod report;
mod trace;

pub use error::{Error, Result};
pub use report::{Report, ReportSection, WindowSource};
pub use trace::{AnalyzeOptions, CollectiveLane, CollectiveOptions, Collectives, Source, TableSummary, Trace};
