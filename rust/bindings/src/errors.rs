//! The core's errors as Python exceptions; builtins where a builtin is right.

use nsys_explain_core::Error;
use pyo3::create_exception;
use pyo3::exceptions::{
    PyException, PyFileNotFoundError, PyIsADirectoryError, PyKeyboardInterrupt, PyPermissionError, PyValueError,
};
use pyo3::prelude::*;

create_exception!(
    nsys_llm_explainer._native,
    NsysError,
    PyException,
    "Base of every error that the core raises about a trace."
);
create_exception!(
    nsys_llm_explainer._native,
    NotAnExportError,
    NsysError,
    "The file is no SQLite export of Nsight Systems."
);
create_exception!(nsys_llm_explainer._native, CorruptTraceError, NsysError, "The file is truncated or damaged.");
create_exception!(
    nsys_llm_explainer._native,
    UnsafeSchemaError,
    NsysError,
    "The schema holds something that no genuine export has."
);
create_exception!(
    nsys_llm_explainer._native,
    NotCapturedError,
    NsysError,
    "The export lacks what was asked for; the message names the flag that captures it."
);
create_exception!(nsys_llm_explainer._native, QueryError, NsysError, "SQLite refused to read the file.");

/// The exception of an error.
pub(crate) fn to_python(error: &Error) -> PyErr {
    let message = error.to_string();
    match error {
        Error::NotFound { .. } => PyFileNotFoundError::new_err(message),
        Error::IsDirectory { .. } => PyIsADirectoryError::new_err(message),
        Error::PermissionDenied { .. } => PyPermissionError::new_err(message),
        Error::NotAnExport { .. } => NotAnExportError::new_err(message),
        Error::Corrupt { .. } => CorruptTraceError::new_err(message),
        Error::UnsafeSchema { .. } => UnsafeSchemaError::new_err(message),
        Error::Query { .. } => QueryError::new_err(message),
        Error::NotCaptured { .. } => NotCapturedError::new_err(message),
        Error::InvalidArgument(_) => PyValueError::new_err(message),
        Error::Cancelled => PyKeyboardInterrupt::new_err(()),
    }
}
