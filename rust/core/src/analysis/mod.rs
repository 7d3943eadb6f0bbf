//! The analyses, one file per section of the report. Each takes columns, never a connection.

use std::collections::BTreeMap;

use crate::categories::Categories;
use crate::model::events::Events;
use crate::model::section::{Absence, Availability, Outcome, SectionSpec};
use crate::model::table::{Cell, ColumnSpec};
use crate::phase_map::PhaseMap;
use crate::source::schema::Schema;

pub mod derived;
pub mod ended_gap;
mod first_ops;
pub mod iterations;

mod attribution;
mod budget;
mod categories;
mod checks;
mod communication;
mod detect;
mod device_time;
mod durations;
mod gap_place;
mod gpu_idle;
mod graphs;
mod host_work;
mod kernels;
mod launch_path;
mod launches;
mod memory;
mod nvtx;
mod op_order;
mod phases;
mod processes;
mod steps;
mod suspects;
mod sync;
pub mod timeline;

pub(crate) use checks::CHECK_FAILED;
use derived::Derived;
pub(crate) use memory::{direction, memory_kind};

/// Options of one run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether to compute percentiles per kernel.
    pub kernel_percentiles: bool,
    /// Whether to attribute kernels to NVTX ranges.
    pub nvtx_kernel_map: bool,
    /// Phases of the user.
    pub phases: Option<PhaseMap>,
    /// Rules for the categories of kernels.
    pub categories: Categories,
    /// Whether the user named the ranges that are steps.
    pub has_step_range: bool,
    /// Which columns stay once what sections share is known.
    pub columns: Columns,
}

/// Which columns of events stay once what several analyses need is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// Those that a section needs.
    Needed,
    /// All of them.
    All,
}

/// What an analysis works on.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// Tables and columns of the export.
    pub schema: &'a Schema,
    /// Events of the window.
    pub events: &'a Events,
    /// What several analyses need.
    pub derived: &'a Derived,
    /// Options of the run.
    pub options: &'a Options,
    /// Rows of each table that was read.
    pub rows: &'a BTreeMap<String, i64>,
    /// Rows of those that are no events.
    pub rejected: &'a BTreeMap<String, i64>,
    /// Outcomes of the sections before, in the order of [`ALL`], for the last one, which judges them; else empty.
    pub finished: &'a [Outcome],
}

/// What is known of an export before its events are read.
pub struct Probe<'a> {
    /// Tables and columns.
    pub schema: &'a Schema,
    /// Rows by table.
    pub rows: &'a BTreeMap<String, i64>,
}

impl Probe<'_> {
    /// Rows of a table; 0 where it is absent.
    pub fn rows(&self, table: &str) -> i64 {
        self.schema.table(table).and_then(|table| self.rows.get(&table.name)).copied().unwrap_or(0)
    }

    /// Rows of the kernel table.
    pub fn kernels(&self) -> i64 {
        self.schema.kernel_table().map_or(0, |table| self.rows(&table.name))
    }

    /// Rows of all tables of GPU ops.
    pub fn gpu_ops(&self) -> i64 {
        self.kernels() + self.rows(MEMCPY) + self.rows(MEMSET) + self.rows(GRAPH_TRACE)
    }
}

/// One section of the report.
pub trait Analysis: Sync {
    /// The declared schema.
    fn spec(&self) -> SectionSpec;
    /// What an export allows of it, from its tables alone.
    fn availability(&self, probe: &Probe<'_>) -> Availability;
    /// Computes it.
    fn run(&self, input: &Input<'_>) -> Outcome;
}

/// Every section, in the order of the report. The last one is computed from the others.
pub const ALL: &[&dyn Analysis] = &[
    &budget::Analysis,
    &steps::Analysis,
    &categories::Analysis,
    &launch_path::Analysis,
    &memory::Analysis,
    &communication::Analysis,
    &kernels::Analysis,
    &launches::Analysis,
    &sync::Analysis,
    &gpu_idle::Analysis,
    &nvtx::Analysis,
    &phases::Analysis,
    &processes::Analysis,
    &graphs::Analysis,
    &checks::Analysis,
];

const RUNTIME: &str = "CUPTI_ACTIVITY_KIND_RUNTIME";
const MEMCPY: &str = "CUPTI_ACTIVITY_KIND_MEMCPY";
const MEMSET: &str = "CUPTI_ACTIVITY_KIND_MEMSET";
const GRAPH_TRACE: &str = "CUPTI_ACTIVITY_KIND_GRAPH_TRACE";
const NVTX: &str = "NVTX_EVENTS";

const TRACE_CUDA: &str = "--trace=cuda";
const TRACE_NVTX: &str = "--trace=nvtx";
const NODE_MODE: &str = "--cuda-graph-trace=node";

/// The columns that name a device.
fn device_columns() -> [ColumnSpec; 2] {
    [
        ColumnSpec::id("device_id", "CUDA ordinal of the device in the export.").or_null(),
        ColumnSpec::id("gpu_id", "Physical id of the GPU, where the export maps it.").or_null(),
    ]
}

/// The cells of those.
fn device_cells(input: &Input<'_>, device: usize) -> [Cell; 2] {
    let device = &input.events.devices[device];
    [device.device_id.into(), device.gpu_id.into()]
}

/// Why there are no kernels, and what brings them.
fn no_kernels(graph_executions: bool) -> Availability {
    if graph_executions {
        Availability::missing("CUDA graphs were traced as wholes: the kernels inside are in no table.", Some(NODE_MODE))
    } else {
        Availability::missing("The export has no kernels.", Some(TRACE_CUDA))
    }
}

/// Why there are no kernels among the events: the window may be to blame, not the capture.
fn no_kernels_in(events: &Events) -> Absence {
    match events.window {
        Some(_) => empty_window("kernels"),
        None => no_kernels(!events.graphs.is_empty()).absence(),
    }
}

/// The absence of what the chosen window does not hold.
fn empty_window(what: &str) -> Absence {
    Absence { needs: vec![format!("The chosen window holds no {what}.")] }
}

/// The names of those tables that the export has.
fn present(schema: &Schema, tables: &[&str]) -> Vec<String> {
    tables.iter().filter_map(|name| schema.table(name)).map(|table| table.name.clone()).collect()
}

/// The kernel table, and others, where the export has them.
fn with_kernel_table(schema: &Schema, others: &[&str]) -> Vec<String> {
    schema.kernel_table().map(|table| table.name.clone()).into_iter().chain(present(schema, others)).collect()
}

/// The limitation that every section derived from kernels carries in graph mode.
fn graph_mode_limit(events: &Events) -> Option<String> {
    (!events.graphs.is_empty()).then(|| {
        format!(
            "{} executions of CUDA graphs were traced as wholes: the kernels inside are invisible here ({NODE_MODE} shows them).",
            counted(events.graphs.len())
        )
    })
}

/// A number of things for people, in groups of three digits.
pub(crate) fn counted(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A fraction; null where the denominator is 0.
fn share(part: i64, whole: i64) -> Option<f64> {
    (whole != 0).then(|| part as f64 / whole as f64)
}
