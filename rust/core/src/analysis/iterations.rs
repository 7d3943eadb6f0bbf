//! The steps of the engine, as they were found: which ranges of GPU time belong to one iteration of one worker.

use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::algo::join::NONE;
use crate::model::step_mark::{StepKind, StepMark};

/// A step is no part of the steady window where its period is beyond so many medians of its kind.
pub const STEADY_FACTOR: f64 = 3.0;

/// Where steps come from, best evidence first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepSource {
    /// Ranges that the user named.
    StepRange,
    /// Step markers of an engine.
    EngineMarker,
    /// Ranges around the model runner of an engine, which say nothing about requests.
    EngineScope,
    /// Launches of CUDA graphs.
    GraphLaunches,
    /// A repeating sequence of kernels.
    KernelSequence,
}

impl StepSource {
    /// The label in the summary.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StepRange => "step_range",
            Self::EngineMarker => "engine_marker",
            Self::EngineScope => "engine_scope",
            Self::GraphLaunches => "graph_launches",
            Self::KernelSequence => "kernel_sequence",
        }
    }

    /// How far the steps can be trusted.
    pub const fn confidence(self) -> &'static str {
        match self {
            Self::StepRange | Self::EngineMarker => "high",
            Self::EngineScope | Self::GraphLaunches => "medium",
            Self::KernelSequence => "low",
        }
    }
}

/// One step of one worker on one device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Number of the iteration, the same for the steps of other workers that belong to it.
    pub index: u32,
    /// Index into the processes.
    pub process: u32,
    /// Index into the devices.
    pub device: u32,
    /// First op start.
    pub start: i64,
    /// Last op end.
    pub end: i64,
    /// The range on the host, where there is one.
    pub host: Option<(i64, i64)>,
    /// What its marker says.
    pub mark: StepMark,
    /// What it computes.
    pub kind: StepKind,
    /// From its start to the start of the worker's next step on the device.
    pub period: Option<i64>,
    /// Kernels and graph executions.
    pub kernels: i64,
    /// Calls that launch CUDA graphs.
    pub graph_launches: i64,
    /// Whether it lies in the steady window.
    pub steady: bool,
}

impl Step {
    /// The time that belongs to the step: until the next one starts, or until its own end.
    pub fn extent(&self) -> (i64, i64) {
        (self.start, self.period.map_or(self.end, |period| self.start + period))
    }
}

/// The steps of one process on one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepWorker {
    /// Index into the processes.
    pub process: u32,
    /// Index into the devices.
    pub device: u32,
    /// Its steps in [`Steps::list`], in order of their start.
    pub steps: Range<usize>,
}

/// All steps.
#[derive(Debug, Default)]
pub struct Steps {
    /// Where they come from; `None` where there are none.
    pub source: Option<StepSource>,
    /// What exactly was taken as a step, for people.
    pub detail: String,
    /// By worker, then by start.
    pub list: Vec<Step>,
    /// Workers in the order of their device and process.
    pub workers: Vec<StepWorker>,
    /// The steady window.
    pub steady: Option<(i64, i64)>,
    /// From the end of warm-up to the begin of draining: as the steady window, but with the pauses in between.
    pub settled: Option<(i64, i64)>,
    /// Marked ranges in which no GPU op was asked for.
    pub without_ops: i64,
    /// Where ranges mark the steps: for each call the number of the range in which it lies, or [`NONE`].
    pub mark_of_call: Vec<u32>,
    /// The step of each (range, device, process), as its place in the list.
    pub step_of_mark: FxHashMap<(u32, u32, u32), usize>,
}

impl Steps {
    /// The worker whose steps number the iterations: the one with the most steps.
    pub fn reference(&self) -> Option<&StepWorker> {
        self.workers
            .iter()
            .max_by_key(|worker| (worker.steps.len(), std::cmp::Reverse((worker.device, worker.process))))
    }
}

/// Finds the steps of ops: where ranges mark the steps, the one in which the op's call lies; where steps were inferred,
/// the one to whose extent its start belongs. Ops of a worker mostly come in order, so the last answer mostly holds.
#[derive(Debug)]
pub struct StepFinder<'a> {
    steps: &'a Steps,
    /// By worker, the range that was asked for last, and its step.
    last_mark: Vec<(u32, Option<usize>)>,
    /// By worker, the step that was found last, from the first of the worker on.
    last: Vec<usize>,
}

impl<'a> StepFinder<'a> {
    /// A finder that has found nothing yet.
    pub fn new(steps: &'a Steps) -> Self {
        let workers = steps.workers.len();
        Self { steps, last_mark: vec![(NONE, None); workers], last: vec![0; workers] }
    }

    /// The step of an op of a worker, by the op's call and start.
    pub fn find(&mut self, worker: usize, call: u32, start: i64) -> Option<&'a Step> {
        if self.steps.mark_of_call.is_empty() {
            return self.by_time(worker, start);
        }
        let mark = if call == NONE { NONE } else { self.steps.mark_of_call[call as usize] };
        if mark == NONE {
            return None;
        }
        if self.last_mark[worker].0 != mark {
            let StepWorker { process, device, .. } = self.steps.workers[worker];
            self.last_mark[worker] = (mark, self.steps.step_of_mark.get(&(mark, device, process)).copied());
        }
        self.last_mark[worker].1.map(|step| &self.steps.list[step])
    }

    fn by_time(&mut self, worker: usize, time: i64) -> Option<&'a Step> {
        let steps = &self.steps.list[self.steps.workers[worker].steps.clone()];
        let started = |i: usize| steps.get(i).is_some_and(|step| step.start <= time);
        let is_at = |i: usize| started(i) && !started(i + 1);
        let last = self.last[worker];
        let at = if is_at(last) {
            last
        } else if is_at(last + 1) {
            last + 1
        } else {
            steps.partition_point(|step| step.start <= time).checked_sub(1)?
        };
        self.last[worker] = at;
        // An op without length may stand at the very end of a step.
        Some(&steps[at]).filter(|step| time < step.extent().1 || time <= step.end)
    }
}
