//! An export that was opened and probed.

mod collectives;

use std::collections::BTreeMap;
use std::path::Path;

use crate::analysis::derived::Derived;
use crate::analysis::{ALL, Columns, Input, Options, Probe};
use crate::categories::Categories;
use crate::error::{Error, Result};
use crate::model::section::{Availability, Outcome, SectionSpec};
use crate::model::strings::normalised_range_name;
use crate::model::table::Cell;
use crate::phase_map::PhaseMap;
use crate::report::{self, Report, WindowSource};
use crate::source::batch::Wanted;
use crate::source::load::{LoadOptions, load};
use crate::source::metadata::{DeviceMap, Metadata, each_row};
use crate::source::open::{Access, TraceFile};
use crate::source::pages::{PageRows, Unusual};
use crate::source::rows::SqliteRows;
use crate::source::schema::Schema;
use crate::source::{Part, Progress, RowSource};

pub use collectives::{CollectiveLane, CollectiveOptions, Collectives};

/// Options of [`Trace::analyze`].
#[derive(Debug, Clone)]
pub struct AnalyzeOptions {
    /// Phases with their patterns.
    pub phases: Option<Vec<(String, Vec<String>)>>,
    /// Whether to compute percentiles per kernel.
    pub kernel_percentiles: bool,
    /// Whether to attribute kernels to NVTX ranges.
    pub nvtx_kernel_map: bool,
    /// Threads; all cores where `None`.
    pub threads: Option<usize>,
    /// `[start, end)` in nanoseconds on the trace's clock; an open side is `None`.
    pub window: Option<(Option<i64>, Option<i64>)>,
    /// Ranges whose raw name matches this regular expression are steps.
    pub step_range: Option<String>,
    /// Rules for the categories of kernels, before the built-in ones: (category, pattern).
    pub categories: Vec<(String, String)>,
}

impl Default for AnalyzeOptions {
    fn default() -> Self {
        Self {
            phases: None,
            kernel_percentiles: true,
            nvtx_kernel_map: true,
            threads: None,
            window: None,
            step_range: None,
            categories: Vec::new(),
        }
    }
}

/// A table of the export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSummary {
    /// Name.
    pub name: String,
    /// Rows.
    pub rows: i64,
    /// Columns in order.
    pub columns: Vec<String>,
}

/// More threads than any machine has cores.
const MAX_THREADS: usize = 1024;

/// Where rows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// Pages where the file is a plain, quiescent database, otherwise `SQLite`.
    #[default]
    Auto,
    /// Pages, or an error.
    Pages,
    /// `SQLite`'s own row interface.
    Sqlite,
}

/// An export that was opened and probed; it holds no rows and no open file.
#[derive(Debug)]
pub struct Trace {
    file: TraceFile,
    pub(crate) schema: Schema,
    metadata: Metadata,
    source: Source,
    /// Why pages cannot be read, if they were wanted.
    unusual: Option<String>,
}

impl Trace {
    /// Opens and probes an export, read-only.
    pub fn open(path: &Path, source: Source) -> Result<Self> {
        let file = TraceFile::check(path)?;
        let mut connection = file.connect()?;
        let schema = Schema::probe(&file, &mut connection)?;
        let (rows, unusual): (Box<dyn RowSource>, _) = match source {
            // No page is looked at: SQLite reads some damaged files whose pages would be refused.
            Source::Sqlite => (Box::new(SqliteRows::new(&file, connection)), None),
            Source::Auto | Source::Pages => match PageRows::new(&file, connection, &schema)? {
                Ok(pages) => (Box::new(pages), None),
                Err(Unusual { connection, reason }) => (Box::new(SqliteRows::new(&file, connection)), Some(reason)),
            },
        };
        let metadata = Metadata::read(rows.as_ref(), &schema)?;
        drop(rows);
        if let (Source::Pages, Some(reason)) = (source, &unusual) {
            let detail = format!("{reason}; use the automatic source");
            return Err(Error::Query { path: path.into(), what: "its pages".into(), detail });
        }
        Ok(Self { file, schema, metadata, source, unusual })
    }

    /// Which source is used, and why.
    pub fn source(&self) -> (&'static str, String) {
        match (&self.unusual, self.source) {
            (Some(reason), _) => ("sqlite", reason.clone()),
            (None, Source::Sqlite) => ("sqlite", "asked for".into()),
            (None, _) => ("pages", "a plain database without a writer".into()),
        }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Size of the file in bytes.
    pub const fn file_bytes(&self) -> u64 {
        self.file.bytes()
    }

    /// What the export says about itself.
    pub const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Notes about how the file is read.
    pub fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self
            .schema
            .ignored
            .iter()
            .map(|object| format!("{object}: left alone, no genuine export has it"))
            .collect();
        match self.file.access() {
            Access::Locked => {}
            Access::Immutable => notes.push("write-ahead mode without a log: read as it is".into()),
            Access::Snapshot => notes.push("write-ahead mode with a log: one snapshot is read, on one thread".into()),
        }
        notes
    }

    pub(crate) fn devices(&self, source: &dyn RowSource) -> Result<DeviceMap> {
        DeviceMap::read(source, &self.schema, self.metadata.gpus.clone())
    }

    pub(crate) fn check_unchanged(&self) -> Result<()> {
        self.file.check_unchanged()
    }

    pub(crate) fn rows(&self) -> Result<Box<dyn RowSource + '_>> {
        let mut connection = self.file.connect()?;
        if self.source != Source::Sqlite && self.unusual.is_none() {
            match PageRows::new(&self.file, connection, &self.schema)? {
                Ok(pages) => return Ok(Box::new(pages)),
                // What made it unusual came after it was opened, such as a journal.
                Err(Unusual { connection: unused, .. }) => connection = unused,
            }
        }
        Ok(Box::new(SqliteRows::new(&self.file, connection)))
    }

    /// All tables with their rows and columns, by name. Counts every table.
    pub fn tables(&self) -> Result<Vec<TableSummary>> {
        self.count(&BTreeMap::new())
    }

    fn count(&self, known: &BTreeMap<String, i64>) -> Result<Vec<TableSummary>> {
        use rayon::prelude::*;
        let source = self.rows()?;
        let tables: Vec<_> = self.schema.tables().collect();
        tables
            .into_par_iter()
            .map(|table| {
                let rows = match known.get(&table.name) {
                    Some(&rows) => rows,
                    None => i64::try_from(source.count(table)?).unwrap_or(i64::MAX),
                };
                Ok(TableSummary { name: table.name.clone(), rows, columns: table.columns.clone() })
            })
            .collect()
    }

    /// What the export allows of each section, from its tables alone.
    pub fn capabilities(&self) -> Result<Vec<(SectionSpec, Availability)>> {
        let rows = self.tables()?.into_iter().map(|table| (table.name, table.rows)).collect();
        let probe = Probe { schema: &self.schema, rows: &rows };
        Ok(ALL.iter().map(|analysis| (analysis.spec(), analysis.availability(&probe))).collect())
    }

    /// First start and last end over all tables of events that analyses read.
    pub fn span_ns(&self) -> Result<Option<(i64, i64)>> {
        let source = self.rows()?;
        let mut span: Option<(i64, i64)> = None;
        let events = ["MEMCPY", "MEMSET", "GRAPH_TRACE", "RUNTIME"].map(|kind| format!("CUPTI_ACTIVITY_KIND_{kind}"));
        let tables = events.iter().map(String::as_str).chain(["NVTX_EVENTS", "OSRT_API"]);
        for table in tables.filter_map(|name| self.schema.table(name)).chain(self.schema.kernel_table()) {
            let columns = [Wanted::int("start"), Wanted::int("end")];
            source.read(table, &columns, Part::Whole, &mut |batch| {
                for row in 0..batch.rows() {
                    let cells = batch.int(row, 0).zip(batch.int(row, 1));
                    if let Some((start, end)) = cells.filter(|(start, end)| end >= start) {
                        let (low, high) = span.unwrap_or((start, end));
                        span = Some((low.min(start), high.max(end)));
                    }
                }
                Ok(())
            })?;
        }
        Ok(span)
    }

    /// First start and last end of the NVTX ranges of one name, raw or normalised.
    pub fn range_span(&self, name: &str) -> Result<Option<(i64, i64)>> {
        let source = self.rows()?;
        let mut texts: BTreeMap<i64, bool> = BTreeMap::new();
        let matches = |text: &str| text == name || normalised_range_name(text) == name;
        each_row(
            source.as_ref(),
            self.schema.table("StringIds"),
            &[Wanted::int("id"), Wanted::text("value")],
            |batch, row| {
                if let (Some(id), Some(text)) = (batch.int(row, 0), batch.text(row, 1)) {
                    texts.entry(id).or_insert_with(|| matches(&text));
                }
            },
        )?;
        let columns = [
            Wanted::int("start"),
            Wanted::int("end"),
            Wanted::int("eventType"),
            Wanted::int("textId"),
            Wanted::text("text"),
        ];
        let mut span: Option<(i64, i64)> = None;
        each_row(source.as_ref(), self.schema.table("NVTX_EVENTS"), &columns, |batch, row| {
            let (Some(start), Some(end)) = (batch.int(row, 0), batch.int(row, 1)) else { return };
            let is_range = batch.int(row, 2).is_some_and(|kind| [59, 60, 70, 71].contains(&kind));
            let is_named = match batch.text(row, 4) {
                Some(text) => matches(&text),
                None => batch.int(row, 3).is_some_and(|id| texts.get(&id) == Some(&true)),
            };
            if is_range && is_named && end > start {
                let (low, high) = span.unwrap_or((start, end));
                span = Some((low.min(start), high.max(end)));
            }
        })?;
        Ok(span)
    }

    /// Reads the rows and computes every section.
    pub fn analyze(&self, options: &AnalyzeOptions, progress: &Progress) -> Result<(Report, Vec<TableSummary>)> {
        let phases = options.phases.as_ref().map(|phases| PhaseMap::new(phases)).transpose()?;
        let window = window(options.window)?;
        let step_range = options.step_range.as_deref().map(step_range).transpose()?;
        let pool = pool(options.threads)?;
        let analysis = Options {
            kernel_percentiles: options.kernel_percentiles,
            nvtx_kernel_map: options.nvtx_kernel_map,
            phases: phases.clone(),
            categories: Categories::new(&options.categories)?,
            has_step_range: step_range.is_some(),
            columns: Columns::Needed,
        };
        let load_options = LoadOptions { window, phases, step_range, ..LoadOptions::default() };
        pool.install(|| self.analyze_in_pool(&load_options, &analysis, progress))
    }

    fn analyze_in_pool(
        &self,
        load_options: &LoadOptions,
        options: &Options,
        progress: &Progress,
    ) -> Result<(Report, Vec<TableSummary>)> {
        let source = self.rows()?;
        let devices = self.devices(source.as_ref())?;
        let mut loaded = load(source.as_ref(), &self.schema, &devices, load_options, progress)?;
        let tables = progress.timed("count other tables", || self.count(&loaded.rows))?;
        self.file.check_unchanged()?;
        if let Some((start, end)) = load_options.window {
            self.check_window_holds_something(&loaded.events, start, end)?;
        }
        let derived = Derived::new(&mut loaded.events, options, progress);
        progress.check()?;
        let input = Input {
            schema: &self.schema,
            events: &loaded.events,
            derived: &derived,
            options,
            rows: &loaded.rows,
            rejected: &loaded.rejected,
            finished: &[],
        };
        let sections = progress.timed("analyse all", || report::sections(&input, progress));
        progress.check()?;
        let mut warnings = report::warnings(&self.schema, &self.metadata, &loaded, options);
        if let Some(reason) = &self.unusual {
            warnings.push(crate::model::section::Warning {
                code: "read_through_sqlite",
                message: format!("Rows were read through SQLite, which is slower: {reason}."),
                section: None,
            });
        }
        if self.file.access() == Access::Snapshot {
            warnings.push(crate::model::section::Warning {
                code: "wal_snapshot",
                message: "Another program may still be writing the file: this is a snapshot of what was committed."
                    .into(),
                section: None,
            });
        }
        let mut cuda_graph_mode = "none".to_owned();
        for section in &sections {
            if let Outcome::Ok(result) = &section.outcome {
                warnings.extend(result.warnings.iter().cloned());
                if let (Some(Cell::Text(mode)), "graphs") = (result.summary.first(), section.spec.id) {
                    cuda_graph_mode = mode.to_string();
                }
            }
        }
        report::put_failed_checks_first(&mut warnings);
        let processes =
            loaded.events.processes.iter().map(|process| (process.key.pid(), process.name.clone())).collect();
        let report = Report {
            window: load_options.window.or_else(|| report::span(&loaded.events)),
            window_source: if load_options.window.is_some() { WindowSource::User } else { WindowSource::Trace },
            warnings,
            sections,
            rejected: loaded.rejected,
            processes,
            cuda_graph_mode,
            timelines: loaded
                .events
                .devices
                .iter()
                .zip(derived.timelines())
                .map(|(device, timeline)| (device.device_id, device.gpu_id, timeline.clone()))
                .collect(),
        };
        Ok((report, tables))
    }

    fn check_window_holds_something(&self, events: &crate::model::events::Events, start: i64, end: i64) -> Result<()> {
        let calls = (0..events.calls.len()).any(|call| events.counts_call(call));
        if events.has_gpu_ops() || calls || events.counted_ranges().next().is_some() {
            return Ok(());
        }
        Err(empty_window(start, end, self.span_ns()?))
    }

    /// Whether a window lies where events are, for what reads only some of the tables.
    pub(crate) fn check_window_meets_events(&self, start: i64, end: i64) -> Result<()> {
        let span = self.span_ns()?;
        if span.is_some_and(|(first, last)| start <= last && end > first) {
            return Ok(());
        }
        Err(empty_window(start, end, span))
    }
}

fn empty_window(start: i64, end: i64, span: Option<(i64, i64)>) -> Error {
    let span = match span {
        Some((first, last)) => format!("events span {first}:{last} ns"),
        None => "the trace holds no events at all".into(),
    };
    Error::InvalidArgument(format!("window {start}:{end} ns holds no event; {span}"))
}

/// So many threads, or one per core.
pub(crate) fn pool(threads: Option<usize>) -> Result<rayon::ThreadPool> {
    let mut pool = rayon::ThreadPoolBuilder::new();
    if let Some(threads) = threads {
        if !(1..=MAX_THREADS).contains(&threads) {
            return Err(Error::InvalidArgument(format!("threads: {threads} is not between 1 and {MAX_THREADS}")));
        }
        pool = pool.num_threads(threads);
    }
    pool.build().map_err(|error| Error::InvalidArgument(format!("threads: {error}")))
}

pub(crate) fn step_range(pattern: &str) -> Result<regex::Regex> {
    regex::Regex::new(pattern).map_err(|error| Error::InvalidArgument(format!("step range {pattern:?}: {error}")))
}

/// The window with its open sides filled in.
pub(crate) fn window(window: Option<(Option<i64>, Option<i64>)>) -> Result<Option<(i64, i64)>> {
    let Some((start, end)) = window else { return Ok(None) };
    let (start, end) = (start.unwrap_or(i64::MIN), end.unwrap_or(i64::MAX));
    if start >= end {
        return Err(Error::InvalidArgument(format!("window {start}:{end} ns: the end must be after the start")));
    }
    Ok(Some((start, end)))
}
