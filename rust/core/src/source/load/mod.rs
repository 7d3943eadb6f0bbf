//! Fills the event columns: every needed table is read once, split over threads.

mod calls;
mod columns;
mod host;
mod ops;
mod places;
mod ranges;
mod texts;

use std::collections::BTreeMap;

use regex::Regex;

use super::batch::{Batch, Wanted};
use super::metadata::{DeviceMap, each_row};
use super::schema::{Schema, TableInfo};
use super::{Progress, RowSource};
use crate::error::{Error, Result};
use crate::model::events::{Events, Labels};
use crate::phase_map::PhaseMap;

use calls::CallPart;
use columns::{Columns, Fills, Stretch};
use host::{MemoryPart, NodePart, SpanPart};
use ops::{CopyPart, KernelPart, OpPart};
use places::Places;
use ranges::RangePart;
use texts::{Strings, TextPart};

const KERNEL: &str = "CUPTI_ACTIVITY_KIND_KERNEL";
const CONCURRENT_KERNEL: &str = "CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL";
const MEMCPY: &str = "CUPTI_ACTIVITY_KIND_MEMCPY";
const MEMSET: &str = "CUPTI_ACTIVITY_KIND_MEMSET";
const GRAPH_TRACE: &str = "CUPTI_ACTIVITY_KIND_GRAPH_TRACE";
const RUNTIME: &str = "CUPTI_ACTIVITY_KIND_RUNTIME";
const NVTX: &str = "NVTX_EVENTS";
const OSRT: &str = "OSRT_API";
const OVERHEAD: &str = "CUPTI_ACTIVITY_KIND_OVERHEAD";
const PROFILER: &str = "PROFILER_OVERHEAD";
const MEMORY: &str = "CUDA_GPU_MEMORY_USAGE_EVENTS";
const NODES: &str = "CUDA_GRAPH_NODE_EVENTS";

/// Parts per thread: enough that an uneven table does not leave a thread idle.
pub(crate) const PARTS_PER_THREAD: usize = 4;
/// Times beyond 146 years from the base are damage; differences of accepted times fit in 64 bits.
const MAX_TIME: i64 = 1 << 62;
/// Labels of numbers are a few words.
const MAX_LABEL_CHARS: usize = 80;

/// The tables that take nearly all of the time.
pub const BIG_TABLES: [&str; 3] = [KERNEL, RUNTIME, NVTX];

/// The columns that are read of one of [`BIG_TABLES`].
pub fn columns(table: &str) -> &'static [Wanted] {
    match table {
        RUNTIME => CallPart::COLUMNS,
        NVTX => RangePart::COLUMNS,
        _ => KernelPart::COLUMNS,
    }
}

/// What to load.
#[derive(Debug, Default, Clone)]
pub struct LoadOptions {
    /// Only ops of `[start, end)`, by their start, and ranges that overlap it.
    pub window: Option<(i64, i64)>,
    /// Phases to look for in range names.
    pub phases: Option<PhaseMap>,
    /// Ranges whose raw name matches are steps.
    pub step_range: Option<Regex>,
    /// Whether to keep the graph node of each kernel.
    pub graph_nodes: bool,
    /// The tables to read; all where `None`.
    pub tables: Option<Vec<&'static str>>,
    /// Whether to keep the stream of each op.
    pub streams: bool,
    /// Whether to keep the names of ranges as they were given.
    pub raw_names: bool,
    /// Whose OS calls to keep.
    pub os_calls: OsCalls,
}

/// Whose OS calls to keep.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum OsCalls {
    /// Those of threads that call CUDA or open ranges: others, such as idle pool threads, explain no wait.
    #[default]
    OfKnownThreads,
    /// All.
    OfAllThreads,
}

impl LoadOptions {
    /// The kernel table may have either of its names, and any table any case.
    fn reads(&self, table: &str) -> bool {
        let is = |name: &str| name.eq_ignore_ascii_case(table);
        self.tables.as_ref().is_none_or(|tables| {
            tables.iter().any(|wanted| is(wanted)) || tables.contains(&KERNEL) && is(CONCURRENT_KERNEL)
        })
    }
}

/// Everything that reading brings.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The events of the window.
    pub events: Events,
    /// Rows that are no events, per table.
    pub rejected: BTreeMap<String, i64>,
    /// Rows of each table that was read.
    pub rows: BTreeMap<String, i64>,
    /// Whether the export maps some devices to physical GPUs and others not.
    pub partly_mapped_devices: bool,
}

/// What one part of a table leaves behind.
trait Part: Send {
    /// The columns to read.
    const COLUMNS: &'static [Wanted];
    /// The columns to fill.
    const FILLS: Fills = Fills::Nothing;
    /// The columns to read for these options.
    fn columns(_options: &LoadOptions) -> Vec<Wanted> {
        Self::COLUMNS.to_vec()
    }
    /// An empty part of a table.
    fn new(table: &TableInfo) -> Self;
    /// Adds the rows of a batch.
    fn add(&mut self, batch: &Batch, stretch: &mut Stretch<'_>, options: &LoadOptions);
    /// Rows that were not accepted.
    fn rejected(&self) -> i64 {
        0
    }
}

/// The parts of a table with the columns that they filled.
struct Filled<P> {
    parts: Vec<P>,
    columns: Columns,
}

impl<P> Default for Filled<P> {
    fn default() -> Self {
        Self { parts: Vec::new(), columns: Columns::default() }
    }
}

impl<P> Filled<P> {
    /// The parts with the kinds of their rows.
    fn kinds(&self) -> impl Iterator<Item = (&P, &[u32])> {
        self.parts.iter().zip(self.columns.kinds_of_parts())
    }
}

/// Reads all tables that the analyses need.
pub fn load(
    source: &dyn RowSource,
    schema: &Schema,
    devices: &DeviceMap,
    options: &LoadOptions,
    progress: &Progress,
) -> Result<Loaded> {
    let graph_nodes = schema.table(NODES).is_some();
    let options = &LoadOptions { graph_nodes, ..options.clone() };
    let (rejected, rows) = (BTreeMap::new(), BTreeMap::new());
    let mut reader = Reader { source, options, progress, also_reads: &[], rejected, rows };
    reader.expect(schema)?;
    let texts: Filled<TextPart> = reader.table(schema.table("StringIds"))?;
    let kernels: Filled<KernelPart> = reader.table(schema.kernel_table())?;
    let copies: Filled<CopyPart> = reader.table(schema.table(MEMCPY))?;
    let sets: Filled<OpPart> = reader.table(schema.table(MEMSET))?;
    let graphs: Filled<OpPart> = reader.table(schema.table(GRAPH_TRACE))?;
    // Who calls CUDA tells the process of ops that do not name theirs.
    let lacks_process = {
        let copies = copies.parts.iter().map(|part| &part.ops);
        let kernels = kernels.parts.iter().map(|part| &part.ops);
        kernels.chain(copies).chain(&sets.parts).chain(&graphs.parts).any(OpPart::lacks_process)
    };
    reader.also_reads = if lacks_process { &[RUNTIME] } else { &[] };
    let calls: Filled<CallPart> = reader.table(schema.table(RUNTIME))?;
    let ranges: Filled<RangePart> = reader.table(schema.table(NVTX))?;
    let os_calls: Filled<SpanPart> = reader.table(schema.table(OSRT))?;
    let overheads: Filled<SpanPart> = reader.table(schema.table(OVERHEAD))?;
    let profiler: Filled<SpanPart> = reader.table(schema.table(PROFILER))?;
    let memory: Filled<MemoryPart> = reader.table(schema.table(MEMORY))?;
    let nodes: Filled<NodePart> = reader.table(schema.table(NODES))?;
    let labels = labels(source, schema)?;
    progress.start_computing();
    progress.check()?;

    let loaded = progress.timed("number ids and join parts", || {
        let op_parts = || {
            let copies = copies.kinds().map(|(part, kinds)| (&part.ops, kinds));
            let kernels = kernels.kinds().map(|(part, kinds)| (&part.ops, kinds));
            kernels.chain(copies).chain(sets.kinds()).chain(graphs.kinds())
        };
        let others = if options.os_calls == OsCalls::OfAllThreads { os_calls.parts.as_slice() } else { &[] };
        let places = Places::new(op_parts().map(|(part, _)| part), &calls.parts, &ranges.parts, others, devices);
        let mut loaded = Loaded { rejected: reader.rejected, rows: reader.rows, ..Loaded::default() };
        loaded.events.ops_without_process = places.ops_without_process(op_parts());
        loaded.partly_mapped_devices = places.partly_mapped;
        let mut strings = Strings::new(texts.parts);
        let events = &mut loaded.events;
        (events.kernels, events.kernel_nodes) = ops::kernels(kernels, &places, &mut strings);
        (events.copies, events.copy_bytes) = ops::copies(copies, &places);
        events.sets = ops::plain(sets, &places);
        events.graphs = ops::plain(graphs, &places);
        events.calls = calls::fill(calls, &places, &mut strings);
        ranges::fill(ranges, &places, &strings, options, events);
        events.os_calls = host::spans_of_known_threads(os_calls, &places, &mut strings);
        events.overheads = host::spans(overheads, &places, &mut strings);
        events.profiler = host::spans(profiler, &places, &mut strings);
        events.memory = host::memory(memory.parts, &places);
        events.graph_nodes = host::nodes(nodes.parts, &places);
        events.labels = labels;
        events.names = strings.into_names();
        events.window = options.window;
        let lacks_id = |table: &TableInfo| !table.has("correlationId");
        events.lacks_correlation = [schema.table(RUNTIME), schema.kernel_table()].into_iter().flatten().any(lacks_id);
        places.finish(events);
        loaded
    });
    progress.check()?;
    Ok(loaded)
}

/// Labels of numbers, from the tables that the export has.
fn labels(source: &dyn RowSource, schema: &Schema) -> Result<Labels> {
    let read = |table: &str| -> Result<BTreeMap<i64, String>> {
        let mut labels = BTreeMap::new();
        let columns = [Wanted::int("id"), Wanted::text("label"), Wanted::text("name")];
        each_row(source, schema.table(table), &columns, |batch, row| {
            let label = batch.text(row, 1).or_else(|| batch.text(row, 2));
            if let (Some(id), Some(label)) = (batch.int(row, 0), label) {
                labels.entry(id).or_insert_with(|| label.chars().take(MAX_LABEL_CHARS).collect());
            }
        })?;
        Ok(labels)
    };
    Ok(Labels {
        directions: read("ENUM_CUDA_MEMCPY_OPER")?,
        memory_kinds: read("ENUM_CUDA_MEM_KIND")?,
        overheads: read("ENUM_CUPTI_OVERHEAD_TYPE")?,
    })
}

struct Reader<'a> {
    source: &'a dyn RowSource,
    options: &'a LoadOptions,
    progress: &'a Progress,
    /// Tables that turned out to be needed, beside those that were asked for.
    also_reads: &'static [&'static str],
    rejected: BTreeMap<String, i64>,
    rows: BTreeMap<String, i64>,
}

impl Reader<'_> {
    /// Announces the rows of all tables, so that progress has one end from the start.
    fn expect(&self, schema: &Schema) -> Result<()> {
        let host = [OSRT, OVERHEAD, PROFILER, MEMORY, NODES];
        let names = ["StringIds", MEMCPY, MEMSET, GRAPH_TRACE, RUNTIME, NVTX].into_iter().chain(host);
        let tables = names.filter_map(|name| schema.table(name)).chain(schema.kernel_table());
        for table in tables.filter(|table| self.options.reads(&table.name)) {
            self.progress.expect(self.source.expected_rows(table)?);
        }
        Ok(())
    }

    fn table<P: Part>(&mut self, table: Option<&TableInfo>) -> Result<Filled<P>> {
        let is_wanted = |name: &str| self.options.reads(name) || self.also_reads.contains(&name);
        let Some(table) = table.filter(|table| is_wanted(&table.name)) else { return Ok(Filled::default()) };
        let parts = self.source.parts(table, pieces())?;
        let rooms: Vec<usize> = parts.iter().map(|&part| self.source.room(table, part)).collect::<Result<_>>()?;
        let columns = P::columns(self.options);
        let read_part = |number: usize, stretch: &mut Stretch<'_>| {
            let mut filled = P::new(table);
            let mut rows = 0;
            self.source.read(table, &columns, parts[number], &mut |batch| {
                filled.add(batch, stretch, self.options);
                rows += batch.rows();
                self.progress.advance(batch.rows() as u64)
            })?;
            Ok::<_, Error>((filled, rows))
        };
        let (columns, read) =
            self.progress.timed(&format!("read {}", table.name), || Columns::fill(P::FILLS, &rooms, read_part))?;
        let rows: usize = read.iter().map(|(_, rows)| rows).sum();
        self.rows.insert(table.name.clone(), i64::try_from(rows).unwrap_or(i64::MAX));
        let rejected: i64 = read.iter().map(|(part, _)| part.rejected()).sum();
        if rejected > 0 {
            self.rejected.insert(table.name.clone(), rejected);
        }
        Ok(Filled { parts: read.into_iter().map(|(part, _)| part).collect(), columns })
    }
}

fn pieces() -> usize {
    rayon::current_num_threads() * PARTS_PER_THREAD
}

/// A time that can be computed with.
fn time(cell: Option<i64>) -> Option<i64> {
    cell.filter(|time| (1 - MAX_TIME..=MAX_TIME).contains(time))
}

/// Start and end of an event, or nothing where they are no times or in the wrong order.
pub(crate) fn times(start: Option<i64>, end: Option<i64>) -> Option<(i64, i64)> {
    time(start).zip(time(end)).filter(|(start, end)| end >= start)
}
