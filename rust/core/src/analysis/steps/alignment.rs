//! The slowest step beside the median step of its kind, kernel by kernel.
//!
//! Kernels are matched by name and occurrence: the third `gemm` of the one step is the third `gemm` of the other. The
//! wait before a kernel is the time since the worker's kernels before it in the step ended.

use rustc_hash::FxHashMap;

use crate::analysis::Input;
use crate::analysis::iterations::Step;
use crate::model::table::{Cell, ColumnSpec, Table, TableSpec};

pub(super) fn spec() -> TableSpec {
    TableSpec {
        name: "slowest_step",
        description: "Kernels of the slowest step beside those of the median step of its kind, by difference.",
        events: true,
        columns: vec![
            ColumnSpec::id("position", "Place among the kernels of the slowest step; null where it has none.")
                .or_null(),
            ColumnSpec::text("kernel_name", "Demangled name."),
            ColumnSpec::ns("start_ns", "Start in the slowest step.").or_null(),
            ColumnSpec::ns("kernel_ns", "Duration there.").or_null(),
            ColumnSpec::ns("wait_before_ns", "Wait of the worker before it there.").or_null(),
            ColumnSpec::ns("median_kernel_ns", "Duration in the median step; null where that has none.").or_null(),
            ColumnSpec::ns("median_wait_before_ns", "Wait before it there.").or_null(),
            ColumnSpec::ns("excess_ns", "Duration and wait beyond those of the median step."),
        ],
    }
}

/// A kernel of a step.
#[derive(Debug, Clone, Copy)]
struct Kernel {
    name: u32,
    start: i64,
    length: i64,
    wait: i64,
}

/// The kernels of a step's worker between its start and the next step.
fn kernels(input: &Input<'_>, step: &Step) -> Vec<Kernel> {
    let ops = &input.events.kernels;
    let (from, to) = step.extent();
    let of_worker: Vec<bool> =
        ops.kinds.iter().map(|kind| kind.process == step.process && kind.device == step.device).collect();
    let rows = ops
        .kind
        .iter()
        .enumerate()
        .filter(|(row, kind)| of_worker[**kind as usize] && (from..to).contains(&ops.start[*row]));
    let mut found: Vec<Kernel> = rows
        .map(|(row, &kind)| Kernel {
            name: ops.kinds[kind as usize].name,
            start: ops.start[row],
            length: ops.duration(row),
            wait: 0,
        })
        .collect();
    found.sort_by_key(|kernel| (kernel.start, kernel.length));
    let mut reach = from;
    for kernel in &mut found {
        kernel.wait = (kernel.start - reach).max(0);
        reach = reach.max(kernel.start + kernel.length);
    }
    found
}

/// The table for a slow step and the median one; empty without them.
pub(super) fn table(input: &Input<'_>, steps: Option<(&Step, &Step)>) -> Table {
    let Some((slow, median)) = steps else { return Table::new(spec(), 0, []) };
    let (slow, median) = (kernels(input, slow), kernels(input, median));
    let mut places: FxHashMap<(u32, usize), usize> = FxHashMap::default();
    let mut seen: FxHashMap<u32, usize> = FxHashMap::default();
    let mut occurrence = |name: u32| {
        let count = seen.entry(name).or_default();
        *count += 1;
        *count
    };
    for (at, kernel) in median.iter().enumerate() {
        places.insert((kernel.name, occurrence(kernel.name)), at);
    }
    let mut seen: FxHashMap<u32, usize> = FxHashMap::default();
    let mut matched = vec![false; median.len()];
    let mut rows: Vec<Vec<Cell>> = Vec::with_capacity(slow.len());
    let text = |name: u32| Cell::from(input.events.names.text(name));
    for (position, kernel) in slow.iter().enumerate() {
        let count = seen.entry(kernel.name).or_default();
        *count += 1;
        let other = places.get(&(kernel.name, *count)).map(|&at| {
            matched[at] = true;
            median[at]
        });
        let before = other.map_or(0, |other| other.length + other.wait);
        rows.push(vec![
            position.into(),
            text(kernel.name),
            kernel.start.into(),
            kernel.length.into(),
            kernel.wait.into(),
            other.map(|other| other.length).into(),
            other.map(|other| other.wait).into(),
            (kernel.length + kernel.wait - before).into(),
        ]);
    }
    for (kernel, _) in median.iter().zip(matched).filter(|(_, matched)| !matched) {
        rows.push(vec![
            Cell::Null,
            text(kernel.name),
            Cell::Null,
            Cell::Null,
            Cell::Null,
            kernel.length.into(),
            kernel.wait.into(),
            (-kernel.length - kernel.wait).into(),
        ]);
    }
    // The largest differences first; positions tell the order.
    let excess = |row: &[Cell]| match row.last() {
        Some(Cell::Int(ns)) => ns.unsigned_abs(),
        _ => 0,
    };
    rows.sort_by_key(|row| std::cmp::Reverse(excess(row)));
    Table::new(spec(), rows.len(), rows)
}
