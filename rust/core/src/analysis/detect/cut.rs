//! Where one step ends and the next begins, where no range says so.
//!
//! An engine takes the tokens of a step to the host before it goes on: a step ends where the device falls idle at the
//! end of a copy to the host. Where that does not happen about once a step, the border is the longest gap between what
//! tells a step (its last graph launch, its repeating kernel) and the same of the next one.

use super::{Found, Seen};
use crate::algo::join::NONE;
use crate::analysis::op_order::OpOrder;
use crate::model::step_mark::StepMark;

/// `copyKind` of copies to the host.
pub(super) const DEVICE_TO_HOST: i64 = 2;
/// Copies to the host tell steps if there are so many of them, as parts of the steps that are known.
const RESULTS_PER_STEP: (f64, f64) = (0.8, 1.5);

/// One op of a worker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Op {
    pub(super) start: i64,
    end: i64,
    is_kernel: bool,
    is_result: bool,
}

/// What tells one step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Anchor {
    /// Start of its first op.
    pub(super) start: i64,
    /// From here on the step may be over.
    pub(super) free_from: i64,
}

/// The ops of a worker in order.
pub(super) fn ops(seen: &Seen<'_>, process: u32, device: u32) -> Vec<Op> {
    let copies = &seen.events.copies;
    let is_result = |row: u32| {
        let copy = copies.kind_of(row as usize).copy;
        copy.is_some_and(|copy| copy.direction == Some(DEVICE_TO_HOST))
    };
    OpOrder::new(seen.events, |kind| kind.process == process && kind.device == device)
        .map(|op| Op {
            start: op.start,
            end: op.end,
            is_kernel: seen.is_kernel(op.table, op.row as usize),
            is_result: op.table == 1 && is_result(op.row),
        })
        .collect()
}

/// The first op of each part that ends with a copy to the host at which the device falls idle; a part without a kernel
/// belongs to the one before.
pub(super) fn by_results(ops: &[Op]) -> Vec<usize> {
    let mut borders = vec![0];
    let (mut reach, mut by_result, mut has_kernel) = (i64::MIN, false, false);
    for (at, op) in ops.iter().enumerate() {
        if by_result && has_kernel && op.start > reach {
            borders.push(at);
            has_kernel = false;
        }
        has_kernel |= op.is_kernel;
        if op.end >= reach {
            (reach, by_result) = (op.end, op.is_result);
        }
    }
    if !has_kernel && borders.len() > 1 {
        borders.pop();
    }
    borders
}

/// The steps of a worker.
pub(super) fn steps(ops: &[Op], anchors: &[Anchor], process: u32, device: u32) -> Vec<Found> {
    let results = by_results(ops);
    let (least, most) = RESULTS_PER_STEP;
    let per_step = results.len() as f64 / anchors.len().max(1) as f64;
    let borders = if (least..=most).contains(&per_step) { results } else { by_gaps(ops, anchors) };
    let ends = borders.iter().skip(1).copied().chain([ops.len()]);
    borders
        .iter()
        .zip(ends)
        .filter(|(from, to)| ops[**from..*to].iter().any(|op| op.is_kernel))
        .map(|(&from, to)| Found {
            number: NONE,
            process,
            device,
            start: ops[from].start,
            end: ops[from..to].iter().map(|op| op.end).max().unwrap_or(ops[from].end),
            host: None,
            mark: StepMark::default(),
            kernels: i64::try_from(ops[from..to].iter().filter(|op| op.is_kernel).count()).unwrap_or(i64::MAX),
            graph_launches: 0,
        })
        .collect()
}

/// The first op of each step: what follows the longest gap between two anchors. What precedes the first anchor is no
/// step.
fn by_gaps(ops: &[Op], anchors: &[Anchor]) -> Vec<usize> {
    let mut borders = Vec::with_capacity(anchors.len());
    let Some(first) = anchors.first() else { return borders };
    let mut at = ops.partition_point(|op| op.start < first.start);
    borders.push(at);
    let mut reach = i64::MIN;
    for pair in anchors.windows(2) {
        let (mut border, mut longest) = (None, 0);
        while at < ops.len() && ops[at].start < pair[1].start {
            let gap = ops[at].start.saturating_sub(reach);
            if ops[at].start >= pair[0].free_from && reach > i64::MIN && gap > longest {
                (border, longest) = (Some(at), gap);
            }
            reach = reach.max(ops[at].end);
            at += 1;
        }
        let own = ops.get(at).map_or(0, |op| op.start.saturating_sub(reach));
        borders.push(border.filter(|_| longest >= own).unwrap_or(at));
    }
    borders
}
