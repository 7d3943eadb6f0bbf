//! Steps by a repeating sequence of kernels, where nothing better tells: a kernel between whose occurrences nearly always
//! the same kernels run begins a step.
//!
//! Guesses are worse than silence: at least nine of ten sequences have to be alike, they have to cover most kernels, and
//! the host has to take something from the GPU in nearly each of them, by a copy to the host or a synchronisation: an
//! engine needs the tokens of a step before the next one, whereas the layers of a model repeat without that. Of kernels
//! that repeat alike, the one with the longest wait before it begins the step.

use rustc_hash::FxHashMap;

use super::cut::{self, Anchor, DEVICE_TO_HOST};
use super::{Found, LEAST_STEPS, Seen};
use crate::analysis::op_order::OpOrder;
use crate::analysis::sync::is_blocking;

/// Sequences between two occurrences that have to be alike.
const ALIKE_SHARE: f64 = 0.9;
/// Kernels that the alike sequences have to cover.
const COVERED_SHARE: f64 = 0.7;
/// Of kernels that repeat nearly as well as the best one, the shortest sequence is the step.
const TOLERANCE: f64 = 0.005;
/// A step has at least so many kernels.
const LEAST_KERNELS: usize = 8;
const BASE: u64 = 0x9E37_79B9_7F4A_7C15;

/// A kernel on one worker.
#[derive(Debug, Clone, Copy)]
struct Kernel {
    start: i64,
    end: i64,
    name: u32,
}

/// How well the occurrences of a kernel cut the sequence into like pieces.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    name: u32,
    alike: f64,
    length: usize,
    wait: i64,
}

/// The steps, and what they were taken from.
pub(super) fn steps(seen: &Seen<'_>) -> (Vec<Found>, String) {
    let mut workers: Vec<(u32, u32)> =
        seen.events.kernels.kinds.iter().map(|kind| (kind.process, kind.device)).collect();
    workers.sort_unstable();
    workers.dedup();
    let mut steps = Vec::new();
    let mut detail = String::new();
    for (process, device) in workers {
        let kernels = kernels(seen, process, device);
        let Some(best) = best(&kernels, &results(seen, process, device)) else { continue };
        if detail.is_empty() {
            let name: String = seen.events.names.text(best.name).chars().take(80).collect();
            detail = format!("sequences of {} kernels with one `{name}` each", best.length);
        }
        let anchors = kernels.iter().filter(|kernel| kernel.name == best.name);
        let anchors: Vec<Anchor> =
            anchors.map(|kernel| Anchor { start: kernel.start, free_from: kernel.start }).collect();
        steps.extend(cut::steps(&cut::ops(seen, process, device), &anchors, process, device));
    }
    (steps, detail)
}

fn kernels(seen: &Seen<'_>, process: u32, device: u32) -> Vec<Kernel> {
    let events = seen.events;
    let order = OpOrder::new(events, |kind| kind.process == process && kind.device == device);
    let kernels = order.filter(|op| op.table == 0);
    kernels
        .map(|op| Kernel { start: op.start, end: op.end, name: events.kernels.kind_of(op.row as usize).name })
        .collect()
}

/// When the host took something from a device: starts of copies to the host, ends of synchronisations.
fn results(seen: &Seen<'_>, process: u32, device: u32) -> Vec<i64> {
    let (copies, calls) = (&seen.events.copies, &seen.events.calls);
    let is_result = |row: &usize| {
        let kind = copies.kind_of(*row);
        kind.process == process
            && kind.device == device
            && kind.copy.is_some_and(|copy| copy.direction == Some(DEVICE_TO_HOST))
    };
    let is_sync: Vec<bool> = calls
        .kinds
        .iter()
        .map(|kind| kind.process == process && is_blocking(seen.events.names.text(kind.name)))
        .collect();
    let taken = (0..copies.len()).filter(is_result).map(|row| copies.start[row]);
    let waited = calls.kind.iter().enumerate().filter(|(_, kind)| is_sync[**kind as usize]);
    let mut times: Vec<i64> = taken.chain(waited.map(|(row, _)| calls.end(row))).collect();
    times.sort_unstable();
    times
}

/// The kernel that tells a step, if one does.
fn best(kernels: &[Kernel], results: &[i64]) -> Option<Candidate> {
    let mut places: FxHashMap<u32, Vec<usize>> = FxHashMap::default();
    for (at, kernel) in kernels.iter().enumerate() {
        places.entry(kernel.name).or_default().push(at);
    }
    // Hashes of all beginnings: that of any piece follows in constant time.
    let (mut hashes, mut powers) = (vec![0_u64], vec![1_u64]);
    for kernel in kernels {
        let hash: u64 = hashes[hashes.len() - 1];
        hashes.push(hash.wrapping_mul(BASE).wrapping_add(u64::from(kernel.name) + 1));
        powers.push(powers[powers.len() - 1].wrapping_mul(BASE));
    }
    let piece = |from: usize, to: usize| hashes[to].wrapping_sub(hashes[from].wrapping_mul(powers[to - from]));
    let candidates = places.iter().filter(|(_, places)| places.len() > LEAST_STEPS);
    let mut candidates: Vec<Candidate> = candidates
        .filter_map(|(&name, places)| {
            let mut counts: FxHashMap<(usize, u64), usize> = FxHashMap::default();
            for pair in places.windows(2) {
                *counts.entry((pair[1] - pair[0], piece(pair[0], pair[1]))).or_default() += 1;
            }
            let (count, length) = counts.into_iter().map(|((length, _), count)| (count, length)).max()?;
            let alike = count as f64 / (places.len() - 1) as f64;
            let covers = (count * length) as f64 >= COVERED_SHARE * kernels.len() as f64;
            if alike < ALIKE_SHARE || !covers || length < LEAST_KERNELS {
                return None;
            }
            let has_result = |pair: &&[usize]| {
                let (from, to) = (kernels[pair[0]].start, kernels[pair[1]].start);
                results.get(results.partition_point(|&time| time < from)).is_some_and(|&time| time < to)
            };
            let with_result = places.windows(2).filter(has_result).count();
            if (with_result as f64) < ALIKE_SHARE * (places.len() - 1) as f64 {
                return None;
            }
            let mut waits: Vec<i64> =
                places.iter().filter(|at| **at > 0).map(|&at| kernels[at].start - kernels[at - 1].end).collect();
            waits.sort_unstable();
            let wait = waits.get(waits.len() / 2).copied().unwrap_or(0);
            Some(Candidate { name, alike, length, wait })
        })
        .collect();
    let most = candidates.iter().map(|candidate| candidate.alike).fold(0.0, f64::max);
    candidates.retain(|candidate| candidate.alike >= most - TOLERANCE);
    let shortest = candidates.iter().map(|candidate| candidate.length).min()?;
    let first = |name: u32| places[&name][0];
    let of_length = candidates.into_iter().filter(|candidate| candidate.length == shortest);
    of_length.max_by_key(|candidate| (candidate.wait, std::cmp::Reverse(first(candidate.name))))
}
