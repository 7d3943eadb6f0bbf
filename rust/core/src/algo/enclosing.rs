//! The innermost range around each call of one thread, in `O((ranges + calls) log ranges)` whatever the nesting.
//!
//! Definition: of the ranges with `start <= call.start` and `end >= call.end`, the one with the latest start, then the
//! earliest end, then the highest row. Ranges need not nest: start/end ranges may overlap partly.

use super::join::NONE;

/// A half-open time span with the row it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First nanosecond.
    pub start: i64,
    /// End in nanoseconds.
    pub end: i64,
    /// Row in the caller's columns.
    pub row: u32,
}

/// Sorts ranges so that of two that enclose a call, the later one is the inner one.
pub fn sort_outer_to_inner(ranges: &mut [Span]) {
    ranges.sort_by(|a, b| a.start.cmp(&b.start).then(b.end.cmp(&a.end)).then(a.row.cmp(&b.row)));
}

/// For each call (sorted by start), the row of its innermost enclosing range, or [`NONE`].
///
/// `ranges` are sorted by [`sort_outer_to_inner`].
pub fn innermost(ranges: &[Span], calls: &[Span]) -> Vec<u32> {
    // Candidates with strictly falling ends: a range is dropped once a later one reaches as far, as that one is
    // preferred for every call that both enclose.
    let mut stack: Vec<Span> = Vec::new();
    let mut next = 0;
    calls
        .iter()
        .map(|call| {
            while let Some(range) = ranges.get(next).filter(|range| range.start <= call.start) {
                while stack.last().is_some_and(|top| top.end <= range.end) {
                    stack.pop();
                }
                stack.push(*range);
                next += 1;
            }
            let enclosing = stack.partition_point(|range| range.end >= call.end);
            if enclosing == 0 { NONE } else { stack[enclosing - 1].row }
        })
        .collect()
}
