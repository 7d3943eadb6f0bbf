//! Tables as Arrow streams, without a Python-side dependency.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchIterator, StringArray};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use nsys_explain_core::model::table::{Cell, ColumnSpec, Kind, Table};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

/// The table as an `arrow_array_stream` capsule of one batch.
pub(crate) fn stream<'py>(py: Python<'py>, table: &Table) -> PyResult<Bound<'py, PyCapsule>> {
    let batch = batch(table).map_err(|error| PyValueError::new_err(error.to_string()))?;
    let schema = batch.schema();
    let reader = RecordBatchIterator::new([Ok::<_, ArrowError>(batch)], schema);
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), c"arrow_array_stream")
}

fn batch(table: &Table) -> Result<RecordBatch, ArrowError> {
    let fields: Vec<Field> = table.spec.columns.iter().map(field).collect();
    let columns: Vec<ArrayRef> =
        table.spec.columns.iter().enumerate().map(|(i, column)| array(table, i, column.kind)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

pub(crate) fn field(column: &ColumnSpec) -> Field {
    let data_type = match column.kind {
        Kind::Int => DataType::Int64,
        Kind::Float => DataType::Float64,
        Kind::Text => DataType::Utf8,
        Kind::Bool => DataType::Boolean,
    };
    let unit: HashMap<String, String> = column.unit.map(|unit| ("unit".into(), unit.into())).into_iter().collect();
    Field::new(column.name, data_type, column.nullable).with_metadata(unit)
}

fn array(table: &Table, column: usize, kind: Kind) -> ArrayRef {
    let cells = table.rows.iter().map(|row| &row[column]);
    match kind {
        Kind::Int => {
            Arc::new(cells.map(|cell| if let Cell::Int(v) = cell { Some(*v) } else { None }).collect::<Int64Array>())
        }
        Kind::Float => Arc::new(
            cells.map(|cell| if let Cell::Float(v) = cell { Some(*v) } else { None }).collect::<Float64Array>(),
        ),
        Kind::Text => Arc::new(
            cells.map(|cell| if let Cell::Text(v) = cell { Some(v.as_ref()) } else { None }).collect::<StringArray>(),
        ),
        Kind::Bool => {
            Arc::new(cells.map(|cell| if let Cell::Bool(v) = cell { Some(*v) } else { None }).collect::<BooleanArray>())
        }
    }
}
