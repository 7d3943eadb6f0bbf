//! What an export says about itself: versions, GPUs, processes, diagnostics.
//!
//! Only an allow-list of keys is read. Environment variables, command lines and captured output stay in the file.

use std::collections::BTreeMap;

use regex::Regex;
use rustc_hash::FxHashMap;

use super::batch::{Batch, Wanted};
use super::schema::{Schema, TableInfo};
use super::{Part, RowSource};
use crate::error::Result;
use crate::model::ids::{Device, DeviceKey, ProcessKey};

const MAX_VALUE_CHARS: usize = 64;
const MAX_DIAGNOSTIC_CHARS: usize = 300;

/// A GPU of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// Physical id.
    pub gpu_id: Option<i64>,
    /// Product name.
    pub name: Option<String>,
    /// CUDA ordinal as the profiler saw it.
    pub cuda_ordinal: Option<i64>,
    /// Memory in bytes.
    pub memory_bytes: Option<i64>,
    /// Streaming multiprocessors.
    pub sm_count: Option<i64>,
}

/// A message of the profiler about its own capture, with how often it occurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// 1 info, 2 warning, 3 error.
    pub severity: i64,
    /// First line of the message, paths of home folders removed.
    pub text: String,
    /// Occurrences.
    pub count: i64,
}

/// Facts about the capture and the export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Version of the exporter.
    pub nsys_version: Option<String>,
    /// Version of the table layout.
    pub export_schema_version: Option<String>,
    /// Version of the profiler that captured.
    pub capture_version: Option<String>,
    /// Length of the session in nanoseconds.
    pub duration_ns: Option<i64>,
    /// What makes a time of the trace one of UTC, in nanoseconds since 1970; as good as the host's clock was.
    pub utc_base_ns: Option<i64>,
    /// `CUDA_GRAPH_TRACE_OPTIONS:MODE`.
    pub graph_trace_option: Option<String>,
    /// GPUs of the machine that can run CUDA.
    pub gpus: Vec<Gpu>,
    /// Messages of the profiler, most severe first.
    pub diagnostics: Vec<Diagnostic>,
}

impl Metadata {
    /// Reads the metadata tables.
    pub fn read(source: &dyn RowSource, schema: &Schema) -> Result<Self> {
        let mut metadata = Self { gpus: gpus(source, schema)?, ..Self::default() };
        let (mut is_normalised, mut is_shifted) = (false, false);
        for table in ["META_DATA_EXPORT", "EXPORT_META_DATA"] {
            each_text_pair(source, schema.table(table), "name", "value", |name, value| match name {
                "EXPORT_PARAM_TIME_NORMALIZE" => is_normalised = value == "true",
                "EXPORT_PARAM_TIME_SHIFT" | "EXPORT_CONFIG_TIME_SHIFT" => is_shifted |= value != "0",
                "EXPORT_PRODUCT_VERSION" => metadata.nsys_version = Some(cut(value, MAX_VALUE_CHARS)),
                "EXPORT_SCHEMA_VERSION" => metadata.export_schema_version = Some(cut(value, MAX_VALUE_CHARS)),
                _ => {}
            })?;
        }
        each_text_pair(source, schema.table("META_DATA_CAPTURE"), "name", "value", |name, value| {
            if name.ends_with("CUDA_GRAPH_TRACE_OPTIONS:MODE") {
                metadata.graph_trace_option = Some(cut(value, MAX_VALUE_CHARS));
            }
        })?;
        each_text_pair(source, schema.table("TARGET_INFO_SYSTEM_ENV"), "name", "value", |name, value| {
            if name == "TargetInstallDir" {
                metadata.capture_version = version_in(value);
            }
        })?;
        each_row(source, schema.table("ANALYSIS_DETAILS"), &[Wanted::int("duration")], |batch, row| {
            metadata.duration_ns = metadata.duration_ns.max(batch.int(row, 0));
        })?;
        let start = session_start(source, schema)?;
        metadata.utc_base_ns = if is_normalised { Some(0) } else { start }.filter(|_| !is_shifted);
        metadata.diagnostics = diagnostics(source, schema)?;
        Ok(metadata)
    }
}

/// Which physical GPU a process means by a CUDA ordinal, and names of GPUs and processes.
#[derive(Debug, Clone, Default)]
pub struct DeviceMap {
    gpu_of: FxHashMap<(i64, i64), i64>,
    gpus: Vec<Gpu>,
    process_names: FxHashMap<ProcessKey, String>,
}

impl DeviceMap {
    /// Reads `TARGET_INFO_CUDA_DEVICE` and `PROCESSES`.
    pub fn read(source: &dyn RowSource, schema: &Schema, gpus: Vec<Gpu>) -> Result<Self> {
        let mut map = Self { gpus, ..Self::default() };
        let columns = [Wanted::int("pid"), Wanted::int("cudaId"), Wanted::int("gpuId")];
        each_row(source, schema.table("TARGET_INFO_CUDA_DEVICE"), &columns, |batch, row| {
            let int = |column: usize| batch.int(row, column);
            if let (Some(pid), Some(ordinal), Some(gpu)) = (int(0), int(1), int(2)) {
                let known = map.gpu_of.entry((pid, ordinal)).or_insert(gpu);
                *known = gpu.min(*known);
            }
        })?;
        let columns = [Wanted::int("globalPid"), Wanted::text("name")];
        each_row(source, schema.table("PROCESSES"), &columns, |batch, row| {
            if let (Some(global_pid), Some(name)) = (batch.int(row, 0), batch.text(row, 1)) {
                map.process_names.entry(ProcessKey::of(global_pid)).or_insert_with(|| name.into_owned());
            }
        })?;
        Ok(map)
    }

    /// Whether processes number some GPU differently.
    pub fn is_ambiguous(&self) -> bool {
        let mut ordinal_of: FxHashMap<i64, i64> = FxHashMap::default();
        self.gpu_of.iter().any(|(&(_, ordinal), &gpu)| *ordinal_of.entry(gpu).or_insert(ordinal) != ordinal)
    }

    /// The name of a process.
    pub fn process_name(&self, key: ProcessKey) -> Option<String> {
        self.process_names.get(&key).filter(|name| !name.is_empty()).cloned()
    }

    /// The devices of `(process, CUDA ordinal)` pairs in ascending order, the device of each pair, and whether only
    /// some of the pairs are mapped to physical GPUs.
    #[allow(clippy::type_complexity)]
    pub fn resolve(
        &self,
        used: &[(ProcessKey, Option<i64>)],
    ) -> (Vec<Device>, FxHashMap<(ProcessKey, Option<i64>), u32>, bool) {
        let key_of = |&(process, ordinal): &(ProcessKey, Option<i64>)| match ordinal {
            None => DeviceKey::Unknown,
            Some(ordinal) => match self.gpu_of.get(&(process.pid(), ordinal)) {
                Some(&gpu) => DeviceKey::Physical(gpu),
                None => DeviceKey::Ordinal(ordinal),
            },
        };
        let mut ordinals: BTreeMap<DeviceKey, Option<i64>> = BTreeMap::new();
        for place in used {
            let lowest = ordinals.entry(key_of(place)).or_insert(place.1);
            *lowest = (*lowest).min(place.1);
        }
        let alone = ordinals.len() == 1;
        let mut devices: Vec<Device> =
            ordinals.into_iter().map(|(key, device_id)| self.device(key, device_id, alone)).collect();
        devices.sort_by_key(|device| (device.device_id, device.gpu_id, device.key));
        let numbers: FxHashMap<DeviceKey, u32> = devices.iter().map(|device| device.key).zip(0..).collect();
        let device_of = used.iter().map(|place| (*place, numbers[&key_of(place)])).collect();
        let mapped = devices.iter().filter(|device| device.gpu_id.is_some()).count();
        let partly = mapped > 0 && mapped < devices.len();
        (devices, device_of, partly)
    }

    fn device(&self, key: DeviceKey, device_id: Option<i64>, alone: bool) -> Device {
        let (gpu_id, gpu) = match key {
            DeviceKey::Physical(id) => (Some(id), self.gpus.iter().find(|gpu| gpu.gpu_id == Some(id))),
            DeviceKey::Ordinal(id) => (None, self.gpus.iter().find(|gpu| gpu.cuda_ordinal == Some(id))),
            DeviceKey::Unknown => (None, None),
        };
        let only = self.gpus.first().filter(|_| alone && self.gpus.len() == 1);
        Device { key, device_id, gpu_id, name: gpu.or(only).and_then(|gpu| gpu.name.clone()) }
    }
}

/// Calls `visit` for each row of a small table, in row order.
pub fn each_row(
    source: &dyn RowSource,
    table: Option<&TableInfo>,
    columns: &[Wanted],
    mut visit: impl FnMut(&Batch, usize),
) -> Result<()> {
    let Some(table) = table else { return Ok(()) };
    source.read(table, columns, Part::Whole, &mut |batch| {
        for row in 0..batch.rows() {
            visit(batch, row);
        }
        Ok(())
    })
}

fn each_text_pair(
    source: &dyn RowSource,
    table: Option<&TableInfo>,
    first: &'static str,
    second: &'static str,
    mut visit: impl FnMut(&str, &str),
) -> Result<()> {
    each_row(source, table, &[Wanted::text(first), Wanted::text(second)], |batch, row| {
        if let (Some(a), Some(b)) = (batch.text(row, 0), batch.text(row, 1)) {
            visit(&a, &b);
        }
    })
}

/// When the session started, if the export tells one such moment.
fn session_start(source: &dyn RowSource, schema: &Schema) -> Result<Option<i64>> {
    let mut starts = Vec::new();
    each_row(source, schema.table("TARGET_INFO_SESSION_START_TIME"), &[Wanted::int("utcEpochNs")], |batch, row| {
        starts.extend(batch.int(row, 0).filter(|&start| start > 0));
    })?;
    Ok(if let [start] = starts.as_slice() { Some(*start) } else { None })
}

fn gpus(source: &dyn RowSource, schema: &Schema) -> Result<Vec<Gpu>> {
    let columns = [
        Wanted::int("id"),
        Wanted::text("name"),
        Wanted::int("cuDevice"),
        Wanted::int("totalMemory"),
        Wanted::int("smCount"),
    ];
    let tells_sms = schema.has("TARGET_INFO_GPU", "smCount");
    let mut gpus = Vec::new();
    each_row(source, schema.table("TARGET_INFO_GPU"), &columns, |batch, row| {
        let int = |column: usize| batch.int(row, column);
        let gpu = Gpu {
            gpu_id: int(0),
            name: batch.text(row, 1).map(|name| cut(&name, MAX_VALUE_CHARS)),
            cuda_ordinal: int(2),
            memory_bytes: int(3).filter(|&bytes| bytes > 0),
            sm_count: int(4).filter(|&count| count > 0),
        };
        // Display adapters without multiprocessors run no CUDA.
        if gpu.sm_count.is_some() || !tells_sms {
            gpus.push(gpu);
        }
    })?;
    gpus.sort_by(|a, b| (a.gpu_id, a.cuda_ordinal, &a.name).cmp(&(b.gpu_id, b.cuda_ordinal, &b.name)));
    Ok(gpus)
}

fn diagnostics(source: &dyn RowSource, schema: &Schema) -> Result<Vec<Diagnostic>> {
    let mut counts: BTreeMap<(std::cmp::Reverse<i64>, String), i64> = BTreeMap::new();
    let columns = [Wanted::int("severity"), Wanted::text("text")];
    each_row(source, schema.table("DIAGNOSTIC_EVENT"), &columns, |batch, row| {
        if let (Some(severity), Some(text)) = (batch.int(row, 0), batch.text(row, 1)) {
            let line = cut(text.lines().next().unwrap_or_default().trim(), MAX_DIAGNOSTIC_CHARS);
            *counts.entry((std::cmp::Reverse(severity), line)).or_default() += 1;
        }
    })?;
    let home = pattern(r"(/home/|/Users/|[A-Za-z]:\\Users\\)[^/\\\s]+");
    let message = |((severity, text), count): ((std::cmp::Reverse<i64>, String), i64)| Diagnostic {
        severity: severity.0,
        text: home.replace_all(&text, "~").into_owned(),
        count,
    };
    Ok(counts.into_iter().map(message).collect())
}

/// The version number in a path such as `/opt/nvidia/nsight-systems/2025.1.3/target-linux-x64`.
fn version_in(path: &str) -> Option<String> {
    pattern(r"\b20\d\d\.\d+\.\d+\b").find(path).map(|version| version.as_str().to_owned())
}

fn pattern(regex: &str) -> Regex {
    Regex::new(regex).expect("a literal pattern compiles")
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}
