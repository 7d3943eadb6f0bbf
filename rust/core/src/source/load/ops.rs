//! GPU ops: kernels, copies, sets and graph executions.
//!
//! Accepted: integer `start`, `end` and `deviceId`, `end >= start`, not both times 0.

use super::places::{LocalIds, OpPlace, Places};
use super::texts::Strings;
use super::{LoadOptions, Part, times};
use crate::model::events::{Kernels, Ops};
use crate::source::batch::{Batch, Wanted};
use crate::source::schema::TableInfo;

/// Accepted ops of one part.
#[derive(Debug, Default)]
pub(super) struct OpPart {
    start: Vec<i64>,
    end: Vec<i64>,
    correlation: Vec<i64>,
    in_graph: Vec<bool>,
    graph_id: Vec<i64>,
    pub(super) place: Vec<u32>,
    pub(super) places: LocalIds<OpPlace>,
    tells_device: bool,
    rejected: i64,
}

impl OpPart {
    /// Adds a row if it is an op of the window, and tells whether it was added.
    fn add_row(&mut self, batch: &Batch, row: usize, options: &LoadOptions) -> bool {
        let int = |column: usize| batch.int(row, column);
        let device = int(2);
        let Some((start, end)) =
            times(int(0), int(1)).filter(|&times| times != (0, 0) && (device.is_some() || !self.tells_device))
        else {
            self.rejected += 1;
            return false;
        };
        if options.window.is_some_and(|(from, to)| !(from..to).contains(&start)) {
            return false;
        }
        self.start.push(start);
        self.end.push(end);
        self.place.push(self.places.number((int(3), device)));
        self.correlation.push(int(4).unwrap_or(0));
        self.in_graph.push(int(5).is_some_and(|node| node != 0));
        self.graph_id.push(int(6).unwrap_or(0));
        true
    }
}

impl Part for OpPart {
    const COLUMNS: &'static [Wanted] = &[
        Wanted::int("start"),
        Wanted::int("end"),
        Wanted::int("deviceId"),
        Wanted::int("globalPid"),
        Wanted::int("correlationId"),
        Wanted::int("graphNodeId"),
        Wanted::int("graphId"),
    ];

    fn new(table: &TableInfo) -> Self {
        Self { tells_device: table.has("deviceId"), ..Self::default() }
    }

    fn add(&mut self, batch: &Batch, options: &LoadOptions) {
        for row in 0..batch.rows() {
            self.add_row(batch, row, options);
        }
    }

    fn rejected(&self) -> i64 {
        self.rejected
    }
}

/// Accepted kernels of one part.
#[derive(Debug, Default)]
pub(super) struct KernelPart {
    pub(super) ops: OpPart,
    name: Vec<u32>,
    names: LocalIds<Option<i64>>,
}

impl Part for KernelPart {
    const COLUMNS: &'static [Wanted] = &[
        Wanted::int("start"),
        Wanted::int("end"),
        Wanted::int("deviceId"),
        Wanted::int("globalPid"),
        Wanted::int("correlationId"),
        Wanted::int("graphNodeId"),
        Wanted::int("graphId"),
        Wanted::int("demangledName"),
        Wanted::int("shortName"),
    ];

    fn new(table: &TableInfo) -> Self {
        Self { ops: OpPart::new(table), ..Self::default() }
    }

    fn add(&mut self, batch: &Batch, options: &LoadOptions) {
        for row in 0..batch.rows() {
            if self.ops.add_row(batch, row, options) {
                let name = batch.int(row, 7).or_else(|| batch.int(row, 8));
                self.name.push(self.names.number(name));
            }
        }
    }

    fn rejected(&self) -> i64 {
        self.ops.rejected
    }
}

/// The ops of a table without names.
pub(super) fn plain(parts: Vec<OpPart>, places: &Places) -> Ops {
    let mut ops = Ops::default();
    reserve(&mut ops, parts.iter());
    for part in parts {
        append(&mut ops, part, places);
    }
    ops
}

/// The kernels.
pub(super) fn kernels(parts: Vec<KernelPart>, places: &Places, strings: &mut Strings) -> Kernels {
    let mut kernels = Kernels::default();
    reserve(&mut kernels.ops, parts.iter().map(|part| &part.ops));
    kernels.name.reserve_exact(parts.iter().map(|part| part.name.len()).sum());
    for part in parts {
        let names: Vec<u32> = part.names.values().iter().map(|&id| strings.name(id)).collect();
        kernels.name.extend(part.name.iter().map(|&local| names[local as usize]));
        append(&mut kernels.ops, part.ops, places);
    }
    kernels
}

fn reserve<'a>(ops: &mut Ops, parts: impl Iterator<Item = &'a OpPart>) {
    let rows = parts.map(|part| part.start.len()).sum();
    ops.start.reserve_exact(rows);
    ops.end.reserve_exact(rows);
    ops.device.reserve_exact(rows);
    ops.process.reserve_exact(rows);
    ops.correlation.reserve_exact(rows);
    ops.in_graph.reserve_exact(rows);
    ops.graph_id.reserve_exact(rows);
}

fn append(ops: &mut Ops, part: OpPart, places: &Places) {
    let local: Vec<(u32, u32)> =
        part.places.values().iter().map(|&place| (places.device(place), places.op_process(place.0))).collect();
    ops.device.extend(part.place.iter().map(|&place| local[place as usize].0));
    ops.process.extend(part.place.iter().map(|&place| local[place as usize].1));
    ops.start.extend(part.start);
    ops.end.extend(part.end);
    ops.correlation.extend(part.correlation);
    ops.in_graph.extend(part.in_graph);
    ops.graph_id.extend(part.graph_id);
}
