//! Where the time of each device went, in one sweep over its ops: at every instant of the window exactly one bucket holds.
//!
//! The first of: compute (a kernel that is no collective, or a graph execution), communication, copy (copies and sets),
//! or a cause of idleness. For an idle gap `[g0, g1)` let op be, of the ops that start at g1, the one whose call starts
//! earliest, and c that call, on thread T. Without a call all of the gap is unmatched. `[g0, c.start)` is split by what T
//! did ([`super::host_work`]), `[c.start, c.end)` is launching, and `[c.end, g1)` is inside a graph where an earlier op
//! has the same process and correlation id, otherwise queued.

mod caller;
mod groups;
mod state;

use std::cmp::Reverse;

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::derived::{Derived, DeviceActivity};
use super::ended_gap::EndedGap;
use super::gap_place::{Place, Places, Wait};
use super::host_work::{HostWork, ThreadCalls, Walker};
use super::op_order::{OpAt, OpOrder};
use super::suspects::Suspect;
use super::timeline::Timeline;
use crate::algo::gaps::GapFinder;
use crate::algo::join::NONE;
use crate::algo::topk::smallest_by;
use crate::model::events::{Events, Ops};
use crate::model::table::MAX_EVENT_ROWS;
use caller::Caller;
pub(super) use groups::{Group, GroupKey, Groups};
use state::State;

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
/// A stretch of idle time, and its bucket.
type Segment = (i64, i64, usize);

/// Gaps under this length are those of launching, longer ones of waiting.
pub(super) const SHORT_GAP_NS: i64 = 50_000;

/// From the end of a launch call to the start of its op it takes a few microseconds; what takes longer waits.
const LAUNCH_LATENCY_NS: i64 = 10_000;

/// Rows that one task looks at.
const ROWS_PER_TASK: usize = 1 << 18;

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
    /// The cause with the largest part; of equal ones the first.
    pub(super) cause: usize,
}

/// The time of one device.
#[derive(Debug, Default)]
pub(super) struct DeviceTime {
    pub(super) total: Split,
    /// The part inside the steady window.
    pub(super) steady: Split,
    /// By step of the device in the order of the list of steps: the time until the next one starts.
    pub(super) steps: Vec<(usize, Split)>,
    pub(super) groups: Groups,
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
    /// For calls that share their id with others, the start of the first op of all of them.
    first_of_shared: FxHashMap<u32, i64>,
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
    let (threads, windows) = rayon::join(|| ThreadCalls::new(events, derived), || windows(events));
    let sweep = Sweep {
        events,
        derived,
        threads,
        is_communication: events
            .kernels
            .kinds
            .iter()
            .map(|kind| category(kind.name).is_some_and(&is_communication))
            .collect(),
        first_of_shared: first_of_shared(events, derived),
        launches_graphs: events.launches_graphs(),
        windows,
    };
    let devices = u32::try_from(events.devices.len()).unwrap_or(NONE);
    (0..devices).into_par_iter().map(|device| sweep.device(device)).collect()
}

impl Sweep<'_> {
    fn device(&self, device: u32) -> (DeviceActivity, DeviceTime) {
        let mut state = State::new(self, device);
        let mut places = Places::new(&self.derived.steps, device);
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
        state.settle();
        let (window, idle) = gaps.finish();
        let mut time = state.time;
        time.longest = smallest_by(state.candidates, MAX_EVENT_ROWS, state::gap_order);
        (DeviceActivity { window, idle, kernel_busy_ns: state.kernel_busy_ns }, time)
    }

    /// An op begins to run.
    fn start(&self, state: &mut State, op: OpAt) {
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
    fn gap(&self, state: &mut State, places: &mut Places<'_>, (g0, g1): (i64, i64), starting: &[OpAt]) {
        let calls = &self.events.calls;
        let call_of = |op: &OpAt| self.derived.call_of[op.table][op.row as usize];
        let asked_for = starting.iter().filter(|op| call_of(op) != NONE);
        let next = asked_for.min_by_key(|op| (calls.start[call_of(op) as usize], call_of(op)));
        let call = next.map_or(NONE, call_of);
        if state.caller.call != call {
            state.caller = Caller::new(self, call);
        }
        let caller = state.caller;
        let asked = if call == NONE { g0 } else { caller.start.clamp(g0, g1) };
        let launched = if call == NONE { g0 } else { caller.end.clamp(asked, g1) };
        let rest = (launched, g1, caller.bucket_of_rest(g1));
        let mut several = std::mem::take(&mut state.segments);
        let (mut for_requests, mut in_system) = (0, 0);
        // Most ops were asked for long before: then there is nothing but the rest.
        let segments = if launched == g0 {
            std::slice::from_ref(&rest)
        } else {
            several.clear();
            if g0 < asked {
                for_requests = self.wait(state, (g0, asked), &mut several);
                in_system = several.iter().filter(|part| part.2 == HOST_OS).map(|(start, end, _)| end - start).sum();
            }
            if asked < launched {
                several.push((asked, launched, LAUNCHING));
            }
            if launched < g1 {
                several.push(rest);
            }
            several.as_slice()
        };
        // Who waits for requests waits in the system, where that was captured; otherwise length has to do.
        let wait = if !caller.sees_system {
            Wait::Unknown
        } else if for_requests >= (g1 - g0) - (g1 - g0) / 10 {
            Wait::Requests
        } else if in_system >= (g1 - g0) - (g1 - g0) / 2 {
            Wait::System
        } else {
            Wait::Busy
        };
        let (place, step) = places.of_gap(g0, g1, wait);
        for &(start, end, bucket) in segments {
            state.book(start, end, bucket);
            state.suspect(start, end, bucket, place);
        }
        let cause = match segments {
            [(_, _, only)] => *only,
            _ => largest(&parts_of(segments)),
        };
        self.group(state, (g0, g1), segments, (cause, place, step));
        if self.derived.keeps_gaps || g1 - g0 > state.too_short {
            let next = next.copied().unwrap_or(starting[0]);
            let gap = Gap { start: g0, end: g1, parts: parts_of(segments), next, call, place, step, cause };
            if self.derived.keeps_gaps {
                state.time.every.push(EndedGap::of(&gap));
            }
            state.keep_if_long(gap);
        }
        state.segments = several;
    }

    /// Splits the time before a call by what its thread did, and returns how much of it was waiting for requests.
    fn wait(&self, state: &mut State, stretch: (i64, i64), segments: &mut Vec<Segment>) -> i64 {
        let calls = &self.events.calls;
        let thread = state.caller.thread;
        let mut for_requests = 0;
        let mut walker = state.walkers.get(thread as usize).copied().unwrap_or(Walker::NEW);
        walker.walk(self.events, &self.threads, thread, stretch, &mut |start, end, work, inside| {
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
        if let Some(place) = state.walkers.get_mut(thread as usize) {
            *place = walker;
        }
        for_requests
    }

    /// Adds a gap to its group.
    fn group(
        &self,
        state: &mut State,
        (start, end): (i64, i64),
        segments: &[Segment],
        (cause, place, step): (usize, Place, Option<usize>),
    ) {
        let caller = &state.caller;
        let length = end - start;
        let group = state.time.groups.of(GroupKey {
            cause,
            call_name: caller.name,
            range_name: caller.range_name,
            place,
            short: length < SHORT_GAP_NS,
            next_graph: caller.launches_graph,
            late: caller.call != NONE && caller.end > end - LAUNCH_LATENCY_NS,
            step_kind: step.map(|step| self.derived.steps.list[step].kind as u8),
        });
        group.gaps += 1;
        group.total += length;
        for &(start, end, bucket) in segments {
            group.parts[bucket - FIRST_IDLE] += end - start;
        }
        let within = |window: Option<(i64, i64)>| window.map_or(0, |(from, to)| (end.min(to) - start.max(from)).max(0));
        group.steady += within(state.steady);
        group.settled += within(state.settled);
        if length > group.longest.1 - group.longest.0 {
            group.longest = (start, end);
        }
    }
}

fn parts_of(segments: &[Segment]) -> Parts {
    let mut parts = Parts::default();
    for &(start, end, bucket) in segments {
        parts[bucket - FIRST_IDLE] += end - start;
    }
    parts
}

/// The cause with the largest part; of equal ones the first.
fn largest(parts: &Parts) -> usize {
    let largest = (0..CAUSES).max_by_key(|&cause| (parts[cause], Reverse(cause)));
    FIRST_IDLE + largest.unwrap_or(0)
}

/// Ops of one correlation id are of one launch, also where several calls carry it.
fn first_of_shared(events: &Events, derived: &Derived) -> FxHashMap<u32, i64> {
    let sharing = &derived.sharing;
    let mut first: FxHashMap<u32, i64> = FxHashMap::default();
    let start = |call: u32| derived.first_ops.start(&events.calls, call as usize);
    let of_calls = sharing.calls.iter().map(|(&call, &one)| (one, start(call)));
    for (one, start) in of_calls.chain(sharing.early_ops.iter().copied()) {
        let earliest = first.entry(one).or_insert(start);
        *earliest = start.min(*earliest);
    }
    sharing.calls.iter().map(|(&call, one)| (call, first[one])).collect()
}

/// First op start and last op end of each device.
fn windows(events: &Events) -> Vec<(i64, i64)> {
    const EMPTY: (i64, i64) = (i64::MAX, i64::MIN);
    let join = |mut all: Vec<(i64, i64)>, part: Vec<(i64, i64)>| {
        all.iter_mut().zip(part).for_each(|(all, part)| *all = (all.0.min(part.0), all.1.max(part.1)));
        all
    };
    // Each task has a list of all devices: together they hold no more than there are rows.
    let chunk = ROWS_PER_TASK.max(events.devices.len());
    let of_table = |ops: &Ops| {
        let of_chunk = |(task, kinds): (usize, &[u32])| {
            let mut windows = vec![EMPTY; events.devices.len()];
            for (row, &kind) in (task * chunk..).zip(kinds) {
                let window = &mut windows[ops.kinds[kind as usize].device as usize];
                *window = (window.0.min(ops.start[row]), window.1.max(ops.end(row)));
            }
            windows
        };
        ops.kind.par_chunks(chunk).enumerate().map(of_chunk).reduce(|| vec![EMPTY; events.devices.len()], join)
    };
    events.op_tables().into_iter().map(of_table).reduce(join).unwrap_or_default()
}
