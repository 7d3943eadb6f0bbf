//! How often kernels start, how short they are, and where launches come in storms.
//!
//! Launches are kernels; the window is first kernel start to last kernel end. A storm is a rate of at least 50 000 per
//! second with a median of at most 10 us, or at least 100 000 with at most 20 us. `launch_storms` holds each maximal run
//! of 100 ms bins (from the window's start, per device) that meets the rule; a trace shorter than a bin is one bin.

use std::cmp::Reverse;

use rayon::prelude::*;

use super::kernels::QUANTILES;
use super::{Availability, GRAPH_TRACE, Input, Outcome, Probe, graph_mode_limit, no_kernels, with_kernel_table};
use crate::algo::grouping::{Grouped, stats_of};
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
    launches: usize,
    window_ns: i64,
    pub(super) per_second: Option<f64>,
    pub(super) quantiles: Vec<Option<f64>>,
    under: [Option<f64>; 3],
    pub(super) storm: bool,
}

impl Rates {
    /// Figures of the kernels of the given rows.
    pub(super) fn of(events: &Events, rows: impl Iterator<Item = usize> + Clone) -> Self {
        let ops = &events.kernels.ops;
        let first = rows.clone().map(|i| ops.start[i]).min().unwrap_or(0);
        let last = rows.clone().map(|i| ops.end[i]).max().unwrap_or(0);
        let mut durations: Vec<i64> = rows.map(|i| ops.duration(i)).collect();
        let launches = durations.len();
        let under = SHARES_UNDER_NS.map(|limit| {
            let count = durations.iter().filter(|&&duration| duration < limit).count();
            (launches > 0).then(|| count as f64 / launches as f64)
        });
        let quantiles = stats_of(&mut durations, QUANTILES).quantiles;
        let per_second = rate(launches, last - first);
        Self {
            launches,
            window_ns: last - first,
            per_second,
            under,
            storm: is_storm(per_second, quantiles[0]),
            quantiles,
        }
    }

    /// The cells, in the order of [`columns`].
    pub(super) fn cells(&self) -> Vec<Cell> {
        let [p50, p90, p99] = [0, 1, 2].map(|i: usize| Cell::from(self.quantiles[i]));
        let [under_5, under_10, under_20] = self.under.map(Cell::from);
        let head = [self.launches.into(), self.window_ns.into(), self.per_second.into()];
        head.into_iter().chain([p50, p90, p99, under_5, under_10, under_20, self.storm.into()]).collect()
    }
}

fn rate(launches: usize, window_ns: i64) -> Option<f64> {
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
    launches: usize,
    per_second: f64,
    p50: f64,
}

fn storms(events: &Events) -> Vec<Storm> {
    let ops = &events.kernels.ops;
    let first = ops.start.iter().copied().min().unwrap_or(0);
    let window = ops.end.iter().copied().max().unwrap_or(0) - first;
    if window == 0 {
        return Vec::new();
    }
    let bin = window.min(BIN_NS);
    let last_bin = (window - 1) / bin;
    let by_device = |device: usize| {
        let on_device = |&i: &usize| ops.device[i] as usize == device;
        let mut kernels: Vec<(i64, i64)> = (0..ops.len())
            .filter(on_device)
            .map(|i| (((ops.start[i] - first) / bin).min(last_bin), ops.duration(i)))
            .collect();
        kernels.sort();
        storms_of_device(&kernels, u32::try_from(device).unwrap_or(u32::MAX), first, bin)
    };
    (0..events.devices.len()).into_par_iter().flat_map_iter(by_device).collect()
}

/// `kernels` are (bin, duration) in ascending order.
fn storms_of_device(kernels: &[(i64, i64)], device: u32, first: i64, bin_ns: i64) -> Vec<Storm> {
    let mut runs: Vec<(i64, i64, usize, usize)> = Vec::new();
    let mut from = 0;
    for bin in kernels.chunk_by(|a, b| a.0 == b.0) {
        let to = from + bin.len();
        let mut durations: Vec<i64> = bin.iter().map(|kernel| kernel.1).collect();
        let p50 = stats_of(&mut durations, &[0.5]).quantiles[0];
        if is_storm(rate(bin.len(), bin_ns), p50) {
            match runs.last_mut() {
                Some(run) if run.1 + 1 == bin[0].0 => (run.1, run.3) = (bin[0].0, to),
                _ => runs.push((bin[0].0, bin[0].0, from, to)),
            }
        }
        from = to;
    }
    runs.into_iter()
        .map(|(first_bin, last_bin, from, to)| {
            let (start, end) = (first + first_bin * bin_ns, first + (last_bin + 1) * bin_ns);
            let mut durations: Vec<i64> = kernels[from..to].iter().map(|kernel| kernel.1).collect();
            let p50 = stats_of(&mut durations, &[0.5]).quantiles[0].unwrap_or(0.0);
            Storm {
                device,
                start,
                end,
                launches: to - from,
                per_second: rate(to - from, end - start).unwrap_or(0.0),
                p50,
            }
        })
        .collect()
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

fn tiny_table(events: &Events, spec: TableSpec) -> Table {
    let ops = &events.kernels.ops;
    let tiny = (0..ops.len()).filter(|&i| ops.duration(i) <= TINY_NS);
    let pairs = tiny.map(|i| (events.kernels.name[i], ops.duration(i)));
    let stats = Grouped::gather(events.names.len(), pairs).stats(&[]);
    let kernels: Vec<_> = stats.into_iter().zip(events.names.texts()).filter(|(stats, _)| stats.count > 0).collect();
    let rows =
        smallest_by(&kernels, spec.max_rows(), |a, b| (Reverse(a.0.count), &a.1).cmp(&(Reverse(b.0.count), &b.1)))
            .into_iter()
            .map(|(stats, name)| vec![Cell::from(*name), stats.count.into(), stats.mean().into()]);
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
        if events.kernels.ops.is_empty() {
            return Outcome::Missing(no_kernels(!events.graphs.is_empty()).absence());
        }
        let [storms, tiny] = <[TableSpec; 2]>::try_from(self.spec().tables).expect("two tables");
        Outcome::Ok(Section {
            summary: Rates::of(events, 0..events.kernels.ops.len()).cells(),
            tables: vec![storm_table(events, storms), tiny_table(events, tiny)],
            derived_from: with_kernel_table(input.schema, &["StringIds"]),
            limitations: graph_mode_limit(events).into_iter().collect(),
            warnings: Vec::new(),
        })
    }
}
