//! What steps compute, where no name says it: by the attention kernels that run in them.
//!
//! Attention kernels for prompts only make a prefill step, those for single tokens only a decode step, both a mixed one.
//! A step of one whole CUDA graph is a decode step: graphs are captured for batches of equal queries.

use super::Seen;
use crate::analysis::iterations::{StepSource, Steps};
use crate::model::step_mark::StepKind;

pub(super) fn guess(seen: &Seen<'_>, steps: &mut Steps) {
    if !steps.list.iter().any(|step| step.kind == StepKind::Unknown) {
        return;
    }
    let number = |wanted: &str| seen.categories.iter().position(|name| name.as_ref() == wanted);
    let (prefill, decode) = (number("attn.prefill"), number("attn.decode"));
    let kernels = &seen.events.kernels;
    let attention: Vec<Option<bool>> = kernels
        .kinds
        .iter()
        .map(|kind| {
            let category = seen.category_of_name.get(kind.name as usize).map(|&category| usize::from(category));
            category.and_then(|category| {
                if Some(category) == prefill { Some(true) } else { (Some(category) == decode).then_some(false) }
            })
        })
        .collect();
    let mut found = vec![(false, false); steps.list.len()];
    for (row, &kind) in kernels.kind.iter().enumerate() {
        let Some(is_prefill) = attention[kind as usize] else { continue };
        let place = &kernels.kinds[kind as usize];
        let Some(worker) = steps.workers.iter().find(|w| w.process == place.process && w.device == place.device) else {
            continue;
        };
        let list = &steps.list[worker.steps.clone()];
        let start = kernels.start[row];
        let Some(at) = list.partition_point(|step| step.start <= start).checked_sub(1) else { continue };
        let both = &mut found[worker.steps.start + at];
        if is_prefill { both.0 = true } else { both.1 = true }
    }
    let by_graphs = steps.source == Some(StepSource::GraphLaunches);
    for (step, found) in steps.list.iter_mut().zip(found).filter(|(step, _)| step.kind == StepKind::Unknown) {
        step.kind = match found {
            (true, true) => StepKind::Mixed,
            (true, false) => StepKind::Prefill,
            (false, true) => StepKind::Decode,
            (false, false) if by_graphs && step.graph_launches == 1 => StepKind::Decode,
            (false, false) => StepKind::Unknown,
        };
    }
}
