//! The first `k` of many under a total order, in `O(n log k)`, without sorting the rest.

use std::cmp::Ordering;

/// The `k` smallest items by `order`, in that order. `order` must be total: equal items would make the cut arbitrary.
pub fn smallest_by<T>(items: impl IntoIterator<Item = T>, k: usize, order: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    if k == 0 {
        return kept;
    }
    for item in items {
        kept.push(item);
        // Compacting at twice the size costs O(k) for every k items.
        if kept.len() >= 2 * k {
            kept.select_nth_unstable_by(k - 1, &order);
            kept.truncate(k);
        }
    }
    kept.sort_unstable_by(&order);
    kept.truncate(k);
    kept
}
