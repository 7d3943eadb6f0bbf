//! Rows on their way from a source to the event columns: a few thousand at a time, column by column.

/// Rows per batch: large enough to hide the call, small enough for the cache.
pub const BATCH_ROWS: usize = 4096;

/// What the reader wants of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellKind {
    /// An integer.
    Int,
    /// Text, decoded leniently.
    Text,
}

/// A column to read. One that the table lacks reads as NULL in every row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Name in the export.
    pub name: &'static str,
    /// Type.
    pub kind: CellKind,
}

impl Wanted {
    /// An integer column.
    pub const fn int(name: &'static str) -> Self {
        Self { name, kind: CellKind::Int }
    }

    /// A text column.
    pub const fn text(name: &'static str) -> Self {
        Self { name, kind: CellKind::Text }
    }
}

/// What stands in a cell of an integer column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// An integer.
    Int,
    /// NULL.
    Null,
    /// A value of another type, which no genuine export has.
    Other,
}

/// Integer cells.
#[derive(Debug, Default)]
pub struct Ints {
    values: Vec<i64>,
    states: Vec<State>,
}

impl Ints {
    /// The value, if the cell is an integer.
    pub fn get(&self, row: usize) -> Option<i64> {
        (self.states[row] == State::Int).then(|| self.values[row])
    }

    /// Whether the cell is NULL.
    pub fn is_null(&self, row: usize) -> bool {
        self.states[row] == State::Null
    }

    /// Adds a cell.
    pub fn push(&mut self, cell: Option<i64>, state: State) {
        self.values.push(cell.unwrap_or(0));
        self.states.push(state);
    }
}

/// Text cells, as bytes of one buffer.
#[derive(Debug, Default)]
pub struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    present: Vec<bool>,
}

impl Texts {
    /// The text, if the cell is one. Invalid UTF-8 becomes U+FFFD.
    pub fn get(&self, row: usize) -> Option<std::borrow::Cow<'_, str>> {
        let from = if row == 0 { 0 } else { self.ends[row - 1] };
        self.present[row].then(|| String::from_utf8_lossy(&self.bytes[from..self.ends[row]]))
    }

    /// Adds a cell.
    pub fn push(&mut self, text: Option<&[u8]>) {
        self.bytes.extend_from_slice(text.unwrap_or_default());
        self.ends.push(self.bytes.len());
        self.present.push(text.is_some());
    }
}

/// One column of a batch.
#[derive(Debug)]
pub enum Cells {
    /// Of [`CellKind::Int`].
    Int(Ints),
    /// Of [`CellKind::Text`].
    Text(Texts),
}

/// Some consecutive rows.
#[derive(Debug)]
pub struct Batch {
    rows: usize,
    columns: Vec<Cells>,
}

impl Batch {
    /// An empty batch for these columns.
    pub fn new(columns: &[Wanted]) -> Self {
        let columns = columns
            .iter()
            .map(|column| match column.kind {
                CellKind::Int => Cells::Int(Ints::default()),
                CellKind::Text => Cells::Text(Texts::default()),
            })
            .collect();
        Self { rows: 0, columns }
    }

    /// How many rows.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// The integer column at a position of the request.
    ///
    /// # Panics
    /// If the request asked for text there.
    pub fn ints(&self, column: usize) -> &Ints {
        match &self.columns[column] {
            Cells::Int(ints) => ints,
            Cells::Text(_) => unreachable!("column {column} was requested as text"),
        }
    }

    /// The text column at a position of the request.
    ///
    /// # Panics
    /// If the request asked for integers there.
    pub fn texts(&self, column: usize) -> &Texts {
        match &self.columns[column] {
            Cells::Text(texts) => texts,
            Cells::Int(_) => unreachable!("column {column} was requested as integers"),
        }
    }

    /// All columns, for a source that fills them.
    pub fn columns_mut(&mut self) -> &mut [Cells] {
        &mut self.columns
    }

    /// Ends a row that was added to every column.
    pub fn end_row(&mut self) {
        self.rows += 1;
    }

    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.rows = 0;
        for column in &mut self.columns {
            match column {
                Cells::Int(ints) => {
                    ints.values.clear();
                    ints.states.clear();
                }
                Cells::Text(texts) => {
                    texts.bytes.clear();
                    texts.ends.clear();
                    texts.present.clear();
                }
            }
        }
    }
}
