//! How often kernels start, how short they are, and where launches come in storms.
//!
//! Launches are kernels; the window is first kernel start to last kernel end. A storm is a rate of at least 50 000 per
//! second with a median of at most 10 us, or at least 100 000 with at most 20 us. `launch_storms` holds each maximal run
//! of 100 ms bins (from the window's start, per device) that meets the rule; a trace shorter than a bin is one bin.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::durations::Durations;
use super::kernels::QUANTILES;
use super::{
    Availability, GRAPH_TRACE, Input, Outcome, Probe, graph_mode_limit, no_kernels, no_kernels_in, share,
    with_kernel_table,
};
use crate::algo::topk::smallest_by;
use crate::model::events::Events;
use crate::model::section::{Section, SectionSpec};
use crate::model::table::{Cell, ColumnSpec, Table, TableSpec};

pub(super) struct Analysis;

const BIN_NS: i64 = 100_000_000;
const TINY_NS: i64 = 5_000;
const STORM_RULES: [(f64, f64); 2] = [(50_000.0, 10_000.0), (100_000.0, 20_000.0)];
const SHARES_UNDER_NS: [i64; 3] = [5_000, 10_000, 20_000];
const NS_PER_S: f64 = 1e9;

/// Figures of the summary, also columns of the table that splits them by process.
pub(super) fn columns() -> Vec<ColumnSpec> {
    vec![
        ColumnSpec::count("launches", "Kernels executed."),
        ColumnSpec::ns("window_ns", "First kernel start to last kernel end."),
        ColumnSpec::per_second("launches_per_s", "Launches over the window."),
        ColumnSpec::ns_float("p50_ns", "Median kernel duration.").or_null(),
        ColumnSpec::ns_float("p90_ns", "90th percentile of kernel duration.").or_null(),
        ColumnSpec::ns_float("p99_ns", "99th percentile of kernel duration.").or_null(),
        ColumnSpec::share("share_under_5us", "Part of the launches that run strictly under 5 us."),
        ColumnSpec::share("share_under_10us", "Part of the launches that run strictly under 10 us."),
        ColumnSpec::share("share_under_20us", "Part of the launches that run strictly under 20 us."),
        ColumnSpec::flag("launch_storm", "Whether the rate over the whole window meets the storm rule."),
    ]
}

/// Launch figures of some kernels.
pub(super) struct Rates {
    launches: i64,
    window_ns: i64,
    pub(super) per_second: Option<f64>,
    pub(super) quantiles: Vec<Option<f64>>,
    under: [Option<f64>; 3],
    pub(super) storm: bool,
}

impl Rates {
    /// Figures of the kernels of some kinds.
    pub(super) fn of_kinds(durations: &Durations, kinds: &[u32]) -> Self {
        let stats = durations.stats(kinds, QUANTILES);
        let window_ns = durations.span(kinds).map_or(0, |(start, end)| end - start);
        let per_second = rate(stats.count, window_ns);
        Self {
            launches: stats.count,
            window_ns,
            per_second,
            under: SHARES_UNDER_NS.map(|limit| share(durations.count_under(kinds, limit), stats.count)),
            storm: is_storm(per_second, stats.quantiles[0]),
            quantiles: stats.quantiles,
        }
    }

    /// How many kernels.
    pub(super) const fn launches(&self) -> i64 {
        self.launches
    }

    /// The cells, in the order of [`columns`].
    pub(super) fn cells(&self) -> Vec<Cell> {
        let [p50, p90, p99] = [0, 1, 2].map(|i: usize| Cell::from(self.quantiles[i]));
        let [under_5, under_10, under_20] = self.under.map(Cell::from);
        let head = [self.launches.into(), self.window_ns.into(), self.per_second.into()];
        head.into_iter().chain([p50, p90, p99, under_5, under_10, under_20, self.storm.into()]).collect()
    }
}

fn rate(launches: i64, window_ns: i64) -> Option<f64> {
    (window_ns > 0).then(|| launches as f64 / (window_ns as f64 / NS_PER_S))
}

fn is_storm(per_second: Option<f64>, p50: Option<f64>) -> bool {
    let Some((per_second, p50)) = per_second.zip(p50) else { return false };
    STORM_RULES.iter().any(|&(least, most)| per_second >= least && p50 <= most)
}

/// A run of bins that meet the rule.
struct Storm {
    device: u32,
    start: i64,
    end: i64,
    launches: i64,
    per_second: f64,
    p50: f64,
}

/// A device and one of the bins.
type Place = (u32, i64);

/// The bins of the whole trace.
struct Bins {
    first: i64,
    length: i64,
    last: i64,
}

impl Bins {
    fn new(events: &Events) -> Option<Self> {
        let ops = &events.kernels;
        let first = ops.start.iter().copied().min()?;
        let window = (0..ops.len()).map(|row| ops.end(row)).max()? - first;
        let length = window.min(BIN_NS);
        (window > 0).then(|| Self { first, length, last: (window - 1) / length })
    }

    /// The bin in which a kernel starts.
    fn of(&self, start: i64) -> i64 {
        ((start - self.first) / self.length).min(self.last)
    }
}

fn storms(events: &Events) -> Vec<Storm> {
    let Some(bins) = Bins::new(events) else { return Vec::new() };
    let ops = &events.kernels;
    let mut counts: FxHashMap<Place, i64> = FxHashMap::default();
    let place = |row: usize| (ops.kind_of(row).device, bins.of(ops.start[row]));
    // Kernels of a device come in order in most exports: the next one is in the bin of the one before.
    let mut open = vec![(i64::MAX, i64::MIN, 0_i64); events.devices.len()];
    for (row, &start) in ops.start.iter().enumerate() {
        let (from, to, count) = &mut open[ops.kind_of(row).device as usize];
        if (*from..*to).contains(&start) {
            *count += 1;
            continue;
        }
        let (device, bin) = place(row);
        if *count > 0 {
            *counts.entry((device, bins.of(*from))).or_default() += *count;
        }
        // The last bin has no end.
        let end = if bin == bins.last { i64::MAX } else { bins.first + (bin + 1) * bins.length };
        (*from, *to, *count) = (bins.first + bin * bins.length, end, 1);
    }
    for (device, &(from, _, count)) in (0_u32..).zip(&open).filter(|(_, open)| open.2 > 0) {
        *counts.entry((device, bins.of(from))).or_default() += count;
    }
    // Only bins with many launches can be storms: the durations of all others are never gathered.
    let slowest = STORM_RULES.iter().map(|rule| rule.0).fold(f64::INFINITY, f64::min);
    counts.retain(|_, launches| rate(*launches, bins.length).is_some_and(|rate| rate >= slowest));
    let mut busy: Vec<(Place, i64)> = counts.into_iter().collect();
    busy.sort_unstable();
    let p50s = medians(events, &busy.iter().map(|&(place, _)| vec![place]).collect::<Vec<_>>(), &place);
    let storms = busy.into_iter().zip(p50s).filter(|((_, launches), p50)| is_storm(rate(*launches, bins.length), *p50));
    let storms: Vec<(Place, i64)> = storms.map(|(bin, _)| bin).collect();
    let runs: Vec<&[(Place, i64)]> = storms.chunk_by(|a, b| a.0.0 == b.0.0 && a.0.1 + 1 == b.0.1).collect();
    let members: Vec<Vec<Place>> = runs.iter().map(|run| run.iter().map(|bin| bin.0).collect()).collect();
    let p50s = medians(events, &members, &place);
    let storm = |(run, p50): (&&[(Place, i64)], Option<f64>)| {
        let ((device, first), (_, last)) = (run[0].0, run[run.len() - 1].0);
        let (start, end) = (bins.first + first * bins.length, bins.first + (last + 1) * bins.length);
        let launches = run.iter().map(|bin| bin.1).sum();
        let per_second = rate(launches, end - start).unwrap_or(0.0);
        Storm { device, start, end, launches, per_second, p50: p50.unwrap_or(0.0) }
    };
    runs.iter().zip(p50s).map(storm).collect()
}

/// The median duration of the kernels in each group of (device, bin).
fn medians(events: &Events, groups: &[Vec<Place>], place: &(impl Fn(usize) -> Place + Clone)) -> Vec<Option<f64>> {
    let number = |(group, bins): (u32, &Vec<Place>)| bins.iter().map(move |&bin| (bin, group)).collect::<Vec<_>>();
    let group_of: FxHashMap<Place, u32> = (0_u32..).zip(groups).flat_map(number).collect();
    if group_of.is_empty() {
        return Vec::new();
    }
    let ops = &events.kernels;
    let rows = (0..ops.len()).filter_map(|row| group_of.get(&place(row)).map(|&group| (group, row)));
    ops.length.grouped(groups.len(), rows, &[0.5]).into_iter().map(|stats| stats.quantiles[0]).collect()
}

fn storm_table(events: &Events, spec: TableSpec) -> Table {
    let storms = storms(events);
    let order = |a: &&Storm, b: &&Storm| {
        (Reverse(a.launches), a.device, a.start).cmp(&(Reverse(b.launches), b.device, b.start))
    };
    let rows = smallest_by(&storms, spec.max_rows(), order).into_iter().map(|storm| {
        let device = &events.devices[storm.device as usize];
        vec![
            device.device_id.into(),
            device.gpu_id.into(),
            storm.start.into(),
            storm.end.into(),
            storm.launches.into(),
            storm.per_second.into(),
            storm.p50.into(),
        ]
    });
    let rows: Vec<_> = rows.collect();
    Table::new(spec, storms.len(), rows)
}

fn tiny_table(input: &Input<'_>, spec: TableSpec) -> Table {
    let (events, durations) = (input.events, &input.derived.kernel_durations);
    let mut sums: BTreeMap<u32, (i64, i64)> = BTreeMap::new();
    for (number, kind) in (0_u32..).zip(&events.kernels.kinds) {
        let (calls, total) = durations.under(number, TINY_NS + 1);
        let sum = sums.entry(kind.name).or_default();
        *sum = (sum.0 + calls, sum.1 + total);
    }
    let tiny = sums.into_iter().filter(|(_, (calls, _))| *calls > 0);
    let kernels: Vec<_> = tiny.map(|(name, (calls, total))| (calls, events.names.text(name), total)).collect();
    let order = |a: &&(i64, &Arc<str>, i64), b: &&(i64, &Arc<str>, i64)| (Reverse(a.0), a.1).cmp(&(Reverse(b.0), b.1));
    let rows = smallest_by(&kernels, spec.max_rows(), order)
        .into_iter()
        .map(|&(calls, name, total)| vec![Cell::from(name), calls.into(), (total as f64 / calls as f64).into()]);
    Table::new(spec, kernels.len(), rows)
}

impl super::Analysis for Analysis {
    fn spec(&self) -> SectionSpec {
        let storms = TableSpec {
            name: "launch_storms",
            description: "One row per run of 100 ms bins in which launches came in a storm, by launches.",
            events: true,
            columns: vec![
                ColumnSpec::id("device_id", "CUDA ordinal of the device in the export.").or_null(),
                ColumnSpec::id("gpu_id", "Physical id of the GPU, where the export maps it.").or_null(),
                ColumnSpec::ns("start_ns", "Start of the first bin."),
                ColumnSpec::ns("end_ns", "End of the last bin."),
                ColumnSpec::count("launches", "Kernels that start in the run."),
                ColumnSpec::per_second("launches_per_s", "Launches over the run."),
                ColumnSpec::ns_float("p50_ns", "Median kernel duration in the run."),
            ],
        };
        let tiny = TableSpec {
            name: "tiny_kernels",
            description: "One row per kernel name: its executions of at most 5 us, by number.",
            events: false,
            columns: vec![
                ColumnSpec::text("kernel_name", "Demangled name, in full."),
                ColumnSpec::count("calls", "Executions of at most 5 us."),
                ColumnSpec::ns_float("avg_ns", "Mean duration of those."),
            ],
        };
        SectionSpec { id: "launches", title: "Launches", summary: columns(), tables: vec![storms, tiny] }
    }

    fn availability(&self, probe: &Probe<'_>) -> Availability {
        match (probe.kernels(), probe.rows(GRAPH_TRACE)) {
            (0, graphs) => no_kernels(graphs > 0),
            (_, 0) => Availability::OK,
            _ => Availability::partial("Kernels inside CUDA graphs are invisible.", Some(super::NODE_MODE)),
        }
    }

    fn run(&self, input: &Input<'_>) -> Outcome {
        let events = input.events;
        if events.kernels.is_empty() {
            return Outcome::Missing(no_kernels_in(events));
        }
        let kinds: Vec<u32> = (0_u32..).zip(&events.kernels.kinds).map(|(kind, _)| kind).collect();
        let rates = Rates::of_kinds(&input.derived.kernel_durations, &kinds);
        let [storms, tiny] = <[TableSpec; 2]>::try_from(self.spec().tables).expect("two tables");
        Outcome::Ok(Section {
            summary: rates.cells(),
            tables: vec![storm_table(events, storms), tiny_table(input, tiny)],
            derived_from: with_kernel_table(input.schema, &["StringIds"]),
            limitations: graph_mode_limit(events).into_iter().collect(),
            warnings: Vec::new(),
        })
    }
}
