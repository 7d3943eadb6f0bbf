//! From the API call to the GPU: what launching costs, and how it is done.
//!
//! A launch is a call that a GPU op of the window belongs to, whatever it is named; it counts once, however many ops it
//! has. Its queue time is the start of its first op minus the end of the call, where positive (NVIDIA's definition); a
//! long one means that the GPU is the limit, not that it starves. `command_buffer_full_ns` is the part of the calls in
//! OVERHEAD rows of type 8 of the same thread: the call waits for room in the queue. A kernel is of a graph if its
//! `graphNodeId` is set or its call launches a graph, otherwise eager.

mod calls;
mod capture;
mod overheads;
mod runs;
mod steps;

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::derived::Derived;
use super::{
    Availability, GRAPH_TRACE, Input, MEMCPY, MEMSET, NVTX, Outcome, Probe, RUNTIME, TRACE_CUDA, empty_window,
    graph_mode_limit, share, with_kernel_table,
};
use crate::algo::join::NONE;
use crate::model::events::Events;
use crate::model::section::{Absence, Section, SectionSpec};
use crate::model::strings::api_base_name;
use crate::model::table::{ColumnSpec, TableSpec};

pub(super) struct Analysis;

const OVERHEAD: &str = "CUPTI_ACTIVITY_KIND_OVERHEAD";
const PROFILER: &str = "PROFILER_OVERHEAD";
const NODES: &str = "CUDA_GRAPH_NODE_EVENTS";
const UNMATCHED: &str = "GPU ops cannot be matched to the calls that launched them.";

/// Calls by process and base name.
pub(super) struct CallGroups<'a> {
    /// Process and base name of each group.
    pub(super) keys: Vec<(u32, &'a str)>,
    /// The group of each kind of call; [`NONE`] for what is left out.
    pub(super) of_kind: Vec<u32>,
}

impl<'a> CallGroups<'a> {
    /// Groups of the calls whose base name is `wanted`.
    pub(super) fn new(events: &'a Events, wanted: impl Fn(&str) -> bool) -> Self {
        let mut keys = Vec::new();
        let mut numbers: FxHashMap<(u32, &str), u32> = FxHashMap::default();
        let mut of_kind = Vec::with_capacity(events.calls.kinds.len());
        for kind in &events.calls.kinds {
            let key = (kind.process, api_base_name(events.names.text(kind.name)));
            of_kind.push(if wanted(key.1) {
                *numbers.entry(key).or_insert_with(|| {
                    keys.push(key);
                    u32::try_from(keys.len() - 1).unwrap_or(NONE)
                })
            } else {
                NONE
            });
        }
        Self { keys, of_kind }
    }
}

/// What the tables share: which calls launch, and which of them launch graphs.
struct Launches<'a> {
    events: &'a Events,
    derived: &'a Derived,
    /// For each kernel, whether it is of a graph.
    is_graph_kernel: Vec<bool>,
    /// By kind of call.
    is_graph_launch: Vec<bool>,
}

impl<'a> Launches<'a> {
    fn new(input: &Input<'a>) -> Self {
        let (events, derived) = (input.events, input.derived);
        let calls = &events.calls;
        let is_graph_launch = events.launches_graphs();
        let in_graph: Vec<bool> = events.kernels.kinds.iter().map(|kind| kind.in_graph).collect();
        let is_graph_kernel = |(&kind, &call): (&u32, &u32)| {
            in_graph[kind as usize] || call != NONE && is_graph_launch[calls.kind[call as usize] as usize]
        };
        let is_graph_kernel = events.kernels.kind.par_iter().zip(&derived.call_of[0]).map(is_graph_kernel).collect();
        Self { events, derived, is_graph_kernel, is_graph_launch }
    }

    /// Calls with ops.
    fn rows(&self) -> impl Iterator<Item = usize> + Clone + '_ {
        (0..self.events.calls.len()).filter(|&call| self.derived.first_ops.has_ops(call))
    }

    /// Whether a call launches a graph.
    fn launches_graph(&self, call: u32) -> bool {
        call != NONE && self.is_graph_launch[self.events.calls.kind[call as usize] as usize]
    }

    /// The part of the kernels that graphs launch; null where graphs were traced as wholes.
    fn graph_share(&self, graph_kernels: i64, kernels: i64) -> Option<f64> {
        share(graph_kernels, kernels).filter(|_| self.events.graphs.is_empty())
    }
}

/// Whether something that starts then lies in the chosen window.
pub(super) fn counts(events: &Events, start: i64) -> bool {
    events.window.is_none_or(|(from, to)| (from..to).contains(&start))
}

fn absent(events: &Events) -> Option<Absence> {
    let missing = |reason: &str, flag| Some(Availability::missing(reason, flag).absence());
    if events.calls.is_empty() {
        missing("The export has no CUDA API calls.", Some(TRACE_CUDA))
    } else if !events.has_gpu_ops() {
        events
            .window
            .map_or_else(|| missing("The export has no GPU ops.", Some(TRACE_CUDA)), |_| Some(empty_window("GPU ops")))
    } else if events.can_join() {
        None
    } else {
        missing(UNMATCHED, None)
    }
}

fn limitations(input: &Input<'_>) -> Vec<String> {
    let mut limits: Vec<String> = graph_mode_limit(input.events).into_iter().collect();
    if input.schema.table(OVERHEAD).is_none() {
        limits.push(
            "The export has no table of CUDA overhead (Nsight Systems 2025.5 and later write it where there is some), so waits for room in the queue and loading of code are unknown."
                .into(),
        );
    }
    if !input.events.graph_nodes.is_empty() {
        limits.push(
            "Capture-time attribution names the range in which a node of a CUDA graph was created; the work itself runs whenever the graph is launched."
                .into(),
        );
    }
    limits
}

fn summary_columns() -> Vec<ColumnSpec> {
    vec![
        ColumnSpec::count("launches", "Calls that GPU ops belong to: kernels, graphs, copies and sets."),
        ColumnSpec::ns("api_ns", "Summed duration of those calls."),
        ColumnSpec::ns_float("queue_p50_ns", "Median time from the end of a call to its first op, where positive.")
            .or_null(),
        ColumnSpec::ns(
            "command_buffer_full_ns",
            "Part of the calls in which they waited for room in the queue; null where the export has no OVERHEAD table.",
        )
        .or_null(),
        ColumnSpec::share("graph_kernel_share", "Part of the kernels that CUDA graphs launch; null in graph mode."),
        ColumnSpec::ns(
            "overhead_ns",
            "Time in overhead of the driver and the profiler, without full command buffers: the union per thread, summed.",
        )
        .or_null(),
    ]
}

impl super::Analysis for Analysis {
    fn spec(&self) -> SectionSpec {
        let tables: Vec<TableSpec> =
            vec![calls::spec(), steps::spec(), runs::spec(), overheads::spec(), capture::spec()];
        SectionSpec { id: "launch_path", title: "Launch path", summary: summary_columns(), tables }
    }

    fn availability(&self, probe: &Probe<'_>) -> Availability {
        if probe.rows(RUNTIME) == 0 {
            Availability::missing("The export has no CUDA API calls.", Some(TRACE_CUDA))
        } else if probe.gpu_ops() == 0 {
            Availability::missing("The export has no GPU ops.", Some(TRACE_CUDA))
        } else {
            Availability::OK
        }
    }

    fn run(&self, input: &Input<'_>) -> Outcome {
        let events = input.events;
        if let Some(absence) = absent(events) {
            return Outcome::Missing(absence);
        }
        let launches = Launches::new(input);
        let ((by_step, runs), by_api) = rayon::join(
            || rayon::join(|| steps::table(&launches), || runs::table(&launches)),
            || calls::Calls::new(input, &launches),
        );
        let graph_kernels = launches.is_graph_kernel.iter().filter(|is_one| **is_one).count();
        let [graph_kernels, kernels] =
            [graph_kernels, events.kernels.len()].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        let others = [RUNTIME, MEMCPY, MEMSET, GRAPH_TRACE, OVERHEAD, PROFILER, NODES, NVTX, "StringIds"];
        Outcome::Ok(Section {
            summary: vec![
                by_api.calls().into(),
                by_api.api_ns().into(),
                by_api.queue_p50.into(),
                by_api.command_buffer_full_ns().into(),
                launches.graph_share(graph_kernels, kernels).into(),
                overheads::union_ns(input).into(),
            ],
            tables: vec![by_api.table(events), by_step, runs, overheads::table(input), capture::table(input)],
            derived_from: with_kernel_table(input.schema, &others),
            limitations: limitations(input),
            warnings: Vec::new(),
        })
    }
}
