//! The tables of collectives and of what their ranks waited.

use std::cmp::Reverse;

use super::exposure::Exposure;
use super::ranks::{Occurrence, Ranks};
use super::{Collectives, Group};
use crate::algo::grouping::Stats;
use crate::algo::intervals::IntervalSet;
use crate::algo::topk::smallest_by;
use crate::analysis::{Input, share};
use crate::analysis::{device_cells, device_columns};
use crate::model::events::Events;
use crate::model::table::{Cell, ColumnSpec, Table, TableSpec};

const QUANTILES: &[f64] = &[0.5, 0.9];

/// Time of collectives: their union, and the part of it in which nothing else computes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Alone {
    pub(super) union: i64,
    pub(super) exposed: i64,
}

impl Alone {
    pub(super) fn new(exposure: &Exposure, device: u32, spans: &IntervalSet) -> Self {
        Self { union: spans.measure(), exposed: exposure.alone(device, spans) }
    }

    pub(super) fn overlap(self) -> Option<f64> {
        share(self.exposed, self.union).map(|exposed| 1.0 - exposed)
    }
}

/// Collectives by name and device: by total time, then name and device.
pub(super) fn collective_table(
    input: &Input<'_>,
    spec: TableSpec,
    collectives: &Collectives,
    exposure: &Exposure,
) -> Table {
    let events = input.events;
    let groups = &collectives.groups;
    let quantiles = if input.options.kernel_percentiles { QUANTILES } else { &[] };
    let stats = |group: &Group| input.derived.kernel_durations.stats(&group.kinds, quantiles);
    let all: Vec<(&Group, Stats)> = groups.iter().map(|group| (group, stats(group))).collect();
    let order = |a: &&(&Group, Stats), b: &&(&Group, Stats)| {
        let key = |(group, stats): &(&Group, Stats)| {
            (Reverse(stats.total), events.names.text(group.name).clone(), group.device)
        };
        key(a).cmp(&key(b))
    };
    let rows = smallest_by(&all, spec.max_rows(), order).into_iter().map(|(group, stats)| {
        let alone = Alone::new(exposure, group.device, &IntervalSet::union_of_sorted(group.spans.iter().copied()));
        let category = input.derived.category_of_name[group.name as usize];
        let quantile = |i: usize| stats.quantiles.get(i).copied().flatten();
        let [device_id, gpu_id] = device_cells(input, group.device as usize);
        vec![
            events.names.text(group.name).into(),
            (&input.options.categories.names()[usize::from(category)]).into(),
            device_id,
            gpu_id,
            stats.count.into(),
            stats.total.into(),
            alone.union.into(),
            alone.exposed.into(),
            alone.overlap().into(),
            quantile(0).into(),
            quantile(1).into(),
        ]
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    Table::new(spec, groups.len(), rows)
}

/// The occurrences with the largest spread, then by name and number.
pub(super) fn widest<'a>(events: &Events, ranks: &'a Ranks, rows: usize) -> Vec<&'a Occurrence> {
    smallest_by(ranks.matched(), rows, |a, b| {
        let name = |one: &Occurrence| events.names.text(one.name);
        let rest = || name(a).cmp(name(b)).then(a.number.cmp(&b.number));
        b.spread().cmp(&a.spread()).then_with(rest)
    })
}

pub(super) fn skew_table(
    input: &Input<'_>,
    spec: TableSpec,
    ranks: &Ranks,
    widest: &[&Occurrence],
    exposure: &Exposure,
) -> Table {
    let rows = widest.iter().map(|one| {
        let [device_id, gpu_id] = device_cells(input, one.late_device as usize);
        let cause = (one.spread() > 0).then(|| exposure.dominant(one.late_device, one.first_start, one.last_start));
        vec![
            input.events.names.text(one.name).into(),
            i64::from(one.number).into(),
            i64::from(one.devices).into(),
            one.first_start.into(),
            one.last_start.into(),
            one.last_end.into(),
            one.spread().into(),
            one.transfer().into(),
            device_id,
            gpu_id,
            cause.into(),
            one.wait.into(),
        ]
    });
    Table::new(spec, ranks.matched().count(), rows)
}

/// What each device waited, in the order of the devices.
pub(super) fn wait_table(input: &Input<'_>, spec: TableSpec, ranks: &Ranks) -> Table {
    let waits = || ranks.waits.iter().enumerate().filter(|(_, waits)| waits.collectives > 0);
    let rows = waits().map(|(device, waits)| {
        let cells = [waits.collectives, waits.wait, waits.late, waits.late_spread, waits.transfer].map(Cell::from);
        device_cells(input, device).into_iter().chain(cells).collect()
    });
    Table::new(spec, waits().count(), rows)
}

/// The declared tables.
pub(super) fn specs() -> [TableSpec; 4] {
    let [device_id, gpu_id] = device_columns();
    let name = ColumnSpec::text("name", "Demangled name of the kernel, in full.");
    [
        TableSpec {
            name: "collectives",
            description: "One row per collective kernel and device, by total time.",
            events: false,
            columns: vec![
                name,
                ColumnSpec::text("category", "Category of the kernel."),
                device_id,
                gpu_id,
                ColumnSpec::count("calls", "Executions."),
                ColumnSpec::ns("total_ns", "Summed duration of the executions, waiting for other ranks included."),
                ColumnSpec::ns("union_ns", "Time in which at least one of them ran."),
                ColumnSpec::ns("exposed_ns", "The part of that in which the device computed nothing else."),
                ColumnSpec::share("overlap", "1 - exposed / union: the part hidden behind compute."),
                ColumnSpec::ns_float("p50_ns", "Median duration.").or_null(),
                ColumnSpec::ns_float("p90_ns", "90th percentile of the duration.").or_null(),
            ],
        },
        TableSpec {
            name: "rank_skew",
            description: "One row per collective that several devices took part in, the largest spread first.",
            events: true,
            columns: vec![
                name,
                ColumnSpec::id("occurrence", "Which of the collectives of that name it is, from 0."),
                ColumnSpec::count("devices", "Devices that took part."),
                ColumnSpec::ns("first_start_ns", "When the first device started."),
                ColumnSpec::ns("last_start_ns", "When the last device started."),
                ColumnSpec::ns("last_end_ns", "When the last device ended."),
                ColumnSpec::ns("spread_ns", "From the first start to the last."),
                ColumnSpec::ns("transfer_ns", "From the last start to the last end."),
                ColumnSpec::id("late_device_id", "CUDA ordinal of the device that started last.").or_null(),
                ColumnSpec::id("late_gpu_id", "Physical id of that device.").or_null(),
                ColumnSpec::text(
                    "late_cause",
                    "What it did most of the time between the first start and its own: compute, communication, copy or idle.",
                )
                .or_null(),
                ColumnSpec::ns("wait_ns", "From each device's start to the last one's, summed."),
            ],
        },
        TableSpec {
            name: "rank_waits",
            description: "One row per device with matched collectives, in the order of their CUDA ordinals.",
            events: false,
            columns: vec![
                device_id,
                gpu_id,
                ColumnSpec::count("collectives", "Collectives that another device took part in as well."),
                ColumnSpec::ns("wait_ns", "From its own start to the last device's, summed."),
                ColumnSpec::count("late", "How often it was the last, more than 10 us after the first."),
                ColumnSpec::ns("late_spread_ns", "From the first start to its own in those, summed."),
                ColumnSpec::ns("transfer_ns", "From the last start to the last end, summed."),
            ],
        },
        super::bytes::spec(),
    ]
}
