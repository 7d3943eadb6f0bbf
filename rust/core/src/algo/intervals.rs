//! Sets of disjoint half-open time intervals: union, intersection, and the measure inside a span.

/// Intervals between two noted sums of the lengths before them.
const STRIDE: usize = 64;

/// Disjoint, non-empty intervals `[start, end)` in ascending order; they may touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IntervalSet {
    spans: Vec<(i64, i64)>,
    /// Measure of the intervals before each [`STRIDE`]-th one.
    before: Vec<i64>,
    measure: i64,
}

impl IntervalSet {
    /// The union of intervals that are sorted by start. Empty intervals add nothing.
    pub fn union_of_sorted(sorted: impl IntoIterator<Item = (i64, i64)>) -> Self {
        let mut spans: Vec<(i64, i64)> = Vec::new();
        for (start, end) in sorted {
            if end <= start {
                continue;
            }
            match spans.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => spans.push((start, end)),
            }
        }
        Self::from_disjoint(spans)
    }

    fn from_disjoint(mut spans: Vec<(i64, i64)>) -> Self {
        spans.shrink_to_fit();
        let mut before = Vec::with_capacity(spans.len() / STRIDE + 1);
        let mut measure = 0;
        for (i, (start, end)) in spans.iter().enumerate() {
            if i % STRIDE == 0 {
                before.push(measure);
            }
            measure += end - start;
        }
        Self { spans, before, measure }
    }

    /// The intervals in ascending order.
    pub fn spans(&self) -> &[(i64, i64)] {
        &self.spans
    }

    /// Total length.
    pub const fn measure(&self) -> i64 {
        self.measure
    }

    /// The intersection of two sets.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let (mut i, mut j) = (0, 0);
        let mut spans = Vec::new();
        while i < self.spans.len() && j < other.spans.len() {
            let (a, b) = (self.spans[i], other.spans[j]);
            let (start, end) = (a.0.max(b.0), a.1.min(b.1));
            if start < end {
                spans.push((start, end));
            }
            if a.1 <= b.1 {
                i += 1;
            } else {
                j += 1;
            }
        }
        Self::from_disjoint(spans)
    }

    /// The measure of the set inside `[start, end)`, in `O(log n)`.
    pub fn measure_within(&self, start: i64, end: i64) -> i64 {
        if end <= start {
            return 0;
        }
        self.measure_until(end) - self.measure_until(start)
    }

    /// The measure of the set before `time`.
    fn measure_until(&self, time: i64) -> i64 {
        let i = self.spans.partition_point(|span| span.0 < time);
        if i == 0 {
            return 0;
        }
        let noted = (i - 1) / STRIDE;
        let since: i64 = self.spans[noted * STRIDE..i].iter().map(|(start, end)| end.min(&time) - start).sum();
        self.before[noted] + since
    }
}
