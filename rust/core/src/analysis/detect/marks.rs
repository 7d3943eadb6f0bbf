//! Steps by the names of NVTX ranges: an op belongs to the step in whose range its call lies, on the same thread.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::{Findings, Found, Seen};
use crate::algo::join::NONE;
use crate::model::events::{Events, OpKind};
use crate::model::step_mark::StepMark;

/// Scopes of engines, one a step, best first.
pub(super) const SCOPES: [Scope; 5] = [
    Scope::Range("scheduler.run_batch"),
    Scope::Range("Worker.execute_model()"),
    Scope::Range("_forward_step"),
    Scope::Parts { prefix: "gpu_model_runner: ", names: &[], first: "gpu_model_runner: preprocess" },
    Scope::Parts { prefix: "", names: &["Preprocess", "Forward", "Postprocess", "Sample"], first: "Preprocess" },
];

/// How scopes tell a step.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope {
    /// One range of this name is one step.
    Range(&'static str),
    /// A step is made of ranges with this prefix, or of these names, and begins with one of them.
    Parts { prefix: &'static str, names: &'static [&'static str], first: &'static str },
}

impl Scope {
    /// What it takes as a step, for people.
    pub(super) fn detail(self) -> String {
        match self {
            Self::Range(name) => format!("ranges `{name}`"),
            Self::Parts { first, .. } => format!("ranges from `{first}` to the next"),
        }
    }

    fn is_part(self, name: &str) -> bool {
        match self {
            Self::Range(range) => name == range,
            Self::Parts { prefix, names, .. } => {
                if names.is_empty() {
                    name.starts_with(prefix)
                } else {
                    names.contains(&name)
                }
            }
        }
    }

    fn begins(self, name: &str) -> bool {
        match self {
            Self::Range(_) => true,
            Self::Parts { first, .. } => name == first,
        }
    }
}

/// A stretch of time on a thread that is one step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    thread: u32,
    start: i64,
    end: i64,
    mark: StepMark,
}

fn span_of(events: &Events, range: u32, mark: StepMark) -> Option<Span> {
    let kind = events.ranges.kind_of(range as usize);
    let usable = kind.can_enclose() && events.counts_range(range as usize);
    let (start, end) = (events.ranges.start[range as usize], events.ranges.end(range as usize));
    usable.then_some(Span { thread: kind.thread, start, end, mark })
}

/// The marks that `wanted` accepts.
pub(super) fn marked(events: &Events, wanted: impl Fn(&StepMark) -> bool) -> Vec<Span> {
    let marks = events.marks.iter().filter(|marked| wanted(&marked.mark));
    marks.filter_map(|marked| span_of(events, marked.range, marked.mark)).collect()
}

/// The steps that a scope tells; they say nothing about requests.
pub(super) fn scoped(events: &Events, scope: Scope) -> Vec<Span> {
    let texts = events.range_names.texts();
    let of_name: Vec<Option<bool>> = texts.iter().map(|name| scope.is_part(name).then(|| scope.begins(name))).collect();
    if !of_name.contains(&Some(true)) {
        return Vec::new();
    }
    let ranges = &events.ranges;
    let of_kind: Vec<Option<bool>> = ranges.kinds.iter().map(|kind| of_name[kind.name as usize]).collect();
    let parts = (0_u32..).zip(&ranges.kind).filter_map(|(range, &kind)| {
        let begins = of_kind[kind as usize]?;
        Some((span_of(events, range, StepMark::default())?, begins))
    });
    let mut parts: Vec<(Span, bool)> = parts.collect();
    parts.sort_by_key(|(span, begins)| (span.thread, span.start, !begins, Reverse(span.end)));
    let mut steps: Vec<Span> = Vec::new();
    for (part, begins) in parts {
        match steps.last_mut().filter(|step| step.thread == part.thread && !begins) {
            Some(step) => step.end = step.end.max(part.end),
            None if begins => steps.push(part),
            None => {}
        }
    }
    steps
}

/// The normalised name of the first marker of an engine.
pub(super) fn example(events: &Events) -> &str {
    let first = events.marks.iter().find(|marked| !marked.mark.by_user);
    first.map_or("", |marked| events.range_names.text(events.ranges.kind_of(marked.range as usize).name))
}

/// The steps of those marks, one per device and process.
pub(super) fn steps(seen: &Seen<'_>, marks: Vec<Span>) -> Findings {
    let outermost = outermost(marks);
    if outermost.is_empty() {
        return Findings::default();
    }
    let mark_of_call = mark_of_call(seen.events, &outermost);
    let steps = gather(seen, &outermost, &mark_of_call);
    let mut has_ops = vec![false; outermost.len()];
    for step in &steps {
        has_ops[step.number as usize] = true;
    }
    let without = has_ops.iter().filter(|has| !**has).count();
    Findings { steps, mark_of_call, without_ops: i64::try_from(without).unwrap_or(i64::MAX) }
}

/// Marks that lie in no other mark of their thread, by thread and start.
fn outermost(mut marks: Vec<Span>) -> Vec<Span> {
    marks.sort_by_key(|mark| (mark.thread, mark.start, Reverse(mark.end)));
    let mut kept: Vec<Span> = Vec::new();
    for mark in marks {
        if !kept.last().is_some_and(|last| last.thread == mark.thread && mark.end <= last.end) {
            kept.push(mark);
        }
    }
    kept
}

/// For each call the number of the mark in which it lies, or [`NONE`].
fn mark_of_call(events: &Events, marks: &[Span]) -> Vec<u32> {
    let calls = &events.calls;
    let mut of_thread: Vec<(usize, usize)> = vec![(0, 0); events.threads.len()];
    for (i, mark) in marks.iter().enumerate() {
        let place = &mut of_thread[mark.thread as usize];
        *place = (if place.1 == 0 { i } else { place.0 }, i + 1);
    }
    // Calls of a thread come in ascending runs, so the mark of the last one is nearly always the place to look.
    let mut cursor: Vec<usize> = of_thread.iter().map(|place| place.0).collect();
    let find = |(row, &kind): (usize, &u32)| {
        let thread = calls.kinds[kind as usize].thread;
        if thread == NONE {
            return NONE;
        }
        let (first, end) = of_thread[thread as usize];
        if first == end {
            return NONE;
        }
        let (begin, at) = (calls.start[row], &mut cursor[thread as usize]);
        let fits = |at: usize| marks[at].start <= begin && (at + 1 == end || begin < marks[at + 1].start);
        if !fits(*at) {
            let before = marks[first..end].partition_point(|mark| mark.start <= begin);
            if before == 0 {
                return NONE;
            }
            *at = first + before - 1;
        }
        let inside = marks[*at].start <= begin && calls.end(row) <= marks[*at].end;
        if inside { u32::try_from(*at).unwrap_or(NONE) } else { NONE }
    };
    calls.kind.iter().enumerate().map(find).collect()
}

/// What the last op of a worker belonged to.
#[derive(Clone, Copy)]
struct Last {
    /// Number of the mark, or [`NONE`].
    number: u32,
    /// Place of the step.
    at: usize,
    /// The call of the last graph, and the start of the op that was noted for it.
    graph: (u32, i64),
}

/// The GPU work of each mark on each device and in each process.
fn gather(seen: &Seen<'_>, marks: &[Span], mark_of_call: &[u32]) -> Vec<Found> {
    let events = seen.events;
    let launches_graphs = seen.events.launches_graphs();
    let mut graph_launches: FxHashMap<u32, (i64, u32)> = FxHashMap::default();
    let mut found: FxHashMap<(u32, u32, u32), usize> = FxHashMap::default();
    let mut steps: Vec<Found> = Vec::new();
    let mut workers: FxHashMap<(u32, u32), usize> = FxHashMap::default();
    // Ops of a worker come in order, so the mark and the graph of its last one are nearly always those of the next.
    let mut last_of_worker: Vec<Last> = Vec::new();
    for (table, ops) in events.op_tables().into_iter().enumerate() {
        let mut worker = |kind: &OpKind| {
            let next = workers.len();
            *workers.entry((kind.device, kind.process)).or_insert(next)
        };
        let worker_of: Vec<usize> = ops.kinds.iter().map(&mut worker).collect();
        last_of_worker.resize(workers.len(), Last { number: NONE, at: 0, graph: (NONE, i64::MIN) });
        for (row, &call) in seen.call_of[table].iter().enumerate().filter(|(_, call)| **call != NONE) {
            let number = mark_of_call[call as usize];
            if number == NONE {
                continue;
            }
            let kind = ops.kind_of(row);
            let last = &mut last_of_worker[worker_of[ops.kind[row] as usize]];
            if last.number != number {
                let key = (number, kind.device, kind.process);
                let at = *found.entry(key).or_insert_with(|| {
                    steps.push(empty(&marks[number as usize], key));
                    steps.len() - 1
                });
                (last.number, last.at) = (number, at);
            }
            let step = &mut steps[last.at];
            step.start = step.start.min(ops.start[row]);
            step.end = step.end.max(ops.end(row));
            step.kernels += i64::from(seen.is_kernel(table, row));
            // A graph may run on several devices: its launch is counted where its first op is.
            let start = ops.start[row];
            let repeats = last.graph.0 == call && last.graph.1 <= start;
            if !repeats && launches_graphs[events.calls.kind[call as usize] as usize] {
                let first = graph_launches.entry(call).or_insert((start, kind.device));
                *first = (*first).min((start, kind.device));
                last.graph = (call, start);
            }
        }
    }
    for (call, (_, device)) in graph_launches {
        let process = events.calls.kind_of(call as usize).process;
        if let Some(&at) = found.get(&(mark_of_call[call as usize], device, process)) {
            steps[at].graph_launches += 1;
        }
    }
    steps
}

/// A step without any op yet.
fn empty(span: &Span, (number, device, process): (u32, u32, u32)) -> Found {
    Found {
        number,
        process,
        device,
        start: i64::MAX,
        end: i64::MIN,
        host: Some((span.start, span.end)),
        mark: span.mark,
        kernels: 0,
        graph_launches: 0,
    }
}
