//! What has to be read and derived for some requests.

use std::path::Path;

use super::spec::{Source, StreamColumn, StreamSpec, StreamTable, specs};
use super::{Request, StreamOptions, StreamState};
use crate::analysis::derived::{KeptGaps, Needs};
use crate::analysis::{Columns, Options};
use crate::categories::Categories;
use crate::error::{Error, Result};
use crate::model::table::Kind;
use crate::source::RowSource;
use crate::source::load::{LoadOptions, OsCalls};
use crate::source::metadata::DeviceMap;
use crate::source::schema::{Schema, TableInfo};

/// One request, checked.
pub(super) struct WantedStream {
    pub(super) spec: StreamSpec,
    pub(super) columns: Vec<StreamColumn>,
}

impl WantedStream {
    fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|wanted| wanted.spec.name == column)
    }

    fn has_any(&self, columns: &[&str]) -> bool {
        columns.iter().any(|column| self.has(column))
    }

    fn is_of_ops(&self) -> bool {
        super::op_table(self.spec.table).is_some()
    }

    /// Whether its ops are told of the gaps that they ended.
    pub(super) fn wants_gaps(&self) -> bool {
        self.is_of_ops() && self.has_any(&["gap_before_ns", "gap_cause"])
    }

    /// What has to be derived, if anything.
    fn needs(&self) -> Option<Needs> {
        let is_gaps = self.spec.table == StreamTable::Gaps;
        let is_derived = is_gaps || self.spec.table == StreamTable::Steps;
        let of_op = is_derived || self.is_of_ops();
        let steps = self.spec.table == StreamTable::Steps || of_op && self.has_any(&["step", "step_kind", "place"]);
        let gaps = is_gaps || self.wants_gaps();
        let calls = of_op && self.has_any(&CALL_COLUMNS);
        let attribution = of_op && self.has_any(&["range", "range_id"]);
        let categories = self.has("category");
        let any = steps || gaps || calls || attribution || categories || self.has_any(&["kernels_traced", "gpu_ops"]);
        any.then_some(Needs {
            attribution,
            categories: categories || steps || gaps,
            steps,
            gaps: if gaps { KeptGaps::Every } else { KeptGaps::None },
        })
    }

    /// The tables of the export to read; `None` for all of them.
    fn tables(&self) -> Option<Vec<&'static str>> {
        if self.needs().is_some_and(|needs| needs.steps || needs.gaps != KeptGaps::None) {
            return None;
        }
        let joined = self.columns.iter().flat_map(|column| column.needs);
        let mut tables: Vec<&str> = joined.chain([&self.spec.source]).flat_map(|source| source.names()).collect();
        if self.columns.iter().any(|column| column.spec.kind == Kind::Text) {
            tables.push("StringIds");
        }
        if self.has("kernels_traced") {
            tables.push(KERNEL);
        }
        if self.has("gpu_ops") {
            tables.extend(Source::GpuOps.names());
        }
        Some(tables)
    }
}

const KERNEL: &str = "CUPTI_ACTIVITY_KIND_KERNEL";
const RUNTIME: &str = "CUPTI_ACTIVITY_KIND_RUNTIME";
const NVTX: &str = "NVTX_EVENTS";
const CORRELATION: &str = "correlationId";
const GRAPH_NODE: &str = "graphNodeId";
const CALL_COLUMNS: [&str; 5] = ["call_id", "api_name", "launch_start_ns", "launch_end_ns", "launch_tid"];

/// What to read, what to derive, what to hand out.
pub(super) struct Plan {
    pub(super) requests: Vec<WantedStream>,
    pub(super) load: LoadOptions,
    pub(super) needs: Option<Needs>,
    pub(super) options: Options,
    pub(super) skips_missing: bool,
}

impl Plan {
    pub(super) fn new(
        path: &Path,
        states: &[StreamState],
        requests: &[Request],
        options: &StreamOptions,
    ) -> Result<Self> {
        let window = crate::trace::window(options.window)?;
        let step_range = options.step_range.as_deref().map(crate::trace::step_range).transpose()?;
        let has_step_range = step_range.is_some();
        let mut wanted: Vec<WantedStream> = Vec::new();
        for request in requests {
            if wanted.iter().any(|known| known.spec.name == request.table) {
                return Err(Error::InvalidArgument(format!("the stream {:?} is asked for twice", request.table)));
            }
            wanted.extend(checked(path, states, request, options.skips_missing)?);
        }
        let needs = wanted.iter().filter_map(WantedStream::needs).reduce(|a, b| Needs {
            attribution: a.attribution || b.attribution,
            categories: a.categories || b.categories,
            steps: a.steps || b.steps,
            gaps: a.gaps.max(b.gaps),
        });
        let tables = wanted.iter().map(WantedStream::tables).collect::<Option<Vec<_>>>();
        let any = |column: &str| wanted.iter().any(|stream| stream.has(column));
        let is_wanted = |table: StreamTable| wanted.iter().any(|stream| stream.spec.table == table);
        let load = LoadOptions {
            window,
            step_range,
            tables: tables.map(|tables| tables.concat()),
            streams: any("stream_id"),
            raw_names: any("raw_name"),
            os_calls: if is_wanted(StreamTable::OsCalls) { OsCalls::OfAllThreads } else { OsCalls::OfKnownThreads },
            ..LoadOptions::default()
        };
        let analysis = Options {
            kernel_percentiles: false,
            nvtx_kernel_map: true,
            phases: None,
            categories: Categories::new(&options.categories)?,
            has_step_range,
            columns: Columns::All,
        };
        let skips_missing = options.skips_missing;
        Ok(Self { requests: wanted, load, needs, options: analysis, skips_missing })
    }

    /// Where processes number a GPU differently, its number is the lowest of all ops: all of them have to be seen.
    pub(super) fn name_devices(&mut self, devices: &DeviceMap) {
        let names_device = self.requests.iter().any(|wanted| wanted.has("device_id"));
        if let Some(tables) = self.load.tables.as_mut().filter(|_| names_device && devices.is_ambiguous()) {
            tables.extend(Source::GpuOps.names());
        }
    }
}

/// A request with its columns; nothing where the export lacks it and that is no error.
fn checked(
    path: &Path,
    states: &[StreamState],
    request: &Request,
    skips_missing: bool,
) -> Result<Option<WantedStream>> {
    let Some(state) = states.iter().find(|state| state.spec.name == request.table) else {
        let names: Vec<&str> = states.iter().map(|state| state.spec.name).collect();
        let known = names.join(", ");
        return Err(Error::InvalidArgument(format!("no stream is named {:?}: there are {known}", request.table)));
    };
    let all = &state.spec.columns;
    let mut columns: Vec<StreamColumn> = Vec::new();
    for name in request.columns.iter().flatten() {
        let Some(at) = all.iter().position(|column| column.spec.name == name) else {
            let known: Vec<&str> = all.iter().map(|column| column.spec.name).collect();
            let (table, known) = (state.spec.name, known.join(", "));
            return Err(Error::InvalidArgument(format!(
                "the stream {table} has no column {name:?}: there are {known}"
            )));
        };
        if columns.iter().any(|column| column.spec.name == name) {
            return Err(Error::InvalidArgument(format!("the column {name:?} is asked for twice")));
        }
        match state.missing_by_column[at] {
            Some(source) if !skips_missing && state.missing.is_none() => {
                return Err(not_captured(path, &format!("the column {name} of {}", state.spec.name), source));
            }
            Some(_) => {}
            None => columns.push(all[at]),
        }
    }
    if request.columns.is_none() {
        columns.extend(all.iter().filter(|column| column.is_default));
    } else if request.columns.as_ref().is_some_and(Vec::is_empty) {
        return Err(Error::InvalidArgument(format!("the stream {} is asked for without columns", state.spec.name)));
    }
    match state.missing {
        Some(_) if skips_missing => Ok(None),
        Some(source) => Err(not_captured(path, &format!("the stream {}", state.spec.name), source)),
        None => Ok(Some(WantedStream { spec: state.spec.clone(), columns })),
    }
}

fn not_captured(path: &Path, what: &str, source: Source) -> Error {
    let tables = match source {
        Source::Table(name, _) => format!("{name} is absent or empty"),
        Source::GpuOps => "no table of GPU ops holds a row".into(),
        Source::Column(name, column, _) => format!("{name} has no column {column}"),
    };
    let remedy = format!("capture it with {}", source.flag());
    Error::NotCaptured { path: path.into(), what: format!("{what}: {tables}"), remedy }
}

/// What an export allows of each stream.
pub(super) fn states(rows: &dyn RowSource, schema: &Schema) -> Result<Vec<StreamState>> {
    let mut filled: Vec<&str> = Vec::new();
    let tables: Vec<&str> = specs()
        .iter()
        .flat_map(|spec| spec.columns.iter().flat_map(|column| column.needs).chain([&spec.source]))
        .flat_map(|source| source.names())
        .collect();
    for name in tables {
        let Some(table) = table(schema, name).filter(|_| !filled.contains(&name)) else { continue };
        // Tables without row ids are not counted before they are read.
        if table.rowid.is_none() || rows.expected_rows(table)? > 0 {
            filled.push(name);
        }
    }
    let state = |spec: StreamSpec| StreamState {
        missing: missing(schema, &filled, spec.source),
        missing_by_column: spec.columns.iter().map(|column| missing_for(schema, &filled, &spec, column)).collect(),
        spec,
    };
    Ok(specs().into_iter().map(state).collect())
}

fn table<'a>(schema: &'a Schema, name: &str) -> Option<&'a TableInfo> {
    if name == KERNEL { schema.kernel_table() } else { schema.table(name) }
}

/// What keeps a source from giving any row.
fn missing(schema: &Schema, filled: &[&str], source: Source) -> Option<Source> {
    if !source.names().any(|name| filled.contains(&name)) {
        return Some(source);
    }
    // A table without times holds no events, however many rows it has.
    let untimed = |name: &'static str| {
        let table = table(schema, name).filter(|_| filled.contains(&name))?;
        let needed = ["start", "end"].into_iter().chain((name == NVTX).then_some("eventType"));
        let lacking = needed.into_iter().find(|column| !table.has(column))?;
        Some(Source::Column(name, lacking, source.flag()))
    };
    let found: Vec<Option<Source>> = source.names().filter(|name| filled.contains(name)).map(untimed).collect();
    if found.iter().any(Option::is_none) { None } else { found.into_iter().flatten().next() }
}

/// What keeps a column from being had.
fn missing_for(schema: &Schema, filled: &[&str], spec: &StreamSpec, column: &StreamColumn) -> Option<Source> {
    let sources = column.needs.iter().chain([&spec.source]);
    if let Some(source) = sources.copied().find_map(|source| missing(schema, filled, source)) {
        return Some(source);
    }
    let lacks = |name: &'static str, column| table(schema, name).is_some_and(|table| !table.has(column));
    let (name, flag) = (column.spec.name, spec.source.flag());
    // Without the ids that join them, "no call" would be said of ops that had one.
    if name == "gpu_ops" || column.needs.iter().any(|needed| needed.names().any(|table| table == RUNTIME)) {
        let joined = [RUNTIME].into_iter().chain(Source::GpuOps.names());
        return joined
            .into_iter()
            .find(|name| lacks(name, CORRELATION))
            .map(|name| Source::Column(name, CORRELATION, flag));
    }
    let own = spec.source.names().next().filter(|own| name == "in_graph" && lacks(own, GRAPH_NODE));
    own.map(|own| Source::Column(own, GRAPH_NODE, flag))
}
