//! What lies inside ranges of one thread: totals over the calls with `start >= range.start` and `end <= range.end`.
//!
//! `O((calls + ranges) log calls)` for any input: calls of one thread follow each other in every genuine export, so a
//! range holds a contiguous run of them; where they overlap, an offline sweep over a Fenwick tree gives the same answer.

use super::enclosing::Times;

/// Loops at the edges of a run cover at most this many loads; what lies between is known by block.
const BLOCK: usize = 16;

/// API calls of one thread, sorted by start, with the GPU work of each.
pub struct Loads<'a, T: Times + ?Sized> {
    /// Rows of the calls.
    pub calls: &'a [u32],
    /// Their times.
    pub times: &'a T,
    /// The work of all calls, by row.
    pub work: &'a [Work],
}

impl<T: Times + ?Sized> Loads<'_, T> {
    fn start(&self, i: usize) -> i64 {
        self.times.start(self.calls[i])
    }

    fn end(&self, i: usize) -> i64 {
        self.times.end(self.calls[i])
    }

    fn work(&self, i: usize) -> &Work {
        &self.work[self.calls[i] as usize]
    }

    /// Whether ends ascend as starts do: then a range holds a run of neighbours.
    fn is_monotone(&self) -> bool {
        self.calls.is_sorted_by_key(|&call| self.times.start(call))
            && self.calls.is_sorted_by_key(|&call| self.times.end(call))
    }

    /// How many loads from number `from` on end by `end`, in the logarithm of the answer: most ranges hold few.
    fn run_from(&self, from: usize, end: i64) -> usize {
        let rest = &self.calls[from..];
        let inside = |call: &u32| self.times.end(*call) <= end;
        let mut reach = 1;
        while reach <= rest.len() && inside(&rest[reach - 1]) {
            reach *= 2;
        }
        let low = reach / 2;
        low + rest[low..reach.min(rest.len())].partition_point(inside)
    }
}

/// GPU work: kernels with their time, and the span of all ops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Kernels and graph executions.
    pub kernels: i64,
    /// Summed duration of those.
    pub kernel_ns: i64,
    /// Earliest op start; `i64::MAX` without ops.
    pub first_op: i64,
    /// Latest op end; `i64::MIN` without ops.
    pub last_op: i64,
}

impl Work {
    /// No work.
    pub const EMPTY: Self = Self { kernels: 0, kernel_ns: 0, first_op: i64::MAX, last_op: i64::MIN };

    /// Adds other work to this.
    pub fn add(&mut self, other: &Self) {
        self.kernels += other.kernels;
        self.kernel_ns = self.kernel_ns.saturating_add(other.kernel_ns);
        self.first_op = self.first_op.min(other.first_op);
        self.last_op = self.last_op.max(other.last_op);
    }

    /// Last op end minus first op start; 0 without ops.
    pub fn span(&self) -> i64 {
        if self.last_op < self.first_op { 0 } else { self.last_op - self.first_op }
    }
}

/// Calls `visit` with the number of each query span `[start, end]` and the totals of the loads inside it. Queries in
/// order of their start are answered fastest.
pub fn totals<T: Times + ?Sized>(
    loads: &Loads<'_, T>,
    queries: usize,
    query: impl Fn(usize) -> (i64, i64),
    mut visit: impl FnMut(usize, Work),
) {
    if !loads.is_monotone() {
        for (i, total) in sweep(loads, queries, query).into_iter().enumerate() {
            visit(i, total);
        }
        return;
    }
    let blocks = Blocks::new(loads);
    let (mut from, mut before) = (0, i64::MIN);
    for i in 0..queries {
        let (start, end) = query(i);
        if start < before {
            from = loads.calls.partition_point(|&call| loads.times.start(call) < start);
        }
        while from < loads.calls.len() && loads.start(from) < start {
            from += 1;
        }
        before = start;
        visit(i, blocks.total(loads, from, from + loads.run_from(from, end)));
    }
}

/// Totals of whole blocks of loads, in a tree from the bottom up: leaves at `n..2n`.
struct Blocks {
    tree: Vec<Work>,
}

impl Blocks {
    fn new<T: Times + ?Sized>(loads: &Loads<'_, T>) -> Self {
        let n = loads.calls.len().div_ceil(BLOCK);
        let mut tree = vec![Work::EMPTY; 2 * n];
        for (leaf, block) in tree[n..].iter_mut().zip(loads.calls.chunks(BLOCK)) {
            for &call in block {
                leaf.add(&loads.work[call as usize]);
            }
        }
        for i in (1..n).rev() {
            tree[i] = tree[2 * i];
            let right = tree[2 * i + 1];
            tree[i].add(&right);
        }
        Self { tree }
    }

    /// The total of the loads `from..to`.
    fn total<T: Times + ?Sized>(&self, loads: &Loads<'_, T>, from: usize, to: usize) -> Work {
        let mut total = Work::EMPTY;
        let (first, last) = (from.div_ceil(BLOCK), to / BLOCK);
        if first >= last {
            (from..to).for_each(|i| total.add(loads.work(i)));
            return total;
        }
        (from..first * BLOCK).chain(last * BLOCK..to).for_each(|i| total.add(loads.work(i)));
        let n = self.tree.len() / 2;
        let (mut low, mut high) = (first + n, last + n);
        while low < high {
            if low & 1 == 1 {
                total.add(&self.tree[low]);
                low += 1;
            }
            if high & 1 == 1 {
                high -= 1;
                total.add(&self.tree[high]);
            }
            low /= 2;
            high /= 2;
        }
        total
    }
}

/// Answers queries over loads that overlap, from the latest start to the earliest, over a Fenwick tree of ends.
fn sweep<T: Times + ?Sized>(loads: &Loads<'_, T>, queries: usize, query: impl Fn(usize) -> (i64, i64)) -> Vec<Work> {
    let mut ends: Vec<i64> = (0..loads.calls.len()).map(|i| loads.end(i)).collect();
    ends.sort_unstable();
    ends.dedup();
    let mut tree = vec![Work::EMPTY; ends.len() + 1];
    let mut order: Vec<usize> = (0..queries).collect();
    order.sort_unstable_by_key(|&i| std::cmp::Reverse(query(i).0));
    let mut answers = vec![Work::EMPTY; queries];
    let mut rest = loads.calls.len();
    for i in order {
        let (start, end) = query(i);
        while rest > 0 && loads.start(rest - 1) >= start {
            rest -= 1;
            let mut node = ends.partition_point(|&e| e < loads.end(rest)) + 1;
            while node < tree.len() {
                tree[node].add(loads.work(rest));
                node += node & node.wrapping_neg();
            }
        }
        let mut node = ends.partition_point(|&e| e <= end);
        while node > 0 {
            answers[i].add(&tree[node]);
            node -= node & node.wrapping_neg();
        }
    }
    answers
}
