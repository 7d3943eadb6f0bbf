//! Phases of the user over NVTX ranges.
//!
//! A range belongs to the first phase with a pattern that its name (as exported) matches, otherwise to `unmapped`.
//! `host_ns` counts a range only where no enclosing range of the same thread has the same phase. A kernel belongs to the
//! phase of the innermost enclosing range that has one; all other kernel time is `unmapped`, so that the phases sum to
//! all kernel time.

use std::cmp::Reverse;
use std::sync::Arc;

use super::attribution::innermost_among;
use super::{
    Availability, Input, NVTX, Outcome, Probe, RUNTIME, TRACE_NVTX, graph_mode_limit, share, with_kernel_table,
};
use crate::algo::enclosing::sort_outer_to_inner;
use crate::algo::join::NONE;
use crate::model::events::{Events, NO_PHASE};
use crate::model::section::{Section, SectionSpec};
use crate::model::table::{ColumnSpec, Table, TableSpec};

pub(super) struct Analysis;

const UNMAPPED: &str = "unmapped";

struct Phase {
    name: Arc<str>,
    count: i64,
    host_ns: i64,
    kernel_ns: i64,
}

/// Adds the host time of each phase: on one thread, of ranges inside others of the same phase only the outermost.
fn add_host_time(events: &Events, phases: &mut [Phase]) {
    let ranges = &events.ranges;
    let unmapped = phases.len() - 1;
    let mut rows: Vec<u32> =
        (0_u32..).zip(0..ranges.len()).filter(|&(_, row)| events.counts_range(row)).map(|(row, _)| row).collect();
    rows.sort_by_key(|&row| ranges.kind_of(row as usize).thread);
    for thread in rows.chunk_by_mut(|&a, &b| ranges.kind_of(a as usize).thread == ranges.kind_of(b as usize).thread) {
        sort_outer_to_inner(thread, ranges);
        let mut reached = vec![i64::MIN; phases.len()];
        for row in thread.iter().map(|&row| row as usize) {
            let kind = ranges.kind_of(row);
            let phase = if kind.phase == NO_PHASE { unmapped } else { usize::from(kind.phase) };
            phases[phase].count += 1;
            if kind.thread == NONE || reached[phase] < ranges.end(row) {
                phases[phase].host_ns = phases[phase].host_ns.saturating_add(ranges.duration(row));
            }
            if kind.can_enclose() {
                reached[phase] = reached[phase].max(ranges.end(row));
            }
        }
    }
}

fn add_kernel_time(input: &Input<'_>, phases: &mut [Phase]) {
    let events = input.events;
    let ranges = &events.ranges;
    let unmapped = phases.len() - 1;
    let range_of = innermost_among(events, input.derived, |kind| ranges.kinds[kind].phase != NO_PHASE);
    let tables = events.op_tables();
    for (table, row) in input.derived.kernel_rows(events) {
        let call = input.derived.call_of[table][row];
        let range = if call == NONE { NONE } else { range_of[call as usize] };
        let phase = if range == NONE { unmapped } else { usize::from(ranges.kind_of(range as usize).phase) };
        phases[phase].kernel_ns = phases[phase].kernel_ns.saturating_add(tables[table].duration(row));
    }
}

fn total_kernel_ns(input: &Input<'_>) -> i64 {
    let tables = input.events.op_tables();
    let rows = input.derived.kernel_rows(input.events);
    rows.fold(0, |sum: i64, (table, row)| sum.saturating_add(tables[table].duration(row)))
}

impl super::Analysis for Analysis {
    fn spec(&self) -> SectionSpec {
        SectionSpec {
            id: "phases",
            title: "Phases",
            summary: vec![
                ColumnSpec::count("phases", "Phases of the map."),
                ColumnSpec::ns("total_kernel_ns", "Summed duration of all kernels and graph executions."),
            ],
            tables: vec![TableSpec {
                name: "nvtx_phases",
                description: "One row per phase of the map and one for the rest, by kernel time, then host time.",
                events: false,
                columns: vec![
                    ColumnSpec::text("phase", "Phase of the map, or unmapped."),
                    ColumnSpec::count("count", "Ranges of the phase."),
                    ColumnSpec::ns("host_ns", "Host time of its outermost ranges."),
                    ColumnSpec::ns("kernel_ns", "Kernel time that was launched in the phase.").or_null(),
                    ColumnSpec::share("kernel_share", "Part of all kernel time."),
                ],
            }],
        }
    }

    fn availability(&self, probe: &Probe<'_>) -> Availability {
        if probe.rows(NVTX) == 0 {
            Availability::missing("The export has no NVTX events.", Some(TRACE_NVTX))
        } else {
            Availability::partial("Phases need a map from phase to range names: --phase-map FILE.", None)
        }
    }

    fn run(&self, input: &Input<'_>) -> Outcome {
        let ranges = &input.events.ranges;
        if ranges.is_empty() {
            return Outcome::Missing(
                Availability::missing("The export has no NVTX ranges.", Some(TRACE_NVTX)).absence(),
            );
        }
        let Some(map) = &input.options.phases else {
            let reason = "Phases need a map from phase to range names: --phase-map FILE.";
            return Outcome::Missing(Availability::missing(reason, None).absence());
        };
        let phase = |name: &Arc<str>| Phase { name: Arc::clone(name), count: 0, host_ns: 0, kernel_ns: 0 };
        let mut phases: Vec<Phase> = map.names().iter().map(phase).chain([phase(&Arc::from(UNMAPPED))]).collect();
        add_host_time(input.events, &mut phases);
        let known = input.derived.attribution.is_some();
        if known {
            add_kernel_time(input, &mut phases);
        }
        let total = total_kernel_ns(input);
        phases.sort_by_key(|phase| (Reverse((phase.kernel_ns, phase.host_ns)), Arc::clone(&phase.name)));
        let rows = phases.iter().map(|phase| {
            let kernel_ns = known.then_some(phase.kernel_ns);
            let kernel_share = kernel_ns.and_then(|ns| share(ns, total));
            vec![(&phase.name).into(), phase.count.into(), phase.host_ns.into(), kernel_ns.into(), kernel_share.into()]
        });
        let [spec] = <[TableSpec; 1]>::try_from(self.spec().tables).expect("one table");
        let mut limitations: Vec<String> = graph_mode_limit(input.events).into_iter().collect();
        limitations.push("A kernel belongs to the innermost range around its launch that any pattern matches; kernel time outside such ranges is unmapped.".into());
        if !known {
            limitations.push("Kernels were not attributed to ranges, so kernel time per phase is unknown.".into());
        }
        Outcome::Ok(Section {
            summary: vec![map.names().len().into(), total.into()],
            tables: vec![Table::new(spec, phases.len(), rows)],
            derived_from: [NVTX.to_owned()]
                .into_iter()
                .chain(with_kernel_table(input.schema, &[RUNTIME, "StringIds"]))
                .collect(),
            limitations,
            warnings: Vec::new(),
        })
    }
}
