//! Finds the steps of the engine. Sources in this order: ranges that the user named, step markers of an engine, scopes of
//! its model runner, the cadence of CUDA graph launches, a repeating sequence of kernels.

mod cut;
mod finish;
mod graphs;
mod kinds;
mod marks;
mod sequence;

use rustc_hash::FxHashMap;

use super::iterations::{StepSource, Steps};
use crate::model::events::Events;
use crate::model::step_mark::StepMark;

/// What detection looks at.
pub(super) struct Seen<'a> {
    /// The events.
    pub events: &'a Events,
    /// For each op table, the call of each op.
    pub call_of: &'a [Vec<u32>; 4],
    /// Whether a graph execution has its kernels traced as well.
    pub graph_is_double: &'a [bool],
    /// The category of each name.
    pub category_of_name: &'a [u16],
    /// Categories by number.
    pub categories: &'a [std::sync::Arc<str>],
    /// Whether the user named the ranges that are steps.
    pub has_step_range: bool,
}

/// A step as it was found, before steps are numbered and compared.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// Number of the range that marks it, or [`NONE`](crate::algo::join::NONE).
    number: u32,
    process: u32,
    device: u32,
    start: i64,
    end: i64,
    host: Option<(i64, i64)>,
    mark: StepMark,
    kernels: i64,
    graph_launches: i64,
}

/// Steps that a source found.
#[derive(Debug, Default)]
struct Findings {
    steps: Vec<Found>,
    /// For each call the number of the mark in which it lies; empty where no range marks steps.
    mark_of_call: Vec<u32>,
    without_ops: i64,
}

impl From<Vec<Found>> for Findings {
    fn from(steps: Vec<Found>) -> Self {
        Self { steps, ..Self::default() }
    }
}

/// The fewest steps of one worker that are a cadence, where no name says that they are steps.
const LEAST_STEPS: usize = 4;

impl Seen<'_> {
    /// Whether an op of a table counts as a kernel.
    fn is_kernel(&self, table: usize, row: usize) -> bool {
        table == 0 || (table == 3 && !self.graph_is_double[row])
    }
}

/// The steps of the trace, if any source tells them.
pub(super) fn steps(seen: &Seen<'_>) -> Steps {
    if seen.call_of.iter().all(Vec::is_empty) {
        return Steps::default();
    }
    if seen.has_step_range {
        let found = marks::steps(seen, marks::marked(seen.events, |mark| mark.by_user));
        return finish::steps(seen, found, StepSource::StepRange, "ranges that --step-range names".into());
    }
    let found = marks::steps(seen, marks::marked(seen.events, |mark| !mark.by_user));
    if !found.steps.is_empty() {
        let detail = format!("ranges like `{}`", marks::example(seen.events));
        return finish::steps(seen, found, StepSource::EngineMarker, detail);
    }
    for scope in marks::SCOPES {
        let found = marks::steps(seen, marks::scoped(seen.events, scope));
        if has_enough(&found.steps) {
            return finish::steps(seen, found, StepSource::EngineScope, scope.detail());
        }
    }
    let (found, detail) = graphs::steps(seen);
    if has_enough(&found) {
        return finish::steps(seen, found.into(), StepSource::GraphLaunches, detail);
    }
    let (found, detail) = sequence::steps(seen);
    if has_enough(&found) {
        return finish::steps(seen, found.into(), StepSource::KernelSequence, detail);
    }
    Steps::default()
}

/// Whether some worker has enough steps to call them a cadence.
fn has_enough(found: &[Found]) -> bool {
    let mut counts: FxHashMap<(u32, u32), usize> = FxHashMap::default();
    for step in found {
        *counts.entry((step.process, step.device)).or_default() += 1;
    }
    counts.into_values().any(|count| count >= LEAST_STEPS)
}
