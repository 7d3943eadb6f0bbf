//! The gaps between ops: millions on a busy device, so each takes eight bytes.

/// Gaps of one block: their starts are told from that of the first.
const BLOCK: usize = 64;
/// Stands for what does not fit.
const WIDE: u32 = u32::MAX;

/// Disjoint, non-empty intervals `[start, end)` in ascending order; they may touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Start of the first gap of each block.
    base: Vec<i64>,
    /// Measure of the gaps before each block.
    before: Vec<i64>,
    /// From the base of its block to the start of each gap.
    offset: Vec<u32>,
    /// Length of each gap; [`WIDE`] where it, or the offset, takes more.
    length: Vec<u32>,
    /// Number, start and end of those.
    wide: Vec<(usize, i64, i64)>,
    measure: i64,
}

impl Gaps {
    /// Adds the next gap.
    pub fn push(&mut self, start: i64, end: i64) {
        let number = self.offset.len();
        if number.is_multiple_of(BLOCK) {
            self.base.push(start);
            self.before.push(self.measure);
        }
        let base = self.base.last().copied().unwrap_or(start);
        let narrow = |value: i64| u32::try_from(value).unwrap_or(WIDE);
        let (offset, length) = (narrow(start - base), narrow(end - start));
        self.offset.push(offset);
        if offset == WIDE || length == WIDE {
            self.length.push(WIDE);
            self.wide.push((number, start, end));
        } else {
            self.length.push(length);
        }
        self.measure += end - start;
    }

    /// How many gaps.
    pub fn len(&self) -> usize {
        self.offset.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.offset.is_empty()
    }

    /// Total length.
    pub const fn measure(&self) -> i64 {
        self.measure
    }

    /// The gaps in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        (0..self.len()).map(|number| self.get(number))
    }

    fn get(&self, number: usize) -> (i64, i64) {
        let length = self.length[number];
        if length == WIDE {
            let at = self.wide.partition_point(|wide| wide.0 < number);
            let (_, start, end) = self.wide[at];
            return (start, end);
        }
        let start = self.base[number / BLOCK] + i64::from(self.offset[number]);
        (start, start + i64::from(length))
    }

    /// What two sets have in common.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let mut common = Self::default();
        let (mut mine, mut theirs) = (self.iter().peekable(), other.iter().peekable());
        while let (Some(&a), Some(&b)) = (mine.peek(), theirs.peek()) {
            let (start, end) = (a.0.max(b.0), a.1.min(b.1));
            if start < end {
                common.push(start, end);
            }
            if a.1 <= b.1 {
                mine.next();
            } else {
                theirs.next();
            }
        }
        common
    }

    /// The measure of the gaps inside `[start, end)`, in `O(log n)`.
    pub fn measure_within(&self, start: i64, end: i64) -> i64 {
        if end <= start {
            return 0;
        }
        self.measure_until(end) - self.measure_until(start)
    }

    /// The measure of the gaps before `time`.
    fn measure_until(&self, time: i64) -> i64 {
        let Some(block) = self.base.partition_point(|&base| base < time).checked_sub(1) else { return 0 };
        let gaps = (block * BLOCK..self.len().min((block + 1) * BLOCK)).map(|number| self.get(number));
        let since: i64 = gaps.take_while(|gap| gap.0 < time).map(|(start, end)| end.min(time) - start).sum();
        self.before[block] + since
    }
}

/// Finds the gaps between ops that come in order of their start.
#[derive(Debug, Default)]
pub struct GapFinder {
    gaps: Gaps,
    /// First start and latest end so far.
    window: Option<(i64, i64)>,
}

impl GapFinder {
    /// Adds the next op. An empty op splits a gap in two that touch.
    pub fn push(&mut self, start: i64, end: i64) {
        let (first, reached) = self.window.unwrap_or((start, start));
        if start > reached {
            self.gaps.push(reached, start);
        }
        self.window = Some((first, reached.max(end)));
    }

    /// First start and last end of all ops, and the gaps between.
    pub fn finish(self) -> ((i64, i64), Gaps) {
        (self.window.unwrap_or((0, 0)), self.gaps)
    }
}
