//! Kernels of CUDA graphs by the NVTX range in which their node was created.
//!
//! A kernel names a node of the instantiated graph, which was cloned from another one, in the end from the node that was
//! created during capture. The range is the innermost one of the creating thread around that moment. Ids belong to a
//! process and may be used again: the latest creation by then counts.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use crate::algo::enclosing::{innermost, sort_outer_to_inner};
use crate::algo::join::NONE;
use crate::algo::topk::smallest_by;
use crate::analysis::Input;
use crate::model::events::{Events, GraphNode};
use crate::model::table::{ColumnSpec, Table, TableSpec};

/// Genuine graphs are cloned a few times; files can hold cycles.
const MAX_CLONES: usize = 64;

pub(super) fn spec() -> TableSpec {
    TableSpec {
        name: "capture_attribution",
        description: "One row per normalised name of the NVTX range in which nodes of CUDA graphs were created (capture-time attribution), by kernel time.",
        events: false,
        columns: vec![
            ColumnSpec::text("range_name", "Name of the innermost range around the creation of the original node."),
            ColumnSpec::count("kernels", "Kernels of those nodes."),
            ColumnSpec::ns("kernel_ns", "Summed duration of those kernels."),
        ],
    }
}

/// Creations of nodes, by process and id, then time.
struct Nodes {
    sorted: Vec<GraphNode>,
}

impl Nodes {
    fn new(events: &Events) -> Self {
        let mut sorted: Vec<GraphNode> =
            events.graph_nodes.iter().copied().filter(|node| node.process != NONE).collect();
        sorted.sort_unstable_by_key(|node| (node.process, node.id, node.time, node.original, node.thread));
        Self { sorted }
    }

    /// The latest creation of a node by then, else the first.
    fn find(&self, process: u32, id: i64, time: i64) -> Option<usize> {
        let at = self.sorted.partition_point(|node| (node.process, node.id, node.time) <= (process, id, time));
        let is_it = |at: &usize| self.sorted.get(*at).is_some_and(|node| (node.process, node.id) == (process, id));
        at.checked_sub(1).filter(is_it).or(Some(at).filter(is_it))
    }

    /// Whether a creation is what [`Nodes::find`] would find.
    fn is_at(&self, at: usize, process: u32, id: i64, time: i64) -> bool {
        let key = |node: &GraphNode| (node.process, node.id) == (process, id);
        let alone = |at: usize| !self.sorted.get(at + 1).is_some_and(|next| key(next) && next.time <= time);
        self.sorted.get(at).is_some_and(|node| key(node) && node.time <= time) && alone(at)
    }

    /// The creation of the node from which this one was cloned in the end.
    fn origin(&self, mut at: usize) -> Option<usize> {
        for _ in 0..MAX_CLONES {
            let node = &self.sorted[at];
            let Some(original) = node.original else { return Some(at) };
            at = self.find(node.process, original, node.time)?;
        }
        None
    }

    /// The name of the innermost range around each creation that is no clone, or [`NONE`].
    fn names(&self, events: &Events) -> Vec<u32> {
        let ranges = &events.ranges;
        let mut created: Vec<Vec<u32>> = vec![Vec::new(); events.threads.len()];
        for (at, node) in (0_u32..).zip(&self.sorted).filter(|(_, node)| node.original.is_none()) {
            if node.thread != NONE {
                created[node.thread as usize].push(at);
            }
        }
        let mut enclosing: Vec<Vec<u32>> = vec![Vec::new(); events.threads.len()];
        for (row, &kind) in (0_u32..).zip(&ranges.kind) {
            let kind = &ranges.kinds[kind as usize];
            if kind.can_enclose() && !created[kind.thread as usize].is_empty() {
                enclosing[kind.thread as usize].push(row);
            }
        }
        let moments: Vec<(i64, i64)> = self.sorted.iter().map(|node| (node.time, node.time)).collect();
        let mut names = vec![NONE; self.sorted.len()];
        for (mut created, mut enclosing) in created.into_iter().zip(enclosing).filter(|(_, rows)| !rows.is_empty()) {
            created.sort_by_key(|&at| moments[at as usize].0);
            sort_outer_to_inner(&mut enclosing, ranges);
            innermost(&enclosing, ranges, &created, moments.as_slice(), |at, range| {
                if range != NONE {
                    names[at as usize] = ranges.kind_of(range as usize).name;
                }
            });
        }
        names
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Work {
    kernels: i64,
    kernel_ns: i64,
}

/// Kernels by the name of the range in which their node was created.
fn work(events: &Events) -> FxHashMap<u32, Work> {
    let (kernels, nodes) = (&events.kernels, Nodes::new(events));
    let created = nodes.names(events);
    let name_of: Vec<u32> =
        (0..nodes.sorted.len()).map(|at| nodes.origin(at).map_or(NONE, |origin| created[origin])).collect();
    let mut by_node = vec![Work::default(); nodes.sorted.len()];
    // The nodes of a graph run in about the order of their ids, so the next kernel is mostly of the next node.
    let mut next = 0;
    for (row, &kind) in kernels.kind.iter().enumerate() {
        let kind = &kernels.kinds[kind as usize];
        if !kind.in_graph {
            continue;
        }
        let (id, start) = (events.kernel_nodes.get(row), kernels.start[row]);
        let expected = Some(next).filter(|&at| nodes.is_at(at, kind.process, id, start));
        let Some(at) = expected.or_else(|| nodes.find(kind.process, id, start)) else { continue };
        next = at + 1;
        by_node[at].kernels += 1;
        by_node[at].kernel_ns = by_node[at].kernel_ns.saturating_add(kernels.duration(row));
    }
    let mut by_name: FxHashMap<u32, Work> = FxHashMap::default();
    for (node, name) in by_node.into_iter().zip(name_of).filter(|(node, name)| node.kernels > 0 && *name != NONE) {
        let work = by_name.entry(name).or_default();
        work.kernels += node.kernels;
        work.kernel_ns = work.kernel_ns.saturating_add(node.kernel_ns);
    }
    by_name
}

pub(super) fn table(input: &Input<'_>) -> Table {
    let (events, spec) = (input.events, spec());
    let possible = input.options.nvtx_kernel_map
        && !events.graph_nodes.is_empty()
        && !events.ranges.is_empty()
        && events.kernels.kinds.iter().any(|kind| kind.in_graph);
    if !possible {
        return Table::new(spec, 0, []);
    }
    let names: Vec<(u32, Work)> = work(events).into_iter().collect();
    let text = |name: u32| events.range_names.text(name);
    let rows = smallest_by(&names, spec.max_rows(), |a, b| {
        (Reverse(a.1.kernel_ns), text(a.0)).cmp(&(Reverse(b.1.kernel_ns), text(b.0)))
    });
    let rows =
        rows.into_iter().map(|(name, work)| vec![text(*name).into(), work.kernels.into(), work.kernel_ns.into()]);
    let rows: Vec<_> = rows.collect();
    Table::new(spec, names.len(), rows)
}
