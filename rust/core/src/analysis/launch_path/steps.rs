//! Launches per step: a kernel belongs to the step in which its call lies, and a call to that of its first op.

use rustc_hash::FxHashMap;

use super::Launches;
use crate::algo::join::NONE;
use crate::analysis::iterations::StepFinder;
use crate::model::step_mark::StepKind;
use crate::model::table::{ColumnSpec, Table, TableSpec};

const KINDS: usize = StepKind::ALL.len();

pub(super) fn spec() -> TableSpec {
    TableSpec {
        name: "step_launches",
        description: "One row per worker and kind of step: what one step launches on average.",
        events: false,
        columns: vec![
            ColumnSpec::id("device_id", "CUDA ordinal of the device in the export.").or_null(),
            ColumnSpec::id("gpu_id", "Physical id of the GPU, where the export maps it.").or_null(),
            ColumnSpec::id("pid", "Process id."),
            ColumnSpec::text("step_kind", "prefill, decode, mixed or unknown."),
            ColumnSpec::count("steps", "Steps of that kind."),
            ColumnSpec::float("launch_calls_avg", "Mean calls with GPU ops in the step."),
            ColumnSpec::float("graph_launches_avg", "Mean calls among them that launch a CUDA graph."),
            ColumnSpec::float("kernels_avg", "Mean kernels of the step."),
            ColumnSpec::float("graph_kernels_avg", "Mean kernels among them of CUDA graphs."),
            ColumnSpec::float("eager_kernels_avg", "Mean kernels among them that were launched one by one."),
            ColumnSpec::share("graph_kernel_share", "Part of the kernels that CUDA graphs launch; null in graph mode."),
        ],
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    steps: i64,
    calls: i64,
    graph_launches: i64,
    kernels: i64,
    graph_kernels: i64,
}

/// By worker and kind of step.
fn count(launches: &Launches<'_>) -> Vec<[Count; KINDS]> {
    let (events, steps) = (launches.events, &launches.derived.steps);
    let first_op = |call: u32| launches.derived.first_ops.start(&events.calls, call as usize);
    let mut counts = vec![[Count::default(); KINDS]; steps.workers.len()];
    for (worker, counts) in steps.workers.iter().zip(&mut counts) {
        steps.list[worker.steps.clone()].iter().for_each(|step| counts[step.kind as usize].steps += 1);
    }
    let workers: FxHashMap<(u32, u32), usize> =
        steps.workers.iter().enumerate().map(|(i, worker)| ((worker.process, worker.device), i)).collect();
    let mut finder = StepFinder::new(steps);
    let mut counted = vec![false; events.calls.len()];
    for (table, (ops, call_of)) in events.op_tables().into_iter().zip(&launches.derived.call_of).enumerate() {
        let worker_of: Vec<Option<usize>> =
            ops.kinds.iter().map(|kind| workers.get(&(kind.process, kind.device)).copied()).collect();
        for (row, &kind) in ops.kind.iter().enumerate() {
            let Some(worker) = worker_of[kind as usize] else { continue };
            let (start, call) = (ops.start[row], call_of[row]);
            let is_first = call != NONE && !counted[call as usize] && first_op(call) == start;
            if table != 0 && !is_first {
                continue;
            }
            let Some(step) = finder.find(worker, call, start) else { continue };
            let count = &mut counts[worker][step.kind as usize];
            if is_first {
                counted[call as usize] = true;
                count.calls += 1;
                count.graph_launches += i64::from(launches.launches_graph(call));
            }
            if table == 0 {
                count.kernels += 1;
                count.graph_kernels += i64::from(launches.is_graph_kernel[row]);
            }
        }
    }
    counts
}

pub(super) fn table(launches: &Launches<'_>) -> Table {
    let (events, workers) = (launches.events, &launches.derived.steps.workers);
    if workers.is_empty() {
        return Table::new(spec(), 0, []);
    }
    let mut rows = Vec::new();
    for (worker, counts) in workers.iter().zip(count(launches)) {
        let device = &events.devices[worker.device as usize];
        let kinds = StepKind::ALL.into_iter().map(|kind| (kind, counts[kind as usize]));
        rows.extend(kinds.filter(|(_, count)| count.steps > 0).map(|(kind, count)| {
            let mean = |of: i64| of as f64 / count.steps as f64;
            vec![
                device.device_id.into(),
                device.gpu_id.into(),
                events.processes[worker.process as usize].key.pid().into(),
                kind.as_str().into(),
                count.steps.into(),
                mean(count.calls).into(),
                mean(count.graph_launches).into(),
                mean(count.kernels).into(),
                mean(count.graph_kernels).into(),
                mean(count.kernels - count.graph_kernels).into(),
                launches.graph_share(count.graph_kernels, count.kernels).into(),
            ]
        }));
    }
    Table::new(spec(), rows.len(), rows)
}
