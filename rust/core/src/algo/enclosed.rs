//! What lies inside ranges of one thread: totals over the calls with `start >= range.start` and `end <= range.end`.
//!
//! `O((calls + ranges) log calls)` for any input: calls of one thread follow each other in every genuine export, so a
//! range holds a contiguous run of them; where they overlap, an offline sweep over a Fenwick tree gives the same answer.

/// The GPU work of one API call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Start of the call.
    pub start: i64,
    /// End of the call.
    pub end: i64,
    /// Its totals.
    pub work: Work,
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

/// Calls `visit` with the number of each query span `[start, end]` and the totals of the loads inside it. `loads` are
/// sorted by start.
pub fn totals(loads: &[Load], queries: usize, query: impl Fn(usize) -> (i64, i64), mut visit: impl FnMut(usize, Work)) {
    if loads.is_sorted_by(|a, b| a.start <= b.start && a.end <= b.end) {
        let runs = Runs::new(loads);
        for i in 0..queries {
            let (start, end) = query(i);
            visit(i, runs.total(loads, start, end));
        }
    } else {
        for (i, total) in sweep(loads, queries, query).into_iter().enumerate() {
            visit(i, total);
        }
    }
}

/// Prefix sums and a tree of extremes over loads whose starts and ends both ascend.
struct Runs {
    sums: Vec<(i64, i64)>,
    /// Bottom-up tree: leaves at `n..2n`.
    extremes: Vec<(i64, i64)>,
}

impl Runs {
    fn new(loads: &[Load]) -> Self {
        let n = loads.len();
        let mut sums = Vec::with_capacity(n + 1);
        let mut sum = (0, 0_i64);
        sums.push(sum);
        for load in loads {
            sum = (sum.0 + load.work.kernels, sum.1.saturating_add(load.work.kernel_ns));
            sums.push(sum);
        }
        let mut extremes = vec![(i64::MAX, i64::MIN); 2 * n];
        for (leaf, load) in extremes[n..].iter_mut().zip(loads) {
            *leaf = (load.work.first_op, load.work.last_op);
        }
        for i in (1..n).rev() {
            let (a, b) = (extremes[2 * i], extremes[2 * i + 1]);
            extremes[i] = (a.0.min(b.0), a.1.max(b.1));
        }
        Self { sums, extremes }
    }

    fn total(&self, loads: &[Load], start: i64, end: i64) -> Work {
        let from = loads.partition_point(|load| load.start < start);
        let to = from + gallop(&loads[from..], |load| load.end <= end);
        if to <= from {
            return Work::EMPTY;
        }
        let (first_op, last_op) = self.extremes_of(from, to);
        Work {
            kernels: self.sums[to].0 - self.sums[from].0,
            kernel_ns: self.sums[to].1 - self.sums[from].1,
            first_op,
            last_op,
        }
    }

    fn extremes_of(&self, from: usize, to: usize) -> (i64, i64) {
        let n = self.extremes.len() / 2;
        let (mut from, mut to) = (from + n, to + n);
        let mut found = (i64::MAX, i64::MIN);
        let mut take = |node: (i64, i64)| found = (found.0.min(node.0), found.1.max(node.1));
        while from < to {
            if from & 1 == 1 {
                take(self.extremes[from]);
                from += 1;
            }
            if to & 1 == 1 {
                to -= 1;
                take(self.extremes[to]);
            }
            from /= 2;
            to /= 2;
        }
        found
    }
}

/// `partition_point` in the logarithm of the answer: most ranges hold few calls.
fn gallop(loads: &[Load], inside: impl Fn(&Load) -> bool) -> usize {
    let mut reach = 1;
    while reach <= loads.len() && inside(&loads[reach - 1]) {
        reach *= 2;
    }
    let low = reach / 2;
    low + loads[low..reach.min(loads.len())].partition_point(inside)
}

fn sweep(loads: &[Load], queries: usize, query: impl Fn(usize) -> (i64, i64)) -> Vec<Work> {
    let mut ends: Vec<i64> = loads.iter().map(|load| load.end).collect();
    ends.sort_unstable();
    ends.dedup();
    let mut tree = vec![Work::EMPTY; ends.len() + 1];
    let mut order: Vec<usize> = (0..queries).collect();
    order.sort_unstable_by_key(|&i| std::cmp::Reverse(query(i).0));
    let mut answers = vec![Work::EMPTY; queries];
    let mut rest = loads;
    for i in order {
        let (start, end) = query(i);
        while let Some((load, before)) = rest.split_last().filter(|(load, _)| load.start >= start) {
            let mut node = ends.partition_point(|&e| e < load.end) + 1;
            while node < tree.len() {
                tree[node].add(&load.work);
                node += node & node.wrapping_neg();
            }
            rest = before;
        }
        let mut node = ends.partition_point(|&e| e <= end);
        while node > 0 {
            answers[i].add(&tree[node]);
            node -= node & node.wrapping_neg();
        }
    }
    answers
}
