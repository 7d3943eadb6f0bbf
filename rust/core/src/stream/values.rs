//! Values of a column for some rows, and how they are made.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::data::Data;

/// Distinct texts of a column, in ascending order.
pub type Dictionary = Arc<[Arc<str>]>;

/// The values of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// Integers, none of them absent.
    Ints(Vec<i64>),
    /// Integers that can be absent.
    MaybeInts(Vec<Option<i64>>),
    /// Places in a dictionary, -1 for absent texts.
    Texts(Vec<i32>, Dictionary),
    /// Yes or no.
    Flags(Vec<bool>),
}

/// Makes the values of some rows.
pub(super) type Fill = Box<dyn Fn(&Data, &[u32]) -> Values + Send + Sync>;

/// Absent.
const ABSENT: i32 = -1;

pub(super) fn ints(value: impl Fn(&Data, usize) -> i64 + Send + Sync + 'static) -> Fill {
    Box::new(move |data, rows| Values::Ints(rows.iter().map(|&row| value(data, row as usize)).collect()))
}

pub(super) fn maybe_ints(value: impl Fn(&Data, usize) -> Option<i64> + Send + Sync + 'static) -> Fill {
    Box::new(move |data, rows| Values::MaybeInts(rows.iter().map(|&row| value(data, row as usize)).collect()))
}

pub(super) fn flags(value: impl Fn(&Data, usize) -> bool + Send + Sync + 'static) -> Fill {
    Box::new(move |data, rows| Values::Flags(rows.iter().map(|&row| value(data, row as usize)).collect()))
}

/// Texts of a few kinds; `kind` is the place of a row's text, if it has one.
pub(super) fn texts(
    of_kind: impl Iterator<Item = Option<Arc<str>>>,
    kind: impl Fn(&Data, usize) -> Option<usize> + Send + Sync + 'static,
) -> Fill {
    let (dictionary, codes) = dictionary(of_kind);
    Box::new(move |data, rows| {
        let code = |&row: &u32| kind(data, row as usize).and_then(|kind| codes.get(kind)).copied().unwrap_or(ABSENT);
        Values::Texts(rows.iter().map(code).collect(), Arc::clone(&dictionary))
    })
}

/// Labels of ours.
pub(super) fn labels(labels: &[&str], number: impl Fn(&Data, usize) -> Option<usize> + Send + Sync + 'static) -> Fill {
    let labels = Labels::new(labels);
    Box::new(move |data, rows| labels.of(rows.iter().map(|&row| number(data, row as usize))))
}

/// Labels of ours by number.
pub(super) struct Labels {
    dictionary: Dictionary,
    codes: Vec<i32>,
}

impl Labels {
    pub(super) fn new(labels: &[&str]) -> Self {
        let (dictionary, codes) = dictionary(labels.iter().map(|label| Some(Arc::from(*label))));
        Self { dictionary, codes }
    }

    pub(super) fn of(&self, numbers: impl Iterator<Item = Option<usize>>) -> Values {
        let code = |number: Option<usize>| number.and_then(|number| self.codes.get(number)).copied().unwrap_or(ABSENT);
        Values::Texts(numbers.map(code).collect(), Arc::clone(&self.dictionary))
    }
}

/// The distinct texts in their order, and the place of each text among them.
fn dictionary(texts: impl Iterator<Item = Option<Arc<str>>>) -> (Dictionary, Vec<i32>) {
    let texts: Vec<Option<Arc<str>>> = texts.collect();
    let mut places: BTreeMap<&str, i32> = texts.iter().flatten().map(|text| (text.as_ref(), ABSENT)).collect();
    for (place, number) in places.values_mut().zip(0..) {
        *place = number;
    }
    let code = |text: &Option<Arc<str>>| text.as_deref().map_or(ABSENT, |text| places[text]);
    let codes = texts.iter().map(code).collect();
    (places.keys().map(|text| Arc::from(*text)).collect(), codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_is_in_order_and_holds_each_text_once() {
        let texts = [Some("b"), None, Some("a"), Some("b"), Some("")].map(|text| text.map(Arc::from));
        let (dictionary, codes) = dictionary(texts.into_iter());
        assert_eq!(dictionary.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["", "a", "b"]);
        assert_eq!(codes, [2, ABSENT, 1, 2, 0]);
    }
}
