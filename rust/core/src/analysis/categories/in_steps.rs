//! Kernels inside steps, by worker, kind of step and category.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::{Numbers, Sum, category};
use crate::algo::topk::smallest_by;
use crate::analysis::iterations::{StepFinder, Steps};
use crate::analysis::{Input, device_cells};
use crate::model::events::{OpKind, Ops};
use crate::model::step_mark::StepKind;
use crate::model::table::{Table, TableSpec};

fn kind_number(kind: StepKind) -> usize {
    StepKind::ALL.iter().position(|&other| other == kind).unwrap_or_default()
}

/// The sums of each (worker, category) by kind of step, of the kernels that lie in steps.
fn step_sums(
    ops: &Ops,
    call_of: &[u32],
    steps: &Steps,
    numbers: &Numbers<(u32, u16)>,
) -> Vec<[Sum; StepKind::ALL.len()]> {
    let mut finder = StepFinder::new(steps);
    let mut sums = vec![[Sum::default(); StepKind::ALL.len()]; numbers.keys.len()];
    for (row, &kind) in ops.kind.iter().enumerate() {
        let number = numbers.of_kind[kind as usize];
        let Some(&(worker, _)) = numbers.keys.get(number as usize) else { continue };
        if let Some(step) = finder.find(worker as usize, call_of[row], ops.start[row]) {
            sums[number as usize][kind_number(step.kind)].add(1, ops.duration(row));
        }
    }
    sums
}

/// Categories by kind of step: by total time, then category, device, process and kind.
pub(super) fn table(input: &Input<'_>, spec: TableSpec) -> Table {
    let (events, steps) = (input.events, &input.derived.steps);
    let workers: FxHashMap<(u32, u32), u32> =
        (0_u32..).zip(&steps.workers).map(|(number, worker)| ((worker.process, worker.device), number)).collect();
    let ops = &events.kernels;
    let key = |kind: &OpKind| Some((*workers.get(&(kind.process, kind.device))?, category(input, kind)));
    let numbers = Numbers::new(ops, key);
    let sums = if workers.is_empty() { Vec::new() } else { step_sums(ops, &input.derived.call_of[0], steps, &numbers) };
    let of_worker = |worker: u32| &steps.list[steps.workers[worker as usize].steps.clone()];
    let counts: Vec<[i64; StepKind::ALL.len()]> = (0_u32..)
        .zip(&steps.workers)
        .map(|(number, _)| {
            let mut counts = [0; StepKind::ALL.len()];
            for step in of_worker(number) {
                counts[kind_number(step.kind)] += 1;
            }
            counts
        })
        .collect();
    let names = input.options.categories.names();
    let found: Vec<(usize, usize)> = (0..sums.len())
        .flat_map(|group| (0..StepKind::ALL.len()).map(move |kind| (group, kind)))
        .filter(|&(group, kind)| sums[group][kind].calls > 0)
        .collect();
    let order = |a: &&(usize, usize), b: &&(usize, usize)| {
        let key = |&&(group, kind): &&(usize, usize)| {
            let (number, category) = numbers.keys[group];
            let worker = &steps.workers[number as usize];
            let total = sums[group][kind].total;
            (Reverse(total), &names[usize::from(category)], worker.device, worker.process, kind)
        };
        key(a).cmp(&key(b))
    };
    let rows = smallest_by(&found, spec.max_rows(), order).into_iter().map(|&(group, kind)| {
        let (number, category) = numbers.keys[group];
        let worker = &steps.workers[number as usize];
        let sum = sums[group][kind];
        let cells = [
            events.processes[worker.process as usize].key.pid().into(),
            StepKind::ALL[kind].as_str().into(),
            (&names[usize::from(category)]).into(),
            sum.calls.into(),
            sum.total.into(),
            (sum.total as f64 / counts[number as usize][kind] as f64).into(),
        ];
        device_cells(input, worker.device as usize).into_iter().chain(cells).collect()
    });
    Table::new(spec, found.len(), rows)
}
