//! Overhead of the driver (compilation, loading, full command buffers) and of the profiler.
//!
//! Spans count by their start in the chosen window. `idle_ns` is the part of the union of a row's spans in which all
//! devices of the process are idle. Names of Nsight Systems' own overhead are cut to their class, so that no path is
//! printed: `dlopen(<path>)` is `dlopen`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::{OVERHEAD, PROFILER, counts};
use crate::algo::intervals::IntervalSet;
use crate::algo::join::NONE;
use crate::algo::topk::smallest_by;
use crate::analysis::Input;
use crate::analysis::sync::common_idle;
use crate::model::events::{Events, HostSpans, SpanKind};
use crate::model::strings::api_base_name;
use crate::model::table::{Cell, ColumnSpec, Table, TableSpec};

/// `overheadType` of a call that waits for room in the queue.
pub(super) const COMMAND_BUFFER_FULL: i64 = 8;

/// Words for `overheadType`; rules rely on them, so labels of the export count for other numbers only.
const TYPES: [&str; 9] = [
    "undefined",
    "unknown",
    "driver JIT compile",
    "CUPTI buffer flush",
    "CUPTI instrumentation",
    "CUPTI resource",
    "runtime-triggered module load",
    "lazy function load",
    "command buffer full",
];
const NAMELESS: &str = "other";
const MAX_CLASS_CHARS: usize = 80;

pub(super) fn spec() -> TableSpec {
    TableSpec {
        name: "overheads",
        description: "One row per process and kind of overhead, by time.",
        events: false,
        columns: vec![
            ColumnSpec::id("pid", "Process id; null for a process without CUDA calls, ops and ranges.").or_null(),
            ColumnSpec::text("kind", "Type of the overhead, or its name as Nsight Systems gives it, without details."),
            ColumnSpec::count("events", "Spans of overhead."),
            ColumnSpec::ns("total_ns", "Summed duration of the spans."),
            ColumnSpec::ns("steady_ns", "Part of that inside the steady window.").or_null(),
            ColumnSpec::ns("idle_ns", "Time in the spans (their union) while the devices of the process were idle.")
                .or_null(),
            ColumnSpec::text("inside_api", "Base name of the CUDA call in which most of that time lies.").or_null(),
        ],
    }
}

/// The kind of a row of OVERHEAD.
fn driver_kind(events: &Events, kind: &SpanKind) -> String {
    let Some(code) = kind.code else { return TYPES[1].into() };
    let known = usize::try_from(code).ok().and_then(|code| TYPES.get(code));
    known
        .map(|word| (*word).to_owned())
        .or_else(|| events.labels.overheads.get(&code).cloned())
        .unwrap_or_else(|| format!("kind {code}"))
}

/// The kind of a row of `PROFILER_OVERHEAD`: its name up to what differs from one to the next.
fn profiler_kind(name: &str) -> String {
    let class = name.split('(').next().unwrap_or_default();
    let words: Vec<&str> = class.split_whitespace().take_while(|word| !word.contains(['/', '\\'])).collect();
    let class: String = words.join(" ").chars().take(MAX_CLASS_CHARS).collect();
    if class.is_empty() { NAMELESS.into() } else { class }
}

/// One span of overhead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    group: u32,
    start: i64,
    end: i64,
    thread: u32,
}

/// Spans with the process and kind of each group.
struct Spans {
    keys: Vec<(u32, String)>,
    /// Sorted by group, then start.
    spans: Vec<Span>,
}

impl Spans {
    fn new(events: &Events) -> Self {
        let mut numbers: BTreeMap<(u32, String), u32> = BTreeMap::new();
        let mut all = Vec::new();
        let mut add = |spans: &HostSpans, word: &dyn Fn(&SpanKind) -> String| {
            let mut group = |kind: &SpanKind| {
                let next = u32::try_from(numbers.len()).unwrap_or(NONE);
                *numbers.entry((kind.process, word(kind))).or_insert(next)
            };
            let groups: Vec<u32> = spans.kinds.iter().map(&mut group).collect();
            let rows = (0..spans.len()).filter(|&row| counts(events, spans.start[row]));
            all.extend(rows.map(|row| Span {
                group: groups[spans.kind[row] as usize],
                start: spans.start[row],
                end: spans.end(row),
                thread: spans.kind_of(row).thread,
            }));
        };
        add(&events.overheads, &|kind| driver_kind(events, kind));
        add(&events.profiler, &|kind| profiler_kind(events.names.text(kind.name)));
        all.sort_unstable();
        let mut keys = vec![(NONE, String::new()); numbers.len()];
        for (key, number) in numbers {
            keys[number as usize] = key;
        }
        Self { keys, spans: all }
    }
}

/// The calls of those threads that have overhead, in order of their start.
fn calls_by_thread(events: &Events, spans: &[Span]) -> Vec<Vec<u32>> {
    let calls = &events.calls;
    let mut rows: Vec<Vec<u32>> = vec![Vec::new(); events.threads.len()];
    let mut wanted = vec![false; events.threads.len()];
    spans.iter().filter(|span| span.thread != NONE).for_each(|span| wanted[span.thread as usize] = true);
    let thread_of: Vec<u32> = calls
        .kinds
        .iter()
        .map(|kind| if kind.thread != NONE && wanted[kind.thread as usize] { kind.thread } else { NONE })
        .collect();
    for (row, &kind) in (0_u32..).zip(&calls.kind) {
        let thread = thread_of[kind as usize];
        if thread != NONE {
            rows[thread as usize].push(row);
        }
    }
    for rows in &mut rows {
        rows.sort_by_key(|&row| {
            (calls.start[row as usize], Reverse(calls.end(row as usize)), calls.kind_of(row as usize).name)
        });
    }
    rows
}

/// The base name of the call around a span: the last one of its thread that starts by then, as calls do not nest.
fn call_around<'a>(events: &'a Events, calls: &[Vec<u32>], span: &Span) -> Option<&'a str> {
    let rows = calls.get(span.thread as usize)?;
    let started = rows.partition_point(|&row| events.calls.start[row as usize] <= span.start);
    let call = rows[started.checked_sub(1)?] as usize;
    let name = events.names.text(events.calls.kind_of(call).name);
    (events.calls.end(call) >= span.end).then(|| api_base_name(name))
}

struct Group<'a> {
    process: u32,
    kind: &'a str,
    events: i64,
    total_ns: i64,
    steady_ns: Option<i64>,
    idle_ns: Option<i64>,
    inside_api: Option<&'a str>,
}

pub(super) fn table(input: &Input<'_>) -> Table {
    let (events, spec) = (input.events, spec());
    let all = Spans::new(events);
    if all.spans.is_empty() {
        return Table::new(spec, 0, []);
    }
    let idle = common_idle(input);
    let calls = calls_by_thread(events, &all.spans);
    let steady = input.derived.steps.steady;
    let groups: Vec<Group<'_>> = all
        .spans
        .chunk_by(|a, b| a.group == b.group)
        .map(|spans| {
            let (process, kind) = &all.keys[spans[0].group as usize];
            let sum = |of: &dyn Fn(&Span) -> i64| spans.iter().fold(0_i64, |sum, span| sum.saturating_add(of(span)));
            let within = |(from, to): (i64, i64)| sum(&|span| (span.end.min(to) - span.start.max(from)).max(0));
            let union = || IntervalSet::union_of_sorted(spans.iter().map(|span| (span.start, span.end)));
            let idle = idle.get(*process as usize).and_then(Option::as_ref);
            let mut by_api: FxHashMap<&str, i64> = FxHashMap::default();
            for span in spans {
                if let Some(name) = call_around(events, &calls, span) {
                    let sum = by_api.entry(name).or_default();
                    *sum = sum.saturating_add(span.end - span.start);
                }
            }
            Group {
                process: *process,
                kind,
                events: i64::try_from(spans.len()).unwrap_or(i64::MAX),
                total_ns: sum(&|span| span.end - span.start),
                steady_ns: steady.map(within),
                idle_ns: idle.map(|idle| union().spans().iter().map(|span| idle.measure_within(span.0, span.1)).sum()),
                inside_api: by_api.into_iter().min_by_key(|&(name, ns)| (Reverse(ns), name)).map(|(name, _)| name),
            }
        })
        .collect();
    let pid = |group: &Group<'_>| events.processes.get(group.process as usize).map(|process| process.key.pid());
    let order = |a: &&Group<'_>, b: &&Group<'_>| {
        let key = |group: &Group<'_>| (Reverse(group.total_ns), group.kind.to_owned(), pid(group), group.process);
        key(a).cmp(&key(b))
    };
    let rows = smallest_by(&groups, spec.max_rows(), order).into_iter().map(|group| {
        vec![
            Cell::from(pid(group)),
            group.kind.into(),
            group.events.into(),
            group.total_ns.into(),
            group.steady_ns.into(),
            group.idle_ns.into(),
            group.inside_api.into(),
        ]
    });
    let rows: Vec<_> = rows.collect();
    Table::new(spec, groups.len(), rows)
}

/// Time in overhead of the driver and the profiler but full command buffers: the union per thread, summed. Null where
/// the export has neither table.
pub(super) fn union_ns(input: &Input<'_>) -> Option<i64> {
    let events = input.events;
    [OVERHEAD, PROFILER].iter().find_map(|table| input.schema.table(table))?;
    let mut spans: Vec<((u32, u32), i64, i64)> = Vec::new();
    for table in [&events.overheads, &events.profiler] {
        let is_overhead =
            |row: &usize| counts(events, table.start[*row]) && table.kind_of(*row).code != Some(COMMAND_BUFFER_FULL);
        spans.extend((0..table.len()).filter(is_overhead).map(|row| {
            let kind = table.kind_of(row);
            ((kind.thread, kind.process), table.start[row], table.end(row))
        }));
    }
    spans.sort_unstable();
    let unions = spans
        .chunk_by(|a, b| a.0 == b.0)
        .map(|thread| IntervalSet::union_of_sorted(thread.iter().map(|span| (span.1, span.2))).measure());
    Some(unions.fold(0, i64::saturating_add))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_overhead_lose_what_differs_and_every_path() {
        for (name, kind) in [
            ("dlopen(/usr/lib/libfoo.so)", "dlopen"),
            ("CUDA profiling data flush on process exit", "CUDA profiling data flush on process exit"),
            ("CUPTI: Buffer flush", "CUPTI: Buffer flush"),
            ("load /home/someone/lib.so", "load"),
            ("copy C:\\someone\\lib.dll", "copy"),
            ("/opt/lib.so", "other"),
            ("", "other"),
        ] {
            assert_eq!(profiler_kind(name), kind);
        }
    }
}
