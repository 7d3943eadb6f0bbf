//! CUDA graphs: how much of the work they launch, and what each launch takes.
//!
//! A kernel counts as a graph kernel if its `graphNodeId` is set or its call is a graph launch. In node mode a launch is
//! all GPU ops of one (process, correlationId), from first start to last end; in graph mode it is one `GRAPH_TRACE` row.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::{
    Availability, GRAPH_TRACE, Input, MEMCPY, MEMSET, NODE_MODE, Outcome, Probe, RUNTIME, TRACE_CUDA, empty_window,
    share, with_kernel_table,
};
use crate::algo::grouping::stats_of;
use crate::algo::join::NONE;
use crate::model::events::{Events, OpKind, Ops};
use crate::model::section::{Section, SectionSpec, Warning};
use crate::model::table::{ColumnSpec, Table, TableSpec};

pub(super) struct Analysis;

const QUANTILES: &[f64] = &[0.5, 0.9];

/// How the capture traced CUDA graphs.
pub(super) fn mode(graph_executions: usize, graph_kernels: usize, graph_launches: usize) -> &'static str {
    match (graph_executions, graph_kernels, graph_launches) {
        (1.., _, _) => "graph",
        (0, 1.., _) => "node",
        (0, 0, 1..) => "unknown",
        (0, 0, 0) => "none",
    }
}

/// One launch of a graph in node mode.
#[derive(Debug, Clone, Copy)]
pub struct Launch {
    process: u32,
    graph_id: i64,
    start: i64,
    end: i64,
    kernels: i64,
}

/// Launches of one graph in one process.
#[derive(Debug, Default)]
struct Graph {
    launches: i64,
    /// Of each launch that was traced node by node.
    kernels: Vec<i64>,
    durations: Vec<i64>,
}

/// Keyed by (pid, process number, graph id).
type Graphs = BTreeMap<(i64, u32, Option<i64>), Graph>;

struct Membership<'a> {
    events: &'a Events,
    call_of: &'a [Vec<u32>; 4],
    /// By kind of call.
    launches: Vec<bool>,
}

impl Membership<'_> {
    /// Whether an op of a table belongs to a graph.
    fn is_node(&self, table: usize, ops: &Ops, row: usize) -> bool {
        let call = self.call_of[table][row];
        ops.kind_of(row).in_graph || (call != NONE && self.launches[self.events.calls.kind[call as usize] as usize])
    }
}

/// The launches whose nodes were traced, told by process and correlation id.
pub(super) fn node_launches(events: &Events, call_of: &[Vec<u32>; 4]) -> Vec<Launch> {
    let membership = Membership { events, call_of, launches: events.launches_graphs() };
    let mut launches: FxHashMap<(u32, i64), Launch> = FxHashMap::default();
    for (table, ops) in events.op_tables().into_iter().enumerate().take(3) {
        // The nodes of a launch stand side by side among the ops of its process in most exports: they are added up before
        // they are looked up.
        let mut last: Vec<Option<(i64, Launch)>> = vec![None; events.processes.len()];
        for row in (0..ops.len()).filter(|&row| membership.is_node(table, ops, row)) {
            let (kind, id) = (ops.kind_of(row), ops.correlation.get(row));
            if id == 0 || events.lacks_process(kind.process) {
                continue;
            }
            let node = Launch {
                process: kind.process,
                graph_id: kind.graph_id,
                start: ops.start[row],
                end: ops.end(row),
                kernels: i64::from(table == 0),
            };
            match &mut last[kind.process as usize] {
                Some((of, launch)) if *of == id => launch.add(&node),
                last => {
                    if let Some((id, done)) = last.replace((id, node)) {
                        add(&mut launches, id, done);
                    }
                }
            }
        }
        for (id, done) in last.into_iter().flatten() {
            add(&mut launches, id, done);
        }
    }
    launches.into_values().collect()
}

fn add(launches: &mut FxHashMap<(u32, i64), Launch>, id: i64, part: Launch) {
    launches.entry((part.process, id)).and_modify(|launch| launch.add(&part)).or_insert(part);
}

impl Launch {
    /// Adds other nodes of the same launch.
    fn add(&mut self, other: &Self) {
        self.start = self.start.min(other.start);
        self.end = self.end.max(other.end);
        self.graph_id = self.graph_id.max(other.graph_id);
        self.kernels += other.kernels;
    }
}

fn graphs_of(events: &Events, launches: &[Launch]) -> Graphs {
    let mut graphs = Graphs::new();
    for launch in launches {
        let pid = events.processes[launch.process as usize].key.pid();
        let graph = graphs.entry((pid, launch.process, Some(launch.graph_id).filter(|&id| id != 0))).or_default();
        graph.launches += 1;
        graph.kernels.push(launch.kernels);
        graph.durations.push(launch.end - launch.start);
    }
    graphs
}

fn add_traced_graphs(input: &Input<'_>, graphs: &mut Graphs) {
    let events = input.events;
    let ops = &events.graphs;
    for row in (0..ops.len()).filter(|&row| !input.derived.graph_is_double[row]) {
        let OpKind { process, graph_id, .. } = *ops.kind_of(row);
        let key = (events.processes[process as usize].key.pid(), process, Some(graph_id).filter(|&id| id != 0));
        let graph = graphs.entry(key).or_default();
        graph.launches += 1;
        graph.durations.push(ops.duration(row));
    }
}

fn graph_table(spec: TableSpec, graphs: Graphs) -> Table {
    let mut rows: Vec<_> = graphs
        .into_iter()
        .map(|(key, mut graph)| {
            let stats = stats_of(&mut graph.durations, QUANTILES);
            let nodes = i64::try_from(graph.kernels.len()).unwrap_or(i64::MAX);
            let kernels = share(graph.kernels.iter().sum(), nodes);
            (Reverse(stats.total), key, graph.launches, kernels, stats.quantiles)
        })
        .collect();
    rows.sort_by_key(|row| (row.0, row.1));
    let cells = rows.iter().map(|(total, (pid, _, graph_id), launches, kernels, quantiles)| {
        vec![
            (*pid).into(),
            (*graph_id).into(),
            (*launches).into(),
            (*kernels).into(),
            total.0.into(),
            quantiles[0].into(),
            quantiles[1].into(),
        ]
    });
    Table::new(spec, rows.len(), cells)
}

fn warnings(events: &Events, mode: &str) -> Vec<Warning> {
    let message = match mode {
        "graph" => format!(
            "{} CUDA graph executions were traced as wholes: they count as busy, but the kernels inside are invisible. \
             Capture with {NODE_MODE} to see them.",
            events.graphs.len()
        ),
        "unknown" => format!(
            "CUDA graphs were launched, but the export shows neither their executions nor their kernels: GPU time is missing. \
             Capture with {NODE_MODE}."
        ),
        _ => return Vec::new(),
    };
    let code = if mode == "graph" { "graph_mode" } else { "graphs_not_captured" };
    vec![Warning { code, message, section: Some("graphs") }]
}

impl super::Analysis for Analysis {
    fn spec(&self) -> SectionSpec {
        SectionSpec {
            id: "graphs",
            title: "CUDA graphs",
            summary: vec![
                ColumnSpec::text("cuda_graph_mode", "node, graph, none or unknown (launched, but not in the export)."),
                ColumnSpec::count("graph_launches", "Calls of cudaGraphLaunch and cuGraphLaunch."),
                ColumnSpec::count("graph_kernels", "Kernels that are nodes of a graph."),
                ColumnSpec::count("eager_kernels", "All other kernels."),
                ColumnSpec::share(
                    "graph_kernel_share",
                    "Graph kernels over all kernels; null where graphs were traced as wholes.",
                ),
            ],
            tables: vec![TableSpec {
                name: "cuda_graphs",
                description: "One row per process and graph, by total time.",
                events: false,
                columns: vec![
                    ColumnSpec::id("pid", "Process id as the operating system of the capture numbered it."),
                    ColumnSpec::id("graph_id", "Id of the graph, where the export tells it.").or_null(),
                    ColumnSpec::count("launches", "Launches."),
                    ColumnSpec::float("kernels_per_launch", "Mean number of kernels of a launch; null in graph mode.")
                        .or_null(),
                    ColumnSpec::ns("total_ns", "Summed duration of the launches on the GPU."),
                    ColumnSpec::ns_float("p50_ns", "Median duration of a launch.").or_null(),
                    ColumnSpec::ns_float("p90_ns", "90th percentile of the duration.").or_null(),
                ],
            }],
        }
    }

    fn availability(&self, probe: &Probe<'_>) -> Availability {
        if probe.gpu_ops() + probe.rows(RUNTIME) == 0 {
            Availability::missing("The export has no CUDA activity.", Some(TRACE_CUDA))
        } else if probe.rows(GRAPH_TRACE) > 0 {
            Availability::partial("CUDA graphs were traced as wholes.", Some(NODE_MODE))
        } else {
            Availability::OK
        }
    }

    fn run(&self, input: &Input<'_>) -> Outcome {
        let events = input.events;
        if !events.has_gpu_ops() && events.calls.is_empty() {
            let reason = "The export has no CUDA activity.";
            return Outcome::Missing(match events.window {
                Some(_) => empty_window("CUDA activity"),
                None => Availability::missing(reason, Some(TRACE_CUDA)).absence(),
            });
        }
        let membership = Membership { events, call_of: &input.derived.call_of, launches: events.launches_graphs() };
        let kernels = &events.kernels;
        let graph_kernels = (0..kernels.len()).filter(|&row| membership.is_node(0, kernels, row)).count();
        let calls = &events.calls;
        let graph_launches =
            (0..calls.len()).filter(|&i| membership.launches[calls.kind[i] as usize] && events.counts_call(i)).count();
        let mode = mode(events.graphs.len(), graph_kernels, graph_launches);
        let mut graphs = graphs_of(events, &input.derived.node_launches);
        add_traced_graphs(input, &mut graphs);
        let all = i64::try_from(kernels.len()).unwrap_or(i64::MAX);
        let [spec] = <[TableSpec; 1]>::try_from(self.spec().tables).expect("one table");
        Outcome::Ok(Section {
            summary: vec![
                mode.into(),
                graph_launches.into(),
                graph_kernels.into(),
                (kernels.len() - graph_kernels).into(),
                share(i64::try_from(graph_kernels).unwrap_or(i64::MAX), all)
                    .filter(|_| events.graphs.is_empty())
                    .into(),
            ],
            tables: vec![graph_table(spec, graphs)],
            derived_from: with_kernel_table(input.schema, &[RUNTIME, GRAPH_TRACE, MEMCPY, MEMSET]),
            limitations: vec!["The duration of a launch spans from its first op to its last, gaps included.".into()],
            warnings: warnings(events, mode),
        })
    }
}
