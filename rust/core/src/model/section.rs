//! What an analysis returns: a result or an absence. Errors are [`crate::Error`].

use super::table::{Cell, ColumnSpec, Table, TableSpec};

/// Declared schema of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionSpec {
    /// Stem of its Rust, Python and test files.
    pub id: &'static str,
    /// Title for people.
    pub title: &'static str,
    /// Figures of the summary.
    pub summary: Vec<ColumnSpec>,
    /// Tables in order.
    pub tables: Vec<TableSpec>,
}

/// A section that could be computed.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Values of [`SectionSpec::summary`], in its order.
    pub summary: Vec<Cell>,
    /// Tables in the order of the schema.
    pub tables: Vec<Table>,
    /// Tables of the export that it was computed from.
    pub derived_from: Vec<String>,
    /// What the numbers do not cover.
    pub limitations: Vec<String>,
    /// What the reader must know before trusting the numbers.
    pub warnings: Vec<Warning>,
}

/// A section that the export does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// What is missing and how to capture it, one sentence each.
    pub needs: Vec<String>,
}

/// Result or absence.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Computed.
    Ok(Section),
    /// Not in the export: never shown as zero or as healthy.
    Missing(Absence),
}

/// A statement about how far the report can be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Stable identifier.
    pub code: &'static str,
    /// One or two sentences with numbers.
    pub message: String,
    /// The section that it limits; `None` for the whole report.
    pub section: Option<&'static str>,
}

/// What an export allows of one section, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    /// How much of it.
    pub status: Status,
    /// Why not all of it; empty where all.
    pub reason: String,
    /// The capture or export flag that would bring the rest.
    pub capture_flag: Option<&'static str>,
}

/// How much of a section an export allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All of it.
    Ok,
    /// With limits.
    Partial,
    /// Nothing.
    Missing,
}

impl Availability {
    /// Everything is there.
    pub const OK: Self = Self { status: Status::Ok, reason: String::new(), capture_flag: None };

    /// Limited.
    pub fn partial(reason: impl Into<String>, capture_flag: Option<&'static str>) -> Self {
        Self { status: Status::Partial, reason: reason.into(), capture_flag }
    }

    /// Impossible.
    pub fn missing(reason: impl Into<String>, capture_flag: Option<&'static str>) -> Self {
        Self { status: Status::Missing, reason: reason.into(), capture_flag }
    }

    /// As the absence of a section.
    pub fn absence(&self) -> Absence {
        let mut needs = vec![self.reason.clone()];
        needs.extend(self.capture_flag.map(|flag| format!("Capture it with {flag}.")));
        Absence { needs }
    }
}
