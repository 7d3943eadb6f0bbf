//! Ranges of one thread that nest, as those of any code that opens and closes them in turn, with the calls inside: one
//! pass over both, `O(ranges + calls log depth)`.

use super::enclosed::{Loads, Work};
use super::enclosing::Times;

/// What happens next on the thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A range begins, inside all that are open.
    Open(u32),
    /// A call, with the number of open ranges that enclose the whole of it: those that opened first.
    Call(u32, usize),
    /// The range that opened last is over. The work is that of all calls inside it.
    Close(Work),
}

/// Calls `visit` with every step, and returns whether the ranges nest. Where it returns false, steps are missing.
///
/// `ranges` are sorted by [`super::enclosing::sort_outer_to_inner`], and calls by start. Ranges that begin after the last
/// call are left out: there is nothing in them.
pub fn walk<T: Times + ?Sized>(
    ranges: &[u32],
    range_times: &(impl Times + ?Sized),
    loads: &Loads<'_, T>,
    mut visit: impl FnMut(Step),
) -> bool {
    // End and work so far of the open ranges: no range ends after one that opened before.
    let mut open: Vec<(i64, Work)> = Vec::new();
    let mut ranges = ranges.iter().peekable();
    for &call in loads.calls {
        let (start, end) = (loads.times.start(call), loads.times.end(call));
        while let Some(&range) = ranges.next_if(|&&range| range_times.start(range) <= start) {
            let (begin, last) = (range_times.start(range), range_times.end(range));
            // A range that ends when this one begins is over, unless a call without length may lie in both.
            close(&mut open, if begin < start { begin + 1 } else { begin }, &mut visit);
            if open.last().is_some_and(|around| around.0 < last) {
                return false;
            }
            open.push((last, Work::EMPTY));
            visit(Step::Open(range));
        }
        close(&mut open, start, &mut visit);
        let enclosing = open.partition_point(|around| around.0 >= end);
        if let Some(innermost) = enclosing.checked_sub(1) {
            open[innermost].1.add(&loads.work[call as usize]);
        }
        visit(Step::Call(call, enclosing));
    }
    while !open.is_empty() {
        close_last(&mut open, &mut visit);
    }
    true
}

/// Closes the ranges that end before a time.
fn close(open: &mut Vec<(i64, Work)>, time: i64, visit: &mut impl FnMut(Step)) {
    while open.last().is_some_and(|last| last.0 < time) {
        close_last(open, visit);
    }
}

fn close_last(open: &mut Vec<(i64, Work)>, visit: &mut impl FnMut(Step)) {
    let Some((_, work)) = open.pop() else { return };
    if let Some(around) = open.last_mut() {
        around.1.add(&work);
    }
    visit(Step::Close(work));
}
