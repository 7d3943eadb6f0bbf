//! Steps by the names of NVTX ranges: an op belongs to the step in whose range its call lies, on the same thread.

use rustc_hash::FxHashMap;

use super::{Findings, Found, Seen};
use crate::algo::join::NONE;
use crate::model::events::{Events, MarkedRange};
use crate::model::step_mark::StepMark;

/// Scopes around the model runner, one a step, best first.
pub(super) const SCOPES: [&str; 5] =
    ["scheduler.run_batch", "Worker.execute_model()", "_forward_step", "gpu_model_runner: forward", "Forward"];
/// A scope with so common a name counts only beside this one.
const BESIDE_FORWARD: &str = "Sample";

/// The marks that `wanted` accepts.
pub(super) fn marked(events: &Events, wanted: impl Fn(&StepMark) -> bool) -> Vec<MarkedRange> {
    events.marks.iter().filter(|marked| wanted(&marked.mark)).copied().collect()
}

/// The ranges of one name as marks that say nothing.
pub(super) fn scoped(events: &Events, scope: &str) -> Vec<MarkedRange> {
    let names = events.range_names.texts();
    let Some(name) = names.iter().position(|text| text.as_ref() == scope) else { return Vec::new() };
    if scope == "Forward" && !names.iter().any(|text| text.as_ref() == BESIDE_FORWARD) {
        return Vec::new();
    }
    let ranges = &events.ranges;
    let is_scope: Vec<bool> = ranges.kinds.iter().map(|kind| kind.name as usize == name).collect();
    let rows = (0_u32..).zip(&ranges.kind).filter(|(_, kind)| is_scope[**kind as usize]);
    rows.map(|(range, _)| MarkedRange { range, mark: StepMark::default() }).collect()
}

/// The normalised name of the first mark.
pub(super) fn example<'a>(events: &'a Events, marks: &[MarkedRange]) -> &'a str {
    let first = marks.first().map(|marked| events.ranges.kind_of(marked.range as usize).name);
    first.map_or("", |name| events.range_names.text(name))
}

/// The steps of those marks, one per device and process.
pub(super) fn steps(seen: &Seen<'_>, marks: &[MarkedRange]) -> Findings {
    let outermost = outermost(seen.events, marks);
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
fn outermost(events: &Events, marks: &[MarkedRange]) -> Vec<MarkedRange> {
    let ranges = &events.ranges;
    let thread = |marked: &MarkedRange| ranges.kind_of(marked.range as usize).thread;
    let span = |marked: &MarkedRange| (ranges.start[marked.range as usize], ranges.end(marked.range as usize));
    let usable = |marked: &&MarkedRange| {
        ranges.kind_of(marked.range as usize).can_enclose() && events.counts_range(marked.range as usize)
    };
    let mut sorted: Vec<MarkedRange> = marks.iter().filter(usable).copied().collect();
    sorted.sort_by_key(|marked| {
        let (start, end) = span(marked);
        (thread(marked), start, std::cmp::Reverse(end), marked.range)
    });
    let mut kept: Vec<MarkedRange> = Vec::new();
    for marked in sorted {
        let inside = kept.last().is_some_and(|last| thread(last) == thread(&marked) && span(&marked).1 <= span(last).1);
        if !inside {
            kept.push(marked);
        }
    }
    kept
}

/// For each call the number of the mark in which it lies, or [`NONE`].
fn mark_of_call(events: &Events, marks: &[MarkedRange]) -> Vec<u32> {
    let (calls, ranges) = (&events.calls, &events.ranges);
    let mut first_of_thread: Vec<(usize, usize)> = vec![(0, 0); events.threads.len()];
    for (i, marked) in marks.iter().enumerate() {
        let place = &mut first_of_thread[ranges.kind_of(marked.range as usize).thread as usize];
        *place = (if place.1 == 0 { i } else { place.0 }, i + 1);
    }
    let start = |i: usize| ranges.start[marks[i].range as usize];
    // Calls of a thread come in ascending runs, so the mark of the last one is nearly always the place to look.
    let mut cursor: Vec<usize> = first_of_thread.iter().map(|place| place.0).collect();
    let find = |(row, &kind): (usize, &u32)| {
        let thread = calls.kinds[kind as usize].thread;
        if thread == NONE {
            return NONE;
        }
        let (first, end) = first_of_thread[thread as usize];
        if first == end {
            return NONE;
        }
        let (begin, at) = (calls.start[row], &mut cursor[thread as usize]);
        let fits = |at: usize| start(at) <= begin && (at + 1 == end || begin < start(at + 1));
        if !fits(*at) {
            let before = marks[first..end].partition_point(|marked| ranges.start[marked.range as usize] <= begin);
            if before == 0 {
                return NONE;
            }
            *at = first + before - 1;
        }
        let inside = start(*at) <= begin && calls.end(row) <= ranges.end(marks[*at].range as usize);
        if inside { u32::try_from(*at).unwrap_or(NONE) } else { NONE }
    };
    calls.kind.iter().enumerate().map(find).collect()
}

/// The GPU work of each mark on each device and in each process.
fn gather(seen: &Seen<'_>, marks: &[MarkedRange], mark_of_call: &[u32]) -> Vec<Found> {
    let events = seen.events;
    let launches_graphs = seen.launches_graphs();
    let mut graph_launches: FxHashMap<u32, (i64, u32)> = FxHashMap::default();
    let mut found: FxHashMap<(u32, u32, u32), usize> = FxHashMap::default();
    let mut steps: Vec<Found> = Vec::new();
    let (mut last, mut last_graph) = (((NONE, NONE, NONE), 0), (NONE, i64::MIN, NONE));
    for (table, ops) in events.op_tables().into_iter().enumerate() {
        for (row, &call) in seen.call_of[table].iter().enumerate().filter(|(_, call)| **call != NONE) {
            let number = mark_of_call[call as usize];
            if number == NONE {
                continue;
            }
            let kind = ops.kind_of(row);
            let key = (number, kind.device, kind.process);
            if last.0 != key {
                let at = *found.entry(key).or_insert_with(|| {
                    steps.push(empty(events, &marks[number as usize], key));
                    steps.len() - 1
                });
                last = (key, at);
            }
            let step = &mut steps[last.1];
            step.start = step.start.min(ops.start[row]);
            step.end = step.end.max(ops.end(row));
            step.kernels += i64::from(seen.is_kernel(table, row));
            // A graph may run on several devices: its launch is counted where its first op is.
            let start = ops.start[row];
            let repeats = last_graph.0 == call && last_graph.1 <= start && last_graph.2 == kind.device;
            if !repeats && launches_graphs[events.calls.kind[call as usize] as usize] {
                let first = graph_launches.entry(call).or_insert((start, kind.device));
                *first = (*first).min((start, kind.device));
                last_graph = (call, start, kind.device);
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
fn empty(events: &Events, marked: &MarkedRange, (number, device, process): (u32, u32, u32)) -> Found {
    let range = marked.range as usize;
    Found {
        number,
        process,
        device,
        start: i64::MAX,
        end: i64::MIN,
        host: Some((events.ranges.start[range], events.ranges.end(range))),
        mark: marked.mark,
        kernels: 0,
        graph_launches: 0,
    }
}
