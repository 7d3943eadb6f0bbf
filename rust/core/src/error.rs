//! Everything that can go wrong, as one exhaustive enum. An absence is no error: see [`crate::model::section::Outcome`].

use std::path::PathBuf;

/// What happened, where, and (in the message) what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no file at the path.
    #[error("{}: no such file", path.display())]
    NotFound {
        /// The path as given.
        path: PathBuf,
    },
    /// The path is a folder.
    #[error("{}: is a folder; give the .sqlite file made by `nsys export --type sqlite`", path.display())]
    IsDirectory {
        /// The path as given.
        path: PathBuf,
    },
    /// The file may not be read.
    #[error("{}: permission denied", path.display())]
    PermissionDenied {
        /// The path as given.
        path: PathBuf,
    },
    /// The file is no `SQLite` export of Nsight Systems.
    #[error("{}: not an Nsight Systems SQLite export: {found}", path.display())]
    NotAnExport {
        /// The path as given.
        path: PathBuf,
        /// What was found instead.
        found: String,
    },
    /// The file is truncated or damaged.
    #[error("{}: damaged or truncated: {detail}; export it again with `nsys export --type sqlite`", path.display())]
    Corrupt {
        /// The path as given.
        path: PathBuf,
        /// What does not hold.
        detail: String,
    },
    /// The schema holds something that no genuine export has.
    #[error("{}: refused: {detail}; no genuine export has this, export the .nsys-rep again", path.display())]
    UnsafeSchema {
        /// The path as given.
        path: PathBuf,
        /// The object and its kind.
        detail: String,
    },
    /// `SQLite` or the operating system refused to read.
    #[error("{}: could not read {what}: {detail}", path.display())]
    Query {
        /// The path as given.
        path: PathBuf,
        /// The table or step.
        what: String,
        /// The reason as the library states it.
        detail: String,
    },
    /// The export lacks what was asked for.
    #[error("{}: {what}; {remedy}", path.display())]
    NotCaptured {
        /// The path as given.
        path: PathBuf,
        /// What is missing.
        what: String,
        /// What brings it.
        remedy: String,
    },
    /// An option has no meaning for this trace.
    #[error("{0}")]
    InvalidArgument(String),
    /// The caller asked to stop.
    #[error("interrupted")]
    Cancelled,
}

/// The result type of the crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
