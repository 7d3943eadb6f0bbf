//! Opening a trace and running the analyses.

use std::path::PathBuf;
use std::sync::Arc;

use nsys_explain_core::analysis::timeline::Timeline;
use nsys_explain_core::model::section::{Status, Warning};
use nsys_explain_core::stream::StreamOptions;
use nsys_explain_core::{self as core, AnalyzeOptions, Report, TableSummary, WindowSource};
use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::collectives;
use crate::enter::enter;
use crate::section::Section;
use crate::stream::{self, Stream};

/// An export that was opened and probed.
#[pyclass(frozen, module = "nsys_llm_explainer._native")]
pub struct Trace {
    trace: Arc<core::Trace>,
}

/// A whole number, out of whose range is an error of value as any other.
struct Whole<T, const IS_TIME: bool>(T);

impl<'a, 'py, T, const IS_TIME: bool> FromPyObject<'a, 'py> for Whole<T, IS_TIME>
where
    T: FromPyObject<'a, 'py>,
{
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        object.extract().map(Self).map_err(Into::into).map_err(|error: PyErr| {
            if error.is_instance_of::<PyOverflowError>(object.py()) {
                PyValueError::new_err(format!(
                    "{}: {} is out of range",
                    if IS_TIME { "window" } else { "threads" },
                    *object
                ))
            } else {
                error
            }
        })
    }
}

/// Start and end in nanoseconds; an open side is None.
type Window = (Option<Whole<i64, true>>, Option<Whole<i64, true>>);

/// Opens and probes an export, read-only.
#[pyfunction]
#[pyo3(signature = (path, *, source="auto"))]
pub fn open_trace(py: Python<'_>, path: PathBuf, source: &str) -> PyResult<Trace> {
    let source = match source {
        "auto" => core::Source::Auto,
        "pages" => core::Source::Pages,
        "sqlite" => core::Source::Sqlite,
        other => {
            return Err(PyValueError::new_err(format!("source must be auto, pages or sqlite, not {other:?}")));
        }
    };
    let trace = enter(py, None, move |_| core::Trace::open(&path, source))?;
    Ok(Trace { trace: Arc::new(trace) })
}

#[pymethods]
impl Trace {
    #[getter]
    fn path(&self) -> String {
        self.trace.path().to_string_lossy().into_owned()
    }

    fn __repr__(&self) -> String {
        format!("<Trace {:?}>", self.path())
    }

    #[getter]
    fn gpus<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.facts(py)?.get_item("gpus")?.ok_or_else(|| PyValueError::new_err("gpus"))?.cast_into().map_err(Into::into)
    }

    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let trace = Arc::clone(&self.trace);
        let span = enter(py, None, move |_| trace.span_ns())?;
        let info = self.facts(py)?;
        info.set_item("span_ns", span)?;
        let (source, reason) = self.trace.source();
        info.set_item("source", source)?;
        info.set_item("source_reason", reason)?;
        info.set_item("notes", self.trace.notes())?;
        info.set_item("utc_base_ns", self.trace.metadata().utc_base_ns)?;
        Ok(info)
    }

    #[pyo3(signature = (*, window=None, categories=None, progress=None))]
    fn collectives<'py>(
        &self,
        py: Python<'py>,
        window: Option<Window>,
        categories: Option<Vec<(String, String)>>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let trace = Arc::clone(&self.trace);
        let window = window.map(|(start, end)| (start.map(|time| time.0), end.map(|time| time.0)));
        let options = core::CollectiveOptions { window, categories: categories.unwrap_or_default() };
        let found = enter(py, progress.as_ref(), move |progress| trace.collectives(&options, progress))?;
        collectives::to_python(py, found)
    }

    fn range_span(&self, py: Python<'_>, name: String) -> PyResult<Option<(i64, i64)>> {
        let trace = Arc::clone(&self.trace);
        enter(py, None, move |_| trace.range_span(&name))
    }

    fn tables<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let trace = Arc::clone(&self.trace);
        let tables = enter(py, None, move |_| trace.tables())?;
        let list = PyList::empty(py);
        for table in tables {
            let dict = PyDict::new(py);
            dict.set_item("name", table.name)?;
            dict.set_item("rows", table.rows)?;
            dict.set_item("columns", table.columns)?;
            list.append(dict)?;
        }
        Ok(list)
    }

    fn capabilities<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let trace = Arc::clone(&self.trace);
        let capabilities = enter(py, None, move |_| trace.capabilities())?;
        let list = PyList::empty(py);
        for (spec, availability) in capabilities {
            let dict = PyDict::new(py);
            let status = match availability.status {
                Status::Ok => "ok",
                Status::Partial => "partial",
                Status::Missing => "missing",
            };
            dict.set_item("section", spec.id)?;
            dict.set_item("title", spec.title)?;
            dict.set_item("status", status)?;
            dict.set_item("reason", availability.reason)?;
            dict.set_item("capture_flag", availability.capture_flag)?;
            list.append(dict)?;
        }
        Ok(list)
    }

    fn streams<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        stream::states(py, &self.trace)
    }

    #[pyo3(signature = (table, columns=None, *, window=None, threads=None, step_range=None, categories=None, progress=None))]
    fn stream(
        &self,
        py: Python<'_>,
        table: String,
        columns: Option<Vec<String>>,
        window: Option<Window>,
        threads: Option<Whole<usize, false>>,
        step_range: Option<String>,
        categories: Option<Vec<(String, String)>>,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Stream> {
        let options = stream_options(window, threads, step_range, categories);
        let streams = stream::open(py, &self.trace, vec![(table, columns)], options, progress.as_ref())?;
        streams.into_iter().next().ok_or_else(|| PyValueError::new_err("no stream"))
    }

    #[pyo3(signature = (tables, *, window=None, threads=None, step_range=None, categories=None, progress=None, skip_missing=false))]
    fn read_streams<'py>(
        &self,
        py: Python<'py>,
        tables: Bound<'py, PyDict>,
        window: Option<Window>,
        threads: Option<Whole<usize, false>>,
        step_range: Option<String>,
        categories: Option<Vec<(String, String)>>,
        progress: Option<Bound<'py, PyAny>>,
        skip_missing: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let mut options = stream_options(window, threads, step_range, categories);
        options.skips_missing = skip_missing;
        let requests = tables.iter().map(|(table, columns)| Ok((table.extract()?, columns.extract()?)));
        let requests = requests.collect::<PyResult<Vec<_>>>()?;
        let streams = PyDict::new(py);
        for stream in stream::open(py, &self.trace, requests, options, progress.as_ref())? {
            streams.set_item(stream.name(), stream)?;
        }
        Ok(streams)
    }

    #[pyo3(signature = (*, phase_map=None, kernel_percentiles=true, nvtx_kernel_map=true, threads=None, window=None, progress=None, step_range=None, categories=None))]
    fn analyze<'py>(
        &self,
        py: Python<'py>,
        phase_map: Option<Vec<(String, Vec<String>)>>,
        kernel_percentiles: bool,
        nvtx_kernel_map: bool,
        threads: Option<Whole<usize, false>>,
        window: Option<Window>,
        progress: Option<Bound<'py, PyAny>>,
        step_range: Option<String>,
        categories: Option<Vec<(String, String)>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let trace = Arc::clone(&self.trace);
        let threads = threads.map(|threads| threads.0);
        let window = window.map(|(start, end)| (start.map(|time| time.0), end.map(|time| time.0)));
        let categories = categories.unwrap_or_default();
        let options = AnalyzeOptions {
            phases: phase_map,
            kernel_percentiles,
            nvtx_kernel_map,
            threads,
            window,
            step_range,
            categories,
        };
        let (report, tables, stages) = enter(py, progress.as_ref(), move |progress| {
            let (report, tables) = trace.analyze(&options, progress)?;
            Ok((report, tables, progress.stages()))
        })?;
        let result = self.result(py, report, &tables)?;
        let stages =
            stages.into_iter().map(|(stage, time)| (stage, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)));
        result.set_item("stages", stages.collect::<Vec<_>>())?;
        Ok(result)
    }
}

fn stream_options(
    window: Option<Window>,
    threads: Option<Whole<usize, false>>,
    step_range: Option<String>,
    categories: Option<Vec<(String, String)>>,
) -> StreamOptions {
    StreamOptions {
        window: window.map(|(start, end)| (start.map(|time| time.0), end.map(|time| time.0))),
        threads: threads.map(|threads| threads.0),
        step_range,
        categories: categories.unwrap_or_default(),
        skips_missing: false,
    }
}

impl Trace {
    /// What the export says about itself.
    fn facts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let metadata = self.trace.metadata();
        let facts = PyDict::new(py);
        facts.set_item("path", self.path())?;
        facts.set_item("file_bytes", self.trace.file_bytes())?;
        facts.set_item("nsys_version", metadata.nsys_version.as_deref())?;
        facts.set_item("export_schema_version", metadata.export_schema_version.as_deref())?;
        facts.set_item("capture_version", metadata.capture_version.as_deref())?;
        facts.set_item("duration_ns", metadata.duration_ns)?;
        let gpus = PyList::empty(py);
        for gpu in &metadata.gpus {
            let dict = PyDict::new(py);
            dict.set_item("gpu_id", gpu.gpu_id)?;
            dict.set_item("name", gpu.name.as_deref())?;
            dict.set_item("memory_bytes", gpu.memory_bytes)?;
            dict.set_item("sm_count", gpu.sm_count)?;
            gpus.append(dict)?;
        }
        facts.set_item("gpus", gpus)?;
        Ok(facts)
    }

    fn result<'py>(&self, py: Python<'py>, report: Report, tables: &[TableSummary]) -> PyResult<Bound<'py, PyDict>> {
        let trace = self.facts(py)?;
        let processes = PyList::empty(py);
        for (pid, name) in &report.processes {
            let dict = PyDict::new(py);
            dict.set_item("pid", pid)?;
            dict.set_item("name", name.as_deref())?;
            processes.append(dict)?;
        }
        trace.set_item("processes", processes)?;
        let rows = PyDict::new(py);
        for table in tables {
            rows.set_item(&table.name, table.rows)?;
        }
        trace.set_item("tables", rows)?;
        let rejected = PyDict::new(py);
        for (table, count) in &report.rejected {
            rejected.set_item(table, count)?;
        }
        trace.set_item("rejected_rows", rejected)?;
        trace.set_item("cuda_graph_mode", &report.cuda_graph_mode)?;

        let window = PyDict::new(py);
        window.set_item("start_ns", report.window.map(|window| window.0))?;
        window.set_item("end_ns", report.window.map(|window| window.1))?;
        let source = match report.window_source {
            WindowSource::Trace => "trace",
            WindowSource::User => "user",
        };
        window.set_item("source", source)?;

        let result = PyDict::new(py);
        result.set_item("trace", trace)?;
        result.set_item("window", window)?;
        result.set_item("warnings", warnings(py, &report.warnings)?)?;
        result.set_item("timeline", timeline(py, &report.timelines)?)?;
        let sections = PyList::empty(py);
        for section in report.sections {
            sections.append(Section::new(section))?;
        }
        result.set_item("sections", sections)?;
        Ok(result)
    }
}

/// Device time in bins: for each device coarse bins, then fine ones; buckets without any time are left out.
fn timeline<'py>(py: Python<'py>, timelines: &[(Option<i64>, Option<i64>, Timeline)]) -> PyResult<Bound<'py, PyList>> {
    // An array takes 8 bytes a bin, and no object: there are hundreds of thousands of bins.
    let array = py.import("array")?.getattr("array")?;
    let list = PyList::empty(py);
    for (device_id, gpu_id, timeline) in timelines {
        for (level, coarse) in [(0, true), (1, false)] {
            let (bin_ns, bins) = timeline.bins(coarse);
            let dict = PyDict::new(py);
            dict.set_item("device_id", device_id)?;
            dict.set_item("gpu_id", gpu_id)?;
            dict.set_item("start_ns", timeline.start)?;
            dict.set_item("bin_ns", bin_ns)?;
            dict.set_item("level", level)?;
            let buckets = PyDict::new(py);
            for (bucket, label) in Timeline::labels().into_iter().enumerate() {
                if bins.iter().any(|bin| bin[bucket] != 0) {
                    let values: Vec<u8> = bins.iter().flat_map(|bin| bin[bucket].to_ne_bytes()).collect();
                    buckets.set_item(label, array.call1(("q", PyBytes::new(py, &values)))?)?;
                }
            }
            dict.set_item("buckets", buckets)?;
            list.append(dict)?;
        }
    }
    Ok(list)
}

/// What part of a bin each of `values` takes, as little-endian 16-bit numbers: `full` for all of it, rounded.
#[pyfunction]
pub(crate) fn bin_shares<'py>(py: Python<'py>, values: &[u8], bin_ns: i64, full: u16) -> PyResult<Bound<'py, PyBytes>> {
    let (values, rest) = values.as_chunks::<8>();
    if bin_ns <= 0 || !rest.is_empty() {
        return Err(PyValueError::new_err("bin_shares takes whole 64-bit integers and a positive bin_ns"));
    }
    let share = |ns: i64| {
        let narrow = ns.checked_mul(i64::from(full)).and_then(|product| product.checked_add(bin_ns / 2));
        let rounded = match narrow {
            Some(sum) => i128::from(sum / bin_ns),
            None => (i128::from(ns) * i128::from(full) + i128::from(bin_ns / 2)) / i128::from(bin_ns),
        };
        u16::try_from(rounded.clamp(0, i128::from(full))).unwrap_or(full)
    };
    let shares = |ns: &[u8; 8]| match i64::from_ne_bytes(*ns) {
        0 => [0, 0],
        ns => share(ns).to_le_bytes(),
    };
    Ok(PyBytes::new(py, &values.iter().flat_map(shares).collect::<Vec<u8>>()))
}

fn warnings<'py>(py: Python<'py>, warnings: &[Warning]) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for warning in warnings {
        let dict = PyDict::new(py);
        dict.set_item("code", warning.code)?;
        dict.set_item("message", &warning.message)?;
        dict.set_item("section", warning.section)?;
        list.append(dict)?;
    }
    Ok(list)
}
