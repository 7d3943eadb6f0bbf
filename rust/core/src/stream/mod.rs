//! Events as streams of columns, with what the report knows of each: for those who go on in a data frame.
//!
//! A stream holds the columns of the core, 20 bytes a GPU op, and makes batches of what was asked for one by one. Rows
//! come in order of start, end and row, whatever the number of threads. What is joined to them is computed by the same
//! code as the report's tables.

mod columns;
mod data;
mod plan;
mod spec;
mod values;

use std::sync::Arc;

use rayon::prelude::*;

pub use spec::{Source as StreamSource, StreamColumn, StreamSpec, StreamTable, specs};
pub use values::{Dictionary, Values};

use crate::analysis::derived::Derived;
use crate::analysis::ended_gap::EndedGap;
use crate::error::{Error, Result};
use crate::model::table::ColumnSpec;
use crate::source::Progress;
use data::{Data, op_table};
use plan::Plan;
use values::Fill;

/// Rows of a batch.
pub const BATCH_ROWS: usize = 65_536;

/// A table to stream, and the columns of it; those of the default where `None`.
#[derive(Debug, Clone)]
pub struct Request {
    /// Name of the stream.
    pub table: String,
    /// Names of columns, in the wanted order.
    pub columns: Option<Vec<String>>,
}

/// Options of [`crate::Trace::streams`].
#[derive(Debug, Clone, Default)]
pub struct StreamOptions {
    /// As in [`crate::AnalyzeOptions`].
    pub window: Option<(Option<i64>, Option<i64>)>,
    /// As in [`crate::AnalyzeOptions`].
    pub threads: Option<usize>,
    /// As in [`crate::AnalyzeOptions`].
    pub step_range: Option<String>,
    /// As in [`crate::AnalyzeOptions`].
    pub categories: Vec<(String, String)>,
    /// Whether to leave out tables and columns that the export does not allow, instead of failing.
    pub skips_missing: bool,
}

/// What an export allows of a stream.
#[derive(Debug, Clone)]
pub struct StreamState {
    /// Its schema.
    pub spec: StreamSpec,
    /// What is missing, if the stream is not to be had.
    pub missing: Option<StreamSource>,
    /// For each column what is missing, if it is not to be had.
    pub missing_by_column: Vec<Option<StreamSource>>,
}

/// A table on its way out.
pub struct Stream {
    /// Which table.
    pub name: &'static str,
    /// Its columns.
    pub columns: Vec<ColumnSpec>,
    /// Rows of the export's table that are no events, or `None` for what is no table of the export.
    pub rejected_rows: Option<i64>,
    data: Arc<Data>,
    fills: Vec<Fill>,
    /// Rows in order; `None` where they are in order as they stand.
    order: Option<Vec<u32>>,
    len: usize,
}

impl Stream {
    fn new(data: &Arc<Data>, spec: &StreamSpec, columns: &[StreamColumn]) -> Self {
        let fills = columns.iter().map(|column| columns::fill(data, spec.table, column.spec.name)).collect();
        let order = data.order(spec.table);
        let len = order.as_ref().map_or_else(|| data.len(spec.table), Vec::len);
        let rejected = |name: &str| {
            let found = data.rejected.iter().find(|(table, _)| table.eq_ignore_ascii_case(name));
            found.map_or(0, |(_, count)| *count)
        };
        let rejected_rows = match spec.source {
            StreamSource::Table(..) => Some(spec.source.names().map(rejected).sum()),
            StreamSource::GpuOps | StreamSource::Column(..) => None,
        };
        let columns = columns.iter().map(|column| column.spec).collect();
        Self { name: spec.name, columns, rejected_rows, data: Arc::clone(data), fills, order, len }
    }

    /// How many rows.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many batches.
    pub const fn batches(&self) -> usize {
        self.len.div_ceil(BATCH_ROWS)
    }

    /// The distinct texts of a column of texts, in ascending order.
    pub fn texts(&self, column: &str) -> Option<Dictionary> {
        let at = self.columns.iter().position(|spec| spec.name == column)?;
        if let Values::Texts(_, texts) = self.fills[at](&self.data, &[]) { Some(texts) } else { None }
    }

    /// The values of one batch, column by column; nothing behind the last one.
    pub fn batch(&self, number: usize) -> Option<Vec<Values>> {
        let from = number.checked_mul(BATCH_ROWS).filter(|&from| from < self.len)?;
        let to = self.len.min(from + BATCH_ROWS);
        let as_they_stand: Vec<u32>;
        let rows = if let Some(order) = &self.order {
            &order[from..to]
        } else {
            let row = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
            as_they_stand = (row(from)..row(to)).collect();
            &as_they_stand
        };
        Some(self.fills.iter().map(|fill| fill(&self.data, rows)).collect())
    }
}

/// Derives what the plan needs and makes the streams.
fn finish(plan: &Plan, loaded: crate::source::load::Loaded, progress: &Progress) -> Result<Vec<Stream>> {
    let mut events = loaded.events;
    let derived = plan.needs.map(|needs| Derived::of(&mut events, &plan.options, needs, progress));
    progress.check()?;
    let gaps: Vec<(u32, EndedGap)> =
        derived.iter().flat_map(Derived::gaps).map(|(device, gap)| (device_number(device), *gap)).collect();
    let mut data = Data {
        events,
        derived,
        categories: plan.options.categories.clone(),
        gaps,
        gap_of: Default::default(),
        rejected: loaded.rejected,
    };
    for table in
        plan.requests.iter().filter(|wanted| wanted.wants_gaps()).filter_map(|wanted| op_table(wanted.spec.table))
    {
        let mut gap_of = vec![crate::algo::join::NONE; data.ops(table).len()];
        let of_table = (0_u32..).zip(&data.gaps).filter(|(_, (_, gap))| usize::from(gap.table) == table);
        for (number, (_, gap)) in of_table {
            gap_of[gap.row as usize] = number;
        }
        data.gap_of[table] = gap_of;
    }
    let data = Arc::new(data);
    let streams = progress.timed("order rows", || {
        plan.requests.par_iter().map(|wanted| Stream::new(&data, &wanted.spec, &wanted.columns)).collect()
    });
    progress.check()?;
    Ok(streams)
}

fn device_number(device: usize) -> u32 {
    u32::try_from(device).unwrap_or(u32::MAX)
}

impl crate::Trace {
    /// What the export allows of each stream, from its tables alone.
    pub fn stream_states(&self) -> Result<Vec<StreamState>> {
        let rows = self.rows()?;
        plan::states(rows.as_ref(), &self.schema)
    }

    /// Reads what the requests need, once, and returns their streams in order.
    ///
    /// What the export lacks is an error, or with [`StreamOptions::skips_missing`] left out.
    pub fn streams(&self, requests: &[Request], options: &StreamOptions, progress: &Progress) -> Result<Vec<Stream>> {
        let mut plan = Plan::new(self.path(), &self.stream_states()?, requests, options)?;
        crate::trace::pool(options.threads)?.install(|| self.streams_in_pool(&mut plan, progress))
    }

    fn streams_in_pool(&self, plan: &mut Plan, progress: &Progress) -> Result<Vec<Stream>> {
        if plan.requests.is_empty() {
            return Ok(Vec::new());
        }
        let source = self.rows()?;
        let devices = self.devices(source.as_ref())?;
        plan.name_devices(&devices);
        let loaded = crate::source::load::load(source.as_ref(), &self.schema, &devices, &plan.load, progress)?;
        self.check_unchanged()?;
        let mut streams = finish(plan, loaded, progress)?;
        if let Some(empty) = streams.iter().find(|stream| stream.is_empty() && stream.name == "steps")
            && plan.load.window.is_none()
        {
            if !plan.skips_missing {
                return Err(Error::NotCaptured {
                    path: self.path().into(),
                    what: format!("{}: no steps of an engine were found in it", empty.name),
                    remedy: "name the ranges of the steps with step_range, or capture with --trace=cuda,nvtx".into(),
                });
            }
            streams.retain(|stream| !stream.is_empty() || stream.name != "steps");
        }
        if let Some((start, end)) = plan.load.window
            && streams.iter().all(Stream::is_empty)
        {
            self.check_window_meets_events(start, end)?;
        }
        Ok(streams)
    }
}
