//! Event columns: structure of arrays, one entry per accepted row, in table order.
//!
//! What few rows differ in (process, device, thread, name) is one small number per row, its kind.

use super::ids::{Device, ProcessKey};
use super::ints::Ints;
use super::strings::Interner;
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

/// No phase matches.
pub const NO_PHASE: u16 = u16::MAX;

impl NvtxRanges {
    /// How many ranges.
    pub fn len(&self) -> usize {
        self.start.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.start.is_empty()
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
    /// Kernel and API names.
    pub names: Interner,
    /// Normalised range names.
    pub range_names: Interner,
    /// NVTX domain names.
    pub domains: Interner,
    /// Whether calls or ops lack the column `correlationId`.
    pub lacks_correlation: bool,
    /// Ops whose process the export does not tell, while several processes call CUDA.
    pub ops_without_process: usize,
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

    /// Whether any GPU op was captured.
    pub fn has_gpu_ops(&self) -> bool {
        self.op_tables().iter().any(|ops| !ops.is_empty())
    }
}
