//! Where the time of each device went, in one sweep over its ops: at every instant of the window exactly one bucket holds.
//!
//! The first of: compute (a kernel that is no collective, or a graph execution), communication, copy (copies and sets),
//! or a cause of idleness. For an idle gap `[g0, g1)` let op be, of the ops that start at g1, the one whose call starts
//! earliest, and c that call, on thread T. Without a call all of the gap is unmatched. `[g0, c.start)` is split by what T
//! did ([`super::host_work`]), `[c.start, c.end)` is launching, and `[c.end, g1)` is inside a graph where an earlier op
//! has the same process and correlation id, otherwise queued.

mod state;

use std::cmp::Reverse;

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::derived::{Derived, DeviceActivity};
use super::ended_gap::EndedGap;
use super::gap_place::{Place, Places, Wait};
use super::host_work::{HostWork, ThreadCalls, Walker};
use super::iterations::Step;
use super::op_order::{OpAt, OpOrder};
use super::suspects::{self, Suspect};
use super::timeline::Timeline;
use crate::algo::gaps::GapFinder;
use crate::algo::join::NONE;
use crate::algo::topk::smallest_by;
use crate::model::events::Events;
use crate::model::table::MAX_EVENT_ROWS;
use state::{State, StepWalk};

/// Buckets of device time, in the order in which they are shown.
pub(super) const BUCKETS: [&str; 11] = [
    "compute",
    "communication",
    "copy",
    "idle.host_sync",
    "idle.host_api",
    "idle.host_os",
    "idle.host_code",
    "idle.launching",
    "idle.inside_graph",
    "idle.queued",
    "idle.unmatched",
];
/// The first bucket of idle time.
pub(super) const FIRST_IDLE: usize = 3;
/// How many causes of idle time there are.
pub(super) const CAUSES: usize = BUCKETS.len() - FIRST_IDLE;

const COMPUTE: usize = 0;
const COMMUNICATION: usize = 1;
const COPY: usize = 2;
const HOST_SYNC: usize = 3;
const HOST_API: usize = 4;
const HOST_OS: usize = 5;
const HOST_CODE: usize = 6;
const LAUNCHING: usize = 7;
const INSIDE_GRAPH: usize = 8;
const QUEUED: usize = 9;
const UNMATCHED: usize = 10;

/// Nanoseconds by bucket.
pub(super) type Split = [i64; BUCKETS.len()];
/// Nanoseconds of idle time by cause.
pub(super) type Parts = [i64; CAUSES];

/// Gaps under this length are those of launching, longer ones of waiting.
pub(super) const SHORT_GAP_NS: i64 = 50_000;

/// From the end of a launch call to the start of its op it takes a few microseconds; what takes longer waits.
const LAUNCH_LATENCY_NS: i64 = 10_000;

/// An idle gap with its causes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gap {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) parts: Parts,
    /// The op that ended it.
    pub(super) next: OpAt,
    /// The call of that op, or [`NONE`].
    pub(super) call: u32,
    pub(super) place: Place,
    /// The step of the op in the list of steps.
    pub(super) step: Option<usize>,
}

impl Gap {
    /// The cause with the largest part; of equal ones the first.
    pub(super) fn cause(&self) -> usize {
        let largest = (0..CAUSES).max_by_key(|&cause| (self.parts[cause], Reverse(cause)));
        FIRST_IDLE + largest.unwrap_or(0)
    }
}

/// What gaps of one group share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct GroupKey {
    pub(super) cause: usize,
    /// Name of the call, or [`NONE`].
    pub(super) call_name: u32,
    /// Name of the range, or [`NONE`].
    pub(super) range_name: u32,
    pub(super) place: Place,
    pub(super) short: bool,
    pub(super) next_graph: bool,
    /// Whether the call ended so shortly before the gap did that the rest is the latency of a launch, not a queue.
    pub(super) late: bool,
    /// Kind of the step of the next op, as its place in [`crate::model::step_mark::StepKind::ALL`].
    pub(super) step_kind: Option<u8>,
}

/// Gaps of the same cause and place.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Group {
    pub(super) gaps: i64,
    pub(super) total: i64,
    pub(super) parts: Parts,
    pub(super) steady: i64,
    /// The part between warm-up and draining.
    pub(super) settled: i64,
    /// The longest gap; of equal ones the first.
    pub(super) longest: (i64, i64),
}

/// The time of one device.
#[derive(Debug, Default)]
pub(super) struct DeviceTime {
    pub(super) total: Split,
    /// The part inside the steady window.
    pub(super) steady: Split,
    /// By step of the device in the order of the list of steps: the time until the next one starts.
    pub(super) steps: Vec<(usize, Split)>,
    pub(super) groups: FxHashMap<GroupKey, Group>,
    /// The longest gaps.
    pub(super) longest: Vec<Gap>,
    /// All gaps, where they were asked for.
    pub(super) every: Vec<EndedGap>,
    /// Idle time by the call in which the launching thread was: (process, name, bucket).
    pub(super) host_calls: FxHashMap<(u32, u32, usize), i64>,
    /// Idle time during which a suspect held a process of the device, in all and after warm-up.
    pub(super) suspects: FxHashMap<(Suspect, usize, Place), (i64, i64)>,
    /// By step of the device, in the order of [`DeviceTime::steps`]: the part between the step's start and end.
    pub(super) inside: Vec<Split>,
    pub(super) timeline: Timeline,
}

/// What the sweep of every device looks up.
pub(super) struct Sweep<'a> {
    events: &'a Events,
    derived: &'a Derived,
    threads: ThreadCalls,
    /// For each kind of kernel whether it is a collective.
    is_communication: Vec<bool>,
    /// For each call the start of its first op.
    first_op: Vec<i64>,
    launches_graphs: Vec<bool>,
    /// First op start and last op end of each device.
    windows: Vec<(i64, i64)>,
}

/// Activity and time of every device.
pub(super) fn sweep(
    events: &Events,
    derived: &Derived,
    is_communication: impl Fn(u16) -> bool,
) -> Vec<(DeviceActivity, DeviceTime)> {
    let category = |name: u32| derived.category_of_name.get(name as usize).copied();
    let mut first_op = vec![i64::MAX; events.calls.len()];
    for (ops, call_of) in events.op_tables().into_iter().zip(&derived.call_of) {
        for (row, &call) in call_of.iter().enumerate().filter(|(_, call)| **call != NONE) {
            let first = &mut first_op[call as usize];
            *first = ops.start[row].min(*first);
        }
    }
    // Ops of one correlation id are of one launch, also where several calls carry it.
    let sharing = || derived.sharing.calls.iter().map(|(&call, &one)| (call as usize, one as usize));
    for (call, one) in sharing() {
        first_op[one] = first_op[one].min(first_op[call]);
    }
    for &(one, start) in &derived.sharing.early_ops {
        first_op[one as usize] = first_op[one as usize].min(start);
    }
    for (call, one) in sharing() {
        first_op[call] = first_op[one];
    }
    let sweep = Sweep {
        events,
        derived,
        threads: ThreadCalls::new(events, &derived.call_of),
        is_communication: events
            .kernels
            .kinds
            .iter()
            .map(|kind| category(kind.name).is_some_and(&is_communication))
            .collect(),
        first_op,
        launches_graphs: events.launches_graphs(),
        windows: windows(events),
    };
    let devices = u32::try_from(events.devices.len()).unwrap_or(NONE);
    (0..devices).into_par_iter().map(|device| sweep.device(device)).collect()
}

impl Sweep<'_> {
    fn device(&self, device: u32) -> (DeviceActivity, DeviceTime) {
        let derived = self.derived;
        let on_device = || derived.steps.workers.iter().filter(|worker| worker.device == device);
        let extents: Vec<Vec<(i64, i64)>> = on_device()
            .map(|worker| derived.steps.list[worker.steps.clone()].iter().map(Step::extent).collect())
            .collect();
        let ends: Vec<Vec<i64>> = on_device()
            .map(|worker| derived.steps.list[worker.steps.clone()].iter().map(|step| step.end).collect())
            .collect();
        let window = self.windows[device as usize];
        let mut time = DeviceTime { timeline: Timeline::new(window, self.windows.len()), ..DeviceTime::default() };
        let mut workers = Vec::new();
        for ((worker, extents), ends) in on_device().zip(&extents).zip(&ends) {
            workers.push(StepWalk { extents, at: 0, first: time.steps.len(), ends });
            time.steps.extend(worker.steps.clone().map(|step| (step, Split::default())));
        }
        time.inside = vec![Split::default(); time.steps.len()];
        let mut state = State {
            now: i64::MIN,
            reach: [i64::MIN; 3],
            time,
            kernels_reach: i64::MIN,
            kernel_busy_ns: 0,
            steady: derived.steps.steady,
            settled: derived.steps.settled,
            workers,
            suspects: suspects::of_device(self.events, derived, device),
            segments: Vec::new(),
            walkers: vec![Walker::NEW; self.events.threads.len()],
            candidates: Vec::new(),
            too_short: -1,
        };
        let mut places = Places::new(&derived.steps, device);
        let mut gaps = GapFinder::default();
        let mut order = OpOrder::new(self.events, |kind| kind.device == device);
        let mut starting: Vec<OpAt> = Vec::new();
        while let Some(op) = order.next() {
            starting.clear();
            starting.push(op);
            while let Some(more) = order.peek().filter(|more| more.start == op.start) {
                order.next();
                starting.push(more);
            }
            if state.now == i64::MIN {
                state.now = op.start;
            }
            let idle_from = state.advance(op.start);
            if idle_from < op.start {
                self.gap(&mut state, &mut places, (idle_from, op.start), &starting);
                state.now = op.start;
            }
            for op in &starting {
                gaps.push(op.start, op.end);
                self.start(&mut state, *op);
            }
        }
        let last = state.reach.into_iter().max().unwrap_or(i64::MIN);
        if state.now != i64::MIN {
            state.advance(last);
        }
        let (window, idle) = gaps.finish();
        let mut time = state.time;
        time.longest = smallest_by(state.candidates, MAX_EVENT_ROWS, gap_order);
        (DeviceActivity { window, idle, kernel_busy_ns: state.kernel_busy_ns }, time)
    }

    /// An op begins to run.
    fn start(&self, state: &mut State<'_>, op: OpAt) {
        let bucket = match op.table {
            0 if self.is_communication[self.events.kernels.kind[op.row as usize] as usize] => COMMUNICATION,
            0 | 3 => COMPUTE,
            _ => COPY,
        };
        state.reach[bucket] = state.reach[bucket].max(op.end);
        if bucket != COPY {
            state.kernel_busy_ns += (op.end - op.start.max(state.kernels_reach)).max(0);
            state.kernels_reach = state.kernels_reach.max(op.end);
        }
    }

    /// Books an idle gap by its causes.
    fn gap(&self, state: &mut State<'_>, places: &mut Places<'_>, (g0, g1): (i64, i64), starting: &[OpAt]) {
        let calls = &self.events.calls;
        let call_of = |op: &OpAt| self.derived.call_of[op.table][op.row as usize];
        let called = starting.iter().filter(|op| call_of(op) != NONE);
        let next = called.min_by_key(|op| (calls.start[call_of(op) as usize], call_of(op)));
        let mut segments = std::mem::take(&mut state.segments);
        segments.clear();
        let mut call = NONE;
        let (mut sees_system, mut for_requests) = (false, 0);
        if let Some(op) = next {
            call = call_of(op);
            let kind = calls.kind_of(call as usize);
            let (from, to) = (calls.start[call as usize], calls.end(call as usize));
            let asked = from.clamp(g0, g1);
            let mut walker = state.walkers.get(kind.thread as usize).copied().unwrap_or(Walker::NEW);
            walker.walk(self.events, &self.threads, kind.thread, (g0, asked), &mut |start, end, work, inside| {
                let bucket = match work {
                    HostWork::Sync => HOST_SYNC,
                    HostWork::Api => HOST_API,
                    HostWork::Os => HOST_OS,
                    HostWork::Code => HOST_CODE,
                };
                segments.push((start, end, bucket));
                if work == HostWork::Os {
                    for_requests += if self.threads.waits_for_requests(self.events, inside) { end - start } else { 0 };
                } else if inside != NONE {
                    let inside = calls.kind_of(inside as usize);
                    *state.time.host_calls.entry((inside.process, inside.name, bucket)).or_default() += end - start;
                }
            });
            if let Some(place) = state.walkers.get_mut(kind.thread as usize) {
                *place = walker;
            }
            sees_system = self.threads.sees_system(kind.thread);
            let launched = to.clamp(asked, g1);
            let rest = if self.first_op[call as usize] < g1 { INSIDE_GRAPH } else { QUEUED };
            segments.extend([(asked, launched, LAUNCHING), (launched, g1, rest)]);
        } else {
            segments.push((g0, g1, UNMATCHED));
        }
        let mut parts = Parts::default();
        for &(start, end, bucket) in &segments {
            parts[bucket - FIRST_IDLE] += end - start;
        }
        let next = next.copied().unwrap_or(starting[0]);
        // Who waits for requests waits in the system, where that was captured; otherwise length has to do.
        let wait = if !sees_system {
            Wait::Unknown
        } else if for_requests >= (g1 - g0) - (g1 - g0) / 10 {
            Wait::Requests
        } else if parts[HOST_OS - FIRST_IDLE] >= (g1 - g0) - (g1 - g0) / 2 {
            Wait::System
        } else {
            Wait::Busy
        };
        let (place, step) = places.of_gap(g0, g1, wait);
        for &(start, end, bucket) in &segments {
            state.book(start, end, bucket);
            state.suspect(start, end, bucket, place);
        }
        state.segments = segments;
        let gap = Gap { start: g0, end: g1, parts, next, call, place, step };
        self.group(state, &gap);
        if self.derived.keeps_gaps {
            state.time.every.push(EndedGap::of(&gap));
        }
        if g1 - g0 > state.too_short {
            state.candidates.push(gap);
        }
        if state.candidates.len() >= 4 * MAX_EVENT_ROWS {
            let (_, last, _) = state.candidates.select_nth_unstable_by(MAX_EVENT_ROWS - 1, gap_order);
            // Later gaps of the same length come after those that are kept.
            state.too_short = last.end - last.start;
            state.candidates.truncate(MAX_EVENT_ROWS);
        }
    }

    fn group(&self, state: &mut State<'_>, gap: &Gap) {
        let calls = &self.events.calls;
        let kind = (gap.call != NONE).then(|| calls.kind_of(gap.call as usize));
        let range = self.derived.own_range(gap.call);
        let step_kind = gap.step.map(|step| self.derived.steps.list[step].kind as u8);
        let length = gap.end - gap.start;
        let key = GroupKey {
            cause: gap.cause(),
            call_name: kind.map_or(NONE, |kind| kind.name),
            range_name: if range == NONE { NONE } else { self.events.ranges.kind_of(range as usize).name },
            place: gap.place,
            short: length < SHORT_GAP_NS,
            next_graph: gap.call != NONE && self.launches_graphs[calls.kind[gap.call as usize] as usize],
            late: gap.call != NONE && calls.end(gap.call as usize) > gap.end - LAUNCH_LATENCY_NS,
            step_kind,
        };
        let group = state.time.groups.entry(key).or_default();
        group.gaps += 1;
        group.total += length;
        for (sum, part) in group.parts.iter_mut().zip(gap.parts) {
            *sum += part;
        }
        let within =
            |window: Option<(i64, i64)>| window.map_or(0, |(from, to)| (gap.end.min(to) - gap.start.max(from)).max(0));
        group.steady += within(state.steady);
        group.settled += within(state.settled);
        if length > group.longest.1 - group.longest.0 {
            group.longest = (gap.start, gap.end);
        }
    }
}

/// First op start and last op end of each device.
fn windows(events: &Events) -> Vec<(i64, i64)> {
    let mut windows = vec![(i64::MAX, i64::MIN); events.devices.len()];
    for ops in events.op_tables() {
        for (row, &kind) in ops.kind.iter().enumerate() {
            let window = &mut windows[ops.kinds[kind as usize].device as usize];
            *window = (window.0.min(ops.start[row]), window.1.max(ops.end(row)));
        }
    }
    windows
}

/// The longest first, then the earliest.
fn gap_order(a: &Gap, b: &Gap) -> std::cmp::Ordering {
    (Reverse(a.end - a.start), a.start).cmp(&(Reverse(b.end - b.start), b.start))
}
