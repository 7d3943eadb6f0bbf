//! The state of one device's sweep, and how it books time.

use std::cmp::Reverse;

use super::caller::Caller;
use super::{COMMUNICATION, COMPUTE, COPY, DeviceTime, Gap, Segment, Split, Sweep};
use crate::algo::intervals::IntervalSet;
use crate::analysis::gap_place::Place;
use crate::analysis::host_work::Walker;
use crate::analysis::suspects::{self, Suspect};
use crate::analysis::timeline::Timeline;
use crate::model::table::MAX_EVENT_ROWS;

/// A walk over the steps of a worker.
struct StepWalk {
    extents: Vec<(i64, i64)>,
    /// The first step that is not over.
    at: usize,
    /// Place of the worker's first step among the splits.
    first: usize,
    /// Ends of the steps themselves.
    ends: Vec<i64>,
}

/// A walk over the times at which a suspect held up the host.
struct SuspectWalk {
    suspect: Suspect,
    spans: IntervalSet,
    /// The first span that is not over.
    at: usize,
}

impl SuspectWalk {
    fn new((suspect, spans): (Suspect, IntervalSet)) -> Self {
        Self { suspect, spans, at: 0 }
    }

    /// Whether the suspect held up the host at some time of a stretch; stretches come in order.
    fn meets(&mut self, start: i64, end: i64) -> bool {
        let spans = self.spans.spans();
        while spans.get(self.at).is_some_and(|span| span.1 <= start) {
            self.at += 1;
        }
        spans.get(self.at).is_some_and(|span| span.0 < end)
    }
}

/// The state of one device's sweep.
pub(super) struct State {
    pub(super) now: i64,
    /// How far compute, communication and copies reach.
    pub(super) reach: [i64; 3],
    pub(super) time: DeviceTime,
    pub(super) kernels_reach: i64,
    pub(super) kernel_busy_ns: i64,
    /// Until when stretches count for the same as at a time before, and since when.
    calm: Option<(i64, i64)>,
    /// What was booked since.
    pending: Split,
    pub(super) steady: Option<(i64, i64)>,
    pub(super) settled: Option<(i64, i64)>,
    workers: Vec<StepWalk>,
    suspects: Vec<SuspectWalk>,
    /// The parts of the gap at hand.
    pub(super) segments: Vec<Segment>,
    /// By thread.
    pub(super) walkers: Vec<Walker>,
    pub(super) candidates: Vec<Gap>,
    /// Gaps of this length and less are not among the longest.
    pub(super) too_short: i64,
    /// The call of the last gap: a graph launches many ops, each with a gap before it.
    pub(super) caller: Caller,
}

impl State {
    /// The state before the first op of a device.
    pub(super) fn new(sweep: &Sweep<'_>, device: u32) -> Self {
        let (events, steps) = (sweep.events, &sweep.derived.steps);
        let window = sweep.windows[device as usize];
        let mut time = DeviceTime { timeline: Timeline::new(window, sweep.windows.len()), ..DeviceTime::default() };
        let mut workers = Vec::new();
        for worker in steps.workers.iter().filter(|worker| worker.device == device) {
            let list = &steps.list[worker.steps.clone()];
            let (extents, ends) = list.iter().map(|step| (step.extent(), step.end)).unzip();
            workers.push(StepWalk { extents, at: 0, first: time.steps.len(), ends });
            time.steps.extend(worker.steps.clone().map(|step| (step, Split::default())));
        }
        time.inside = vec![Split::default(); time.steps.len()];
        Self {
            now: i64::MIN,
            reach: [i64::MIN; 3],
            time,
            kernels_reach: i64::MIN,
            kernel_busy_ns: 0,
            calm: None,
            pending: Split::default(),
            steady: steps.steady,
            settled: steps.settled,
            workers,
            suspects: suspects::of_device(events, sweep.derived, device).into_iter().map(SuspectWalk::new).collect(),
            segments: Vec::new(),
            walkers: vec![Walker::NEW; events.threads.len()],
            candidates: Vec::new(),
            too_short: -1,
            caller: Caller::NONE,
        }
    }

    /// Books a stretch of time; stretches come in order.
    #[inline]
    pub(super) fn book(&mut self, start: i64, end: i64, bucket: usize) {
        if end <= start {
            return;
        }
        if self.calm.is_none_or(|(_, until)| until < end) {
            self.settle();
            self.book_all(start, end, bucket);
            self.calm = Some((end, self.next_change(end)));
        } else {
            self.pending[bucket] += end - start;
        }
    }

    /// Books what was put off: nothing that it counts for changes on the way, so all of it counts for the same.
    pub(super) fn settle(&mut self) {
        let Some((start, until)) = self.calm else { return };
        let pending = std::mem::take(&mut self.pending);
        if until <= start || pending.iter().all(|&ns| ns == 0) {
            return;
        }
        let add = |sums: &mut Split| sums.iter_mut().zip(&pending).for_each(|(sum, ns)| *sum += ns);
        add(&mut self.time.total);
        self.time.timeline.add(start, &pending);
        if self.steady.is_some_and(|(from, to)| from <= start && start < to) {
            add(&mut self.time.steady);
        }
        for walk in &self.workers {
            for (extent, number) in
                walk.extents[walk.at..].iter().zip(walk.at..).take_while(|(extent, _)| extent.0 <= start)
            {
                if start < extent.1 {
                    add(&mut self.time.steps[walk.first + number].1);
                    if start < walk.ends[number] {
                        add(&mut self.time.inside[walk.first + number]);
                    }
                }
            }
        }
    }

    /// The next time after which a stretch counts for something else.
    fn next_change(&mut self, now: i64) -> i64 {
        let mut next = self.time.timeline.bin_end(now);
        let mut consider = |time: i64| next = if time > now { next.min(time) } else { next };
        if let Some((from, to)) = self.steady {
            consider(from);
            consider(to);
        }
        for walk in &self.workers {
            for (extent, end) in walk.extents[walk.at..].iter().zip(&walk.ends[walk.at..]) {
                consider(extent.0);
                if extent.0 > now {
                    break;
                }
                consider(extent.1);
                consider(*end);
            }
        }
        next
    }

    fn book_all(&mut self, start: i64, end: i64, bucket: usize) {
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
        for walk in &mut self.suspects {
            if walk.meets(start, end) {
                let ns = |from: i64, to: i64| walk.spans.measure_within(from, to);
                let sums = self.time.suspects.entry((walk.suspect, bucket, place)).or_default();
                sums.0 += ns(start, end);
                sums.1 += self.settled.map_or(0, |(from, to)| ns(start.max(from), end.min(to)));
            }
        }
    }

    /// Keeps a gap that may be among the longest.
    pub(super) fn keep_if_long(&mut self, gap: Gap) {
        if gap.end - gap.start > self.too_short {
            self.candidates.push(gap);
        }
        if self.candidates.len() >= 4 * MAX_EVENT_ROWS {
            let (_, last, _) = self.candidates.select_nth_unstable_by(MAX_EVENT_ROWS - 1, gap_order);
            // Later gaps of the same length come after those that are kept.
            self.too_short = last.end - last.start;
            self.candidates.truncate(MAX_EVENT_ROWS);
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

/// The longest first, then the earliest.
pub(super) fn gap_order(a: &Gap, b: &Gap) -> std::cmp::Ordering {
    (Reverse(a.end - a.start), a.start).cmp(&(Reverse(b.end - b.start), b.start))
}
