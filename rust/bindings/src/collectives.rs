//! Executions of collectives as columns.

use nsys_explain_core::Collectives;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

/// An `array.array` of a type code, of numbers in the machine's byte order.
fn array<'py>(py: Python<'py>, code: &str, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    py.import("array")?.getattr("array")?.call1((code, PyBytes::new(py, bytes)))
}

/// The columns, and what executions have in common as one dict for each lane.
pub(crate) fn to_python(py: Python<'_>, found: Collectives) -> PyResult<Bound<'_, PyDict>> {
    let lanes = PyList::empty(py);
    for lane in found.lanes {
        let dict = PyDict::new(py);
        dict.set_item("device_id", lane.device_id)?;
        dict.set_item("gpu_id", lane.gpu_id)?;
        dict.set_item("pid", lane.pid)?;
        dict.set_item("stream_id", lane.stream_id)?;
        dict.set_item("name", lane.name)?;
        dict.set_item("category", lane.category)?;
        dict.set_item("kind", lane.kind.as_str())?;
        lanes.append(dict)?;
    }
    let times = |times: &[i64]| -> Vec<u8> { times.iter().flat_map(|time| time.to_ne_bytes()).collect() };
    let lane: Vec<u8> = found.lane.iter().flat_map(|lane| lane.to_ne_bytes()).collect();
    let result = PyDict::new(py);
    result.set_item("lanes", lanes)?;
    result.set_item("lane", array(py, "i", &lane)?)?;
    result.set_item("start_ns", array(py, "q", &times(&found.start))?)?;
    result.set_item("end_ns", array(py, "q", &times(&found.end))?)?;
    result.set_item("other_kernels", found.other_kernels)?;
    Ok(result)
}
