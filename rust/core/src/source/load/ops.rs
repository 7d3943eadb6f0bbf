//! GPU ops: kernels, copies, sets and graph executions.
//!
//! Accepted: integer `start`, `end` and `deviceId`, `end >= start`, not both times 0.

use super::places::{GlobalKinds, LocalIds, OpPlace, Places};
use super::texts::Strings;
use super::{Columns, Filled, Fills, LoadOptions, Part, Stretch, times};
use crate::algo::join::NONE;
use crate::model::events::{CopyKind, NO_BYTES, OpKind, Ops};
use crate::model::ints::Ints;
use crate::source::batch::{Batch, Cells, Wanted};
use crate::source::schema::TableInfo;

/// Accepted ops of one part.
#[derive(Debug, Default)]
pub(super) struct OpPart {
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
        stretch: &mut Stretch<'_>,
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
        let place = self.places.number(&place);
        stretch.push(start, end - start, self.kinds.number(&(place, name)));
        stretch.correlation.push(int(4).unwrap_or(0));
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

    const FILLS: Fills = Fills::Calls;

    fn new(table: &TableInfo) -> Self {
        Self { tells_device: table.has("deviceId"), ..Self::default() }
    }

    fn columns(options: &LoadOptions) -> Vec<Wanted> {
        with_stream(Self::COLUMNS, options)
    }

    fn add(&mut self, batch: &Batch, stretch: &mut Stretch<'_>, options: &LoadOptions) {
        self.stream_at = options.streams.then_some(Self::COLUMNS.len());
        for row in 0..batch.rows() {
            self.add_row(batch.ints(row), None, None, stretch, options);
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

    /// Their graph nodes as well, where they are wanted.
    const FILLS: Fills = Fills::All;

    fn new(table: &TableInfo) -> Self {
        Self { ops: OpPart::new(table) }
    }

    fn columns(options: &LoadOptions) -> Vec<Wanted> {
        with_stream(Self::COLUMNS, options)
    }

    fn add(&mut self, batch: &Batch, stretch: &mut Stretch<'_>, options: &LoadOptions) {
        self.ops.stream_at = options.streams.then_some(Self::COLUMNS.len());
        for row in 0..batch.rows() {
            let cells = batch.ints(row);
            let name = cells.get(7).or(cells.get(8));
            if self.ops.add_row(cells, name, None, stretch, options) && options.graph_nodes {
                stretch.more.push(cells.get(5).unwrap_or(0));
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

    /// Their bytes as well.
    const FILLS: Fills = Fills::All;

    fn new(table: &TableInfo) -> Self {
        Self { ops: OpPart::new(table) }
    }

    fn columns(options: &LoadOptions) -> Vec<Wanted> {
        with_stream(Self::COLUMNS, options)
    }

    fn add(&mut self, batch: &Batch, stretch: &mut Stretch<'_>, options: &LoadOptions) {
        self.ops.stream_at = options.streams.then_some(Self::COLUMNS.len());
        for row in 0..batch.rows() {
            let cells = batch.ints(row);
            let int = |column: usize| cells.get(column);
            let copy = CopyKind { direction: int(7), source: int(8), destination: int(9) };
            if self.ops.add_row(cells, None, Some(copy), stretch, options) {
                stretch.more.push(int(10).filter(|&bytes| bytes >= 0).unwrap_or(NO_BYTES));
            }
        }
    }

    fn rejected(&self) -> i64 {
        self.ops.rejected
    }
}

/// The ops of a table, and one more number of each; `name` numbers the names of kernels, and other ops have none.
fn fill<'a>(
    parts: impl Iterator<Item = &'a OpPart>,
    mut columns: Columns,
    places: &Places,
    mut name: impl FnMut(Option<i64>) -> u32,
) -> (Ops, Ints) {
    let mut kinds = GlobalKinds::default();
    let global: Vec<Vec<u32>> = parts
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
    columns.number_kinds(&global);
    let Columns { start, length, kind, correlation, more, .. } = columns;
    (Ops { start, length, kind, correlation, kinds: kinds.into_values() }, more)
}

/// The ops of a table without names.
pub(super) fn plain(ops: Filled<OpPart>, places: &Places) -> Ops {
    fill(ops.parts.iter(), ops.columns, places, |_| NONE).0
}

/// The kernels, and the graph node of each where that is wanted.
pub(super) fn kernels(kernels: Filled<KernelPart>, places: &Places, strings: &mut Strings) -> (Ops, Ints) {
    fill(kernels.parts.iter().map(|part| &part.ops), kernels.columns, places, |id| strings.name(id))
}

/// The copies, and the bytes of each.
pub(super) fn copies(copies: Filled<CopyPart>, places: &Places) -> (Ops, Ints) {
    fill(copies.parts.iter().map(|part| &part.ops), copies.columns, places, |_| NONE)
}
