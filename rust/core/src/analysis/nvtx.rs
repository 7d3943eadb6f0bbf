//! NVTX ranges by normalised name, with the kernels that were launched inside them.
//!
//! A kernel (or graph execution) belongs to a range if the whole of its call lies in the range, on the same `globalTid`;
//! ranges with `endGlobalTid` set and different are left out. `kernels` and `kernel_ns` count for the innermost such
//! range alone (latest start, then earliest end, then highest row id), so they never count twice; the inclusive figures
//! count for every enclosing range, once per kernel and name. `projected_ns` sums, over the ranges, last op end minus
//! first op start of the GPU ops whose calls lie in the range. Coverage is attributed over total kernel time.

use std::cmp::Reverse;

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::attribution::NameWork;
use super::derived::Derived;
use super::{
    Availability, GRAPH_TRACE, Input, MEMCPY, MEMSET, NVTX, Outcome, Probe, RUNTIME, TRACE_CUDA, TRACE_NVTX, counted,
    empty_window, graph_mode_limit, share, with_kernel_table,
};
use crate::algo::grouping::Stats;
use crate::algo::join::NONE;
use crate::algo::topk::smallest_by;
use crate::model::events::{Events, RangeKind};
use crate::model::section::{Section, SectionSpec, Warning};
use crate::model::table::{Cell, ColumnSpec, Table, TableSpec};

pub(super) struct Analysis;

const QUANTILES: &[f64] = &[0.5, 0.9];
const LOW_COVERAGE: f64 = 0.70;
/// Rows that one task looks at.
const CHUNK: usize = 1 << 18;

/// Columns of the table, also of the one that splits it by process.
pub(super) fn columns() -> Vec<ColumnSpec> {
    vec![
        ColumnSpec::text("range_name", "Normalised name."),
        ColumnSpec::text("domain", "NVTX domains in which the name occurs."),
        ColumnSpec::count("count", "Ranges of the name."),
        ColumnSpec::ns("total_ns", "Summed host time of the ranges; nested ranges of one name count each."),
        ColumnSpec::ns_float("avg_ns", "Mean host time."),
        ColumnSpec::ns_float("p50_ns", "Median host time.").or_null(),
        ColumnSpec::ns_float("p90_ns", "90th percentile of the host time.").or_null(),
        ColumnSpec::ns("max_ns", "Longest range."),
        ColumnSpec::count("kernels", "Kernels of which a range of the name is the innermost.").or_null(),
        ColumnSpec::ns("kernel_ns", "Summed duration of those kernels.").or_null(),
        ColumnSpec::count("kernels_inclusive", "Kernels that any range of the name encloses.").or_null(),
        ColumnSpec::ns("kernel_inclusive_ns", "Summed duration of those kernels.").or_null(),
        ColumnSpec::ns("projected_ns", "Summed spans from first op start to last op end of each range.").or_null(),
    ]
}

/// Ranges of one name, and in one process where asked for.
pub(super) struct Group {
    process: Option<u32>,
    name: u32,
    stats: Stats,
    domains: Vec<u32>,
    work: Option<NameWork>,
}

/// All ranges in groups; `by_process` splits them further.
pub(super) fn groups(input: &Input<'_>, by_process: bool) -> Vec<Group> {
    let (ranges, durations) = (&input.events.ranges, &input.derived.range_durations);
    let mut numbers: FxHashMap<(Option<u32>, u32), u32> = FxHashMap::default();
    let mut keys = Vec::new();
    let group = |kind: &RangeKind| {
        let key = (by_process.then_some(kind.process), kind.name);
        *numbers.entry(key).or_insert_with(|| {
            keys.push(key);
            u32::try_from(keys.len() - 1).unwrap_or(u32::MAX)
        })
    };
    let group_of_kind: Vec<u32> = ranges.kinds.iter().map(group).collect();
    let mut domains: Vec<Vec<u32>> = vec![Vec::new(); keys.len()];
    let mut kinds: Vec<Vec<u32>> = vec![Vec::new(); keys.len()];
    for (number, (kind, &group)) in (0_u32..).zip(ranges.kinds.iter().zip(&group_of_kind)) {
        if durations.count(&[number]) == 0 {
            continue;
        }
        kinds[group as usize].push(number);
        let seen = &mut domains[group as usize];
        if !seen.contains(&kind.domain) {
            seen.push(kind.domain);
        }
    }
    let stats: Vec<Stats> = kinds.par_iter().map(|kinds| durations.stats(kinds, QUANTILES)).collect();
    let mut work: Option<Vec<NameWork>> = None;
    if let Some(attribution) = &input.derived.attribution {
        let mut by_group = vec![NameWork::default(); keys.len()];
        for (&(process, name), part) in &attribution.by_name {
            if let Some(&group) = numbers.get(&(by_process.then_some(process), name)) {
                by_group[group as usize].add(part);
            }
        }
        work = Some(by_group);
    }
    let work_of = |group: usize| work.as_ref().map(|work| work[group]);
    let parts = keys.into_iter().zip(stats).zip(domains).enumerate();
    parts
        .map(|(i, (((process, name), stats), domains))| Group { process, name, stats, domains, work: work_of(i) })
        // Ranges outside of the window are there for the kernels that were launched in them, not to be counted.
        .filter(|group| group.stats.count > 0 || group.work.is_some_and(|work| work.kernels > 0))
        .collect()
}

fn cells(events: &Events, group: &Group) -> Vec<Cell> {
    let mut domains: Vec<&str> = group.domains.iter().map(|&domain| events.domains.text(domain).as_ref()).collect();
    domains.sort_unstable();
    let stats = &group.stats;
    let work = |of: fn(&NameWork) -> i64| Cell::from(group.work.as_ref().map(of));
    vec![
        events.range_names.text(group.name).into(),
        domains.join(", ").as_str().into(),
        stats.count.into(),
        stats.total.into(),
        stats.mean().into(),
        stats.quantiles[0].into(),
        stats.quantiles[1].into(),
        stats.max.into(),
        work(|work| work.kernels),
        work(|work| work.kernel_ns),
        work(|work| work.kernels_inclusive),
        work(|work| work.kernel_inclusive_ns),
        work(|work| work.projected_ns),
    ]
}

/// The table of groups: by total host time, then name and process.
pub(super) fn table(events: &Events, spec: TableSpec, groups: &[Group]) -> Table {
    let order = |a: &&Group, b: &&Group| {
        let key =
            |group: &Group| (Reverse(group.stats.total), events.range_names.text(group.name).clone(), group.process);
        key(a).cmp(&key(b))
    };
    let pid = |group: &Group| group.process.map(|process| Cell::from(events.processes[process as usize].key.pid()));
    let rows = smallest_by(groups, spec.max_rows(), order)
        .into_iter()
        .map(|group| pid(group).into_iter().chain(cells(events, group)).collect());
    Table::new(spec, groups.len(), rows)
}

/// How much kernel time is known to belong to a range.
#[derive(Debug, Clone, Copy, Default)]
pub struct Coverage {
    kernels: i64,
    correlated: i64,
    attributed: i64,
    total_ns: i64,
    attributed_ns: i64,
}

impl Coverage {
    /// The coverage of all kernels.
    fn of_all(derived: &Derived) -> Self {
        derived.coverage.iter().fold(Self::default(), Self::with)
    }

    fn with(self, other: &Self) -> Self {
        Self {
            kernels: self.kernels + other.kernels,
            correlated: self.correlated + other.correlated,
            attributed: self.attributed + other.attributed,
            total_ns: self.total_ns.saturating_add(other.total_ns),
            attributed_ns: self.attributed_ns.saturating_add(other.attributed_ns),
        }
    }

    /// The coverage of the kernels of each process.
    pub(super) fn of_processes(events: &Events, derived: &Derived) -> Vec<Self> {
        let attribution = derived.attribution.as_ref();
        let nothing = || vec![Self::default(); events.processes.len()];
        let add =
            |all: Vec<Self>, part: Vec<Self>| all.into_iter().zip(&part).map(|(all, part)| all.with(part)).collect();
        // Each task has a list of all processes: together they hold no more than there are rows.
        let chunk = CHUNK.max(events.processes.len());
        let mut by_process = nothing();
        for (table, ops) in [(0, &events.kernels), (3, &events.graphs)] {
            let of_chunk = |(task, kinds): (usize, &[u32])| {
                let mut by_process = nothing();
                for (row, &kind) in (task * chunk..).zip(kinds) {
                    if table == 3 && derived.graph_is_double[row] {
                        continue;
                    }
                    let (length, call) = (ops.duration(row), derived.call_of[table][row]);
                    let coverage = &mut by_process[ops.kinds[kind as usize].process as usize];
                    coverage.kernels += 1;
                    coverage.total_ns = coverage.total_ns.saturating_add(length);
                    if call == NONE {
                        continue;
                    }
                    coverage.correlated += 1;
                    if attribution.is_some_and(|attribution| attribution.own_range(call) != NONE) {
                        coverage.attributed += 1;
                        coverage.attributed_ns = coverage.attributed_ns.saturating_add(length);
                    }
                }
                by_process
            };
            let parts = ops.kind.par_chunks(chunk).enumerate().map(of_chunk);
            by_process = add(by_process, parts.reduce(nothing, add));
        }
        by_process
    }

    /// Attributed over total time; null without kernels.
    pub(super) fn share(&self) -> Option<f64> {
        share(self.attributed_ns, self.total_ns)
    }
}

/// How many ranges of some kinds count in the chosen window.
fn ranges_of(input: &Input<'_>, wanted: impl Fn(&RangeKind) -> bool) -> i64 {
    let kinds = (0_u32..).zip(&input.events.ranges.kinds).filter(|(_, kind)| wanted(kind)).map(|(number, _)| number);
    input.derived.range_durations.count(&kinds.collect::<Vec<_>>())
}

/// Ranges that end on another thread.
fn crossing(input: &Input<'_>) -> i64 {
    ranges_of(input, |kind| kind.crosses_threads)
}

fn limitations(input: &Input<'_>, coverage: &Coverage) -> Vec<String> {
    let events = input.events;
    let crossing = crossing(input);
    let mut limits: Vec<String> = graph_mode_limit(events).into_iter().collect();
    limits.push("Host time of ranges is summed per name: nested and concurrent ranges overlap, so the column does not add up to wall time.".into());
    if !input.options.nvtx_kernel_map {
        limits.push("The attribution of kernels to ranges was switched off.".into());
    } else if input.derived.attribution.is_none() {
        let why = if !events.has_gpu_ops() {
            "Without GPU ops"
        } else if events.calls.is_empty() {
            "Without CUDA API calls"
        } else {
            "As GPU ops cannot be matched to the calls that launched them,"
        };
        limits.push(format!("{why} no kernel can be attributed."));
    }
    let without_call = coverage.kernels - coverage.correlated;
    if without_call > 0 {
        limits.push(format!(
            "{} of {} kernels have no API call in the export and belong to no range.",
            counted(without_call),
            counted(coverage.kernels)
        ));
    }
    if events.kernels.kinds.iter().any(|kind| kind.in_graph) {
        limits.push("Kernels of CUDA graphs are attributed at launch time: to the range around cudaGraphLaunch, not to the layer that was captured.".into());
    }
    if events.ranges.open > 0 {
        limits.push(format!(
            "{} ranges were still open at the end of the capture and are not counted.",
            counted(events.ranges.open)
        ));
    }
    if crossing > 0 {
        limits.push(format!("{} ranges end on another thread and get no kernels.", counted(crossing)));
    }
    limits
}

impl super::Analysis for Analysis {
    fn spec(&self) -> SectionSpec {
        SectionSpec {
            id: "nvtx",
            title: "NVTX ranges",
            summary: vec![
                ColumnSpec::count("ranges", "Closed ranges."),
                ColumnSpec::count("open_ranges", "Ranges that were still open at the end of the capture."),
                ColumnSpec::count("cross_thread_ranges", "Ranges that end on another thread."),
                ColumnSpec::count("kernels", "Kernels and graph executions."),
                ColumnSpec::count("correlated_kernels", "Those whose API call is in the export."),
                ColumnSpec::count("attributed_kernels", "Those whose call lies in a range.").or_null(),
                ColumnSpec::ns("total_kernel_ns", "Summed duration of all of them."),
                ColumnSpec::ns("attributed_kernel_ns", "Summed duration of the attributed ones.").or_null(),
                ColumnSpec::share("coverage", "Attributed over total kernel time."),
            ],
            tables: vec![TableSpec {
                name: "nvtx_ranges",
                description: "One row per normalised range name, by host time.",
                events: false,
                columns: columns(),
            }],
        }
    }

    fn availability(&self, probe: &Probe<'_>) -> Availability {
        if probe.rows(NVTX) == 0 {
            Availability::missing("The export has no NVTX events.", Some(TRACE_NVTX))
        } else if probe.gpu_ops() == 0 || probe.rows(RUNTIME) == 0 {
            Availability::partial("Without GPU ops and their API calls no kernel can be attributed.", Some(TRACE_CUDA))
        } else {
            Availability::OK
        }
    }

    fn run(&self, input: &Input<'_>) -> Outcome {
        let events = input.events;
        if events.window.is_some() && ranges_of(input, |_| true) == 0 {
            return Outcome::Missing(empty_window("NVTX ranges"));
        }
        if events.ranges.is_empty() {
            return Outcome::Missing(
                Availability::missing("The export has no NVTX ranges.", Some(TRACE_NVTX)).absence(),
            );
        }
        let coverage = Coverage::of_all(input.derived);
        let known = input.derived.attribution.is_some();
        let share = coverage.share().filter(|_| known);
        let mut warnings = Vec::new();
        if let Some(share) = share.filter(|&share| share < LOW_COVERAGE) {
            warnings.push(Warning {
                code: "low_nvtx_coverage",
                message: format!(
                    "Only {:.1} % of kernel time was launched inside an NVTX range: range figures cover that part alone.",
                    share * 100.0
                ),
                section: Some("nvtx"),
            });
        }
        let [spec] = <[TableSpec; 1]>::try_from(self.spec().tables).expect("one table");
        Outcome::Ok(Section {
            summary: vec![
                ranges_of(input, |_| true).into(),
                events.ranges.open.into(),
                crossing(input).into(),
                coverage.kernels.into(),
                coverage.correlated.into(),
                Some(coverage.attributed).filter(|_| known).into(),
                coverage.total_ns.into(),
                Some(coverage.attributed_ns).filter(|_| known).into(),
                share.into(),
            ],
            tables: vec![table(events, spec, &groups(input, false))],
            derived_from: [NVTX.to_owned()]
                .into_iter()
                .chain(with_kernel_table(input.schema, &[RUNTIME, MEMCPY, MEMSET, GRAPH_TRACE, "StringIds"]))
                .collect(),
            limitations: limitations(input, &coverage),
            warnings,
        })
    }
}
