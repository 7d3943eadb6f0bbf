//! Event columns: structure of arrays, one entry per accepted row, in table order.

use super::ids::{Device, ProcessKey};
use super::strings::Interner;

/// GPU ops of one table. Every op has `end >= start`.
#[derive(Debug, Default)]
pub struct Ops {
    /// First nanosecond.
    pub start: Vec<i64>,
    /// End in nanoseconds.
    pub end: Vec<i64>,
    /// Index into [`Events::devices`].
    pub device: Vec<u32>,
    /// Index into [`Events::processes`].
    pub process: Vec<u32>,
    /// Correlation id; 0 for none.
    pub correlation: Vec<i64>,
    /// Whether `graphNodeId` is set: the op is a node of a CUDA graph.
    pub in_graph: Vec<bool>,
    /// `graphId`, 0 for none.
    pub graph_id: Vec<i64>,
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
    pub fn duration(&self, i: usize) -> i64 {
        self.end[i] - self.start[i]
    }
}

/// Kernels: ops with a name.
#[derive(Debug, Default)]
pub struct Kernels {
    /// The ops.
    pub ops: Ops,
    /// Index into [`Events::names`].
    pub name: Vec<u32>,
}

/// CUDA runtime and driver calls.
#[derive(Debug, Default)]
pub struct ApiCalls {
    /// First nanosecond.
    pub start: Vec<i64>,
    /// End in nanoseconds.
    pub end: Vec<i64>,
    /// Index into [`Events::threads`].
    pub thread: Vec<u32>,
    /// Index into [`Events::processes`].
    pub process: Vec<u32>,
    /// Correlation id; 0 for none.
    pub correlation: Vec<i64>,
    /// Index into [`Events::names`].
    pub name: Vec<u32>,
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
}

/// NVTX ranges with `end > start`.
#[derive(Debug, Default)]
pub struct NvtxRanges {
    /// First nanosecond.
    pub start: Vec<i64>,
    /// End in nanoseconds.
    pub end: Vec<i64>,
    /// Index into [`Events::threads`].
    pub thread: Vec<u32>,
    /// Index into [`Events::processes`].
    pub process: Vec<u32>,
    /// Normalised name: index into [`Events::range_names`].
    pub name: Vec<u32>,
    /// Index into [`Events::domains`].
    pub domain: Vec<u32>,
    /// Ends on another thread: left out of attribution.
    pub crosses_threads: Vec<bool>,
    /// Index of the first phase that matches the raw name, [`NO_PHASE`] for none; empty without a phase map.
    pub phase: Vec<u16>,
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
    pub kernels: Kernels,
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
    /// Ops whose process the export does not tell, while several processes call CUDA.
    pub ops_without_process: usize,
    /// The chosen window `[start, end)`. Ops are cut to it while loading; calls are all kept, because an op of the
    /// window may have been asked for before it.
    pub window: Option<(i64, i64)>,
}

impl Events {
    /// The four op tables: kernels, copies, sets, graph executions.
    pub fn op_tables(&self) -> [&Ops; 4] {
        [&self.kernels.ops, &self.copies, &self.sets, &self.graphs]
    }

    /// The op tables that are called kernels in text: kernels and graph executions.
    pub fn kernel_tables(&self) -> [&Ops; 2] {
        [&self.kernels.ops, &self.graphs]
    }

    /// Whether an API call counts: it starts inside the window.
    pub fn counts_call(&self, call: usize) -> bool {
        self.window.is_none_or(|(start, end)| (start..end).contains(&self.calls.start[call]))
    }

    /// Whether ops can be matched to calls at all: there are both, and the process of some op is known.
    pub fn can_join(&self) -> bool {
        let ops: usize = self.op_tables().iter().map(|ops| ops.len()).sum();
        ops > self.ops_without_process && !self.calls.is_empty()
    }

    /// Whether any GPU op was captured.
    pub fn has_gpu_ops(&self) -> bool {
        self.op_tables().iter().any(|ops| !ops.is_empty())
    }
}
