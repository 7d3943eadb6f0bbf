//! Steps that were found become iterations: in order, with periods, numbered over all workers, with the steady window.
//!
//! The steady window is the longest run of steps of one worker whose period stays within three times the median of their
//! kind: a prefill step is no warm-up because decode steps are shorter.

use std::cmp::Reverse;
use std::ops::Range;

use super::{Findings, Found, Seen, kinds};
use crate::algo::join::NONE;
use crate::algo::quantile::quantiles;
use crate::analysis::iterations::{STEADY_FACTOR, Step, StepSource, StepWorker, Steps};
use crate::model::step_mark::StepKind;

/// The fewest steps that make a steady window.
const LEAST_STEADY: usize = 3;

pub(super) fn steps(seen: &Seen<'_>, findings: Findings, source: StepSource, detail: String) -> Steps {
    let Findings { steps: mut found, mark_of_call, without_ops } = findings;
    if found.is_empty() {
        return Steps { without_ops, ..Steps::default() };
    }
    found.sort_by_key(|step| (step.device, step.process, step.start, step.end));
    let marked = found.iter().enumerate().filter(|(_, step)| step.number != NONE);
    let step_of_mark = marked.map(|(at, step)| ((step.number, step.device, step.process), at)).collect();
    let mut list: Vec<Step> = found.iter().map(step_of).collect();
    let mut workers: Vec<StepWorker> = Vec::new();
    for (at, step) in list.iter().enumerate() {
        match workers.last_mut() {
            Some(worker) if (worker.process, worker.device) == (step.process, step.device) => worker.steps.end = at + 1,
            _ => workers.push(StepWorker { process: step.process, device: step.device, steps: at..at + 1 }),
        }
    }
    for worker in &workers {
        for at in worker.steps.start + 1..worker.steps.end {
            list[at - 1].period = Some(list[at].start - list[at - 1].start);
        }
    }
    let mut steps = Steps {
        source: Some(source),
        detail,
        list,
        workers,
        steady: None,
        settled: None,
        without_ops,
        mark_of_call,
        step_of_mark,
    };
    number(&mut steps);
    // Markers know best: what they leave open, such as an idle step, stays unknown.
    if source != StepSource::EngineMarker {
        kinds::guess(seen, &mut steps);
    }
    (steps.steady, steps.settled) = steady(&steps).unzip();
    if let Some((from, to)) = steps.steady {
        for step in &mut steps.list {
            step.steady = from <= step.start && step.start < to;
        }
    }
    steps
}

fn step_of(found: &Found) -> Step {
    Step {
        index: 0,
        process: found.process,
        device: found.device,
        start: found.start,
        end: found.end,
        host: found.host,
        mark: found.mark,
        kind: found.mark.step_kind(),
        period: None,
        kernels: found.kernels,
        graph_launches: found.graph_launches,
        steady: false,
    }
}

/// Numbers the steps of the reference worker; a step of another one gets the number of the step that starts nearest.
fn number(steps: &mut Steps) {
    let Some(reference) = steps.reference().map(|worker| worker.steps.clone()) else { return };
    let starts: Vec<i64> = steps.list[reference].iter().map(|step| step.start).collect();
    for step in &mut steps.list {
        let after = starts.partition_point(|&start| start < step.start);
        let nearest = match (after.checked_sub(1), starts.get(after)) {
            (Some(before), Some(&next)) if step.start - starts[before] <= next - step.start => before,
            (Some(before), None) => before,
            _ => after,
        };
        step.index = u32::try_from(nearest).unwrap_or(u32::MAX);
    }
}

/// The longest run of steps of the reference worker whose period stays near the median of their kind; and the time from
/// the first run of some length to the end of the last one.
fn steady(steps: &Steps) -> Option<((i64, i64), (i64, i64))> {
    let run_of = &steps.list[steps.reference()?.steps.clone()];
    let limits = StepKind::ALL.map(|kind| {
        let mut periods: Vec<i64> =
            run_of.iter().filter(|step| step.kind == kind).filter_map(|step| step.period).collect();
        quantiles(&mut periods, &[0.5])[0].map_or(f64::INFINITY, |median| STEADY_FACTOR * median)
    });
    let is_steady = |step: &Step| {
        let limit = StepKind::ALL.iter().position(|&kind| kind == step.kind).map_or(f64::INFINITY, |at| limits[at]);
        // The last step has no period; it belongs to the run that reaches it.
        step.period.is_none_or(|period| period as f64 <= limit)
    };
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, _) in run_of.iter().enumerate().filter(|(_, step)| is_steady(step)) {
        match runs.last_mut() {
            Some(run) if run.end == at => run.end = at + 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs.retain(|run| run.len() >= LEAST_STEADY);
    let longest = runs.iter().max_by_key(|run| (run.len(), Reverse(run.start)))?;
    let (first, last) = (runs.first()?, runs.last()?);
    let start = |run: &Range<usize>| run_of[run.start].start;
    let end = |run: &Range<usize>| run_of[run.end - 1].extent().1;
    let steady = (start(longest), end(longest));
    // What follows the last step is no draining of steps.
    let until = if last.end == run_of.len() { i64::MAX } else { end(last) };
    (steady.1 > steady.0).then_some((steady, (start(first), until)))
}
