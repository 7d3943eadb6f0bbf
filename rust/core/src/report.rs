//! The finished report: metadata, warnings, and the outcome of every analysis.

use std::collections::BTreeMap;

use crate::analysis::timeline::Timeline;
use crate::analysis::{ALL, Analysis, CHECK_FAILED, Input, Options, counted};
use crate::model::events::Events;
use crate::model::section::{Outcome, SectionSpec, Warning};
use crate::source::Progress;
use crate::source::load::Loaded;
use crate::source::metadata::Metadata;
use crate::source::schema::Schema;

/// Where the window of a report comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowSource {
    /// The whole trace.
    Trace,
    /// Chosen by the user.
    User,
}

/// One section of the report.
#[derive(Debug, Clone)]
pub struct ReportSection {
    /// Its schema.
    pub spec: SectionSpec,
    /// Its result or absence.
    pub outcome: Outcome,
}

/// Everything that one run computes.
#[derive(Debug, Clone)]
pub struct Report {
    /// Start and end of the analysed time; `None` without events.
    pub window: Option<(i64, i64)>,
    /// Where the window comes from.
    pub window_source: WindowSource,
    /// Statements about how far the report can be trusted.
    pub warnings: Vec<Warning>,
    /// Sections in the order of the report.
    pub sections: Vec<ReportSection>,
    /// Rows that are no events, per table.
    pub rejected: BTreeMap<String, i64>,
    /// Processes that occur in the events: pid and name.
    pub processes: Vec<(i64, Option<String>)>,
    /// `node`, `graph`, `none` or `unknown`.
    pub cuda_graph_mode: String,
    /// The time of each device in bins: CUDA ordinal, physical id, bins. Part of no section.
    pub timelines: Vec<(Option<i64>, Option<i64>, Timeline)>,
}

/// The first start and last end of GPU ops, else of calls and ranges.
pub(crate) fn span(events: &Events) -> Option<(i64, i64)> {
    let join = |a: (i64, i64), b: (i64, i64)| (a.0.min(b.0), a.1.max(b.1));
    let tables = events.op_tables();
    let ops = tables.iter().flat_map(|ops| (0..ops.len()).map(|row| (ops.start[row], ops.end(row)))).reduce(join);
    let host = || {
        let (calls, ranges) = (&events.calls, &events.ranges);
        let calls = (0..calls.len()).map(|row| (calls.start[row], calls.end(row)));
        calls.chain((0..ranges.len()).map(|row| (ranges.start[row], ranges.end(row)))).reduce(join)
    };
    ops.or_else(host)
}

/// Runs every analysis; the last one when the others are done.
pub(crate) fn sections(input: &Input<'_>, progress: &Progress) -> Vec<ReportSection> {
    use rayon::prelude::*;
    let run = |analysis: &dyn Analysis, input: &Input<'_>| {
        progress.timed(&format!("analyse {}", analysis.spec().id), || analysis.run(input))
    };
    let Some((last, others)) = ALL.split_last() else { return Vec::new() };
    // One by one: in larger pieces, the longest ones stand in the same piece and run one after the other.
    let mut outcomes: Vec<Outcome> = others.par_iter().with_max_len(1).map(|analysis| run(*analysis, input)).collect();
    outcomes.push(run(*last, &Input { finished: &outcomes, ..*input }));
    ALL.iter().zip(outcomes).map(|(analysis, outcome)| ReportSection { spec: analysis.spec(), outcome }).collect()
}

/// Puts warnings first that question the report itself.
pub(crate) fn put_failed_checks_first(warnings: &mut [Warning]) {
    warnings.sort_by_key(|warning| warning.code != CHECK_FAILED);
}

/// Warnings about the capture and the file, before those of the sections.
pub(crate) fn warnings(schema: &Schema, metadata: &Metadata, loaded: &Loaded, options: &Options) -> Vec<Warning> {
    let events = &loaded.events;
    let mut warnings = activity_warnings(events, schema, metadata);
    let mut add = |code, message: String, section| warnings.push(Warning { code, message, section });
    for (table, rejected) in &loaded.rejected {
        let rows = loaded.rows.get(table).copied().unwrap_or(0);
        add(
            "rejected_rows",
            format!(
                "{} of {} rows of {table} are no valid events and were left out.",
                counted(*rejected),
                counted(rows)
            ),
            None,
        );
    }
    if events.ops_without_process > 0 {
        let message = format!(
            "{} GPU ops carry no process id while several processes call CUDA: they are matched to no call.",
            counted(events.ops_without_process)
        );
        add("no_call_join", message, None);
    }
    if events.lacks_correlation && events.has_gpu_ops() && !events.calls.is_empty() {
        let message = "The export lacks correlationId: GPU ops cannot be matched to the calls that launched them.";
        add("no_call_join", message.into(), None);
    }
    if loaded.partly_mapped_devices {
        let message = "TARGET_INFO_CUDA_DEVICE maps only some devices to physical GPUs: one GPU may appear twice.";
        add("device_identity", message.into(), Some("gpu_idle"));
    } else if let Some(message) = shared_ordinals(events) {
        add("device_identity", message, Some("gpu_idle"));
    }
    if !schema.ignored.is_empty() {
        let names: Vec<&str> = schema.ignored.iter().take(5).map(String::as_str).collect();
        let message = format!("The schema holds {} that no genuine export has; left alone.", names.join(", "));
        add("schema_object", message, None);
    }
    if options.phases.is_some() && events.ranges.is_empty() {
        add(
            "phases_without_ranges",
            "A phase map was given, but there is no NVTX range to map.".into(),
            Some("phases"),
        );
    }
    warnings
}

fn activity_warnings(events: &Events, schema: &Schema, metadata: &Metadata) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut add = |code, message: String| warnings.push(Warning { code, message, section: None });
    let no_gpu = !events.has_gpu_ops();
    if no_gpu && events.window.is_none() {
        let (code, what) = if events.calls.is_empty() {
            ("no_cuda_activity", "no CUDA activity at all")
        } else {
            ("no_gpu_activity", "CUDA calls, but no GPU activity")
        };
        let message = format!(
            "The export holds {what}. Nothing can be said about the GPU, neither that it worked nor that it idled. \
             Capture again with --trace=cuda,nvtx and let nsys follow the processes that use the GPU."
        );
        add(code, message);
    }
    for diagnostic in metadata.diagnostics.iter().filter(|d| is_telling(&d.text, d.severity, no_gpu)).take(8) {
        let times = if diagnostic.count > 1 { format!(" ({} times)", diagnostic.count) } else { String::new() };
        add("diagnostic", format!("Nsight Systems reported{times}: {}", diagnostic.text));
    }
    if metadata.nsys_version.is_none() && metadata.export_schema_version.is_none() {
        let known = schema.tables().count();
        add(
            "old_export",
            format!(
                "The export names no version ({known} tables): it is old or was edited; columns are taken as found."
            ),
        );
    }
    warnings
}

/// Most messages are noise of helper processes; these tell of lost data, or explain why there is none.
fn is_telling(text: &str, severity: i64, no_gpu: bool) -> bool {
    let lost = text.contains("events might have been") || text.contains("events might have not been");
    let driver = text.contains("driver version") && text.contains("not supported");
    let counts = text.contains("CUDA events collected") || text.contains("CUPTI events produced");
    let explains = no_gpu && (counts || severity >= 2 && text.contains("CUDA"));
    lost || driver || severity == 3 || explains
}

/// Without a map to physical GPUs, processes that report the same ordinal are taken to share one GPU.
fn shared_ordinals(events: &Events) -> Option<String> {
    let mut users: BTreeMap<u32, std::collections::BTreeSet<i64>> = BTreeMap::new();
    for kind in events.op_tables().into_iter().flat_map(|ops| &ops.kinds) {
        if events.devices[kind.device as usize].gpu_id.is_none() {
            users.entry(kind.device).or_default().insert(events.processes[kind.process as usize].key.pid());
        }
    }
    let (device, pids) = users.into_iter().find(|(_, pids)| pids.len() > 1)?;
    let id = events.devices[device as usize].device_id.map_or("unknown".into(), |id| id.to_string());
    let pids: Vec<String> = pids.iter().take(8).map(ToString::to_string).collect();
    Some(format!(
        "Processes {} all report device {id}, and the export does not map devices to physical GPUs: they are taken to \
         share one GPU. With CUDA_VISIBLE_DEVICES set per process this can be wrong.",
        pids.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_checks_stand_first_and_the_rest_keeps_its_order() {
        let warning = |code| Warning { code, message: String::new(), section: None };
        let mut warnings = ["b", CHECK_FAILED, "a", CHECK_FAILED].map(warning);
        put_failed_checks_first(&mut warnings);
        assert_eq!(warnings.map(|warning| warning.code), [CHECK_FAILED, CHECK_FAILED, "b", "a"]);
    }
}
