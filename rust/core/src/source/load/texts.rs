//! `StringIds`: names by id; and what texts in rows told before.

use std::hash::Hasher;

use rustc_hash::{FxHashMap, FxHasher};

use super::{LoadOptions, Part, Stretch};
use crate::model::strings::Interner;
use crate::source::batch::{Batch, Wanted, decoded};
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

    fn add(&mut self, batch: &Batch, _stretch: &mut Stretch<'_>, _options: &LoadOptions) {
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

/// What was worked out of texts that came a moment ago, by their bytes: rows repeat a few hundred texts.
#[derive(Debug)]
pub(super) struct RecentTexts<T> {
    /// Each text at a place that its hash tells.
    known: Vec<(Vec<u8>, Option<T>)>,
    /// Of the last text that is too long to be kept.
    long: Option<T>,
}

/// How many texts are kept, and the bytes of the longest one.
const RECENT: usize = 1024;
const LONGEST: usize = 256;

impl<T> Default for RecentTexts<T> {
    fn default() -> Self {
        Self { known: Vec::new(), long: None }
    }
}

impl<T> RecentTexts<T> {
    /// What a text tells, which is worked out of the leniently decoded text.
    pub(super) fn of(&mut self, bytes: &[u8], work_out: impl FnOnce(&str) -> T) -> &T {
        let work_out = || work_out(&decoded(bytes));
        if bytes.len() > LONGEST {
            return self.long.insert(work_out());
        }
        self.known.resize_with(RECENT, || (Vec::new(), None));
        let mut hasher = FxHasher::default();
        hasher.write(bytes);
        let [low, high, ..] = hasher.finish().to_le_bytes();
        let (known, told) = &mut self.known[usize::from(u16::from_le_bytes([low, high])) % RECENT];
        if known != bytes {
            known.clear();
            known.extend_from_slice(bytes);
            *told = None;
        }
        told.get_or_insert_with(work_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_tells_the_same_whatever_came_before() {
        let mut recent = RecentTexts::default();
        // More texts than there are places, the empty one first, some of them too long to be kept.
        let text = |number: usize| "x".repeat(number % 5 * 90) + &number.to_string();
        let texts: Vec<String> =
            std::iter::once(String::new()).chain((0..4 * RECENT).map(|number| text(number % 1500))).collect();
        let mut worked_out = 0;
        for text in &texts {
            let told = recent.of(text.as_bytes(), |text| {
                worked_out += 1;
                text.to_owned()
            });
            assert_eq!(told, text);
            assert_eq!(recent.of(text.as_bytes(), str::to_owned), text);
        }
        assert!(worked_out < texts.len(), "none of {} texts was remembered", texts.len());
    }

    #[test]
    fn bytes_that_are_no_text_are_decoded_leniently() {
        let mut recent = RecentTexts::default();
        for _ in 0..2 {
            assert_eq!(recent.of(b"a\xffb", str::to_owned), "a\u{fffd}b");
        }
    }
}
