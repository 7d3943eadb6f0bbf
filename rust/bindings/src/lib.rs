//! Python bindings: frozen classes over the core, and nothing that computes.

mod arrow;
mod collectives;
mod enter;
mod errors;
mod section;
mod stream;
mod trace;

use pyo3::prelude::*;

/// The compiled core of `nsys_llm_explainer`.
#[pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::errors::{
        CorruptTraceError, NotAnExportError, NotCapturedError, NsysError, QueryError, UnsafeSchemaError,
    };
    #[pymodule_export]
    use super::section::{Section, Table, schema};
    #[pymodule_export]
    use super::stream::{Stream, stream_schema};
    #[pymodule_export]
    use super::trace::{Trace, bin_shares, open_trace};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
