//! What may hold the host up in a steady state and never should: allocations, compilation and loading of code, the
//! profiler itself.

use super::derived::Derived;
use super::memory::is_allocation;
use crate::algo::intervals::IntervalSet;
use crate::model::events::{Events, HostSpans};
use crate::model::strings::api_base_name;

/// What holds the host up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Suspect {
    /// Calls that allocate or free memory.
    Allocation,
    /// Compilation by the driver, loading of modules and functions.
    Loading,
    /// Overhead of the profiler.
    Profiler,
}

impl Suspect {
    /// The label in tables.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Allocation => "allocation",
            Self::Loading => "loading",
            Self::Profiler => "profiler",
        }
    }
}

/// `overheadType`: driver compilation, loading of modules and of functions.
const LOADING: [i64; 3] = [2, 6, 7];
/// Flushes of CUPTI's buffers, instrumentation, resources.
const CUPTI: [i64; 3] = [3, 4, 5];

/// When each suspect held up a process that uses the device; those that never did are left out.
pub(super) fn of_device(events: &Events, derived: &Derived, device: u32) -> Vec<(Suspect, IntervalSet)> {
    let here: Vec<bool> = derived.devices_of_process.iter().map(|devices| devices.contains(&device)).collect();
    let used = |process: u32| here.get(process as usize).copied().unwrap_or(false);
    let calls = &events.calls;
    let allocates: Vec<bool> = calls
        .kinds
        .iter()
        .map(|kind| used(kind.process) && is_allocation(api_base_name(events.names.text(kind.name))))
        .collect();
    let allocations = calls.kind.iter().enumerate().filter(|(_, kind)| allocates[**kind as usize]);
    let allocations = allocations.map(|(row, _)| (calls.start[row], calls.end(row))).collect();
    let mut profiler =
        spans(&events.overheads, |process, code| used(process) && code.is_some_and(|c| CUPTI.contains(&c)));
    profiler.extend(spans(&events.profiler, |process, _| used(process)));
    let loading = spans(&events.overheads, |process, code| used(process) && code.is_some_and(|c| LOADING.contains(&c)));
    let all = [(Suspect::Allocation, allocations), (Suspect::Loading, loading), (Suspect::Profiler, profiler)];
    all.into_iter()
        .filter(|(_, spans)| !spans.is_empty())
        .map(|(suspect, mut spans): (Suspect, Vec<(i64, i64)>)| {
            spans.sort_unstable();
            (suspect, IntervalSet::union_of_sorted(spans))
        })
        .collect()
}

fn spans(table: &HostSpans, wanted: impl Fn(u32, Option<i64>) -> bool) -> Vec<(i64, i64)> {
    let accepted: Vec<bool> = table.kinds.iter().map(|kind| wanted(kind.process, kind.code)).collect();
    let rows = table.kind.iter().enumerate().filter(|(_, kind)| accepted[**kind as usize]);
    rows.map(|(row, _)| (table.start[row], table.end(row))).collect()
}
