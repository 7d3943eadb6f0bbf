//! What the kernels are for, by the categories of their names.
//!
//! `union_ns` is the measure of the union of the kernels of one category on one device: what runs at the same time
//! counts once. A kernel belongs to the step of its process and device to whose extent its start belongs.

use std::cmp::Reverse;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::iterations::Steps;
use super::{
    Availability, Input, Outcome, Probe, device_cells, device_columns, graph_mode_limit, kernels, no_kernels_in, share,
    with_kernel_table,
};
use crate::algo::join::NONE;
use crate::algo::topk::smallest_by;
use crate::model::events::{Events, OpKind, Ops};
use crate::model::section::{Section, SectionSpec};
use crate::model::table::{ColumnSpec, Table, TableSpec};

mod in_steps;
mod unions;

pub(super) struct Analysis;

/// How many kernels, and their summed duration.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    calls: i64,
    total: i64,
}

impl Sum {
    const fn add(&mut self, calls: i64, total: i64) {
        self.calls += calls;
        self.total = self.total.saturating_add(total);
    }
}

/// Small numbers for the keys of kernel kinds, in the order in which they occur.
#[derive(Debug)]
struct Numbers<K> {
    of_kind: Vec<u32>,
    keys: Vec<K>,
}

impl<K: Copy + Eq + std::hash::Hash> Numbers<K> {
    /// Numbers the keys of all kinds; a kind without a key has the number [`NONE`].
    fn new(ops: &Ops, key: impl Fn(&OpKind) -> Option<K>) -> Self {
        let mut known: FxHashMap<K, u32> = FxHashMap::default();
        let mut keys = Vec::new();
        let mut number = |kind: &OpKind| {
            let Some(key) = key(kind) else { return NONE };
            *known.entry(key).or_insert_with(|| {
                keys.push(key);
                u32::try_from(keys.len() - 1).unwrap_or(NONE)
            })
        };
        let of_kind = ops.kinds.iter().map(&mut number).collect();
        Self { of_kind, keys }
    }
}

/// The category of the kernels of one kind.
pub(super) fn category(input: &Input<'_>, kind: &OpKind) -> u16 {
    let known = input.derived.category_of_name.get(kind.name as usize);
    known.copied().unwrap_or_else(|| input.options.categories.other())
}

/// The sums of each kernel kind.
fn sums_of_kinds(input: &Input<'_>) -> Vec<Sum> {
    let durations = &input.derived.kernel_durations;
    let sum = |(kind, _)| Sum { calls: durations.count(&[kind]), total: durations.total(&[kind]) };
    (0_u32..).zip(&input.events.kernels.kinds).map(sum).collect()
}

/// The sums of kinds, added up by number.
fn added_up<K>(numbers: &Numbers<K>, of_kinds: &[Sum]) -> Vec<Sum> {
    let mut sums = vec![Sum::default(); numbers.keys.len()];
    for (&number, sum) in numbers.of_kind.iter().zip(of_kinds) {
        sums[number as usize].add(sum.calls, sum.total);
    }
    sums
}

/// The category's table: by total time, then category and device.
fn category_table(input: &Input<'_>, spec: TableSpec, of_kinds: &[Sum], total: i64) -> Table {
    let ops = &input.events.kernels;
    let numbers = Numbers::new(ops, |kind| Some((kind.device, category(input, kind))));
    let sums = added_up(&numbers, of_kinds);
    let unions = unions::of_groups(ops, &numbers.of_kind, numbers.keys.len());
    let names = input.options.categories.names();
    let order = |&a: &usize, &b: &usize| {
        let key = |group: usize| {
            let (device, category) = numbers.keys[group];
            (Reverse(sums[group].total), &names[usize::from(category)], device)
        };
        key(a).cmp(&key(b))
    };
    let rows = smallest_by(0..sums.len(), spec.max_rows(), order).into_iter().map(|group| {
        let (device, category) = numbers.keys[group];
        let cells = [
            (&names[usize::from(category)]).into(),
            sums[group].calls.into(),
            sums[group].total.into(),
            share(sums[group].total, total).into(),
            unions[group].into(),
        ];
        device_cells(input, device as usize).into_iter().chain(cells).collect()
    });
    Table::new(spec, sums.len(), rows)
}

/// The kernels behind the categories: by total time, then category and name.
fn kernel_table(input: &Input<'_>, spec: TableSpec, of_kinds: &[Sum], total: i64) -> Table {
    let events = input.events;
    let numbers = Numbers::new(&events.kernels, |kind| Some((kind.name, category(input, kind))));
    let sums = added_up(&numbers, of_kinds);
    let names = input.options.categories.names();
    let texts = |group: usize| -> (&Arc<str>, &Arc<str>) {
        let (name, category) = numbers.keys[group];
        (&names[usize::from(category)], events.names.text(name))
    };
    let order = |&a: &usize, &b: &usize| {
        let key = |group: usize| (Reverse(sums[group].total), texts(group));
        key(a).cmp(&key(b))
    };
    let rows = smallest_by(0..sums.len(), spec.max_rows(), order).into_iter().map(|group| {
        let (category, name) = texts(group);
        let sum = sums[group];
        vec![category.into(), name.into(), sum.calls.into(), sum.total.into(), share(sum.total, total).into()]
    });
    Table::new(spec, sums.len(), rows)
}

/// The part of kernel time that no rule knows.
fn other_share(input: &Input<'_>, of_kinds: &[Sum], total: i64) -> Option<f64> {
    let other = input.options.categories.other();
    let kinds = input.events.kernels.kinds.iter().zip(of_kinds);
    let of_other = kinds.filter(|(kind, _)| category(input, kind) == other);
    share(of_other.fold(0_i64, |sum, (_, of_kind)| sum.saturating_add(of_kind.total)), total)
}

fn limitations(events: &Events, steps: &Steps) -> Vec<String> {
    let mut limits: Vec<String> = graph_mode_limit(events).into_iter().collect();
    limits.push("Categories are told from the names of kernels by rules: a name hints at what a kernel does.".into());
    if steps.list.is_empty() {
        limits.push("No steps were found, so kernels are not split by the kind of step.".into());
    }
    limits
}

fn table_specs() -> Vec<TableSpec> {
    let category = ColumnSpec::text("category", "Category of the kernel, by the first rule that matches its name.");
    let calls = ColumnSpec::count("calls", "Executions.");
    let total = ColumnSpec::ns("total_ns", "Summed duration of the executions.");
    let share = ColumnSpec::share("share", "Part of all kernel time of the trace.");
    let on_device = |rest: &[ColumnSpec]| device_columns().into_iter().chain(rest.iter().copied()).collect();
    vec![
        TableSpec {
            name: "kernel_categories",
            description: "One row per category and device, by total time.",
            events: false,
            columns: on_device(&[
                category,
                calls,
                total,
                share,
                ColumnSpec::ns("union_ns", "Time in which at least one kernel of the category ran on the device."),
            ]),
        },
        TableSpec {
            name: "category_kernels",
            description: "One row per kernel name, with its category, by total time.",
            events: false,
            columns: vec![category, ColumnSpec::text("kernel_name", "Demangled name, in full."), calls, total, share],
        },
        TableSpec {
            name: "step_categories",
            description: "One row per worker, kind of step and category, of the kernels inside steps, by total time.",
            events: false,
            columns: on_device(&[
                ColumnSpec::id("pid", "Process id of the worker."),
                ColumnSpec::text("step_kind", "prefill, decode, mixed or unknown."),
                category,
                calls,
                total,
                ColumnSpec::ns_float("per_step_ns", "Their duration over the worker's steps of that kind."),
            ]),
        },
    ]
}

impl super::Analysis for Analysis {
    fn spec(&self) -> SectionSpec {
        SectionSpec {
            id: "categories",
            title: "Kernel categories",
            summary: vec![
                ColumnSpec::count("kernels", "Kernels executed."),
                ColumnSpec::ns("total_ns", "Summed duration of all kernels; overlapping kernels count each."),
                ColumnSpec::share("other_share", "Part of that which no rule knows."),
                ColumnSpec::text("rules", "built-in, or built-in plus file where rules were given."),
            ],
            tables: table_specs(),
        }
    }

    fn availability(&self, probe: &Probe<'_>) -> Availability {
        kernels::Analysis.availability(probe)
    }

    fn run(&self, input: &Input<'_>) -> Outcome {
        let events = input.events;
        if events.kernels.is_empty() {
            return Outcome::Missing(no_kernels_in(events));
        }
        let of_kinds = sums_of_kinds(input);
        let total = of_kinds.iter().fold(0_i64, |sum, of_kind| sum.saturating_add(of_kind.total));
        let [categories, names, by_step] = <[TableSpec; 3]>::try_from(table_specs()).expect("three tables");
        let rules = if input.options.categories.own_rules() > 0 { "built-in plus file" } else { "built-in" };
        Outcome::Ok(Section {
            summary: vec![
                events.kernels.len().into(),
                total.into(),
                other_share(input, &of_kinds, total).into(),
                rules.into(),
            ],
            tables: vec![
                category_table(input, categories, &of_kinds, total),
                kernel_table(input, names, &of_kinds, total),
                in_steps::table(input, by_step),
            ],
            derived_from: with_kernel_table(input.schema, &["StringIds"]),
            limitations: limitations(events, &input.derived.steps),
            warnings: Vec::new(),
        })
    }
}
