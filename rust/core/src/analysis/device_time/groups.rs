//! Gaps of the same cause and place.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHashMap;

use super::Parts;
use crate::analysis::gap_place::Place;

/// What gaps of one group share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::analysis) struct GroupKey {
    pub(in crate::analysis) cause: usize,
    /// Name of the call, or [`crate::algo::join::NONE`].
    pub(in crate::analysis) call_name: u32,
    /// Name of the range, or [`crate::algo::join::NONE`].
    pub(in crate::analysis) range_name: u32,
    pub(in crate::analysis) place: Place,
    pub(in crate::analysis) short: bool,
    pub(in crate::analysis) next_graph: bool,
    /// Whether the call ended so shortly before the gap did that the rest is the latency of a launch, not a queue.
    pub(in crate::analysis) late: bool,
    /// Kind of the step of the next op, as its place in [`crate::model::step_mark::StepKind::ALL`].
    pub(in crate::analysis) step_kind: Option<u8>,
}

/// Two words instead of one for each field: a group is looked up for every other gap.
impl Hash for GroupKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.call_name) << 32 | u64::from(self.range_name));
        let flags = u64::from(self.short) | u64::from(self.next_graph) << 1 | u64::from(self.late) << 2;
        let step_kind = self.step_kind.map_or(0, |kind| 1 + u64::from(kind));
        state.write_u64(flags | step_kind << 3 | (self.place as u64) << 16 | (self.cause as u64) << 24);
    }
}

/// Gaps of the same cause and place.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::analysis) struct Group {
    pub(in crate::analysis) gaps: i64,
    pub(in crate::analysis) total: i64,
    pub(in crate::analysis) parts: Parts,
    pub(in crate::analysis) steady: i64,
    /// The part between warm-up and draining.
    pub(in crate::analysis) settled: i64,
    /// The longest gap; of equal ones the first.
    pub(in crate::analysis) longest: (i64, i64),
}

/// The groups, in the order of their first gaps.
#[derive(Debug, Default)]
pub(in crate::analysis) struct Groups {
    list: Vec<(GroupKey, Group)>,
    number: FxHashMap<GroupKey, usize>,
    /// The group of the last gap: the next one is often of the same.
    last: usize,
}

impl Groups {
    pub(super) fn of(&mut self, key: GroupKey) -> &mut Group {
        if self.list.get(self.last).is_none_or(|(last, _)| *last != key) {
            let list = &mut self.list;
            self.last = *self.number.entry(key).or_insert_with(|| {
                list.push((key, Group::default()));
                list.len() - 1
            });
        }
        &mut self.list[self.last].1
    }

    pub(in crate::analysis) fn len(&self) -> usize {
        self.list.len()
    }

    pub(in crate::analysis) fn iter(&self) -> impl Iterator<Item = (&GroupKey, &Group)> {
        self.list.iter().map(|(key, group)| (key, group))
    }
}
