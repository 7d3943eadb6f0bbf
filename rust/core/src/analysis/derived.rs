//! What several analyses need, computed once: the call of each op, and when each device was busy.

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::attribution::{Attribution, ranges_of_threads, work_of_calls};
use super::detect;
use super::device_time::{self, DeviceTime};
use super::durations::Durations;
use super::ended_gap::EndedGap;
use super::first_ops::FirstOps;
use super::graphs;
use super::iterations::Steps;
use super::nvtx::Coverage;
use super::timeline::Timeline;
use super::{Columns, Options};
use crate::algo::enclosed::Work;
use crate::algo::gaps::Gaps;
use crate::algo::join::{CorrelationIndex, JointCount, NONE};
use crate::model::events::{Events, Ops};
use crate::model::ints::Ints;
use crate::source::Progress;

/// When a device was busy.
#[derive(Debug, Default)]
pub struct DeviceActivity {
    /// First op start to last op end.
    pub window: (i64, i64),
    /// The gaps between its ops.
    pub idle: Gaps,
    /// Measure of the union of kernels and graph executions.
    pub kernel_busy_ns: i64,
}

impl DeviceActivity {
    /// Length of the window.
    pub const fn window_ns(&self) -> i64 {
        self.window.1 - self.window.0
    }

    /// Measure of the union of all ops.
    pub const fn busy_ns(&self) -> i64 {
        self.window_ns() - self.idle.measure()
    }
}

/// Calls that share their correlation id with others of their process.
#[derive(Debug, Default)]
pub struct Sharing {
    /// For each of them, the one that stands for all of its id.
    pub calls: FxHashMap<u32, u32>,
    /// Ops of such an id that start before all of its calls: the call that stands for the id, and the op's start.
    pub early_ops: Vec<(u32, i64)>,
}

/// Which shared results are needed beside the call of each op.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// The NVTX ranges of calls.
    pub attribution: bool,
    /// The categories of kernels.
    pub categories: bool,
    /// The steps of the engine.
    pub steps: bool,
    /// Where the time of each device went, and why it idled.
    pub gaps: KeptGaps,
}

/// Which idle gaps are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeptGaps {
    /// None: nobody looks at device time.
    #[default]
    None,
    /// The longest, beside the sums.
    Longest,
    /// Each of them.
    Every,
}

impl Needs {
    /// What a report takes.
    const REPORT: Self = Self { attribution: true, categories: true, steps: true, gaps: KeptGaps::Longest };
}

/// Shared results.
#[derive(Debug)]
pub struct Derived {
    /// For each op table of [`Events::op_tables`], the call of each op or [`NONE`].
    pub call_of: [Vec<u32>; 4],
    /// When the first op of each call starts.
    pub first_ops: FirstOps,
    /// Calls that share their correlation id with others of their process.
    pub sharing: Sharing,
    /// How many pairs of kernel and call a join by correlation id alone would make, which is wrong where ids of several
    /// processes are the same; `None` where there are too many processes to look.
    pub naive_joins: Option<i64>,
    /// By device.
    pub activity: Vec<DeviceActivity>,
    /// Devices that each process uses, in ascending order.
    pub devices_of_process: Vec<Vec<u32>>,
    /// For each graph execution, whether its kernels were traced one by one as well: then it is busy time, but no
    /// kernel of its own.
    pub graph_is_double: Vec<bool>,
    /// Launches of CUDA graphs that were traced node by node.
    pub node_launches: Vec<graphs::Launch>,
    /// Durations of kernels by kind.
    pub kernel_durations: Durations,
    /// Durations of the ranges that count in the chosen window, by kind.
    pub range_durations: Durations,
    /// By process, how much kernel time is known to belong to a range.
    pub coverage: Vec<Coverage>,
    /// Kernels by NVTX range; `None` if it was not asked for or nothing can be attributed.
    pub attribution: Option<Attribution>,
    /// The category of each name of [`Events::names`], as far as it is a kernel's.
    pub category_of_name: Vec<u16>,
    /// The steps of the engine.
    pub steps: Steps,
    /// Where the time of each device went.
    pub(super) time: Vec<DeviceTime>,
    /// Whether each idle gap is kept.
    pub(super) keeps_gaps: bool,
}

impl Derived {
    /// Computes what the analyses share. Columns that none of them needs are gone afterwards, unless they are to stay:
    /// the correlation ids of calls and kernels, and when ranges were open.
    pub fn new(events: &mut Events, options: &Options, progress: &Progress) -> Self {
        Self::of(events, options, Needs::REPORT, progress)
    }

    /// Computes what is needed of that, in the same way.
    pub fn of(events: &mut Events, options: &Options, needs: Needs, progress: &Progress) -> Self {
        let (call_of, sharing, naive_joins) = progress.timed("find calls", || call_of(events));
        let for_report = needs == Needs::REPORT;
        let graph_is_double = graph_is_double(events);
        let attributes = needs.attribution && options.nvtx_kernel_map && !events.ranges.is_empty() && events.can_join();
        let wanted = Wanted { ranges: attributes, nodes: for_report };
        let launches = progress.timed("find launches", || Launches::new(events, &call_of, &graph_is_double, wanted));
        let Launches { work, first_ops, of_nodes: node_launches, of_ranges } = launches;
        if options.columns == Columns::Needed {
            events.calls.correlation = Ints::default();
            events.kernels.correlation = Ints::default();
        }
        let mut derived = Self {
            call_of,
            first_ops,
            sharing,
            naive_joins,
            activity: Vec::new(),
            devices_of_process: devices_of_process(events),
            graph_is_double,
            node_launches,
            kernel_durations: Durations::default(),
            range_durations: Durations::default(),
            attribution: None,
            coverage: Vec::new(),
            category_of_name: if needs.categories { category_of_name(events, options) } else { Vec::new() },
            steps: Steps::default(),
            time: Vec::new(),
            keeps_gaps: needs.gaps == KeptGaps::Every,
        };
        // Attribution first: its scratch memory is gone before the gaps are gathered.
        if attributes {
            let attribution = || Attribution::new(events, &derived, &work, of_ranges, progress);
            derived.attribution = Some(progress.timed("attribute kernels", attribution));
        }
        drop(work);
        if for_report {
            derived.coverage = Coverage::of_processes(events, &derived);
        }
        derived.find_steps(events, options, needs, progress);
        if needs.gaps == KeptGaps::None {
            return derived;
        }
        // Who asks when ranges were open: phases, windows, message sizes, the creation of graph nodes, and the span of a
        // trace without GPU ops.
        let asks_when = options.phases.is_some()
            || events.window.is_some()
            || !events.payloads.is_empty()
            || !events.graph_nodes.is_empty()
            || !events.has_gpu_ops();
        if options.columns == Columns::Needed && !asks_when {
            events.ranges.start = Vec::new();
            events.ranges.length = Ints::default();
        }
        let is_communication = |category| options.categories.is_communication(category);
        let swept =
            progress.timed("account for device time", || device_time::sweep(events, &derived, is_communication));
        (derived.activity, derived.time) = swept.into_iter().unzip();
        derived
    }

    /// Finds the steps, and sorts durations meanwhile.
    fn find_steps(&mut self, events: &Events, options: &Options, needs: Needs, progress: &Progress) {
        let find_steps = || {
            detect::steps(&detect::Seen {
                events,
                call_of: &self.call_of,
                graph_is_double: &self.graph_is_double,
                category_of_name: &self.category_of_name,
                categories: options.categories.names(),
                has_step_range: options.has_step_range,
            })
        };
        let steps = || if needs.steps { find_steps() } else { Steps::default() };
        let durations = || match needs {
            Needs::REPORT => (Durations::of_ops(&events.kernels), Durations::of_ranges(events)),
            _ => (Durations::default(), Durations::default()),
        };
        let (steps, durations) = progress.timed("find steps, sort durations", || rayon::join(steps, durations));
        self.steps = steps;
        (self.kernel_durations, self.range_durations) = durations;
    }

    /// The innermost range around a call: of those that no library opened, if there is one; [`NONE`] without any.
    pub fn own_range(&self, call: u32) -> u32 {
        let attribution = self.attribution.as_ref().filter(|_| call != NONE);
        attribution.map_or(NONE, |attribution| attribution.own_range(call))
    }

    /// Each idle gap, by device and in order of time, where they were asked for.
    pub fn gaps(&self) -> impl Iterator<Item = (usize, &EndedGap)> {
        self.time.iter().enumerate().flat_map(|(device, time)| time.every.iter().map(move |gap| (device, gap)))
    }

    /// The time of each device in bins.
    pub fn timelines(&self) -> impl Iterator<Item = &Timeline> {
        self.time.iter().map(|time| &time.timeline)
    }

    /// Kernels and graph executions as (table of [`Events::op_tables`], row), without double counting.
    pub fn kernel_rows<'a>(&'a self, events: &'a Events) -> impl Iterator<Item = (usize, usize)> + Clone + 'a {
        let kernels = (0..events.kernels.len()).map(|row| (0, row));
        let graphs = (0..events.graphs.len()).filter(|&row| !self.graph_is_double[row]).map(|row| (3, row));
        kernels.chain(graphs)
    }
}

/// Which of the launches' results are wanted.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    /// The ranges of threads.
    ranges: bool,
    /// The nodes of CUDA graphs.
    nodes: bool,
}

/// What one look through the ops tells of the calls that launched them.
struct Launches {
    /// GPU work by call.
    work: Vec<Work>,
    first_ops: FirstOps,
    /// Launches of CUDA graphs that were traced node by node.
    of_nodes: Vec<graphs::Launch>,
    /// By thread, the ranges that can enclose calls: told meanwhile.
    of_ranges: Vec<Vec<u32>>,
}

impl Launches {
    fn new(events: &Events, call_of: &[Vec<u32>; 4], graph_is_double: &[bool], wanted: Wanted) -> Self {
        let work = || {
            let work = work_of_calls(events, call_of, graph_is_double);
            let first_ops = FirstOps::new(&events.calls.start, work.iter().map(|work| work.first_op));
            (work, first_ops)
        };
        let nodes = || if wanted.nodes { graphs::node_launches(events, call_of) } else { Vec::new() };
        let ranges = || if wanted.ranges { ranges_of_threads(events, |_| true) } else { Vec::new() };
        let ((work, first_ops), (of_nodes, of_ranges)) = rayon::join(work, || rayon::join(nodes, ranges));
        Self { work, first_ops, of_nodes, of_ranges }
    }
}

/// The call of each op, which calls share their id, and how many pairs a naive join would make.
fn call_of(events: &Events) -> ([Vec<u32>; 4], Sharing, Option<i64>) {
    let calls = &events.calls;
    let mut by_process: Vec<Vec<u32>> = vec![Vec::new(); events.processes.len()];
    for (row, &kind) in (0_u32..).zip(&calls.kind) {
        by_process[calls.kinds[kind as usize].process as usize].push(row);
    }
    let index = |rows: Vec<u32>| {
        CorrelationIndex::new(&rows, |row| (calls.correlation.get(row as usize), calls.start[row as usize]))
    };
    let indexes: Vec<CorrelationIndex> = by_process.into_par_iter().map(index).collect();
    let find = |ops: &Ops| -> Vec<u32> {
        // An op of an unknown process has no call, not even one of an unknown thread.
        let unknown: Vec<bool> = ops.kinds.iter().map(|kind| events.lacks_process(kind.process)).collect();
        let find = |i: usize| match &ops.kinds[ops.kind[i] as usize] {
            _ if unknown[ops.kind[i] as usize] => NONE,
            kind => indexes[kind.process as usize].find(ops.correlation.get(i), ops.start[i]),
        };
        (0..ops.len()).into_par_iter().map(find).collect()
    };
    let call_of = events.op_tables().map(find);
    let mut sharing =
        Sharing { calls: indexes.iter().flat_map(CorrelationIndex::sharing).collect(), early_ops: Vec::new() };
    if !sharing.calls.is_empty() {
        for (ops, call_of) in events.op_tables().into_iter().zip(&call_of) {
            let without = (0..ops.len()).filter(|&row| call_of[row] == NONE);
            sharing.early_ops.extend(without.filter_map(|row| {
                let process = ops.kind_of(row).process;
                let known = !events.lacks_process(process);
                let one = indexes[process as usize].standing_for(ops.correlation.get(row)).filter(|_| known)?;
                Some((one, ops.start[row]))
            }));
        }
    }
    (call_of, sharing, naive_joins(events, &indexes))
}

/// Pairs of kernels and calls of any process with the same id.
fn naive_joins(events: &Events, indexes: &[CorrelationIndex]) -> Option<i64> {
    const MAX_PROCESSES: usize = 16;
    let used: Vec<&CorrelationIndex> = indexes.iter().filter(|index| !index.is_empty()).collect();
    if used.len() > MAX_PROCESSES {
        return None;
    }
    let joint = JointCount::new(used);
    let kernels = &events.kernels;
    let pairs = |row: usize| match kernels.correlation.get(row) {
        0 => 0,
        id => joint.of(id),
    };
    let all: usize = (0..kernels.len()).into_par_iter().map(pairs).sum();
    Some(i64::try_from(all).unwrap_or(i64::MAX))
}

/// Kernel names are few: each is looked at once.
fn category_of_name(events: &Events, options: &Options) -> Vec<u16> {
    let mut is_kernel = vec![false; events.names.len()];
    for kind in events.kernels.kinds.iter().filter(|kind| kind.name != NONE) {
        is_kernel[kind.name as usize] = true;
    }
    let category = |(name, is_kernel): (&std::sync::Arc<str>, bool)| {
        if is_kernel { options.categories.find(name) } else { options.categories.other() }
    };
    events.names.texts().par_iter().zip(is_kernel).map(category).collect()
}

/// A graph execution and kernels of the same process and correlation id are one launch, told twice.
fn graph_is_double(events: &Events) -> Vec<bool> {
    let (graphs, kernels) = (&events.graphs, &events.kernels);
    let launch = |ops: &Ops, row: usize| (ops.kind_of(row).process, ops.correlation.get(row));
    let is_known = |&(process, id): &(u32, i64)| id != 0 && !events.lacks_process(process);
    let launches: FxHashSet<(u32, i64)> = (0..graphs.len()).map(|row| launch(graphs, row)).collect();
    let told: FxHashSet<(u32, i64)> = if launches.is_empty() {
        FxHashSet::default()
    } else {
        (0..kernels.len())
            .map(|row| launch(kernels, row))
            .filter(|key| is_known(key) && launches.contains(key))
            .collect()
    };
    (0..graphs.len()).map(|row| told.contains(&launch(graphs, row))).collect()
}

fn devices_of_process(events: &Events) -> Vec<Vec<u32>> {
    let mut devices: Vec<Vec<u32>> = vec![Vec::new(); events.processes.len()];
    // Kinds exist only where a row of theirs was accepted.
    for kind in events.op_tables().into_iter().flat_map(|ops| &ops.kinds) {
        devices[kind.process as usize].push(kind.device);
    }
    for used in &mut devices {
        used.sort_unstable();
        used.dedup();
    }
    devices
}
