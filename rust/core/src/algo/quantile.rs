//! The one percentile of the product: exact, linear interpolation between closest ranks (numpy's default).

use super::grouping::Value;

/// Quantiles of `values` (any order; reordered in place) for ascending `qs`; `None` where there is no value.
pub fn quantiles<V: Value>(values: &mut [V], qs: &[f64]) -> Vec<Option<f64>> {
    let n = values.len();
    if n == 0 {
        return vec![None; qs.len()];
    }
    let mut from = 0;
    qs.iter()
        .map(|&q| {
            let position = q * (n - 1) as f64;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 <= q <= 1
            let low = (position.floor() as usize).min(n - 1);
            let (_, &mut a, right) = values[from..].select_nth_unstable(low - from);
            let b = right.iter().copied().min().unwrap_or(a);
            let (a, b) = (a.ns(), b.ns());
            from = low;
            Some(between(a as f64, b as f64, position - low as f64))
        })
        .collect()
}

/// The value at share `t` of the way from `a` to `b`, as numpy rounds it: from the nearer of both ends.
pub(super) fn between(a: f64, b: f64, t: f64) -> f64 {
    let difference = b - a;
    if t >= 0.5 { b - difference * (1.0 - t) } else { a + difference * t }
}
