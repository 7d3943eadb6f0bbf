//! The innermost range around each call of one thread, in `O((ranges + calls) log ranges)` whatever the nesting.
//!
//! Definition: of the ranges with `start <= call.start` and `end >= call.end`, the one with the latest start, then the
//! earliest end, then the highest row. Ranges need not nest: start/end ranges may overlap partly.

use super::join::NONE;

/// Start and end of rows, wherever they stand.
pub trait Times: Sync {
    /// First nanosecond of a row.
    fn start(&self, row: u32) -> i64;
    /// End of a row.
    fn end(&self, row: u32) -> i64;
}

impl Times for [(i64, i64)] {
    fn start(&self, row: u32) -> i64 {
        self[row as usize].0
    }

    fn end(&self, row: u32) -> i64 {
        self[row as usize].1
    }
}

/// Sorts rows of ranges so that of two that enclose a call, the later one is the inner one.
pub fn sort_outer_to_inner(rows: &mut [u32], times: &(impl Times + ?Sized)) {
    sort_by_start(rows, times, |row| (std::cmp::Reverse(times.end(row)), row));
}

/// Sorts rows by their start, and those of one start by what `of_equal` says of them.
pub fn sort_by_start<K: Ord>(rows: &mut [u32], times: &(impl Times + ?Sized), of_equal: impl Fn(u32) -> K) {
    // Starts decide nearly always; most exports have them in order.
    let is_in_order = |&a: &u32, &b: &u32| {
        let (a_start, b_start) = (times.start(a), times.start(b));
        a_start < b_start || a_start == b_start && of_equal(a) <= of_equal(b)
    };
    if rows.is_sorted_by(is_in_order) {
        return;
    }
    // Starts stand beside their rows while these are sorted. Rows come in ascending runs, which a merge sort takes as
    // they are.
    let mut keyed: Vec<(i64, u32)> = rows.iter().map(|&row| (times.start(row), row)).collect();
    keyed.sort();
    for alike in keyed.chunk_by_mut(|a, b| a.0 == b.0).filter(|alike| alike.len() > 1) {
        alike.sort_by_key(|&(_, row)| of_equal(row));
    }
    for (place, (_, row)) in rows.iter_mut().zip(keyed) {
        *place = row;
    }
}

/// Calls `visit` with the row of each call and that of its innermost enclosing range, or [`NONE`].
///
/// `ranges` are sorted by [`sort_outer_to_inner`], `calls` by start.
pub fn innermost(
    ranges: &[u32],
    range_times: &(impl Times + ?Sized),
    calls: &[u32],
    call_times: &(impl Times + ?Sized),
    mut visit: impl FnMut(u32, u32),
) {
    // Candidates (end, row) with strictly falling ends: a range is dropped once a later one reaches as far, as that
    // one is preferred for every call that both enclose.
    let mut stack: Vec<(i64, u32)> = Vec::new();
    let mut next = 0;
    for &call in calls {
        let (start, end) = (call_times.start(call), call_times.end(call));
        while let Some(&range) = ranges.get(next).filter(|&&range| range_times.start(range) <= start) {
            let reaches = range_times.end(range);
            while stack.last().is_some_and(|top| top.0 <= reaches) {
                stack.pop();
            }
            stack.push((reaches, range));
            next += 1;
        }
        let enclosing = stack.partition_point(|range| range.0 >= end);
        visit(call, if enclosing == 0 { NONE } else { stack[enclosing - 1].1 });
    }
}
