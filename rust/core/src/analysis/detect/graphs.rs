//! Steps by the cadence of CUDA graph launches, on the GPU's clock: launches run ahead of execution, so when the host
//! launched says nothing about the period.
//!
//! A full graph is launched once per step. Piecewise graphs come in a fixed order within a step; then only those that
//! begin such a train begin a step. The border between two steps is the longest gap between the end of a step's last
//! graph and the start of the next step's first.

use rustc_hash::FxHashMap;

use super::{Found, LEAST_STEPS, Seen};
use crate::algo::join::NONE;
use crate::analysis::op_order::OpOrder;
use crate::model::step_mark::StepMark;

/// Distinct graphs from which on a fixed order is looked for.
const LEAST_PIECES: usize = 3;
/// A graph follows another in so large a part of cases: both belong to one train.
const FIXED_SHARE: f64 = 0.95;

/// One execution of a graph on a device.
#[derive(Debug, Clone, Copy)]
struct Launch {
    first: i64,
    last: i64,
    graph: i64,
    call: u32,
}

/// The steps, and what they were taken from.
pub(super) fn steps(seen: &Seen<'_>) -> (Vec<Found>, String) {
    let mut steps = Vec::new();
    let mut pieces = 0;
    let mut launches: Vec<_> = launches(seen).into_iter().collect();
    launches.sort_by_key(|(worker, _)| *worker);
    for ((process, device), mut launches) in launches {
        launches.sort_by_key(|launch| (launch.first, launch.call));
        let begins = begins(&launches);
        pieces = pieces.max(launches.len().div_ceil(begins.len().max(1)));
        if begins.len() >= LEAST_STEPS {
            steps.extend(cut(seen, process, device, &launches, &begins));
        }
    }
    let detail = if pieces > 1 {
        format!("trains of about {pieces} cudaGraphLaunch each")
    } else {
        "one cudaGraphLaunch each".into()
    };
    (steps, detail)
}

/// Graph executions by process and device.
fn launches(seen: &Seen<'_>) -> FxHashMap<(u32, u32), Vec<Launch>> {
    let events = seen.events;
    let launches_graphs = seen.launches_graphs();
    let mut place: FxHashMap<(u32, u32), usize> = FxHashMap::default();
    let mut all: Vec<((u32, u32), Launch)> = Vec::new();
    let mut last = ((NONE, NONE), 0);
    for (table, ops) in events.op_tables().into_iter().enumerate() {
        for (row, &call) in seen.call_of[table].iter().enumerate().filter(|(_, call)| **call != NONE) {
            if !launches_graphs[events.calls.kind[call as usize] as usize] {
                continue;
            }
            let kind = ops.kind_of(row);
            let (first, end) = (ops.start[row], ops.end(row));
            if last.0 != (call, kind.device) {
                let at = *place.entry((call, kind.device)).or_insert_with(|| {
                    let launch = Launch { first, last: end, graph: kind.graph_id, call };
                    all.push(((kind.process, kind.device), launch));
                    all.len() - 1
                });
                last = ((call, kind.device), at);
            }
            let launch = &mut all[last.1].1;
            launch.first = launch.first.min(first);
            launch.last = launch.last.max(end);
        }
    }
    let mut by_worker: FxHashMap<(u32, u32), Vec<Launch>> = FxHashMap::default();
    for (worker, launch) in all {
        by_worker.entry(worker).or_default().push(launch);
    }
    by_worker
}

/// The launches that begin a step.
fn begins(launches: &[Launch]) -> Vec<usize> {
    let mut counts: FxHashMap<i64, usize> = FxHashMap::default();
    for launch in launches {
        *counts.entry(launch.graph).or_default() += 1;
    }
    let mut pairs: FxHashMap<(i64, i64), usize> = FxHashMap::default();
    for pair in launches.windows(2) {
        *pairs.entry((pair[0].graph, pair[1].graph)).or_default() += 1;
    }
    let is_fixed = |from: i64, to: i64| {
        let together = pairs.get(&(from, to)).copied().unwrap_or(0) as f64;
        from != to && together >= 2.0 && together >= FIXED_SHARE * (counts[&from].max(counts[&to]) - 1) as f64
    };
    let followers = pairs.keys().filter(|pair| is_fixed(pair.0, pair.1)).count();
    if counts.len() < LEAST_PIECES || 2 * followers < counts.len() {
        return (0..launches.len()).collect();
    }
    let trains: Vec<usize> =
        (0..launches.len()).filter(|&i| i == 0 || !is_fixed(launches[i - 1].graph, launches[i].graph)).collect();
    if trains.len() >= LEAST_STEPS {
        return trains;
    }
    // One train over and over: it begins after the longest wait.
    let mut waits: FxHashMap<i64, Vec<i64>> = FxHashMap::default();
    for pair in launches.windows(2) {
        waits.entry(pair[1].graph).or_default().push(pair[1].first - pair[0].last);
    }
    let median = |waits: &mut Vec<i64>| {
        waits.sort_unstable();
        waits[waits.len() / 2]
    };
    let longest = waits.iter_mut().map(|(&graph, waits)| (median(waits), std::cmp::Reverse(graph))).max();
    let Some((_, std::cmp::Reverse(first))) = longest else { return Vec::new() };
    (0..launches.len()).filter(|&i| launches[i].graph == first).collect()
}

/// The steps of one worker: its ops in order, cut at the longest gap before each beginning.
fn cut(seen: &Seen<'_>, process: u32, device: u32, launches: &[Launch], begins: &[usize]) -> Vec<Found> {
    let mut steps: Vec<Found> = Vec::with_capacity(begins.len());
    let mut open = Found {
        number: NONE,
        process,
        device,
        start: launches[begins[0]].first,
        end: launches[begins[0]].first,
        host: None,
        mark: StepMark::default(),
        kernels: 0,
        graph_launches: 0,
    };
    // Beyond the last graph of a step: what followed since the longest gap, which belongs to the next step.
    let (mut number, mut longest, mut tail) = (0, 0, Found { kernels: 0, ..open });
    for op in OpOrder::new(seen.events, |kind| kind.process == process && kind.device == device) {
        if op.start < launches[begins[0]].first {
            continue;
        }
        let last_launch = begins.get(number + 1).map_or(launches.len(), |&next| next) - 1;
        let next = begins.get(number + 1).map(|&next| launches[next].first);
        let reached = open.end.max(tail.end);
        let gap = op.start - reached;
        if op.start >= launches[last_launch].last && gap > longest {
            open.end = reached;
            open.kernels += tail.kernels;
            (longest, tail) = (gap, Found { start: op.start, end: op.start, kernels: 0, ..open });
        }
        let is_kernel = i64::from(seen.is_kernel(op.table, op.row as usize));
        if next.is_some_and(|next| op.start >= next) {
            // The next step has begun: with what followed the longest gap, or with this very op.
            let begins_early = longest > 0;
            if !begins_early {
                tail = Found { start: op.start, end: op.start, kernels: 0, ..open };
            }
            open.graph_launches = count(begins, number, launches.len());
            steps.push(open);
            open = Found { start: tail.start, end: tail.end.max(op.end), kernels: tail.kernels + is_kernel, ..open };
            number += 1;
            (longest, tail) = (0, Found { end: i64::MIN, kernels: 0, ..open });
        } else if longest > 0 {
            tail.end = tail.end.max(op.end);
            tail.kernels += is_kernel;
        } else {
            open.end = open.end.max(op.end);
            open.kernels += is_kernel;
        }
    }
    open.graph_launches = count(begins, number, launches.len());
    steps.push(open);
    steps
}

/// Graph launches of a step.
fn count(begins: &[usize], number: usize, launches: usize) -> i64 {
    let next = begins.get(number + 1).copied().unwrap_or(launches);
    i64::try_from(next - begins[number]).unwrap_or(i64::MAX)
}
