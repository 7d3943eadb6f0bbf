//! The measure of the union of the kernels of each group, in one pass where they come in order.

use rayon::prelude::*;

use crate::model::events::Ops;

/// The union of the kernels of one group, as long as they come in order of their start.
#[derive(Debug, Clone, Copy)]
struct Running {
    last_start: i64,
    reach: i64,
    measure: i64,
    in_order: bool,
}

impl Running {
    const NEW: Self = Self { last_start: i64::MIN, reach: i64::MIN, measure: 0, in_order: true };

    fn push(&mut self, start: i64, end: i64) {
        self.in_order &= start >= self.last_start;
        self.last_start = start;
        self.measure = self.measure.saturating_add((end - start.max(self.reach)).max(0));
        self.reach = self.reach.max(end);
    }
}

/// The measure of the union of each group. Only groups whose rows are out of order are sorted.
pub(super) fn of_groups(ops: &Ops, group_of_kind: &[u32], groups: usize) -> Vec<i64> {
    let mut running = vec![Running::NEW; groups];
    for (row, &kind) in ops.kind.iter().enumerate() {
        running[group_of_kind[kind as usize] as usize].push(ops.start[row], ops.end(row));
    }
    let mut unsorted: Vec<(usize, Vec<u32>)> = Vec::new();
    let mut place = vec![usize::MAX; groups];
    for group in (0..groups).filter(|&group| !running[group].in_order) {
        place[group] = unsorted.len();
        unsorted.push((group, Vec::new()));
    }
    if !unsorted.is_empty() {
        for (row, &kind) in (0_u32..).zip(&ops.kind) {
            if let Some((_, rows)) = unsorted.get_mut(place[group_of_kind[kind as usize] as usize]) {
                rows.push(row);
            }
        }
    }
    let sorted: Vec<(usize, i64)> = unsorted
        .into_par_iter()
        .map(|(group, mut rows)| {
            rows.sort_by_key(|&row| ops.start[row as usize]);
            let mut union = Running::NEW;
            for row in rows {
                union.push(ops.start[row as usize], ops.end(row as usize));
            }
            (group, union.measure)
        })
        .collect();
    let mut measures: Vec<i64> = running.into_iter().map(|running| running.measure).collect();
    for (group, measure) in sorted {
        measures[group] = measure;
    }
    measures
}
