//! `StringIds`: names by id.

use rustc_hash::FxHashMap;

use super::{LoadOptions, Part};
use crate::model::strings::Interner;
use crate::source::batch::{Batch, Wanted};
use crate::source::schema::TableInfo;

/// Texts of one part.
#[derive(Debug, Default)]
pub(super) struct TextPart {
    texts: Vec<(i64, Box<str>)>,
}

impl Part for TextPart {
    const COLUMNS: &'static [Wanted] = &[Wanted::int("id"), Wanted::text("value")];

    fn new(_table: &TableInfo) -> Self {
        Self::default()
    }

    fn add(&mut self, batch: &Batch, _options: &LoadOptions) {
        for row in 0..batch.rows() {
            if let (Some(id), Some(text)) = (batch.int(row, 0), batch.text(row, 1)) {
                self.texts.push((id, text.into()));
            }
        }
    }
}

/// Names by id. Ids of the same text share a number; an id without a text reads `<id N>`.
#[derive(Debug, Default)]
pub(super) struct Strings {
    texts: FxHashMap<i64, Box<str>>,
    numbers: FxHashMap<Option<i64>, u32>,
    names: Interner,
}

impl Strings {
    pub(super) fn new(parts: Vec<TextPart>) -> Self {
        let mut texts = FxHashMap::default();
        for (id, text) in parts.into_iter().flat_map(|part| part.texts) {
            texts.entry(id).or_insert(text);
        }
        Self { texts, ..Self::default() }
    }

    /// The text of an id.
    pub(super) fn text(&self, id: i64) -> Option<&str> {
        self.texts.get(&id).map(AsRef::as_ref)
    }

    /// The number of the name of a kernel or call.
    pub(super) fn name(&mut self, id: Option<i64>) -> u32 {
        if let Some(&number) = self.numbers.get(&id) {
            return number;
        }
        let number = match id {
            Some(id) => match self.texts.get(&id) {
                Some(text) => self.names.intern(text),
                None => self.names.intern(&format!("<id {id}>")),
            },
            None => self.names.intern("<no name>"),
        };
        self.numbers.insert(id, number);
        number
    }

    /// The names that were asked for, by number.
    pub(super) fn into_names(self) -> Interner {
        self.names
    }
}
