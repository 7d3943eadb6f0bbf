//! Where each device's time went, and why it idled.
//!
//! At every instant of the device's window exactly one bucket holds, the first of: `compute` (a kernel whose category is
//! not `comm.*`, or a graph execution), `communication` (exposed), `copy` (memcpy or memset alone), or an idle bucket. The
//! buckets sum to the window to the nanosecond. An idle gap is split by what the host did before it asked for the op that
//! ended the gap: `idle.host_sync` (in a blocking synchronisation), `idle.host_api` (in another API call),
//! `idle.host_os` (in an OS call), `idle.host_code` (in code of its own); `idle.launching` while the call ran that asked
//! for the op; then `idle.inside_graph` between ops of one call, or `idle.queued`: asked for, waiting on the GPU's side.
//! `idle.unmatched` is a gap before ops that have no call.

mod spec;

use std::cmp::Reverse;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::device_time::{BUCKETS, DeviceTime, FIRST_IDLE, Gap, Group, GroupKey, Parts};
use super::{
    Availability, GRAPH_TRACE, Input, MEMCPY, MEMSET, NVTX, Outcome, Probe, RUNTIME, TRACE_CUDA, device_cells,
    empty_window, present, share, with_kernel_table,
};
use crate::algo::join::NONE;
use crate::algo::topk::smallest_by;
use crate::model::section::{Section, SectionSpec};
use crate::model::step_mark::StepKind;
use crate::model::table::{Cell, Table, TableSpec};
use spec::spec;

pub(super) struct Analysis;

const OSRT: &str = "OSRT_API";
const SHORT: &str = "under 50 us";
const LONG: &str = "50 us and over";

fn part_cells(parts: &Parts) -> impl Iterator<Item = Cell> {
    parts.iter().map(|&part| Cell::from(part))
}

fn device_table(input: &Input<'_>, spec: TableSpec) -> Table {
    let steady_known = input.derived.steps.steady.is_some();
    let row = |(device, time): (usize, &DeviceTime)| {
        let (window, steady): (i64, i64) = (time.total.iter().sum(), time.steady.iter().sum());
        let cells: Vec<Vec<Cell>> = (0..BUCKETS.len())
            .map(|bucket| {
                let in_steady = steady_known.then_some(time.steady[bucket]);
                let cells = [
                    BUCKETS[bucket].into(),
                    time.total[bucket].into(),
                    share(time.total[bucket], window).into(),
                    in_steady.into(),
                    in_steady.and_then(|ns| share(ns, steady)).into(),
                ];
                device_cells(input, device).into_iter().chain(cells).collect()
            })
            .collect();
        cells
    };
    let rows: Vec<Vec<Cell>> = input.derived.time.iter().enumerate().flat_map(row).collect();
    Table::new(spec, rows.len(), rows)
}

fn op_name(input: &Input<'_>, gap: &Gap) -> Cell {
    let kernels = &input.events.kernels;
    match gap.next.table {
        0 => input.events.names.text(kernels.kind_of(gap.next.row as usize).name).into(),
        1 => "[memcpy]".into(),
        2 => "[memset]".into(),
        _ => "[graph]".into(),
    }
}

fn cause_table(input: &Input<'_>, spec: TableSpec) -> Table {
    let events = input.events;
    let all = input
        .derived
        .time
        .iter()
        .enumerate()
        .flat_map(|(device, time)| time.longest.iter().map(move |gap| (device, gap)));
    let order = |a: &(usize, &Gap), b: &(usize, &Gap)| {
        let key = |&(device, gap): &(usize, &Gap)| (Reverse(gap.end - gap.start), device, gap.start);
        key(a).cmp(&key(b))
    };
    let rows = smallest_by(all, spec.max_rows(), order).into_iter().map(|(device, gap)| {
        let call = (gap.call != NONE).then(|| events.calls.kind_of(gap.call as usize));
        let range = input.derived.own_range(gap.call);
        let range = (range != NONE).then(|| events.range_names.text(events.ranges.kind_of(range as usize).name));
        let thread = call.filter(|call| call.thread != NONE).map(|call| events.thread_ids[call.thread as usize]);
        let first = [gap.start.into(), gap.end.into(), (gap.end - gap.start).into(), Cell::from(BUCKETS[gap.cause])];
        let last = [
            op_name(input, gap),
            call.map(|call| events.names.text(call.name)).into(),
            call.map(|call| events.processes[call.process as usize].key.pid()).into(),
            thread.map(|tid| tid & 0xFF_FFFF).into(),
            range.into(),
            gap.place.as_str().into(),
            gap.step.map(|step| i64::from(input.derived.steps.list[step].index)).into(),
        ];
        device_cells(input, device).into_iter().chain(first).chain(part_cells(&gap.parts)).chain(last).collect()
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    let total = input.derived.time.iter().flat_map(|time| time.groups.iter()).map(|(_, group)| group.gaps).sum::<i64>();
    Table::new(spec, usize::try_from(total).unwrap_or(usize::MAX), rows)
}

/// Device, key and figures of a group of gaps.
type GroupRow<'a> = (usize, (&'a GroupKey, &'a Group));
/// Device, process, name and bucket of a call, and the idle time in it.
type HostCallRow = ((usize, u32, u32, usize), i64);

fn group_table(input: &Input<'_>, spec: TableSpec) -> Table {
    let events = input.events;
    let text = |name: u32| (name != NONE).then(|| Arc::clone(events.names.text(name)));
    let range_text = |name: u32| (name != NONE).then(|| Arc::clone(events.range_names.text(name)));
    let all = input
        .derived
        .time
        .iter()
        .enumerate()
        .flat_map(|(device, time)| time.groups.iter().map(move |group| (device, group)));
    let order = |a: &GroupRow<'_>, b: &GroupRow<'_>| {
        let key = |&(device, (key, group)): &GroupRow<'_>| {
            let texts = (text(key.call_name), range_text(key.range_name));
            {
                let flags = (key.short, key.next_graph, key.late);
                (Reverse(group.total), device, key.cause, texts, key.place, flags, key.step_kind)
            }
        };
        key(a).cmp(&key(b))
    };
    let total = input.derived.time.iter().map(|time| time.groups.len()).sum();
    let rows = smallest_by(all, spec.max_rows(), order).into_iter().map(|(device, (key, group))| {
        let first = [
            BUCKETS[key.cause].into(),
            text(key.call_name).as_ref().into(),
            range_text(key.range_name).as_ref().into(),
            key.place.as_str().into(),
            if key.short { SHORT } else { LONG }.into(),
            key.next_graph.into(),
            key.late.into(),
            key.step_kind.map(|kind| StepKind::ALL[usize::from(kind)].as_str()).into(),
            group.gaps.into(),
            group.total.into(),
            (group.total as f64 / group.gaps as f64).into(),
            (group.longest.1 - group.longest.0).into(),
        ];
        let settled = input.derived.steps.settled.map(|_| group.settled);
        let last = [group.steady.into(), settled.into(), group.longest.0.into(), group.longest.1.into()];
        device_cells(input, device).into_iter().chain(first).chain(part_cells(&group.parts)).chain(last).collect()
    });
    Table::new(spec, total, rows)
}

fn host_call_table(input: &Input<'_>, spec: TableSpec) -> Table {
    let events = input.events;
    // Processes of one pid on other virtual machines are told apart by their number alone, which never reaches a table.
    let mut sums: FxHashMap<(usize, u32, u32, usize), i64> = FxHashMap::default();
    for (device, time) in input.derived.time.iter().enumerate() {
        for (&(process, name, bucket), &ns) in &time.host_calls {
            *sums.entry((device, process, name, bucket)).or_default() += ns;
        }
    }
    let order = |a: &HostCallRow, b: &HostCallRow| {
        let key = |&((device, process, name, bucket), ns): &HostCallRow| {
            (Reverse(ns), Arc::clone(events.names.text(name)), device, bucket, process)
        };
        key(a).cmp(&key(b))
    };
    let total = sums.len();
    let rows = smallest_by(sums, spec.max_rows(), order).into_iter().map(|((device, process, name, bucket), ns)| {
        let call = [
            events.processes[process as usize].key.pid().into(),
            events.names.text(name).into(),
            BUCKETS[bucket].into(),
        ];
        call.into_iter().chain(device_cells(input, device)).chain([ns.into()]).collect()
    });
    Table::new(spec, total, rows)
}

fn suspect_table(input: &Input<'_>, spec: TableSpec) -> Table {
    let settled_known = input.derived.steps.settled.is_some();
    let of_device = |(device, time): (usize, &'_ DeviceTime)| {
        let mut rows: Vec<_> = time.suspects.iter().map(|(&key, &sums)| (device, key, sums)).collect();
        rows.sort_by_key(|(_, key, _)| *key);
        rows
    };
    let rows = input.derived.time.iter().enumerate().flat_map(of_device);
    let rows: Vec<Vec<Cell>> = rows
        .map(|(device, (suspect, bucket, place), (idle, settled))| {
            let cells = [
                Cell::from(suspect.as_str()),
                BUCKETS[bucket].into(),
                place.as_str().into(),
                idle.into(),
                settled_known.then_some(settled).into(),
            ];
            device_cells(input, device).into_iter().chain(cells).collect()
        })
        .collect();
    Table::new(spec, rows.len(), rows)
}

/// A sum over devices. Windows of one device fit in 64 bits; those of several, of a damaged file, may not.
fn total(parts: impl Iterator<Item = i64>) -> i64 {
    parts.fold(0, i64::saturating_add)
}

fn limitations(input: &Input<'_>) -> Vec<String> {
    let events = input.events;
    let mut limits = Vec::new();
    let idle = total(input.derived.time.iter().map(|time| time.total[FIRST_IDLE..].iter().sum::<i64>()));
    let unmatched = total(input.derived.time.iter().filter_map(|time| time.total.last().copied()));
    if idle > 0 && unmatched > idle / 10 {
        limits.push(format!(
            "{:.0} % of the idle time ends with ops that have no call in the export: its cause is unknown.",
            100.0 * unmatched as f64 / idle as f64
        ));
    }
    if input.schema.table(OSRT).is_none() {
        limits.push(
            "Calls of the operating system were not captured (--trace=osrt): waits in them count as host code.".into(),
        );
    }
    if !events.graphs.is_empty() {
        limits.push("CUDA graphs were traced as wholes: time inside them counts as compute, whatever ran.".into());
    }
    if input.derived.attribution.is_none() {
        limits.push("No call could be matched to an NVTX range: causes carry no place in the code.".into());
    }
    limits
}

impl super::Analysis for Analysis {
    fn spec(&self) -> SectionSpec {
        spec()
    }

    fn availability(&self, probe: &Probe<'_>) -> Availability {
        if probe.gpu_ops() == 0 {
            Availability::missing("The export has no GPU ops.", Some(TRACE_CUDA))
        } else if probe.rows(RUNTIME) == 0 {
            Availability::partial("Without API calls, no cause of idle time can be told.", Some(TRACE_CUDA))
        } else {
            Availability::OK
        }
    }

    fn run(&self, input: &Input<'_>) -> Outcome {
        if !input.events.has_gpu_ops() {
            return Outcome::Missing(match input.events.window {
                Some(_) => empty_window("GPU ops"),
                None => Availability::missing("The export has no GPU ops.", Some(TRACE_CUDA)).absence(),
            });
        }
        let sum = |bucket: usize| total(input.derived.time.iter().map(|time| time.total[bucket]));
        let window = total((0..BUCKETS.len()).map(sum));
        let idle = total((FIRST_IDLE..BUCKETS.len()).map(sum));
        let steady = input.derived.steps.steady;
        let [device_time, causes, groups, host_calls, suspects] =
            <[TableSpec; 5]>::try_from(spec().tables).expect("five tables");
        let tables = [RUNTIME, OSRT, MEMCPY, MEMSET, GRAPH_TRACE, NVTX, "StringIds"];
        Outcome::Ok(Section {
            summary: vec![
                input.derived.time.len().into(),
                window.into(),
                sum(0).into(),
                sum(1).into(),
                sum(2).into(),
                idle.into(),
                share(idle, window).into(),
                steady.map(|steady| steady.0).into(),
                steady.map(|steady| steady.1).into(),
            ],
            tables: vec![
                device_table(input, device_time),
                cause_table(input, causes),
                group_table(input, groups),
                host_call_table(input, host_calls),
                suspect_table(input, suspects),
            ],
            derived_from: with_kernel_table(input.schema, &[])
                .into_iter()
                .chain(present(input.schema, &tables))
                .collect(),
            limitations: limitations(input),
            warnings: Vec::new(),
        })
    }
}
