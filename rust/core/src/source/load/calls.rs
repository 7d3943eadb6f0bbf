//! CUDA runtime and driver calls. Accepted: integer `start` and `end`, `end >= start`.

use super::places::{LocalIds, Places};
use super::texts::Strings;
use super::{LoadOptions, Part, times};
use crate::model::events::ApiCalls;
use crate::source::batch::{Batch, Wanted};
use crate::source::schema::TableInfo;

/// Accepted calls of one part.
#[derive(Debug, Default)]
pub(super) struct CallPart {
    start: Vec<i64>,
    end: Vec<i64>,
    correlation: Vec<i64>,
    thread: Vec<u32>,
    pub(super) threads: LocalIds<Option<i64>>,
    name: Vec<u32>,
    names: LocalIds<Option<i64>>,
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

    fn new(_table: &TableInfo) -> Self {
        Self::default()
    }

    fn add(&mut self, batch: &Batch, _options: &LoadOptions) {
        for row in 0..batch.rows() {
            let int = |column: usize| batch.int(row, column);
            let Some((start, end)) = times(int(0), int(1)) else {
                self.rejected += 1;
                continue;
            };
            self.start.push(start);
            self.end.push(end);
            self.thread.push(self.threads.number(int(2)));
            self.correlation.push(int(3).unwrap_or(0));
            self.name.push(self.names.number(int(4)));
        }
    }

    fn rejected(&self) -> i64 {
        self.rejected
    }
}

/// All calls.
pub(super) fn fill(parts: Vec<CallPart>, places: &Places, strings: &mut Strings) -> ApiCalls {
    let mut calls = ApiCalls::default();
    for part in parts {
        let names: Vec<u32> = part.names.values().iter().map(|&id| strings.name(id)).collect();
        let threads: Vec<(u32, u32)> =
            part.threads.values().iter().map(|&tid| (places.thread(tid), places.thread_process(tid))).collect();
        calls.name.extend(part.name.iter().map(|&local| names[local as usize]));
        calls.thread.extend(part.thread.iter().map(|&local| threads[local as usize].0));
        calls.process.extend(part.thread.iter().map(|&local| threads[local as usize].1));
        calls.start.extend(part.start);
        calls.end.extend(part.end);
        calls.correlation.extend(part.correlation);
    }
    calls
}
