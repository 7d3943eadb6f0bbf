//! Finished sections and tables.

use std::sync::Arc;

use nsys_explain_core::ReportSection;
use nsys_explain_core::analysis::ALL;
use nsys_explain_core::model::section::Outcome;
use nsys_explain_core::model::table::{self, Cell, ColumnSpec};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList, PyString};

use crate::arrow;

/// One finished table.
#[pyclass(frozen, module = "nsys_llm_explainer._native")]
pub struct Table {
    table: Arc<table::Table>,
}

#[pymethods]
impl Table {
    #[getter]
    fn name(&self) -> &'static str {
        self.table.spec.name
    }

    #[getter]
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        columns(py, &self.table.spec.columns)
    }

    #[getter]
    fn total_rows(&self) -> usize {
        self.table.total_rows
    }

    fn __len__(&self) -> usize {
        self.table.rows.len()
    }

    fn __repr__(&self) -> String {
        format!("<Table {}: {} of {} rows>", self.table.spec.name, self.table.rows.len(), self.table.total_rows)
    }

    fn rows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let rows = PyList::empty(py);
        let names: Vec<_> = self.table.spec.columns.iter().map(|column| PyString::intern(py, column.name)).collect();
        for row in &self.table.rows {
            let dict = PyDict::new(py);
            for (name, cell) in names.iter().zip(row) {
                dict.set_item(name, value(py, cell)?)?;
            }
            rows.append(dict)?;
        }
        Ok(rows)
    }

    fn to_pydict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (i, column) in self.table.spec.columns.iter().enumerate() {
            let values = PyList::empty(py);
            for row in &self.table.rows {
                values.append(value(py, &row[i])?)?;
            }
            dict.set_item(column.name, values)?;
        }
        Ok(dict)
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // A requested schema is a wish; the protocol allows to answer with the table's own.
        drop(requested_schema);
        arrow::stream(py, &self.table)
    }
}

/// One section of the report.
#[pyclass(frozen, module = "nsys_llm_explainer._native")]
pub struct Section {
    section: ReportSection,
    tables: Vec<Arc<table::Table>>,
}

impl Section {
    pub(crate) fn new(mut section: ReportSection) -> Self {
        let tables = match &mut section.outcome {
            Outcome::Ok(result) => std::mem::take(&mut result.tables).into_iter().map(Arc::new).collect(),
            Outcome::Missing(_) => Vec::new(),
        };
        Self { section, tables }
    }
}

#[pymethods]
impl Section {
    #[getter]
    fn id(&self) -> &'static str {
        self.section.spec.id
    }

    #[getter]
    fn title(&self) -> &'static str {
        self.section.spec.title
    }

    #[getter]
    fn status(&self) -> &'static str {
        match self.section.outcome {
            Outcome::Ok(_) => "ok",
            Outcome::Missing(_) => "missing",
        }
    }

    #[getter]
    fn needs(&self) -> Vec<String> {
        match &self.section.outcome {
            Outcome::Ok(_) => Vec::new(),
            Outcome::Missing(absence) => absence.needs.clone(),
        }
    }

    #[getter]
    fn derived_from(&self) -> Vec<String> {
        match &self.section.outcome {
            Outcome::Ok(result) => result.derived_from.clone(),
            Outcome::Missing(_) => Vec::new(),
        }
    }

    #[getter]
    fn limitations(&self) -> Vec<String> {
        match &self.section.outcome {
            Outcome::Ok(result) => result.limitations.clone(),
            Outcome::Missing(_) => Vec::new(),
        }
    }

    #[getter]
    fn summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        if let Outcome::Ok(result) = &self.section.outcome {
            for (column, cell) in self.section.spec.summary.iter().zip(&result.summary) {
                dict.set_item(column.name, value(py, cell)?)?;
            }
        }
        Ok(dict)
    }

    #[getter]
    fn tables<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for table in &self.tables {
            dict.set_item(table.spec.name, Table { table: Arc::clone(table) })?;
        }
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        format!("<Section {}: {}>", self.id(), self.status())
    }
}

/// Every section's schema as data.
#[pyfunction]
pub fn schema(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let sections = PyList::empty(py);
    for spec in ALL.iter().map(|analysis| analysis.spec()) {
        let section = PyDict::new(py);
        section.set_item("id", spec.id)?;
        section.set_item("title", spec.title)?;
        section.set_item("summary", columns(py, &spec.summary)?)?;
        let tables = PyList::empty(py);
        for table in &spec.tables {
            let dict = PyDict::new(py);
            dict.set_item("name", table.name)?;
            dict.set_item("description", table.description)?;
            dict.set_item("rows_are_events", table.events)?;
            dict.set_item("columns", columns(py, &table.columns)?)?;
            tables.append(dict)?;
        }
        section.set_item("tables", tables)?;
        sections.append(section)?;
    }
    Ok(sections)
}

pub(crate) fn columns<'py>(py: Python<'py>, specs: &[ColumnSpec]) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for column in specs {
        let dict = PyDict::new(py);
        dict.set_item("name", column.name)?;
        dict.set_item("type", column.kind.as_str())?;
        dict.set_item("unit", column.unit)?;
        dict.set_item("nullable", column.nullable)?;
        dict.set_item("description", column.description)?;
        list.append(dict)?;
    }
    Ok(list)
}

fn value<'py>(py: Python<'py>, cell: &Cell) -> PyResult<Bound<'py, PyAny>> {
    match cell {
        Cell::Null => Ok(py.None().into_bound(py)),
        Cell::Int(value) => Ok(value.into_pyobject(py)?.into_any()),
        Cell::Float(value) => Ok(value.into_pyobject(py)?.into_any()),
        Cell::Text(value) => Ok(value.as_ref().into_pyobject(py)?.into_any()),
        Cell::Bool(value) => Ok(value.into_pyobject(py)?.to_owned().into_any()),
    }
}
