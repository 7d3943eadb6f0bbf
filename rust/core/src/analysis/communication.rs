//! Collectives: what they cost beside compute, and which rank the others wait for.
//!
//! A collective is a kernel of a category `comm.*`. `exposed_ns` is the measure of the union of collectives outside of
//! the other kernels and the graph executions of the same device; the summary's figures are of all collectives of a
//! device together, so that nothing counts twice. `overlap` is 1 - exposed / union. The kernel of a collective runs from
//! the start of its own rank: the part until the last rank started is waiting, what comes after is transfer.

use rustc_hash::FxHashMap;

use super::{
    Availability, GRAPH_TRACE, Input, MEMCPY, MEMSET, NVTX, Outcome, Probe, RUNTIME, counted, graph_mode_limit,
    kernels, no_kernels_in, share, with_kernel_table,
};
use crate::model::events::OpKind;
use crate::model::section::{Section, SectionSpec};
use crate::model::table::ColumnSpec;

mod bytes;
mod exposure;
mod ranks;
mod tables;

use exposure::Exposure;
use ranks::Ranks;
use tables::Alone;

pub(super) struct Analysis;

/// The executions of one kernel name on one device.
#[derive(Debug)]
struct Group {
    /// Index into the names.
    name: u32,
    /// Index into the devices.
    device: u32,
    /// Kinds of its kernels.
    kinds: Vec<u32>,
    /// Rows of the kernels, in order of their start.
    rows: Vec<u32>,
    /// Start and end of each.
    spans: Vec<(i64, i64)>,
}

/// All collectives, by name and then device.
#[derive(Debug)]
struct Collectives {
    groups: Vec<Group>,
}

/// Whether kernels of a kind are collectives.
fn is_collective(input: &Input<'_>, kind: &OpKind) -> bool {
    input.options.categories.is_communication(super::categories::category(input, kind))
}

impl Collectives {
    fn new(input: &Input<'_>) -> Self {
        let ops = &input.events.kernels;
        let mut numbers: FxHashMap<(u32, u32), usize> = FxHashMap::default();
        let mut groups: Vec<Group> = Vec::new();
        let mut group = |kind: &OpKind| {
            if !is_collective(input, kind) {
                return usize::MAX;
            }
            *numbers.entry((kind.name, kind.device)).or_insert_with(|| {
                groups.push(Group {
                    name: kind.name,
                    device: kind.device,
                    kinds: Vec::new(),
                    rows: Vec::new(),
                    spans: Vec::new(),
                });
                groups.len() - 1
            })
        };
        let group_of_kind: Vec<usize> = ops.kinds.iter().map(&mut group).collect();
        if !groups.is_empty() {
            for (kind, &group) in (0_u32..).zip(&group_of_kind) {
                if let Some(group) = groups.get_mut(group) {
                    group.kinds.push(kind);
                }
            }
            for (row, &kind) in (0_u32..).zip(&ops.kind) {
                if let Some(group) = groups.get_mut(group_of_kind[kind as usize]) {
                    group.rows.push(row);
                }
            }
        }
        groups.sort_unstable_by_key(|group| (group.name, group.device));
        for group in &mut groups {
            // Stable: of those that start together the first row is the first.
            group.rows.sort_by_key(|&row| ops.start[row as usize]);
            group.spans = group.rows.iter().map(|&row| (ops.start[row as usize], ops.end(row as usize))).collect();
        }
        Self { groups }
    }

    fn len(&self) -> usize {
        self.groups.iter().map(|group| group.rows.len()).sum()
    }
}

fn limitations(input: &Input<'_>, collectives: &Collectives, ranks: &Ranks) -> Vec<String> {
    let events = input.events;
    let mut limits: Vec<String> = graph_mode_limit(events).into_iter().collect();
    if collectives.groups.is_empty() {
        limits.push("No kernel of a category of communication ran.".into());
        return limits;
    }
    let matched: i64 = ranks.matched().map(|one| i64::from(one.devices)).sum();
    let alone = i64::try_from(collectives.len()).unwrap_or(i64::MAX) - matched;
    let devices: std::collections::BTreeSet<u32> = collectives.groups.iter().map(|group| group.device).collect();
    if devices.len() < 2 {
        limits.push("Collectives ran on one device of the trace only: who waited for whom cannot be told.".into());
    } else if alone > 0 {
        limits.push(format!(
            "{} of {} executions of collectives have no counterpart on another device and are left out of the waits.",
            counted(alone),
            counted(collectives.len())
        ));
    }
    let (apart, all) = (ranks.apart(), ranks.matched().count());
    if apart > 0 {
        limits.push(format!(
            "Of {} collectives matched by their order, {} were through on one device before another one began: these \
             devices may belong to different communicators.",
            counted(all),
            counted(apart)
        ));
    }
    if events.payloads.is_empty() {
        limits.push(
            "Message sizes are unknown: they take NCCL's NVTX ranges (--trace=nvtx) and nsys export --include-json=true."
                .into(),
        );
    }
    limits
}

impl super::Analysis for Analysis {
    fn spec(&self) -> SectionSpec {
        SectionSpec {
            id: "communication",
            title: "Communication",
            summary: vec![
                ColumnSpec::count("collectives", "Executions of collectives."),
                ColumnSpec::ns("total_ns", "Their summed duration."),
                ColumnSpec::ns("union_ns", "Time in which a device ran at least one, summed over the devices."),
                ColumnSpec::ns("exposed_ns", "The part of that in which the device computed nothing else."),
                ColumnSpec::share("exposed_share", "Exposed time over the summed windows of all devices."),
                ColumnSpec::share("overlap", "1 - exposed / union: the part hidden behind compute."),
            ],
            tables: tables::specs().into(),
        }
    }

    fn availability(&self, probe: &Probe<'_>) -> Availability {
        kernels::Analysis.availability(probe)
    }

    fn run(&self, input: &Input<'_>) -> Outcome {
        let events = input.events;
        if events.kernels.is_empty() {
            return Outcome::Missing(no_kernels_in(events));
        }
        let [by_name, by_occurrence, by_device, by_communicator] = tables::specs();
        let collectives = Collectives::new(input);
        let ranks = Ranks::new(&collectives, events.devices.len());
        let widest = tables::widest(events, &ranks, by_occurrence.max_rows());
        let spans: Vec<(u32, i64, i64)> =
            widest.iter().map(|one| (one.late_device, one.first_start, one.last_start)).collect();
        let exposure = Exposure::new(input, &collectives, &spans);
        let together = (0_u32..).zip(&exposure.collectives).fold(Alone::default(), |sum, (device, spans)| {
            let alone = Alone::new(&exposure, device, spans);
            let (union, exposed) = (sum.union.saturating_add(alone.union), sum.exposed.saturating_add(alone.exposed));
            Alone { union, exposed }
        });
        let windows = input.derived.activity.iter().fold(0_i64, |sum, device| sum.saturating_add(device.window_ns()));
        let durations = collectives.groups.iter().flat_map(|group| &group.spans);
        let total = durations.fold(0_i64, |sum, (start, end)| sum.saturating_add(end - start));
        Outcome::Ok(Section {
            summary: vec![
                collectives.len().into(),
                total.into(),
                together.union.into(),
                together.exposed.into(),
                share(together.exposed, windows).into(),
                together.overlap().into(),
            ],
            tables: vec![
                tables::collective_table(input, by_name, &collectives, &exposure),
                tables::skew_table(input, by_occurrence, &ranks, &widest, &exposure),
                tables::wait_table(input, by_device, &ranks),
                bytes::table(input, by_communicator, &collectives, &ranks),
            ],
            derived_from: with_kernel_table(
                input.schema,
                &[MEMCPY, MEMSET, GRAPH_TRACE, RUNTIME, NVTX, "TARGET_INFO_CUDA_DEVICE", "StringIds"],
            ),
            limitations: limitations(input, &collectives, &ranks),
            warnings: Vec::new(),
        })
    }
}
