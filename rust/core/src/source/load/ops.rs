//! GPU ops: kernels, copies, sets and graph executions.
//!
//! Accepted: integer `start`, `end` and `deviceId`, `end >= start`, not both times 0.

use super::places::{GlobalKinds, LocalIds, OpPlace, Places};
use super::texts::Strings;
use super::{LoadOptions, Part, times};
use crate::algo::join::NONE;
use crate::model::events::{CopyKind, NO_BYTES, OpKind, Ops};
use crate::model::ints::{Ints, concat};
use crate::source::batch::{Batch, Cells, Wanted};
use crate::source::schema::TableInfo;

/// Accepted ops of one part.
#[derive(Debug, Default)]
pub(super) struct OpPart {
    start: Vec<i64>,
    length: Ints,
    correlation: Ints,
    pub(super) kind: Vec<u32>,
    /// Place of the op and the id of its name, by kind.
    pub(super) kinds: LocalIds<(u32, Option<i64>)>,
    pub(super) places: LocalIds<OpPlace>,
    tells_device: bool,
    /// The column of the stream's id, where that is wanted.
    stream_at: Option<usize>,
    rejected: i64,
}

impl OpPart {
    /// Whether some op does not name its process.
    pub(super) fn lacks_process(&self) -> bool {
        self.places.values().iter().any(|place| place.process.is_none())
    }

    /// Adds a row, and tells whether it was accepted.
    fn add_row(
        &mut self,
        cells: Cells<'_>,
        name: Option<i64>,
        copy: Option<CopyKind>,
        options: &LoadOptions,
    ) -> bool {
        let int = |column: usize| cells.get(column);
        let stream = self.stream_at.and_then(int);
        let device = int(2);
        let accepted =
            times(int(0), int(1)).filter(|&times| times != (0, 0) && (device.is_some() || !self.tells_device));
        let Some((start, end)) = accepted else {
            self.rejected += 1;
            return false;
        };
        if options.window.is_some_and(|(from, to)| !(from..to).contains(&start)) {
            return false;
        }
        let in_graph = int(5).is_some_and(|node| node != 0);
        let place = OpPlace { process: int(3), device, in_graph, graph_id: int(6).unwrap_or(0), stream, copy };
        let place = self.places.number(place);
        self.start.push(start);
        self.length.push(end - start);
        self.correlation.push(int(4).unwrap_or(0));
        self.kind.push(self.kinds.number((place, name)));
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

    fn columns(options: &LoadOptions) -> Vec<Wanted> {
        with_stream(Self::COLUMNS, options)
    }

    fn add(&mut self, batch: &Batch, options: &LoadOptions) {
        self.stream_at = options.streams.then_some(Self::COLUMNS.len());
        for row in 0..batch.rows() {
            self.add_row(batch.ints(row), None, None, options);
        }
    }

    fn rejected(&self) -> i64 {
        self.rejected
    }
}

/// The columns, and behind them the stream's id where that is wanted.
fn with_stream(columns: &[Wanted], options: &LoadOptions) -> Vec<Wanted> {
    columns.iter().copied().chain(options.streams.then_some(Wanted::int("streamId"))).collect()
}

/// Accepted kernels of one part: ops with a name, `demangledName`, else `shortName`.
#[derive(Debug, Default)]
pub(super) struct KernelPart {
    pub(super) ops: OpPart,
    /// `graphNodeId` of each, where it is wanted.
    nodes: Ints,
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
        Self { ops: OpPart::new(table), nodes: Ints::default() }
    }

    fn columns(options: &LoadOptions) -> Vec<Wanted> {
        with_stream(Self::COLUMNS, options)
    }

    fn add(&mut self, batch: &Batch, options: &LoadOptions) {
        self.ops.stream_at = options.streams.then_some(Self::COLUMNS.len());
        for row in 0..batch.rows() {
            let cells = batch.ints(row);
            let name = cells.get(7).or(cells.get(8));
            if self.ops.add_row(cells, name, None, options) && options.graph_nodes {
                self.nodes.push(cells.get(5).unwrap_or(0));
            }
        }
    }

    fn rejected(&self) -> i64 {
        self.ops.rejected
    }
}

/// Accepted copies of one part.
#[derive(Debug, Default)]
pub(super) struct CopyPart {
    pub(super) ops: OpPart,
    bytes: Ints,
}

impl Part for CopyPart {
    const COLUMNS: &'static [Wanted] = &[
        Wanted::int("start"),
        Wanted::int("end"),
        Wanted::int("deviceId"),
        Wanted::int("globalPid"),
        Wanted::int("correlationId"),
        Wanted::int("graphNodeId"),
        Wanted::int("graphId"),
        Wanted::int("copyKind"),
        Wanted::int("srcKind"),
        Wanted::int("dstKind"),
        Wanted::int("bytes"),
    ];

    fn new(table: &TableInfo) -> Self {
        Self { ops: OpPart::new(table), bytes: Ints::default() }
    }

    fn columns(options: &LoadOptions) -> Vec<Wanted> {
        with_stream(Self::COLUMNS, options)
    }

    fn add(&mut self, batch: &Batch, options: &LoadOptions) {
        self.ops.stream_at = options.streams.then_some(Self::COLUMNS.len());
        for row in 0..batch.rows() {
            let cells = batch.ints(row);
            let int = |column: usize| cells.get(column);
            let copy = CopyKind { direction: int(7), source: int(8), destination: int(9) };
            if self.ops.add_row(cells, None, Some(copy), options) {
                self.bytes.push(int(10).filter(|&bytes| bytes >= 0).unwrap_or(NO_BYTES));
            }
        }
    }

    fn rejected(&self) -> i64 {
        self.ops.rejected
    }
}

/// The ops of a table; `name` numbers the names of kernels, and other ops have none.
fn fill(mut parts: Vec<OpPart>, places: &Places, mut name: impl FnMut(Option<i64>) -> u32) -> Ops {
    let mut kinds = GlobalKinds::default();
    let global: Vec<Vec<u32>> = parts
        .iter()
        .map(|part| {
            let local = part.kinds.values().iter();
            local
                .map(|&(place, id)| {
                    let place = part.places.values()[place as usize];
                    kinds.number(OpKind {
                        device: places.device(place),
                        ordinal: place.device,
                        process: places.op_process(place.process),
                        name: name(id),
                        in_graph: place.in_graph,
                        graph_id: place.graph_id,
                        stream: place.stream,
                        copy: place.copy,
                    })
                })
                .collect()
        })
        .collect();
    let mut column = |take: fn(&mut OpPart) -> Ints| Ints::concat(parts.iter_mut().map(take).collect());
    let length = column(|part| std::mem::take(&mut part.length));
    let correlation = column(|part| std::mem::take(&mut part.correlation));
    let start = concat(parts.iter_mut().map(|part| std::mem::take(&mut part.start)).collect(), |_, start| start);
    let kind = concat(parts.into_iter().map(|part| part.kind).collect(), |part, kind: u32| global[part][kind as usize]);
    Ops { start, length, kind, correlation, kinds: kinds.into_values() }
}

/// The ops of a table without names.
pub(super) fn plain(parts: Vec<OpPart>, places: &Places) -> Ops {
    fill(parts, places, |_| NONE)
}

/// The kernels, and the graph node of each where that is wanted.
pub(super) fn kernels(mut parts: Vec<KernelPart>, places: &Places, strings: &mut Strings) -> (Ops, Ints) {
    let nodes = Ints::concat(parts.iter_mut().map(|part| std::mem::take(&mut part.nodes)).collect());
    (fill(parts.into_iter().map(|part| part.ops).collect(), places, |id| strings.name(id)), nodes)
}

/// The copies, and the bytes of each.
pub(super) fn copies(mut parts: Vec<CopyPart>, places: &Places) -> (Ops, Ints) {
    let bytes = Ints::concat(parts.iter_mut().map(|part| std::mem::take(&mut part.bytes)).collect());
    (plain(parts.into_iter().map(|part| part.ops).collect(), places), bytes)
}
