//! The same figures by process. The parts sum to the whole.
//!
//! A process is a worker if it has GPU ops, a host if it only calls CUDA or NVTX. Its launch rate is over its own window.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::{
    Availability, GRAPH_TRACE, Input, MEMCPY, MEMSET, NVTX, Outcome, Probe, RUNTIME, TRACE_CUDA, counted,
    graph_mode_limit, kernels, launches, nvtx, share, sync, with_kernel_table,
};
use crate::model::events::Events;
use crate::model::section::{Section, SectionSpec, Warning};
use crate::model::table::{Cell, ColumnSpec, Table, TableSpec};

pub(super) struct Analysis;

/// What is said of one process.
struct Row {
    index: usize,
    pid: i64,
    name: Option<String>,
    worker: bool,
    devices: String,
    launch_calls: i64,
    kernel_ns: i64,
    rates: launches::Rates,
    coverage: Option<f64>,
}

fn rows(input: &Input<'_>) -> Vec<Row> {
    let events = input.events;
    let mut kinds: Vec<Vec<u32>> = vec![Vec::new(); events.processes.len()];
    for (number, kind) in (0_u32..).zip(&events.kernels.kinds) {
        kinds[kind.process as usize].push(number);
    }
    let durations = &input.derived.kernel_durations;
    let launch_calls = launch_calls(events);
    let known = input.derived.attribution.is_some();
    let row = |(index, kinds): (usize, Vec<u32>)| Row {
        index,
        pid: events.processes[index].key.pid(),
        name: events.processes[index].name.clone(),
        worker: !input.derived.devices_of_process[index].is_empty(),
        devices: ordinals(events, index),
        launch_calls: launch_calls[index],
        kernel_ns: durations.total(&kinds),
        rates: launches::Rates::of_kinds(durations, &kinds),
        coverage: input.derived.coverage[index].share().filter(|_| known),
    };
    let mut rows: Vec<Row> = kinds.into_iter().enumerate().map(row).collect();
    rows.sort_by(|a, b| {
        let key = |row: &Row| (Reverse(row.kernel_ns), row.name.clone(), row.pid, row.index);
        key(a).cmp(&key(b))
    });
    rows
}

/// The CUDA ordinals by which a process knows the devices that it uses.
fn ordinals(events: &Events, process: usize) -> String {
    let kinds = events.op_tables().into_iter().flat_map(|ops| &ops.kinds);
    let mine = kinds.filter(|kind| kind.process as usize == process).map(|kind| kind.ordinal);
    let ids: BTreeSet<Option<i64>> = mine.collect();
    let label = |id: Option<i64>| id.map_or_else(|| "unknown".into(), |id| id.to_string());
    ids.into_iter().map(label).collect::<Vec<_>>().join(", ")
}

/// Launch calls of each process: of kernels and of graphs, by the runtime and by the driver.
fn launch_calls(events: &Events) -> Vec<i64> {
    const PREFIXES: [&str; 4] = ["cudaLaunch", "cuLaunch", "cudaGraphLaunch", "cuGraphLaunch"];
    let is_launch = |name: &str| PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && !name.contains("HostFunc");
    let calls = &events.calls;
    let launches: Vec<bool> = calls.kinds.iter().map(|kind| is_launch(events.names.text(kind.name))).collect();
    let mut counts = vec![0; events.processes.len()];
    for (row, &kind) in calls.kind.iter().enumerate().filter(|(_, kind)| launches[**kind as usize]) {
        counts[calls.kinds[kind as usize].process as usize] += i64::from(events.counts_call(row));
    }
    counts
}

fn process_table(spec: TableSpec, rows: &[Row], total: i64) -> Table {
    let cells = rows.iter().map(|row| {
        vec![
            row.pid.into(),
            row.name.as_deref().into(),
            if row.worker { "worker" } else { "host" }.into(),
            row.devices.as_str().into(),
            row.launch_calls.into(),
            row.rates.launches().into(),
            row.kernel_ns.into(),
            share(row.kernel_ns, total).into(),
            row.rates.per_second.into(),
            row.rates.quantiles[0].into(),
            row.rates.storm.into(),
            row.coverage.into(),
        ]
    });
    Table::new(spec, rows.len(), cells)
}

fn launch_table(spec: TableSpec, rows: &[Row]) -> Table {
    let launching: Vec<&Row> = rows.iter().filter(|row| row.rates.launches() > 0).collect();
    let cells = launching.iter().map(|row| [Cell::from(row.pid)].into_iter().chain(row.rates.cells()).collect());
    Table::new(spec, launching.len(), cells)
}

fn pid_warnings(input: &Input<'_>) -> Vec<Warning> {
    let events = input.events;
    let ops = &events.kernels;
    let is_pid_0 = |row: &usize| events.processes[ops.kind_of(*row).process as usize].key.pid() == 0;
    let of_pid_0 = (0..ops.len()).filter(is_pid_0).count();
    if ops.is_empty() || of_pid_0 * 2 <= ops.len() {
        return Vec::new();
    }
    vec![Warning {
        code: "pid_zero",
        message: format!(
            "{} of {} kernels carry process id 0: figures by process cannot be trusted.",
            counted(of_pid_0),
            counted(ops.len())
        ),
        section: Some("processes"),
    }]
}

fn by_pid(name: &'static str, description: &'static str, columns: Vec<ColumnSpec>) -> TableSpec {
    let pid = ColumnSpec::id("pid", "Process id as the operating system of the capture numbered it.");
    TableSpec { name, description, events: false, columns: [pid].into_iter().chain(columns).collect() }
}

impl super::Analysis for Analysis {
    fn spec(&self) -> SectionSpec {
        let processes = by_pid(
            "processes",
            "One row per process with GPU ops, CUDA calls or NVTX ranges, by kernel time.",
            vec![
                ColumnSpec::text("name", "Name of the process, where the export tells it.").or_null(),
                ColumnSpec::text("role", "worker (has GPU ops) or host (calls CUDA or NVTX only)."),
                ColumnSpec::text("devices", "CUDA ordinals of the devices it uses."),
                ColumnSpec::count("launch_calls", "Calls that launch kernels or CUDA graphs."),
                ColumnSpec::count("kernels", "Kernels executed."),
                ColumnSpec::ns("kernel_ns", "Their summed duration."),
                ColumnSpec::share("share", "Part of all kernel time of the trace."),
                ColumnSpec::per_second("launches_per_s", "Kernels over the window of the process."),
                ColumnSpec::ns_float("p50_ns", "Median kernel duration.").or_null(),
                ColumnSpec::flag("launch_storm", "Whether its rate meets the storm rule."),
                ColumnSpec::share("coverage", "Part of its kernel time that was launched inside an NVTX range."),
            ],
        );
        SectionSpec {
            id: "processes",
            title: "Processes",
            summary: vec![
                ColumnSpec::count("processes", "Processes with GPU ops, CUDA calls or NVTX ranges."),
                ColumnSpec::count("workers", "Those with GPU ops."),
            ],
            tables: vec![
                processes,
                by_pid("kernels_by_pid", "Kernels by process, name and device.", kernels::columns()),
                by_pid("launches_by_pid", "Launch figures by process.", launches::columns()),
                by_pid("sync_by_pid", "Synchronisation calls by process.", sync::columns()),
                by_pid("nvtx_by_pid", "NVTX ranges by process.", nvtx::columns()),
            ],
        }
    }

    fn availability(&self, probe: &Probe<'_>) -> Availability {
        if probe.gpu_ops() + probe.rows(RUNTIME) + probe.rows(NVTX) == 0 {
            Availability::missing("The export has no CUDA or NVTX activity.", Some(TRACE_CUDA))
        } else if probe.schema.kernel_table().is_some_and(|kernels| !kernels.has("globalPid")) {
            Availability::partial(
                "Kernels carry no process id: they count for the only process that calls CUDA, if there is one.",
                None,
            )
        } else {
            Availability::OK
        }
    }

    fn run(&self, input: &Input<'_>) -> Outcome {
        let events = input.events;
        if events.processes.is_empty() {
            let reason = "The export has no CUDA or NVTX activity.";
            return Outcome::Missing(Availability::missing(reason, Some(TRACE_CUDA)).absence());
        }
        let rows = rows(input);
        let total = rows.iter().fold(0_i64, |sum, row| sum.saturating_add(row.kernel_ns));
        let [processes, by_kernel, by_launch, by_call, by_range] =
            <[TableSpec; 5]>::try_from(self.spec().tables).expect("five tables");
        let kernel_groups = kernels::groups(input, true);
        Outcome::Ok(Section {
            summary: vec![rows.len().into(), rows.iter().filter(|row| row.worker).count().into()],
            tables: vec![
                process_table(processes, &rows, total),
                kernels::table(events, by_kernel, &kernel_groups, total),
                launch_table(by_launch, &rows),
                sync::table(events, by_call, &sync::groups(input, true)),
                nvtx::table(events, by_range, &nvtx::groups(input, true)),
            ],
            derived_from: with_kernel_table(
                input.schema,
                &[RUNTIME, NVTX, MEMCPY, MEMSET, GRAPH_TRACE, "PROCESSES", "TARGET_INFO_CUDA_DEVICE", "StringIds"],
            ),
            limitations: graph_mode_limit(events).into_iter().collect(),
            warnings: pid_warnings(input),
        })
    }
}
