//! CUDA runtime and driver calls. Accepted: integer `start` and `end`, `end >= start`.
//!
//! All calls are kept, also those outside of a window: an op of the window may have been asked for before it.

use super::places::{GlobalKinds, LocalIds, Places};
use super::texts::Strings;
use super::{Columns, Filled, Fills, LoadOptions, Part, Stretch, times};
use crate::model::events::{ApiCalls, CallKind};
use crate::source::batch::{Batch, Wanted};
use crate::source::schema::TableInfo;

/// Accepted calls of one part.
#[derive(Debug, Default)]
pub(super) struct CallPart {
    /// Thread and the id of the name, by kind.
    kinds: LocalIds<(u32, Option<i64>)>,
    pub(super) threads: LocalIds<Option<i64>>,
    rejected: i64,
}

impl Part for CallPart {
    const COLUMNS: &'static [Wanted] = &[
        Wanted::int("start"),
        Wanted::int("end"),
        Wanted::int("globalTid"),
        Wanted::int("correlationId"),
        Wanted::int("nameId"),
    ];

    const FILLS: Fills = Fills::Calls;

    fn new(_table: &TableInfo) -> Self {
        Self::default()
    }

    fn add(&mut self, batch: &Batch, stretch: &mut Stretch<'_>, _options: &LoadOptions) {
        for row in 0..batch.rows() {
            let cells = batch.ints(row);
            let int = |column: usize| cells.get(column);
            let Some((start, end)) = times(int(0), int(1)) else {
                self.rejected += 1;
                continue;
            };
            let thread = self.threads.number(&int(2));
            stretch.push(start, end - start, self.kinds.number(&(thread, int(4))));
            stretch.correlation.push(int(3).unwrap_or(0));
        }
    }

    fn rejected(&self) -> i64 {
        self.rejected
    }
}

/// All calls.
pub(super) fn fill(calls: Filled<CallPart>, places: &Places, strings: &mut Strings) -> ApiCalls {
    let Filled { parts, mut columns } = calls;
    let mut kinds = GlobalKinds::default();
    let global: Vec<Vec<u32>> = parts
        .iter()
        .map(|part| {
            let local = part.kinds.values().iter();
            local
                .map(|&(thread, name)| {
                    let tid = part.threads.values()[thread as usize];
                    let (thread, process) = (places.thread(tid), places.thread_process(tid));
                    kinds.number(CallKind { thread, process, name: strings.name(name) })
                })
                .collect()
        })
        .collect();
    columns.number_kinds(&global);
    let Columns { start, length, kind, correlation, .. } = columns;
    ApiCalls { start, length, kind, correlation, kinds: kinds.into_values() }
}
