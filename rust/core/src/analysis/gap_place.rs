//! Where a gap lies among the steps of its device.

use super::iterations::{STEADY_FACTOR, Step, Steps};
use crate::algo::quantile::quantiles;
use crate::model::step_mark::StepKind;

/// A wait between steps is one for requests from here on: no engine schedules for so long.
const LEAST_REQUEST_GAP_NS: i64 = 10_000_000;

/// A wait of the system for so many usual periods, and for so long, is one for requests whatever comes next.
const SURE_PERIODS: f64 = 20.0;
const SURE_REQUEST_GAP_NS: i64 = 100_000_000;

/// What the host did in a gap, as far as it tells of a wait for requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// It was busy.
    Busy,
    /// It may have waited: nothing tells.
    Unknown,
    /// It was in calls of the operating system for most of the gap.
    System,
    /// It waited for the network or another process for nearly all of the gap.
    Requests,
}

/// Where a gap lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Place {
    /// Between two ops of a step.
    InsideStep,
    /// Between two steps.
    BetweenSteps,
    /// Between two steps, for much longer than a step takes, and new requests come after it: there was no work.
    RequestGap,
    /// Before the first step.
    BeforeSteps,
    /// After the last step.
    AfterSteps,
    /// No steps are known on the device.
    NoSteps,
}

impl Place {
    /// All places, in their order.
    pub(super) const ALL: [Self; 6] =
        [Self::InsideStep, Self::BetweenSteps, Self::RequestGap, Self::BeforeSteps, Self::AfterSteps, Self::NoSteps];

    /// The label in tables.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::InsideStep => "inside_step",
            Self::BetweenSteps => "between_steps",
            Self::RequestGap => "request_gap",
            Self::BeforeSteps => "before_steps",
            Self::AfterSteps => "after_steps",
            Self::NoSteps => "no_steps",
        }
    }
}

/// The steps of one device in order; gaps have to come in order.
pub(super) struct Places<'a> {
    list: &'a [Step],
    /// Steps of the device in the list, by start.
    order: Vec<usize>,
    /// Latest end of the steps up to each.
    reach: Vec<i64>,
    next: usize,
    request_gap_ns: f64,
    sure_gap_ns: f64,
    /// Waits before here belong to the warm-up, whatever they are for.
    settled_from: i64,
}

impl<'a> Places<'a> {
    pub(super) fn new(steps: &'a Steps, device: u32) -> Self {
        let workers = steps.workers.iter().filter(|worker| worker.device == device);
        let mut order: Vec<usize> = workers.flat_map(|worker| worker.steps.clone()).collect();
        order.sort_by_key(|&at| (steps.list[at].start, at));
        let mut reach = Vec::with_capacity(order.len());
        let mut latest = i64::MIN;
        for &at in &order {
            latest = latest.max(steps.list[at].end);
            reach.push(latest);
        }
        let mut periods: Vec<i64> = order.iter().filter_map(|&at| steps.list[at].period).collect();
        let median = quantiles(&mut periods, &[0.5])[0].unwrap_or(f64::INFINITY);
        let request_gap_ns = (STEADY_FACTOR * median).max(LEAST_REQUEST_GAP_NS as f64);
        let settled_from = steps.settled.map_or(i64::MIN, |settled| settled.0);
        let sure_gap_ns = (SURE_PERIODS * median).max(SURE_REQUEST_GAP_NS as f64);
        Self { list: &steps.list, order, reach, next: 0, request_gap_ns, sure_gap_ns, settled_from }
    }

    /// The place of a gap, and the step of the op that ends it.
    pub(super) fn of_gap(&mut self, start: i64, end: i64, wait: Wait) -> (Place, Option<usize>) {
        while self.order.get(self.next).is_some_and(|&at| self.list[at].start < end) {
            self.next += 1;
        }
        // `next` is the first step that starts with or after the op that ends the gap.
        let next = self.order.get(self.next).copied();
        let begins = next.filter(|&at| self.list[at].start == end);
        let Some(before) = self.next.checked_sub(1) else {
            return (if next.is_some() { Place::BeforeSteps } else { Place::NoSteps }, begins);
        };
        if begins.is_none() && end < self.reach[before] {
            return (Place::InsideStep, Some(self.order[before]));
        }
        let Some(after) = next else { return (Place::AfterSteps, None) };
        let length = (end - start) as f64;
        let lacks_work = match wait {
            _ if end <= self.settled_from => false,
            Wait::Busy => false,
            Wait::Requests => length > self.request_gap_ns,
            Wait::System | Wait::Unknown => {
                length > self.request_gap_ns && self.may_bring_requests(after) || length > self.sure_gap_ns
            }
        };
        (if lacks_work { Place::RequestGap } else { Place::BetweenSteps }, Some(after))
    }

    /// Whether a step may compute prompts: those that only decode go on with requests that were there before.
    fn may_bring_requests(&self, at: usize) -> bool {
        matches!(self.list[at].kind, StepKind::Prefill | StepKind::Mixed | StepKind::Unknown)
    }
}
