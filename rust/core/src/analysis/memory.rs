//! Copies, and calls that allocate memory.
//!
//! A copy is exposed while no kernel and no graph execution runs on its device. `pageable_async` are copies with
//! pageable memory on a side whose call is an asynchronous one (cudaMemcpyAsync and kin): such a call stages the data,
//! and may return only when it is done. Times of allocation calls are exposed as those of synchronisations are: while
//! all devices of the calling process are idle. Memory in use is a running sum from the start of the capture (or of the
//! chosen window), so it is relative.

mod allocations;
mod calls;
mod copies;
mod usage;

pub(super) use allocations::is_allocation;

use super::{
    Availability, GRAPH_TRACE, Input, MEMCPY, Outcome, Probe, RUNTIME, TRACE_CUDA, empty_window, with_kernel_table,
};
use crate::model::events::{Events, Labels};
use crate::model::section::{Section, SectionSpec};
use crate::model::table::ColumnSpec;

pub(super) struct Analysis;

const USAGE: &str = "CUDA_GPU_MEMORY_USAGE_EVENTS";
const TRACE_MEMORY: &str = "--cuda-memory-usage=true";

/// Words for `copyKind`; labels of the export differ in length only.
const DIRECTIONS: [&str; 14] = [
    "unknown",
    "HtoD",
    "DtoH",
    "HtoA",
    "AtoH",
    "AtoA",
    "AtoD",
    "DtoA",
    "DtoD",
    "HtoH",
    "PtoP",
    "unified HtoD",
    "unified DtoH",
    "unified DtoD",
];
/// Words for kinds of memory, where the export has no labels.
const KINDS: [&str; 8] =
    ["pageable", "pinned", "device", "array", "managed", "device static", "managed static", "unknown"];
const UNKNOWN: &str = "unknown";
const PAGEABLE: &str = "pageable";
const ON_DEVICE: [&str; 3] = ["device", "array", "device static"];

/// Bytes.
const fn bytes(name: &'static str, description: &'static str) -> ColumnSpec {
    ColumnSpec { unit: Some("bytes"), ..ColumnSpec::id(name, description) }
}

/// The short word for a direction.
pub(crate) fn direction(number: Option<i64>) -> String {
    word(number, |number| usize::try_from(number).ok().and_then(|i| DIRECTIONS.get(i)).map(|word| (*word).to_owned()))
}

/// The word for a kind of memory.
pub(crate) fn memory_kind(labels: &Labels, number: Option<i64>) -> String {
    let built_in = |number: i64| usize::try_from(number).ok().and_then(|i| KINDS.get(i)).map(|word| (*word).to_owned());
    word(number, |number| {
        let label = labels.memory_kinds.get(&number).map(|label| label.trim().to_lowercase());
        label.filter(|label| !label.is_empty()).or_else(|| built_in(number))
    })
}

fn word(number: Option<i64>, known: impl Fn(i64) -> Option<String>) -> String {
    number.map_or_else(|| UNKNOWN.into(), |number| known(number).unwrap_or_else(|| format!("kind {number}")))
}

fn limitations(input: &Input<'_>, copies: &copies::Copies<'_>) -> Vec<String> {
    let events = input.events;
    let mut limits = Vec::new();
    if events.calls.is_empty() {
        limits.push("Without CUDA API calls, calls that copy or allocate are unknown.".into());
    } else if copies.without_call() > 0 {
        limits.push(format!(
            "{} of {} copies have no API call in the export: whether they are asynchronous, and where they come from, is unknown.",
            super::counted(copies.without_call()),
            super::counted(events.copies.len())
        ));
    }
    if input.schema.table(USAGE).is_none() {
        limits.push(format!("Memory in use was not captured; {TRACE_MEMORY} brings it."));
    } else {
        limits.push("Memory in use is relative: what was allocated before the capture is not in it.".into());
        let lost = usage::without_process(events);
        if lost > 0 {
            limits.push(format!(
                "{} memory events belong to a process that occurs nowhere else and are left out.",
                super::counted(lost)
            ));
        }
    }
    limits
}

/// Without copies, calls and memory events there is nothing to say.
fn is_absent(events: &Events) -> bool {
    events.copies.is_empty() && events.calls.is_empty() && events.memory.is_empty()
}

fn summary_columns() -> Vec<ColumnSpec> {
    vec![
        ColumnSpec::count("copies", "Copies."),
        bytes("bytes", "Bytes copied."),
        ColumnSpec::ns("copy_ns", "Summed duration of the copies."),
        ColumnSpec::ns("exposed_ns", "Time with a copy and without a kernel on a device, summed over the devices."),
        ColumnSpec::count("pageable_async_copies", "Copies with pageable memory on a side under an asynchronous call."),
        ColumnSpec::ns("pageable_async_ns", "Summed duration of those copies."),
        ColumnSpec::ns("pageable_host_ns", "Summed duration of their calls."),
        ColumnSpec::count("allocation_calls", "Calls that allocate or free memory."),
        ColumnSpec::ns("allocation_ns", "Summed duration of those."),
        bytes(
            "peak_device_bytes",
            "Most device memory that one process held on one device, in one kind, above what it held at the start; null where the capture does not tell.",
        )
        .or_null(),
    ]
}

impl super::Analysis for Analysis {
    fn spec(&self) -> SectionSpec {
        let tables = vec![copies::spec(), calls::spec(), allocations::spec(), usage::spec()];
        SectionSpec { id: "memory", title: "Memory", summary: summary_columns(), tables }
    }

    fn availability(&self, probe: &Probe<'_>) -> Availability {
        let (copies, calls) = (probe.rows(MEMCPY), probe.rows(RUNTIME));
        if copies + calls + probe.rows(USAGE) == 0 {
            Availability::missing("The export has no copies and no CUDA API calls.", Some(TRACE_CUDA))
        } else if calls == 0 {
            Availability::partial("Without CUDA API calls, calls that copy or allocate are unknown.", Some(TRACE_CUDA))
        } else if probe.gpu_ops() == 0 {
            Availability::partial("Without GPU ops, copies and exposed time cannot be told.", Some(TRACE_CUDA))
        } else {
            Availability::OK
        }
    }

    fn run(&self, input: &Input<'_>) -> Outcome {
        let events = input.events;
        if is_absent(events) {
            return Outcome::Missing(match events.window {
                Some(_) => empty_window("copies, CUDA API calls or memory events"),
                None => {
                    Availability::missing("The export has no copies and no CUDA API calls.", Some(TRACE_CUDA)).absence()
                }
            });
        }
        let copies = copies::Copies::new(input);
        let by_kind = copies.groups();
        let allocations = allocations::groups(input);
        let usage = usage::groups(events);
        let sum =
            |of: &dyn Fn(&copies::Group) -> i64| by_kind.iter().fold(0_i64, |sum, group| sum.saturating_add(of(group)));
        Outcome::Ok(Section {
            summary: vec![
                events.copies.len().into(),
                sum(&|group| group.bytes).into(),
                sum(&|group| group.total_ns).into(),
                copies.exposed_ns().into(),
                sum(&|group| group.pageable_async).into(),
                sum(&|group| group.pageable_async_ns).into(),
                copies.pageable_host_ns().into(),
                allocations.iter().map(|group| group.stats.count).sum::<i64>().into(),
                allocations.iter().fold(0_i64, |sum, group| sum.saturating_add(group.stats.total)).into(),
                usage::peak(&usage).into(),
            ],
            tables: vec![
                copies.table(&by_kind),
                calls::table(input, &copies),
                allocations::table(input, &allocations),
                usage::table(events, &usage),
            ],
            derived_from: with_kernel_table(
                input.schema,
                &[MEMCPY, GRAPH_TRACE, RUNTIME, USAGE, "NVTX_EVENTS", "ENUM_CUDA_MEM_KIND", "StringIds"],
            ),
            limitations: limitations(input, &copies),
            warnings: Vec::new(),
        })
    }
}
