//! Every execution of a collective, for those who compare several traces: events, not their sums.
//!
//! Reads the kernels' times, places and names, and nothing else of the export. Which names are collectives is the
//! categories' word (`comm.*`).

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Trace, window};
use crate::categories::Categories;
use crate::error::{Error, Result};
use crate::model::ids::ProcessKey;
use crate::source::batch::{Batch, Wanted};
use crate::source::load::{PARTS_PER_THREAD, times};
use crate::source::metadata::{DeviceMap, each_row};
use crate::source::{Progress, RowSource};

/// Options of [`Trace::collectives`].
#[derive(Debug, Clone, Default)]
pub struct CollectiveOptions {
    /// `[start, end)` in nanoseconds on the trace's clock, by the start of a kernel; an open side is `None`.
    pub window: Option<(Option<i64>, Option<i64>)>,
    /// Rules for the categories of kernels, before the built-in ones: (category, pattern).
    pub categories: Vec<(String, String)>,
}

/// Who has to arrive before a kernel of a collective can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// All ranks: nobody has the result before the last one has given its part.
    AllToAll,
    /// All ranks, but each ends on its own, without a barrier behind.
    OneShot,
    /// The root does not wait for those that only receive, or they not for each other.
    Rooted,
    /// Two ranks.
    PointToPoint,
}

impl Kind {
    /// The name that crosses into Python.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AllToAll => "all",
            Self::OneShot => "one_shot",
            Self::Rooted => "rooted",
            Self::PointToPoint => "point_to_point",
        }
    }

    /// The kind of a kernel, by the words that its name has in common over the libraries.
    fn of(name: &str) -> Self {
        let name: String = name.to_ascii_lowercase().chars().filter(|c| *c != '_').collect();
        let is_any = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if is_any(&["oneshot", "lamport"]) {
            Self::OneShot
        } else if is_any(&["allreduce", "crossdevicereduce", "reducescatter", "allgather", "alltoall", "barrier"]) {
            Self::AllToAll
        } else if is_any(&["send", "recv", "put", "p2p", "dispatch", "combine"]) {
            Self::PointToPoint
        } else if is_any(&["broadcast", "bcast", "reduce", "scatter", "gather"]) {
            Self::Rooted
        } else {
            Self::AllToAll
        }
    }
}

/// What executions have in common: the place where they ran, and their name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CollectiveLane {
    /// CUDA ordinal of the device.
    pub device_id: Option<i64>,
    /// Physical id of the device.
    pub gpu_id: Option<i64>,
    /// Process.
    pub pid: i64,
    /// Stream.
    pub stream_id: Option<i64>,
    /// Demangled name, in full.
    pub name: String,
    /// Category of the kernel.
    pub category: String,
    /// Who has to arrive before it can end.
    pub kind: Kind,
}

/// Executions of collectives by start, then end and lane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collectives {
    /// Lanes in ascending order.
    pub lanes: Vec<CollectiveLane>,
    /// Index into the lanes, by execution.
    pub lane: Vec<u32>,
    /// Start on the trace's clock.
    pub start: Vec<i64>,
    /// End on the trace's clock.
    pub end: Vec<i64>,
    /// Kernels that are none, and graph executions whose kernels the export does not tell.
    pub other_kernels: u64,
}

/// The ids that a kernel's row has.
type Place = (Option<i64>, Option<i64>, Option<i64>, Option<i64>);

const COLUMNS: &[Wanted] = &[
    Wanted::int("start"),
    Wanted::int("end"),
    Wanted::int("deviceId"),
    Wanted::int("globalPid"),
    Wanted::int("streamId"),
    Wanted::int("demangledName"),
    Wanted::int("shortName"),
];

/// Kernels of one part of the table.
#[derive(Debug, Default)]
struct Kernels {
    numbers: FxHashMap<Place, u32>,
    places: Vec<Place>,
    last: usize,
    rows: Vec<(i64, i64, u32)>,
}

impl Kernels {
    fn add(&mut self, batch: &Batch, window: Option<(i64, i64)>, tells_device: bool) {
        for row in 0..batch.rows() {
            let int = |column: usize| batch.int(row, column);
            let Some((start, end)) = times(int(0), int(1)).filter(|&times| times != (0, 0)) else { continue };
            let is_outside = window.is_some_and(|(from, to)| !(from..to).contains(&start));
            if is_outside || tells_device && int(2).is_none() {
                continue;
            }
            let place = self.number((int(2), int(3), int(4), int(5).or_else(|| int(6))));
            self.rows.push((start, end, place));
        }
    }

    fn number(&mut self, place: Place) -> u32 {
        if self.places.get(self.last) != Some(&place) {
            let next = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
            let number = *self.numbers.entry(place).or_insert(next);
            if number == next {
                self.places.push(place);
            }
            self.last = number as usize;
        }
        u32::try_from(self.last).unwrap_or(u32::MAX)
    }
}

impl Trace {
    /// Every execution of a collective: kernels of a category `comm.*`.
    pub fn collectives(&self, options: &CollectiveOptions, progress: &Progress) -> Result<Collectives> {
        let window = window(options.window)?;
        let categories = Categories::new(&options.categories)?;
        let source = self.rows()?;
        let Some(table) = self.schema.kernel_table() else { return Ok(Collectives::default()) };
        progress.expect(source.expected_rows(table)?);
        let tells_device = table.has("deviceId");
        let pieces = rayon::current_num_threads() * PARTS_PER_THREAD;
        let read = |part| {
            let mut kernels = Kernels::default();
            source.read(table, COLUMNS, part, &mut |batch| {
                kernels.add(batch, window, tells_device);
                progress.advance(batch.rows() as u64)
            })?;
            Ok(kernels)
        };
        let parts: Vec<Kernels> =
            source.parts(table, pieces)?.into_par_iter().map(read).collect::<Result<_, Error>>()?;
        let names = self.names_of(source.as_ref(), &parts)?;
        let devices = DeviceMap::read(source.as_ref(), &self.schema, self.metadata.gpus.clone())?;
        self.file.check_unchanged()?;
        progress.check()?;
        Ok(gather(&parts, &names, &devices, &categories))
    }

    /// The texts of the names that kernels have.
    fn names_of(&self, source: &dyn RowSource, parts: &[Kernels]) -> Result<FxHashMap<i64, String>> {
        let wanted: FxHashSet<i64> = parts.iter().flat_map(|part| &part.places).filter_map(|place| place.3).collect();
        let mut names = FxHashMap::default();
        let columns = [Wanted::int("id"), Wanted::text("value")];
        each_row(source, self.schema.table("StringIds"), &columns, |batch, row| {
            if let Some(id) = batch.int(row, 0).filter(|id| wanted.contains(id))
                && let Some(text) = batch.text(row, 1)
            {
                names.entry(id).or_insert_with(|| text.into_owned());
            }
        })?;
        Ok(names)
    }
}

fn process_of(place: &Place) -> ProcessKey {
    place.1.map_or(ProcessKey::UNKNOWN, ProcessKey::of)
}

/// The collectives among the kernels, in their order.
fn gather(
    parts: &[Kernels],
    names: &FxHashMap<i64, String>,
    devices: &DeviceMap,
    categories: &Categories,
) -> Collectives {
    let mut used: Vec<(ProcessKey, Option<i64>)> =
        parts.iter().flat_map(|part| &part.places).map(|place| (process_of(place), place.0)).collect();
    used.sort_unstable();
    used.dedup();
    let (devices, device_of, _) = devices.resolve(&used);
    let mut found: FxHashMap<i64, Option<&str>> = FxHashMap::default();
    let mut category_of = |id: i64, name: &str| {
        *found.entry(id).or_insert_with(|| {
            let number = categories.find(name);
            categories.is_communication(number).then(|| categories.names()[usize::from(number)].as_ref())
        })
    };
    let mut lanes: FxHashMap<Place, CollectiveLane> = FxHashMap::default();
    for place in parts.iter().flat_map(|part| &part.places) {
        let Some((id, name)) = place.3.and_then(|id| names.get(&id).map(|name| (id, name))) else { continue };
        let Some(category) = category_of(id, name) else { continue };
        let process = process_of(place);
        let device = &devices[device_of[&(process, place.0)] as usize];
        lanes.entry(*place).or_insert_with(|| CollectiveLane {
            device_id: device.device_id,
            gpu_id: device.gpu_id,
            pid: process.pid(),
            stream_id: place.2,
            name: name.clone(),
            category: category.to_owned(),
            kind: Kind::of(name),
        });
    }
    let mut sorted: Vec<CollectiveLane> = lanes.values().cloned().collect();
    sorted.sort_unstable();
    sorted.dedup();
    let number_of: FxHashMap<Place, u32> = lanes
        .iter()
        .map(|(place, lane)| (*place, u32::try_from(sorted.partition_point(|other| other < lane)).unwrap_or(u32::MAX)))
        .collect();
    let mut rows: Vec<(i64, i64, u32)> = Vec::new();
    let mut all = 0;
    for part in parts {
        let lane_of: Vec<Option<u32>> = part.places.iter().map(|place| number_of.get(place).copied()).collect();
        rows.extend(part.rows.iter().filter_map(|&(start, end, place)| Some((start, end, lane_of[place as usize]?))));
        all += part.rows.len();
    }
    rows.sort_unstable();
    Collectives {
        lanes: sorted,
        lane: rows.iter().map(|row| row.2).collect(),
        start: rows.iter().map(|row| row.0).collect(),
        end: rows.iter().map(|row| row.1).collect(),
        other_kernels: (all - rows.len()) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_who_has_to_arrive() {
        for (name, kind) in [
            ("ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096>)", Kind::AllToAll),
            ("ncclDevKernel_ReduceScatter_Sum_f16_RING_LL", Kind::AllToAll),
            ("ncclKernel_AllGather_RING_LL_Sum_int8_t", Kind::AllToAll),
            ("void vllm::cross_device_reduce_1stage<__nv_bfloat16, 2>(vllm::RankData*)", Kind::AllToAll),
            ("ncclDevKernel_SendRecv(ncclDevKernelArgsStorage<4096>)", Kind::PointToPoint),
            ("ncclDevKernel_Broadcast_RING_LL", Kind::Rooted),
            ("ncclDevKernel_Reduce_Sum_f32_RING_LL", Kind::Rooted),
            ("flashinfer::trtllm_allreduce_fusion::allreduce_fusion_kernel_oneshot_lamport<...>", Kind::OneShot),
            ("my_own_exchange", Kind::AllToAll),
        ] {
            assert_eq!(Kind::of(name), kind, "{name}");
        }
    }
}
