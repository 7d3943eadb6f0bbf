//! The state of one device's sweep, and how it books time.

use super::{COMMUNICATION, COMPUTE, COPY, DeviceTime, Gap};
use crate::algo::intervals::IntervalSet;
use crate::analysis::gap_place::Place;
use crate::analysis::host_work::Walker;
use crate::analysis::suspects::Suspect;

/// A walk over the steps of a worker.
pub(super) struct StepWalk<'a> {
    pub(super) extents: &'a [(i64, i64)],
    /// The first step that is not over.
    pub(super) at: usize,
    /// Place of the worker's first step among the splits.
    pub(super) first: usize,
    /// Ends of the steps themselves.
    pub(super) ends: &'a [i64],
}

/// The state of one device's sweep.
pub(super) struct State<'a> {
    pub(super) now: i64,
    /// How far compute, communication and copies reach.
    pub(super) reach: [i64; 3],
    pub(super) time: DeviceTime,
    pub(super) kernels_reach: i64,
    pub(super) kernel_busy_ns: i64,
    pub(super) steady: Option<(i64, i64)>,
    pub(super) settled: Option<(i64, i64)>,
    pub(super) workers: Vec<StepWalk<'a>>,
    pub(super) suspects: Vec<(Suspect, IntervalSet)>,
    /// The parts of the gap at hand.
    pub(super) segments: Vec<(i64, i64, usize)>,
    /// By thread.
    pub(super) walkers: Vec<Walker>,
    pub(super) candidates: Vec<Gap>,
    /// Gaps of this length and less are not among the longest.
    pub(super) too_short: i64,
}

impl State<'_> {
    /// Books a stretch of time; stretches come in order.
    pub(super) fn book(&mut self, start: i64, end: i64, bucket: usize) {
        if end <= start {
            return;
        }
        self.time.total[bucket] += end - start;
        self.time.timeline.book(start, end, bucket);
        if let Some((from, to)) = self.steady {
            self.time.steady[bucket] += (end.min(to) - start.max(from)).max(0);
        }
        for walk in &mut self.workers {
            while walk.extents.get(walk.at).is_some_and(|extent| extent.1 <= start) {
                walk.at += 1;
            }
            let touched = walk.extents[walk.at..].iter().zip(walk.at..).take_while(|(extent, _)| extent.0 < end);
            for (extent, number) in touched {
                let from = start.max(extent.0);
                self.time.steps[walk.first + number].1[bucket] += (end.min(extent.1) - from).max(0);
                self.time.inside[walk.first + number][bucket] +=
                    (end.min(walk.ends[number]).min(extent.1) - from).max(0);
            }
        }
    }

    /// Notes which suspects held the host during a stretch of idle time.
    pub(super) fn suspect(&mut self, start: i64, end: i64, bucket: usize, place: Place) {
        for (suspect, spans) in &self.suspects {
            let ns = spans.measure_within(start, end);
            if ns > 0 {
                let sums = self.time.suspects.entry((*suspect, bucket, place)).or_default();
                sums.0 += ns;
                sums.1 += self.settled.map_or(0, |(from, to)| spans.measure_within(start.max(from), end.min(to)));
            }
        }
    }

    /// Books busy time up to `to`, and returns where it ends: an idle gap follows if that is earlier.
    pub(super) fn advance(&mut self, to: i64) -> i64 {
        while self.now < to {
            let running = [COMPUTE, COMMUNICATION, COPY].into_iter().find(|&bucket| self.reach[bucket] > self.now);
            let Some(bucket) = running else { break };
            let end = self.reach[bucket].min(to);
            self.book(self.now, end, bucket);
            self.now = end;
        }
        self.now
    }
}
