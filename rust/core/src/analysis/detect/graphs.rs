//! Steps by the cadence of CUDA graph launches, on the GPU's clock: launches run ahead of execution, so when the host
//! launched says nothing about the period.
//!
//! A full graph is launched once per step. Piecewise graphs come in a fixed order within a step; then only those that
//! begin such a train begin a step. The border between two steps is the longest gap between the end of a step's last
//! graph and the start of the next step's first.

use rustc_hash::FxHashMap;

use super::cut::{self, Anchor};
use super::{Found, LEAST_STEPS, Seen};
use crate::algo::join::NONE;

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
        let ops = cut::ops(seen, process, device);
        let begins = begins(&launches, &cut::by_results(&ops).into_iter().map(|at| ops[at].start).collect::<Vec<_>>());
        pieces = pieces.max(launches.len().div_ceil(begins.len().max(1)));
        if begins.len() >= LEAST_STEPS {
            let last = |number: usize| begins.get(number + 1).map_or(launches.len(), |&next| next) - 1;
            let anchors = begins.iter().enumerate().map(|(number, &at)| {
                let ends = launches[at..=last(number)].iter().map(|launch| launch.last).max();
                Anchor { start: launches[at].first, free_from: ends.unwrap_or(launches[at].last) }
            });
            let mut found = cut::steps(&ops, &anchors.collect::<Vec<_>>(), process, device);
            count_launches(&mut found, &launches);
            steps.extend(found);
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
    let launches_graphs = seen.events.launches_graphs();
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

/// The launches that begin a step; `parts` are the starts of what copies to the host divide.
fn begins(launches: &[Launch], parts: &[i64]) -> Vec<usize> {
    let part = |launch: &Launch| parts.partition_point(|&start| start <= launch.first);
    let first_of_part: Vec<usize> =
        (0..launches.len()).filter(|&i| i == 0 || part(&launches[i - 1]) != part(&launches[i])).collect();
    if first_of_part.len() >= LEAST_STEPS && first_of_part.len() * LEAST_PIECES <= launches.len() {
        return first_of_part;
    }
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

/// Adds to each step how many graphs were launched for it.
fn count_launches(steps: &mut [Found], launches: &[Launch]) {
    for launch in launches {
        let after = steps.partition_point(|step| step.start <= launch.first);
        if let Some(step) = after.checked_sub(1).and_then(|at| steps.get_mut(at)) {
            step.graph_launches += 1;
        }
    }
}
