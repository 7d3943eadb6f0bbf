//! The engine's iterations.
//!
//! Where they come from, best evidence first: `--step-range`, step markers of an engine, scopes of its model runner, the
//! cadence of CUDA graph launches, a repeating sequence of kernels. A step's GPU span goes from the first op start to the
//! last op end among the ops whose call lies in the step; its period from its start to the start of the worker's next
//! step on the device, so that the waits between steps belong to it. The steady window is the longest run of steps whose
//! period stays within three times the median of their kind; what lies outside is listed, not hidden.

mod alignment;
mod spec;

use std::cmp::Reverse;

use super::device_time::{BUCKETS, Split};
use super::iterations::{Step, StepWorker, Steps};
use super::{
    Availability, Input, NVTX, Outcome, Probe, RUNTIME, TRACE_CUDA, device_cells, empty_window, present,
    with_kernel_table,
};
use crate::algo::quantile::quantiles;
use crate::algo::topk::smallest_by;
use crate::model::section::{Absence, Section, SectionSpec};
use crate::model::step_mark::StepKind;
use crate::model::table::{Cell, Table, TableSpec};
use spec::spec;

pub(super) struct Analysis;

/// A step is slow where its period is beyond so many medians of its kind.
const SLOW_FACTOR: f64 = 1.5;
const QUANTILES: &[f64] = &[0.5, 0.9, 0.99];

fn pid(input: &Input<'_>, process: u32) -> Cell {
    input.events.processes[process as usize].key.pid().into()
}

/// Time of each step by bucket, in the order of the list of steps.
fn splits(input: &Input<'_>) -> Vec<StepTime> {
    let mut splits = vec![StepTime::default(); input.derived.steps.list.len()];
    for time in &input.derived.time {
        for ((step, period), inside) in time.steps.iter().zip(&time.inside) {
            splits[*step] = StepTime { period: *period, inside: *inside };
        }
    }
    splits
}

/// Time of a step by bucket: of its whole period, and of the part between its start and end.
#[derive(Debug, Clone, Copy, Default)]
struct StepTime {
    period: Split,
    inside: Split,
}

impl StepTime {
    /// A bucket of the period, or, counted on, of the part inside the step.
    fn part(&self, bucket: usize) -> i64 {
        bucket.checked_sub(BUCKETS.len()).map_or_else(|| self.period[bucket], |inside| self.inside[inside])
    }
}

fn quantiles_of(mut values: Vec<i64>, qs: &[f64]) -> Vec<Option<f64>> {
    quantiles(&mut values, qs)
}

/// Tokens and summed periods of those steps whose tokens and period are known.
fn tokens_per_s<'a>(steps: impl Iterator<Item = &'a Step>) -> Option<f64> {
    let (mut tokens, mut time) = (0_i64, 0_i64);
    for step in steps {
        // A marker may tell tokens of one sort only: they are all if there is no request of the other.
        let told = |tokens: Option<i64>, requests: Option<i64>| tokens.is_some() || requests == Some(0);
        let mark = &step.mark;
        let any = mark.context_tokens.or(mark.generation_tokens).is_some();
        let known = any
            && (told(mark.context_tokens, mark.context_requests) || mark.context_requests.is_none())
            && (told(mark.generation_tokens, mark.generation_requests) || mark.generation_requests.is_none());
        let (true, Some(period)) = (known, step.period) else { continue };
        let of_step = step.mark.context_tokens.unwrap_or(0).saturating_add(step.mark.generation_tokens.unwrap_or(0));
        tokens = tokens.saturating_add(of_step);
        time = time.saturating_add(period);
    }
    (time > 0).then(|| tokens as f64 * 1e9 / time as f64)
}

fn known_sum(values: impl Iterator<Item = Option<i64>>) -> Option<i64> {
    values.flatten().fold(None, |sum, value| Some(sum.unwrap_or(0_i64).saturating_add(value)))
}

fn kind_row(input: &Input<'_>, worker: &StepWorker, kind: StepKind, splits: &[StepTime]) -> Option<Vec<Cell>> {
    let list = &input.derived.steps.list;
    let rows: Vec<usize> = worker.steps.clone().filter(|&at| list[at].kind == kind).collect();
    if rows.is_empty() {
        return None;
    }
    let steps = || rows.iter().map(|&at| &list[at]);
    let count = rows.len() as f64;
    let periods = quantiles_of(steps().filter_map(|step| step.period).collect(), QUANTILES);
    let spans = quantiles_of(steps().map(|step| step.end - step.start).collect(), QUANTILES);
    let timed: Vec<usize> = rows.iter().copied().filter(|&at| list[at].period.is_some()).collect();
    let mean = |bucket: usize| {
        let sum: i64 = timed.iter().map(|&at| splits[at].period[bucket]).sum();
        (!timed.is_empty()).then(|| sum as f64 / timed.len() as f64)
    };
    let steady = steps().filter(|step| step.steady);
    let known = input.derived.steps.steady.is_some();
    let mut cells: Vec<Cell> = device_cells(input, worker.device as usize).into();
    cells.extend([pid(input, worker.process), kind.as_str().into(), rows.len().into()]);
    cells.extend(periods.into_iter().chain(spans).map(Cell::from));
    cells.extend([
        known_sum(steps().map(|step| step.mark.context_tokens)).into(),
        known_sum(steps().map(|step| step.mark.generation_tokens)).into(),
        tokens_per_s(steps()).into(),
        (steps().map(|step| step.kernels).sum::<i64>() as f64 / count).into(),
        (steps().map(|step| step.graph_launches).sum::<i64>() as f64 / count).into(),
    ]);
    cells.extend((0..BUCKETS.len()).map(|bucket| mean(bucket).into()));
    cells.push(known.then(|| steady.clone().count()).into());
    cells.push(quantiles_of(steady.filter_map(|step| step.period).collect(), &[0.5])[0].into());
    Some(cells)
}

fn kind_table(input: &Input<'_>, spec: TableSpec, splits: &[StepTime]) -> Table {
    let workers = &input.derived.steps.workers;
    let of_worker = |worker| StepKind::ALL.iter().filter_map(move |&kind| kind_row(input, worker, kind, splits));
    let rows: Vec<Vec<Cell>> = workers.iter().flat_map(of_worker).collect();
    Table::new(spec, rows.len(), rows)
}

fn step_table(input: &Input<'_>, spec: TableSpec) -> Table {
    let steps = &input.derived.steps;
    let is_first = |at: usize| steps.workers.iter().any(|worker| worker.steps.start == at);
    let gap_before = |at: usize| {
        let before = at.checked_sub(1).filter(|_| !is_first(at))?;
        Some((steps.list[at].start - steps.list[before].end).max(0))
    };
    let order = |a: &usize, b: &usize| {
        let key = |&at: &usize| (steps.list[at].start, steps.list[at].device, at);
        key(a).cmp(&key(b))
    };
    let rows = smallest_by(0..steps.list.len(), spec.max_rows(), order).into_iter().map(|at| {
        let step = &steps.list[at];
        let idle = input.derived.activity[step.device as usize].idle.measure_within(step.start, step.end);
        let mut cells: Vec<Cell> = vec![i64::from(step.index).into(), pid(input, step.process)];
        cells.extend(device_cells(input, step.device as usize));
        cells.extend([
            step.start.into(),
            step.end.into(),
            step.host.map(|host| host.0).into(),
            step.host.map(|host| host.1).into(),
            step.kind.as_str().into(),
            step.mark.context_requests.into(),
            step.mark.context_tokens.into(),
            step.mark.generation_requests.into(),
            step.mark.generation_tokens.into(),
            step.period.into(),
            (step.end - step.start - idle).into(),
            idle.into(),
            step.kernels.into(),
            step.graph_launches.into(),
            gap_before(at).into(),
            step.steady.into(),
        ]);
        cells
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    Table::new(spec, steps.list.len(), rows)
}

/// Medians of the period and of each bucket over the steps of a kind on one worker.
fn medians(steps: &Steps, rows: &[usize], splits: &[StepTime]) -> Option<(f64, [f64; 2 * BUCKETS.len()])> {
    let timed = || rows.iter().copied().filter(|&at| steps.list[at].period.is_some());
    let period = quantiles_of(timed().filter_map(|at| steps.list[at].period).collect(), &[0.5])[0]?;
    let mut buckets = [0.0; 2 * BUCKETS.len()];
    for (bucket, median) in buckets.iter_mut().enumerate() {
        *median = quantiles_of(timed().map(|at| splits[at].part(bucket)).collect(), &[0.5])[0].unwrap_or(0.0);
    }
    Some((period, buckets))
}

/// The slow steps, and the slowest beside the median step of its kind.
fn slow_tables(input: &Input<'_>, spec: TableSpec, splits: &[StepTime]) -> (Table, Table) {
    let steps = &input.derived.steps;
    let mut slow: Vec<(f64, usize, f64, [f64; 2 * BUCKETS.len()])> = Vec::new();
    for worker in &steps.workers {
        for kind in StepKind::ALL {
            let rows: Vec<usize> = worker.steps.clone().filter(|&at| steps.list[at].kind == kind).collect();
            let Some((median, buckets)) = medians(steps, &rows, splits) else { continue };
            for at in rows {
                let Some(period) = steps.list[at].period.map(|period| period as f64) else { continue };
                if period > SLOW_FACTOR * median {
                    let mut excess = [0.0; 2 * BUCKETS.len()];
                    for (bucket, excess) in excess.iter_mut().enumerate() {
                        *excess = splits[at].part(bucket) as f64 - buckets[bucket];
                    }
                    slow.push((period - median, at, median, excess));
                }
            }
        }
    }
    slow.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let pair = slow.first().map(|(_, at, median, _)| (&steps.list[*at], median_step(steps, *at, *median)));
    let aligned = alignment::table(input, pair);
    let rows = slow.iter().take(spec.max_rows()).map(|(over, at, median, excess)| {
        let step = &steps.list[*at];
        let largest =
            (0..BUCKETS.len()).max_by(|&a, &b| excess[a].total_cmp(&excess[b]).then(Reverse(a).cmp(&Reverse(b))));
        let mut cells: Vec<Cell> = vec![i64::from(step.index).into(), pid(input, step.process)];
        cells.extend(device_cells(input, step.device as usize));
        cells.extend([
            step.kind.as_str().into(),
            step.start.into(),
            step.extent().1.into(),
            step.period.unwrap_or(0).into(),
            (*median).into(),
            (*over).into(),
            BUCKETS[largest.unwrap_or(0)].into(),
        ]);
        cells.extend(excess.iter().map(|&ns| Cell::from(ns)));
        cells
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    (Table::new(spec, slow.len(), rows), aligned)
}

/// The step of the same worker and kind whose period is nearest to the median.
fn median_step(steps: &Steps, slowest: usize, median: f64) -> &Step {
    let slow = &steps.list[slowest];
    let of_kind = steps.list.iter().filter(|step| {
        (step.process, step.device, step.kind) == (slow.process, slow.device, slow.kind) && step.period.is_some()
    });
    let distance = |step: &&Step| (step.period.unwrap_or(0) as f64 - median).abs();
    of_kind.min_by(|a, b| distance(a).total_cmp(&distance(b)).then(a.start.cmp(&b.start))).unwrap_or(slow)
}

/// What lies outside of the steady window: warm-up and drain, which never come to a steady run, and pauses, which end one.
fn outside_table(input: &Input<'_>, spec: TableSpec) -> Table {
    let steps = &input.derived.steps;
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    if let (Some((from, to)), Some(reference)) = (steps.steady, steps.reference()) {
        let list = &steps.list[reference.steps.clone()];
        let windows = input.derived.activity.iter().map(|activity| activity.window);
        let window = windows.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((from, to));
        let mut add = |reason: &str, start: i64, end: i64| {
            if end > start {
                let within = list.iter().filter(|step| start <= step.start && step.start < end).count();
                rows.push(vec![reason.into(), start.into(), end.into(), within.into()]);
            }
        };
        let settled = steps.settled.unwrap_or((from, to));
        add("warm_up", window.0, settled.0);
        // Something held steps up on either side of the steady run, or there was nothing to do.
        add("pause", settled.0, from);
        add("pause", to, settled.1.min(list.last().map_or(to, |step| step.extent().1)));
        add("drain", settled.1, window.1);
    }
    Table::new(spec, rows.len(), rows)
}

fn limitations(input: &Input<'_>) -> Vec<String> {
    let steps = &input.derived.steps;
    let mut limits = vec![
        "With continuous batching a decode period is the time between two tokens of a running request; time to first \
         token, queueing before the engine and network are in no GPU trace."
            .to_owned(),
    ];
    if let Some(source) = steps.source.filter(|source| source.confidence() != "high") {
        limits.push(format!(
            "No range names the steps: they were inferred ({}, {} confidence). --step-range names them.",
            steps.detail,
            source.confidence()
        ));
    }
    if steps.without_ops > 0 {
        limits.push(format!("{} marked ranges asked for no GPU op and are no steps here.", steps.without_ops));
    }
    limits
}

/// Why there are no steps.
fn absence(input: &Input<'_>) -> Absence {
    if input.events.has_gpu_ops() {
        let needs = [
            "No range marks the steps of an engine, and neither graph launches nor kernels repeat clearly.",
            "Name the ranges of your steps with --step-range, or capture with the engine's step markers.",
        ];
        return Absence { needs: needs.map(Into::into).into() };
    }
    match input.events.window {
        Some(_) => empty_window("GPU ops"),
        None => Availability::missing("The export has no GPU ops.", Some(TRACE_CUDA)).absence(),
    }
}

impl super::Analysis for Analysis {
    fn spec(&self) -> SectionSpec {
        spec()
    }

    fn availability(&self, probe: &Probe<'_>) -> Availability {
        if probe.gpu_ops() == 0 {
            Availability::missing("The export has no GPU ops.", Some(TRACE_CUDA))
        } else if probe.rows(NVTX) == 0 {
            Availability::partial("Without NVTX ranges, steps can only be inferred from kernels.", Some("--trace=nvtx"))
        } else {
            Availability::OK
        }
    }

    fn run(&self, input: &Input<'_>) -> Outcome {
        let steps = &input.derived.steps;
        let Some(source) = steps.source else {
            return Outcome::Missing(absence(input));
        };
        let splits = splits(input);
        let steady_steps = steps.list.iter().filter(|step| step.steady).count();
        let known = steps.steady.is_some();
        let period = quantiles_of(steps.list.iter().filter_map(|step| step.period).collect(), &[0.5])[0];
        let reference = steps.reference().map_or(0..0, |worker| worker.steps.clone());
        let [kinds, all, slow, outside, _] = <[TableSpec; 5]>::try_from(spec().tables).expect("five tables");
        let (slow, aligned) = slow_tables(input, slow, &splits);
        Outcome::Ok(Section {
            summary: vec![
                source.as_str().into(),
                steps.detail.as_str().into(),
                source.confidence().into(),
                steps.list.len().into(),
                steps.workers.len().into(),
                steps.steady.map(|steady| steady.0).into(),
                steps.steady.map(|steady| steady.1).into(),
                known.then_some(steady_steps).into(),
                known.then(|| steps.list.len() - steady_steps).into(),
                period.into(),
                tokens_per_s(steps.list[reference].iter()).into(),
                steps.without_ops.into(),
            ],
            tables: vec![
                kind_table(input, kinds, &splits),
                step_table(input, all),
                slow,
                outside_table(input, outside),
                aligned,
            ],
            derived_from: with_kernel_table(input.schema, &[])
                .into_iter()
                .chain(present(input.schema, &[RUNTIME, NVTX, "StringIds"]))
                .collect(),
            limitations: limitations(input),
            warnings: Vec::new(),
        })
    }
}
