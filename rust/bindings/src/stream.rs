//! Events as Arrow streams, made batch by batch while they are read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Int32Array, Int64Array, RecordBatch, RecordBatchReader, StringArray,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use nsys_explain_core as core;
use nsys_explain_core::model::table::{ColumnSpec, Kind};
use nsys_explain_core::stream::{
    Dictionary, Request, StreamColumn, StreamOptions, StreamSource, StreamSpec, StreamState, Values, specs,
};
use pyo3::exceptions::{PyIndexError, PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList};

use crate::arrow;
use crate::enter::enter;
use crate::section;

/// Events on their way into a data frame.
#[pyclass(frozen, module = "nsys_llm_explainer._native")]
pub struct Stream {
    stream: Arc<core::stream::Stream>,
}

#[pymethods]
impl Stream {
    #[getter]
    pub(crate) fn name(&self) -> &'static str {
        self.stream.name
    }

    #[getter]
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        section::columns(py, &self.stream.columns)
    }

    #[getter]
    fn rejected_rows(&self) -> Option<i64> {
        self.stream.rejected_rows
    }

    #[getter]
    fn batches(&self) -> usize {
        self.stream.batches()
    }

    fn __len__(&self) -> usize {
        self.stream.len()
    }

    fn __repr__(&self) -> String {
        format!("<Stream {}: {} rows, {} columns>", self.name(), self.stream.len(), self.stream.columns.len())
    }

    fn batch<'py>(&self, py: Python<'py>, number: usize) -> PyResult<Bound<'py, PyDict>> {
        let stream = Arc::clone(&self.stream);
        let values = py.detach(move || stream.batch(number));
        let values = values.ok_or_else(|| PyIndexError::new_err(format!("there is no batch {number}")))?;
        let dict = PyDict::new(py);
        for (column, values) in self.stream.columns.iter().zip(values) {
            let list = match values {
                Values::Ints(values) => PyList::new(py, values)?,
                Values::MaybeInts(values) => PyList::new(py, values)?,
                Values::Flags(values) => PyList::new(py, values)?,
                Values::Texts(codes, _) => PyList::new(py, codes.into_iter().map(|code| (code >= 0).then_some(code)))?,
            };
            dict.set_item(column.name, list)?;
        }
        Ok(dict)
    }

    fn texts(&self, column: &str) -> PyResult<Vec<String>> {
        let texts = self.stream.texts(column).ok_or_else(|| PyKeyError::new_err(column.to_owned()))?;
        Ok(texts.iter().map(ToString::to_string).collect())
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // A requested schema is a wish; the protocol allows to answer with the stream's own.
        drop(requested_schema);
        let reader = Reader::new(Arc::clone(&self.stream)).map_err(|error| PyValueError::new_err(error.to_string()))?;
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), c"arrow_array_stream")
    }
}

/// Makes the batches of a stream one by one.
struct Reader {
    stream: Arc<core::stream::Stream>,
    schema: SchemaRef,
    /// The dictionary of each column of texts.
    dictionaries: Vec<Option<ArrayRef>>,
    next: usize,
}

impl Reader {
    fn new(stream: Arc<core::stream::Stream>) -> Result<Self, ArrowError> {
        let fields: Vec<Field> = stream.columns.iter().map(field).collect();
        let dictionary = |column: &ColumnSpec| stream.texts(column.name).map(|texts| dictionary(&texts)).transpose();
        let dictionaries = stream.columns.iter().map(dictionary).collect::<Result<_, _>>()?;
        Ok(Self { schema: Arc::new(Schema::new(fields)), dictionaries, next: 0, stream })
    }

    fn batch(&self, values: Vec<Values>) -> Result<RecordBatch, ArrowError> {
        let columns =
            values.into_iter().zip(&self.dictionaries).map(|(values, dictionary)| array(values, dictionary.as_ref()));
        RecordBatch::try_new(Arc::clone(&self.schema), columns.collect::<Result<_, _>>()?)
    }
}

impl Iterator for Reader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.next;
        self.next += 1;
        // The caller is foreign code, into which no panic may run.
        let made = catch_unwind(AssertUnwindSafe(|| Some(self.batch(self.stream.batch(number)?))));
        made.unwrap_or_else(|_| Some(Err(ArrowError::ComputeError(format!("defect in batch {number} of the core")))))
    }
}

impl RecordBatchReader for Reader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

fn field(column: &ColumnSpec) -> Field {
    match column.kind {
        // pandas takes signed numbers only.
        Kind::Text => Field::new_dictionary(column.name, DataType::Int32, DataType::Utf8, column.nullable),
        _ => arrow::field(column),
    }
}

/// The texts as an array of 32-bit offsets.
fn dictionary(texts: &Dictionary) -> Result<ArrayRef, ArrowError> {
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    if i32::try_from(bytes).is_err() {
        return Err(ArrowError::InvalidArgumentError(format!(
            "{bytes} bytes of distinct names are too many to stream"
        )));
    }
    Ok(Arc::new(texts.iter().map(|text| Some(text.as_ref())).collect::<StringArray>()))
}

fn array(values: Values, dictionary: Option<&ArrayRef>) -> Result<ArrayRef, ArrowError> {
    Ok(match values {
        Values::Ints(values) => Arc::new(Int64Array::from(values)),
        Values::MaybeInts(values) => Arc::new(Int64Array::from(values)),
        Values::Flags(values) => Arc::new(BooleanArray::from(values)),
        Values::Texts(codes, _) => {
            let keys = if codes.iter().all(|&code| code >= 0) {
                Int32Array::from(codes)
            } else {
                codes.into_iter().map(|code| (code >= 0).then_some(code)).collect()
            };
            let texts = dictionary.ok_or_else(|| ArrowError::ComputeError("texts without texts".into()))?;
            Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::clone(texts))?)
        }
    })
}

/// Reads the streams of some requests, in their order.
pub(crate) fn open(
    py: Python<'_>,
    trace: &Arc<core::Trace>,
    requests: Vec<(String, Option<Vec<String>>)>,
    options: StreamOptions,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<Stream>> {
    let trace = Arc::clone(trace);
    let requests: Vec<Request> = requests.into_iter().map(|(table, columns)| Request { table, columns }).collect();
    let streams = enter(py, progress, move |progress| trace.streams(&requests, &options, progress))?;
    Ok(streams.into_iter().map(|stream| Stream { stream: Arc::new(stream) }).collect())
}

/// What an export allows of each stream.
pub(crate) fn states<'py>(py: Python<'py>, trace: &Arc<core::Trace>) -> PyResult<Bound<'py, PyList>> {
    let trace = Arc::clone(trace);
    let list = PyList::empty(py);
    for state in enter(py, None, move |_| trace.stream_states())? {
        let StreamState { spec, missing, missing_by_column } = state;
        let dict = described(py, &spec)?;
        tell(&dict, missing)?;
        let columns = dict.get_item("columns")?.ok_or_else(|| PyKeyError::new_err("columns"))?;
        for (column, missing) in columns.try_iter()?.zip(missing_by_column) {
            tell(column?.cast::<PyDict>()?, missing)?;
        }
        list.append(dict)?;
    }
    Ok(list)
}

fn tell(dict: &Bound<'_, PyDict>, missing: Option<StreamSource>) -> PyResult<()> {
    dict.set_item("status", if missing.is_some() { "missing" } else { "ok" })?;
    dict.set_item("missing_tables", missing.map_or_else(Vec::new, |source| source.names().collect()))?;
    dict.set_item("capture_flag", missing.map(StreamSource::flag))
}

fn described<'py>(py: Python<'py>, spec: &StreamSpec) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("name", spec.name)?;
    dict.set_item("description", spec.description)?;
    dict.set_item("export_tables", spec.source.names().collect::<Vec<_>>())?;
    let specs: Vec<ColumnSpec> = spec.columns.iter().map(|column| column.spec).collect();
    let columns = section::columns(py, &specs)?;
    for (dict, StreamColumn { is_default, needs, .. }) in columns.iter().zip(&spec.columns) {
        dict.set_item("default", is_default)?;
        dict.set_item("joined_from", needs.iter().flat_map(|source| source.names()).collect::<Vec<_>>())?;
    }
    dict.set_item("columns", columns)?;
    Ok(dict)
}

/// Every stream's schema as data.
#[pyfunction]
pub fn stream_schema(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for spec in specs() {
        list.append(described(py, &spec)?)?;
    }
    Ok(list)
}
