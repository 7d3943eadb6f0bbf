//! How each column is made.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::data::{Data, op_table};
use super::spec::StreamTable;
use super::values::{Fill, Labels, Values, flags, ints, labels, maybe_ints, texts};
use crate::algo::join::NONE;
use crate::analysis::ended_gap::EndedGap;
use crate::analysis::iterations::{Step, StepFinder};
use crate::analysis::{direction, memory_kind};
use crate::model::events::CopyKind;
use crate::model::step_mark::StepKind;

const STEP_KINDS: [&str; StepKind::ALL.len()] = {
    let mut labels = [""; StepKind::ALL.len()];
    let mut at = 0;
    while at < labels.len() {
        labels[at] = StepKind::ALL[at].as_str();
        at += 1;
    }
    labels
};

/// How a column of a table is made.
///
/// # Panics
/// If the schema declares a column that none of these makes: a defect.
pub(super) fn fill(data: &Data, table: StreamTable, column: &str) -> Fill {
    of_any(data, table, column)
        .or_else(|| op_table(table).and_then(|ops| of_op(data, table, ops, column)))
        .or_else(|| of_call(data, table, column))
        .or_else(|| of_host(data, table, column))
        .or_else(|| of_step_or_gap(table, column))
        .unwrap_or_else(|| panic!("the stream {table:?} declares the column {column}, which nothing makes"))
}

/// The place of a number, if it is one.
fn at(number: u32) -> Option<usize> {
    (number != NONE).then_some(number as usize)
}

fn whole(number: u32) -> Option<i64> {
    (number != NONE).then(|| i64::from(number))
}

/// Integers that depend on the kind of a row alone.
fn by_kind(table: StreamTable, values: Vec<Option<i64>>) -> Fill {
    maybe_ints(move |data, row| values[data.kind(table, row)])
}

fn text_by_kind(table: StreamTable, values: impl Iterator<Item = Option<Arc<str>>>) -> Fill {
    texts(values, move |data, row| Some(data.kind(table, row)))
}

fn of_any(data: &Data, table: StreamTable, column: &str) -> Option<Fill> {
    let devices = || data.devices(table).into_iter().map(|device| &data.events.devices[device as usize]);
    let places = || data.places(table).into_iter();
    Some(match column {
        "start_ns" => ints(move |data, row| data.start(table, row)),
        "end_ns" => ints(move |data, row| data.end(table, row)),
        "duration_ns" => ints(move |data, row| data.end(table, row) - data.start(table, row)),
        "device_id" => by_kind(table, devices().map(|device| device.device_id).collect()),
        "gpu_id" => by_kind(table, devices().map(|device| device.gpu_id).collect()),
        "pid" => by_kind(table, places().map(|(process, _)| data.pid(process)).collect()),
        "tid" => by_kind(table, places().map(|(_, thread)| data.tid(thread)).collect()),
        "process" => {
            let name = |process: u32| data.events.processes.get(process as usize)?.name.as_deref().map(Arc::from);
            text_by_kind(table, places().map(|(process, _)| name(process)))
        }
        _ => return None,
    })
}

fn of_op(data: &Data, table: StreamTable, number: usize, column: &str) -> Option<Fill> {
    let ops = data.ops(number);
    let events = &data.events;
    let by_copy = |word: &dyn Fn(Option<CopyKind>) -> String| {
        let of_kind: Vec<Option<Arc<str>>> = ops.kinds.iter().map(|kind| Some(Arc::from(word(kind.copy)))).collect();
        text_by_kind(table, of_kind.into_iter())
    };
    let memory = |number: Option<i64>| memory_kind(&events.labels, number);
    Some(match column {
        "kernel_name" => text_by_kind(
            table,
            ops.kinds.iter().map(|kind| at(kind.name).map(|name| Arc::clone(&events.names.texts()[name]))),
        ),
        "stream_id" => by_kind(table, ops.kinds.iter().map(|kind| kind.stream).collect()),
        "in_graph" => {
            let of_kind: Vec<bool> = ops.kinds.iter().map(|kind| kind.in_graph).collect();
            flags(move |data, row| of_kind[data.kind(table, row)])
        }
        "graph_id" => by_kind(table, ops.kinds.iter().map(|kind| Some(kind.graph_id).filter(|&id| id != 0)).collect()),
        "correlation_id" => {
            maybe_ints(move |data, row| Some(data.ops(number).correlation.get(row)).filter(|&id| id != 0))
        }
        "bytes" => maybe_ints(|data, row| data.events.bytes_of_copy(row)),
        "direction" => by_copy(&|copy| direction(copy.and_then(|copy| copy.direction))),
        "src_kind" => by_copy(&|copy| memory(copy.and_then(|copy| copy.source))),
        "dst_kind" => by_copy(&|copy| memory(copy.and_then(|copy| copy.destination))),
        "kernels_traced" => {
            flags(|data, row| data.derived.as_ref().is_some_and(|derived| derived.graph_is_double[row]))
        }
        "category" => {
            let derived = data.derived.as_ref();
            let category = |name: u32| derived.and_then(|derived| derived.category_of_name.get(name as usize));
            let names = data.categories.names();
            text_by_kind(
                table,
                ops.kinds.iter().map(|kind| category(kind.name).map(|&number| Arc::clone(&names[usize::from(number)]))),
            )
        }
        "gap_before_ns" => {
            ints(move |data, row| at(data.gap_of[number][row]).map_or(0, |gap| data.gap(gap).end - data.gap(gap).start))
        }
        "gap_cause" => labels(EndedGap::CAUSES, move |data, row| Some(data.gap(at(data.gap_of[number][row])?).cause())),
        "step" => {
            let finder = OpSteps::new(data, number);
            Box::new(move |data, rows| {
                let found = finder.find(data, rows);
                Values::MaybeInts(found.into_iter().map(|step| step.map(|step| i64::from(step.index))).collect())
            })
        }
        "step_kind" => {
            let finder = OpSteps::new(data, number);
            let labels = Labels::new(&STEP_KINDS);
            Box::new(move |data, rows| {
                labels.of(finder.find(data, rows).into_iter().map(|step| step.map(|step| step.kind as usize)))
            })
        }
        _ => return None,
    })
}

/// Finds the steps of the ops of one table.
struct OpSteps {
    table: usize,
    /// By kind of op, the worker whose steps it may belong to.
    worker_of: Vec<Option<usize>>,
}

impl OpSteps {
    fn new(data: &Data, table: usize) -> Self {
        let workers: FxHashMap<(u32, u32), usize> = data.derived.as_ref().map_or_else(FxHashMap::default, |derived| {
            let workers = derived.steps.workers.iter().enumerate();
            workers.map(|(number, worker)| ((worker.process, worker.device), number)).collect()
        });
        let kinds = data.ops(table).kinds.iter();
        Self { table, worker_of: kinds.map(|kind| workers.get(&(kind.process, kind.device)).copied()).collect() }
    }

    fn find<'a>(&self, data: &'a Data, rows: &[u32]) -> Vec<Option<&'a Step>> {
        let Some(derived) = &data.derived else { return vec![None; rows.len()] };
        let (ops, call_of) = (data.ops(self.table), &derived.call_of[self.table]);
        let mut finder = StepFinder::new(&derived.steps);
        let step = |&row: &u32| {
            let row = row as usize;
            finder.find(self.worker_of[ops.kind[row] as usize]?, call_of[row], ops.start[row])
        };
        rows.iter().map(step).collect()
    }
}

/// What is known of the call of an op or of the end of a gap.
fn of_call(data: &Data, table: StreamTable, column: &str) -> Option<Fill> {
    if op_table(table).is_none() && table != StreamTable::Gaps {
        return None;
    }
    let events = &data.events;
    let kind_of =
        move |data: &Data, row: usize| at(data.call(table, row)).map(|call| data.events.calls.kind[call] as usize);
    Some(match column {
        "call_id" => maybe_ints(move |data, row| whole(data.call(table, row))),
        "api_name" => {
            texts(events.calls.kinds.iter().map(|kind| Some(Arc::clone(events.names.text(kind.name)))), kind_of)
        }
        "launch_start_ns" => maybe_ints(move |data, row| Some(data.events.calls.start[at(data.call(table, row))?])),
        "launch_end_ns" => maybe_ints(move |data, row| Some(data.events.calls.end(at(data.call(table, row))?))),
        "launch_tid" => {
            let tids: Vec<Option<i64>> = events.calls.kinds.iter().map(|kind| data.tid(kind.thread)).collect();
            maybe_ints(move |data, row| tids[kind_of(data, row)?])
        }
        "range_id" => maybe_ints(move |data, row| whole(data.range(table, row))),
        "range" => texts(range_names(data), move |data, row| {
            at(data.range(table, row)).map(|range| data.events.ranges.kind[range] as usize)
        }),
        _ => return None,
    })
}

/// The normalised name of each kind of range.
fn range_names(data: &Data) -> impl Iterator<Item = Option<Arc<str>>> + '_ {
    data.events.ranges.kinds.iter().map(|kind| Some(Arc::clone(data.events.range_names.text(kind.name))))
}

fn of_host(data: &Data, table: StreamTable, column: &str) -> Option<Fill> {
    let events = &data.events;
    Some(match (table, column) {
        (StreamTable::ApiCalls, "api_name") => {
            text_by_kind(table, events.calls.kinds.iter().map(|kind| Some(Arc::clone(events.names.text(kind.name)))))
        }
        (StreamTable::ApiCalls, "correlation_id") => {
            maybe_ints(|data, row| Some(data.events.calls.correlation.get(row)).filter(|&id| id != 0))
        }
        (StreamTable::ApiCalls, "call_id") | (StreamTable::Ranges, "range_id") => {
            ints(|_, row| i64::try_from(row).unwrap_or(i64::MAX))
        }
        (StreamTable::ApiCalls, "gpu_ops") => {
            let mut ops = vec![0_i64; events.calls.len()];
            let derived = data.derived.as_ref();
            for &call in
                derived.iter().flat_map(|derived| derived.call_of.iter().flatten()).filter(|&&call| call != NONE)
            {
                ops[call as usize] += 1;
            }
            ints(move |_, row| ops[row])
        }
        (StreamTable::Ranges, "range_name") => text_by_kind(table, range_names(data)),
        (StreamTable::Ranges, "raw_name") => {
            let raw = |raw: u32| at(raw).and_then(|raw| events.raw_range_names.texts().get(raw)).map(Arc::clone);
            text_by_kind(table, events.ranges.kinds.iter().map(|kind| raw(kind.raw)))
        }
        (StreamTable::Ranges, "domain") => text_by_kind(
            table,
            events.ranges.kinds.iter().map(|kind| Some(Arc::clone(events.domains.text(kind.domain)))),
        ),
        (StreamTable::Ranges, "crosses_threads") => {
            let of_kind: Vec<bool> = events.ranges.kinds.iter().map(|kind| kind.crosses_threads).collect();
            flags(move |data, row| of_kind[data.kind(table, row)])
        }
        (StreamTable::OsCalls, "call_name") => {
            text_by_kind(table, events.os_calls.kinds.iter().map(|kind| Some(Arc::clone(events.names.text(kind.name)))))
        }
        _ => return None,
    })
}

fn of_step_or_gap(table: StreamTable, column: &str) -> Option<Fill> {
    let step_of = move |data: &Data, row: usize| -> Option<Step> {
        let at = if table == StreamTable::Steps { Some(row) } else { at(data.gap(row).step) };
        at.map(|at| *data.step(at))
    };
    Some(match (table, column) {
        (StreamTable::Steps, "step") => ints(|data, row| i64::from(data.step(row).index)),
        (StreamTable::Gaps, "step") => {
            maybe_ints(move |data, row| step_of(data, row).map(|step| i64::from(step.index)))
        }
        (_, "step_kind") => labels(&STEP_KINDS, move |data, row| step_of(data, row).map(|step| step.kind as usize)),
        (StreamTable::Steps, "period_ns") => maybe_ints(|data, row| data.step(row).period),
        (StreamTable::Steps, "kernels") => ints(|data, row| data.step(row).kernels),
        (StreamTable::Steps, "graph_launches") => ints(|data, row| data.step(row).graph_launches),
        (StreamTable::Steps, "steady") => flags(|data, row| data.step(row).steady),
        (StreamTable::Steps, "host_start_ns") => maybe_ints(|data, row| data.step(row).host.map(|host| host.0)),
        (StreamTable::Steps, "host_end_ns") => maybe_ints(|data, row| data.step(row).host.map(|host| host.1)),
        (StreamTable::Gaps, "gap_cause") => labels(EndedGap::CAUSES, |data, row| Some(data.gap(row).cause())),
        (StreamTable::Gaps, "place") => labels(&EndedGap::PLACES, |data, row| Some(data.gap(row).place())),
        _ => return None,
    })
}
