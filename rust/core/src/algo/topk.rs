//! The first `k` of many under a total order, in `O(n log k)`, without sorting the rest.

use std::cmp::Ordering;

/// The `k` smallest items by `order`, in that order. `order` must be total: equal items would make the cut arbitrary.
pub fn smallest_by<T>(items: impl IntoIterator<Item = T>, k: usize, order: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    if k == 0 {
        return kept;
    }
    let mut was_cut = false;
    for item in items {
        // After a cut, the k-th smallest so far stands in its place.
        if was_cut && order(&item, &kept[k - 1]).is_ge() {
            continue;
        }
        kept.push(item);
        // Compacting at twice the size costs O(k) for every k items.
        if kept.len() >= 2 * k {
            kept.select_nth_unstable_by(k - 1, &order);
            kept.truncate(k);
            was_cut = true;
        }
    }
    kept.sort_unstable_by(&order);
    kept.truncate(k);
    kept
}
