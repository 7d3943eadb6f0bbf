//! Event columns: structure of arrays, one entry per accepted row, in table order.
//!
//! What few rows differ in (process, device, thread, name) is one small number per row, its kind.

use std::collections::BTreeMap;

use super::ids::{Device, ProcessKey};
use super::ints::Ints;
use super::step_mark::StepMark;
use super::strings::{Interner, is_graph_launch};
use crate::algo::join::NONE;

/// What ops of one kind have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OpKind {
    /// Index into [`Events::devices`].
    pub device: u32,
    /// The CUDA ordinal of that device in this process.
    pub ordinal: Option<i64>,
    /// Index into [`Events::processes`].
    pub process: u32,
    /// Index into [`Events::names`]; [`NONE`] for what is no kernel.
    pub name: u32,
    /// Whether `graphNodeId` is set: the op is a node of a CUDA graph.
    pub in_graph: bool,
    /// `graphId`, 0 for none.
    pub graph_id: i64,
    /// `streamId`, where it was asked for.
    pub stream: Option<i64>,
    /// What a copy goes between; `None` for what is no copy.
    pub copy: Option<CopyKind>,
}

/// Direction and memory kinds of a copy, as the export numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CopyKind {
    /// `copyKind`.
    pub direction: Option<i64>,
    /// `srcKind`.
    pub source: Option<i64>,
    /// `dstKind`.
    pub destination: Option<i64>,
}

/// GPU ops of one table. Every op has `end >= start`.
#[derive(Debug, Default)]
pub struct Ops {
    /// First nanosecond.
    pub start: Vec<i64>,
    /// Nanoseconds from start to end.
    pub length: Ints,
    /// Index into [`Ops::kinds`].
    pub kind: Vec<u32>,
    /// Correlation id; 0 for none.
    pub correlation: Ints,
    /// Kinds by number.
    pub kinds: Vec<OpKind>,
}

impl Ops {
    /// How many ops.
    pub fn len(&self) -> usize {
        self.start.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.start.is_empty()
    }

    /// Duration of one op.
    pub fn duration(&self, row: usize) -> i64 {
        self.length.get(row)
    }

    /// End of one op.
    pub fn end(&self, row: usize) -> i64 {
        self.start[row] + self.length.get(row)
    }

    /// What one op shares with others.
    pub fn kind_of(&self, row: usize) -> &OpKind {
        &self.kinds[self.kind[row] as usize]
    }
}

/// What API calls of one kind have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallKind {
    /// Index into [`Events::threads`]; [`NONE`] for an unknown thread, which equals no other.
    pub thread: u32,
    /// Index into [`Events::processes`].
    pub process: u32,
    /// Index into [`Events::names`].
    pub name: u32,
}

/// CUDA runtime and driver calls.
#[derive(Debug, Default)]
pub struct ApiCalls {
    /// First nanosecond.
    pub start: Vec<i64>,
    /// Nanoseconds from start to end.
    pub length: Ints,
    /// Index into [`ApiCalls::kinds`].
    pub kind: Vec<u32>,
    /// Correlation id; 0 for none.
    pub correlation: Ints,
    /// Kinds by number.
    pub kinds: Vec<CallKind>,
}

impl ApiCalls {
    /// How many calls.
    pub fn len(&self) -> usize {
        self.start.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.start.is_empty()
    }

    /// End of one call.
    pub fn end(&self, row: usize) -> i64 {
        self.start[row] + self.length.get(row)
    }

    /// What one call shares with others.
    pub fn kind_of(&self, row: usize) -> &CallKind {
        &self.kinds[self.kind[row] as usize]
    }
}

/// What NVTX ranges of one kind have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RangeKind {
    /// Index into [`Events::threads`]; [`NONE`] for an unknown thread, which equals no other.
    pub thread: u32,
    /// Index into [`Events::processes`].
    pub process: u32,
    /// Normalised name: index into [`Events::range_names`].
    pub name: u32,
    /// Index into [`Events::domains`].
    pub domain: u32,
    /// Ends on another thread: left out of attribution.
    pub crosses_threads: bool,
    /// The first phase that matches the raw name, [`NO_PHASE`] for none.
    pub phase: u16,
    /// Name as it was given: index into [`Events::raw_range_names`]; [`NONE`] unless it was asked for.
    pub raw: u32,
}

impl RangeKind {
    /// Whether kernels can belong to such a range.
    pub const fn can_enclose(&self) -> bool {
        self.thread != NONE && !self.crosses_threads
    }
}

/// NVTX ranges with `end > start`.
#[derive(Debug, Default)]
pub struct NvtxRanges {
    /// First nanosecond.
    pub start: Vec<i64>,
    /// Nanoseconds from start to end.
    pub length: Ints,
    /// Index into [`NvtxRanges::kinds`].
    pub kind: Vec<u32>,
    /// Kinds by number.
    pub kinds: Vec<RangeKind>,
    /// Ranges that were still open when the capture ended.
    pub open: i64,
}

/// What host spans of one kind have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanKind {
    /// Index into [`Events::threads`]; [`NONE`] for a thread that makes no CUDA call and opens no range.
    pub thread: u32,
    /// Index into [`Events::processes`]; [`NONE`] for a process that occurs nowhere else.
    pub process: u32,
    /// Index into [`Events::names`].
    pub name: u32,
    /// `overheadType`, where the table has it.
    pub code: Option<i64>,
}

/// Spans of host time: OS calls, or overhead.
#[derive(Debug, Default)]
pub struct HostSpans {
    /// First nanosecond.
    pub start: Vec<i64>,
    /// Nanoseconds from start to end.
    pub length: Ints,
    /// Index into [`HostSpans::kinds`].
    pub kind: Vec<u32>,
    /// Kinds by number.
    pub kinds: Vec<SpanKind>,
}

impl HostSpans {
    /// How many spans.
    pub fn len(&self) -> usize {
        self.start.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.start.is_empty()
    }

    /// End of one span.
    pub fn end(&self, row: usize) -> i64 {
        self.start[row] + self.length.get(row)
    }

    /// What one span shares with others.
    pub fn kind_of(&self, row: usize) -> &SpanKind {
        &self.kinds[self.kind[row] as usize]
    }
}

/// A change of the memory that a process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryEvent {
    /// When.
    pub time: i64,
    /// Index into [`Events::processes`]; [`NONE`] for a process that occurs nowhere else.
    pub process: u32,
    /// `deviceId`.
    pub ordinal: Option<i64>,
    /// How much.
    pub bytes: i64,
    /// `memKind`.
    pub kind: Option<i64>,
    /// Whether memory was given back.
    pub frees: bool,
}

/// The creation of a node of a CUDA graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraphNode {
    /// When.
    pub time: i64,
    /// Index into [`Events::threads`]; [`NONE`] for a thread that makes no CUDA call and opens no range.
    pub thread: u32,
    /// Index into [`Events::processes`]; [`NONE`] for a process that occurs nowhere else.
    pub process: u32,
    /// `graphNodeId`.
    pub id: i64,
    /// `originalGraphNodeId`: the node that this one was cloned from.
    pub original: Option<i64>,
}

/// A range whose name marks a step of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkedRange {
    /// Row in [`Events::ranges`].
    pub range: u32,
    /// What the name says.
    pub mark: StepMark,
}

/// What NCCL says of one of its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    /// Row in [`Events::ranges`].
    pub range: u32,
    /// Communicator, as NCCL numbers it.
    pub communicator: Option<i64>,
    /// Message size.
    pub bytes: i64,
}

/// Labels of numbers, from the export's own ENUM tables.
#[derive(Debug, Default, Clone)]
pub struct Labels {
    /// `copyKind`.
    pub directions: BTreeMap<i64, String>,
    /// `srcKind`, `dstKind` and `memKind`.
    pub memory_kinds: BTreeMap<i64, String>,
    /// `overheadType`.
    pub overheads: BTreeMap<i64, String>,
}

/// The export does not tell how much was copied.
pub const NO_BYTES: i64 = -1;

/// No phase matches.
pub const NO_PHASE: u16 = u16::MAX;

impl NvtxRanges {
    /// How many ranges.
    pub fn len(&self) -> usize {
        self.kind.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.kind.is_empty()
    }

    /// Duration of one range.
    pub fn duration(&self, row: usize) -> i64 {
        self.length.get(row)
    }

    /// End of one range.
    pub fn end(&self, row: usize) -> i64 {
        self.start[row] + self.length.get(row)
    }

    /// What one range shares with others.
    pub fn kind_of(&self, row: usize) -> &RangeKind {
        &self.kinds[self.kind[row] as usize]
    }
}

/// A process of the trace.
#[derive(Debug, Clone)]
pub struct Process {
    /// Identity.
    pub key: ProcessKey,
    /// Name from the PROCESSES table.
    pub name: Option<String>,
}

/// All events that the analyses need, of the chosen window.
#[derive(Debug, Default)]
pub struct Events {
    /// Kernels.
    pub kernels: Ops,
    /// Memory copies.
    pub copies: Ops,
    /// Memory sets.
    pub sets: Ops,
    /// Executions of whole CUDA graphs.
    pub graphs: Ops,
    /// API calls.
    pub calls: ApiCalls,
    /// NVTX ranges.
    pub ranges: NvtxRanges,
    /// GPUs that have ops, ordered by CUDA ordinal, then physical id.
    pub devices: Vec<Device>,
    /// Processes that occur in the events.
    pub processes: Vec<Process>,
    /// Process of each thread that occurs in the events.
    pub threads: Vec<u32>,
    /// `globalTid` of each of those.
    pub thread_ids: Vec<i64>,
    /// Kernel and API names.
    pub names: Interner,
    /// Normalised range names.
    pub range_names: Interner,
    /// Range names as they were given, where they were asked for.
    pub raw_range_names: Interner,
    /// NVTX domain names.
    pub domains: Interner,
    /// Whether calls or ops lack the column `correlationId`.
    pub lacks_correlation: bool,
    /// Ops whose process the export does not tell, while several processes call CUDA.
    pub ops_without_process: usize,
    /// Bytes of each copy, in the order of [`Events::copies`]; [`NO_BYTES`] where the export does not tell them.
    pub copy_bytes: Ints,
    /// `graphNodeId` of each kernel, in the order of [`Events::kernels`]; empty unless the export tells how graph nodes
    /// were made.
    pub kernel_nodes: Ints,
    /// Calls of the operating system by threads that call CUDA.
    pub os_calls: HostSpans,
    /// Overhead that CUPTI tells of: full command buffers, compilation, loading, its own.
    pub overheads: HostSpans,
    /// Overhead that Nsight Systems tells of.
    pub profiler: HostSpans,
    /// Allocations and releases of memory.
    pub memory: Vec<MemoryEvent>,
    /// How nodes of CUDA graphs were made.
    pub graph_nodes: Vec<GraphNode>,
    /// Ranges that mark steps of an engine, or that the user named, in the order of their rows.
    pub marks: Vec<MarkedRange>,
    /// Message sizes of NCCL calls, in the order of the ranges.
    pub payloads: Vec<Payload>,
    /// Labels of numbers.
    pub labels: Labels,
    /// The chosen window `[start, end)`. Ops are cut to it while loading; calls are all kept, because an op of the
    /// window may have been asked for before it.
    pub window: Option<(i64, i64)>,
}

impl Events {
    /// The four op tables: kernels, copies, sets, graph executions.
    pub fn op_tables(&self) -> [&Ops; 4] {
        [&self.kernels, &self.copies, &self.sets, &self.graphs]
    }

    /// Whether an API call counts: it starts inside the window.
    pub fn counts_call(&self, call: usize) -> bool {
        self.window.is_none_or(|(start, end)| (start..end).contains(&self.calls.start[call]))
    }

    /// For each kind of call whether it launches CUDA graphs.
    pub fn launches_graphs(&self) -> Vec<bool> {
        self.calls.kinds.iter().map(|kind| is_graph_launch(self.names.text(kind.name))).collect()
    }

    /// Whether ops can be matched to calls at all: there are both, with correlation ids, and the process of some op is
    /// known.
    pub fn can_join(&self) -> bool {
        let ops: usize = self.op_tables().iter().map(|ops| ops.len()).sum();
        ops > self.ops_without_process && !self.calls.is_empty() && !self.lacks_correlation
    }

    /// Whether this process stands for "unknown", so that its correlation ids say nothing.
    pub fn lacks_process(&self, process: u32) -> bool {
        self.ops_without_process > 0 && self.processes[process as usize].key == ProcessKey::UNKNOWN
    }

    /// Whether a range counts: it overlaps the window. Others matter only for the kernels that were launched in them.
    pub fn counts_range(&self, range: usize) -> bool {
        let ranges = &self.ranges;
        self.window.is_none_or(|(start, end)| ranges.start[range] < end && ranges.end(range) > start)
    }

    /// Ranges that count.
    pub fn counted_ranges(&self) -> impl Iterator<Item = usize> + Clone + '_ {
        (0..self.ranges.len()).filter(|&range| self.counts_range(range))
    }

    /// The bytes of a copy, if the export tells them.
    pub fn bytes_of_copy(&self, copy: usize) -> Option<i64> {
        Some(self.copy_bytes.get(copy)).filter(|&bytes| bytes != NO_BYTES)
    }

    /// Whether any GPU op was captured.
    pub fn has_gpu_ops(&self) -> bool {
        self.op_tables().iter().any(|ops| !ops.is_empty())
    }
}
