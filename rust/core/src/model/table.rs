//! Finished tables: a declared schema, and columns of at most so many rows in a total order.

use std::sync::Arc;

/// Rows that machine outputs hold of an ordinary table.
pub const MAX_ROWS: usize = 10_000;
/// Rows that machine outputs hold of a table of single events (gaps, storms).
pub const MAX_EVENT_ROWS: usize = 1_000;

/// Type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 64-bit integer.
    Int,
    /// 64-bit float.
    Float,
    /// Text from the trace or a label of ours.
    Text,
    /// True or false.
    Bool,
}

impl Kind {
    /// The name that crosses into Python.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Float => "float",
            Self::Text => "text",
            Self::Bool => "bool",
        }
    }
}

/// Declared column of a table, or figure of a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnSpec {
    /// Name with its unit at the end.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// Unit, where it has one: "ns", "1/s", "fraction", "count".
    pub unit: Option<&'static str>,
    /// Whether a value can be absent.
    pub nullable: bool,
    /// One sentence of definition.
    pub description: &'static str,
}

impl ColumnSpec {
    const fn new(name: &'static str, kind: Kind, unit: Option<&'static str>, description: &'static str) -> Self {
        Self { name, kind, unit, nullable: false, description }
    }

    /// A number of things.
    pub const fn count(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Int, Some("count"), description)
    }

    /// An id.
    pub const fn id(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Int, None, description)
    }

    /// Whole nanoseconds.
    pub const fn ns(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Int, Some("ns"), description)
    }

    /// Nanoseconds with a fraction: a mean or an interpolated percentile.
    pub const fn ns_float(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Float, Some("ns"), description)
    }

    /// A fraction of a whole; null where the whole is 0.
    pub const fn share(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Float, Some("fraction"), description).or_null()
    }

    /// A rate per second; null where no time passed.
    pub const fn per_second(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Float, Some("1/s"), description).or_null()
    }

    /// A number without a unit.
    pub const fn float(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Float, None, description)
    }

    /// Text.
    pub const fn text(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Text, None, description)
    }

    /// A yes or no.
    pub const fn flag(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Bool, None, description)
    }

    /// The same column, with values that can be absent.
    #[must_use]
    pub const fn or_null(mut self) -> Self {
        self.nullable = true;
        self
    }
}

/// Declared table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSpec {
    /// Name; also the stem of its CSV file.
    pub name: &'static str,
    /// One sentence: what a row is.
    pub description: &'static str,
    /// Whether a row is a single event of the trace, which lowers the cut.
    pub events: bool,
    /// Columns in order.
    pub columns: Vec<ColumnSpec>,
}

impl TableSpec {
    /// How many rows machine outputs hold.
    pub const fn max_rows(&self) -> usize {
        if self.events { MAX_EVENT_ROWS } else { MAX_ROWS }
    }
}

/// One value of a table or summary.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Absent.
    Null,
    /// Integer.
    Int(i64),
    /// Float.
    Float(f64),
    /// Text.
    Text(Arc<str>),
    /// Boolean.
    Bool(bool),
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<usize> for Cell {
    fn from(value: usize) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(Arc::from(value))
    }
}

impl From<&Arc<str>> for Cell {
    fn from(value: &Arc<str>) -> Self {
        Self::Text(Arc::clone(value))
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A finished table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Its schema.
    pub spec: TableSpec,
    /// The first rows, at most [`TableSpec::max_rows`].
    pub rows: Vec<Vec<Cell>>,
    /// How many rows there were before the cut.
    pub total_rows: usize,
}

impl Table {
    /// A table of rows that are already in order; what is beyond the cut is dropped here.
    ///
    /// # Panics
    /// If a row does not fit the schema: a defect of the analysis, not of the trace.
    pub fn new(spec: TableSpec, total_rows: usize, rows: impl IntoIterator<Item = Vec<Cell>>) -> Self {
        let rows: Vec<_> = rows.into_iter().take(spec.max_rows()).collect();
        for row in &rows {
            assert_eq!(row.len(), spec.columns.len(), "row width of table {}", spec.name);
            for (cell, column) in row.iter().zip(&spec.columns) {
                assert!(fits(cell, column), "{}.{}: {cell:?} does not fit", spec.name, column.name);
            }
        }
        Self { spec, rows, total_rows }
    }
}

/// Whether a value has the type that its column declares.
pub fn fits(cell: &Cell, column: &ColumnSpec) -> bool {
    matches!(
        (cell, column.kind),
        (Cell::Int(_), Kind::Int)
            | (Cell::Float(_), Kind::Float)
            | (Cell::Text(_), Kind::Text)
            | (Cell::Bool(_), Kind::Bool)
    ) || (matches!(cell, Cell::Null) && column.nullable)
}
