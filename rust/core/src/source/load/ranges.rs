//! NVTX ranges: events of type 59, 60, 70 and 71 with `end > start`, and the names of their domains.

use std::sync::LazyLock;

use regex::Regex;
use rustc_hash::FxHashMap;

use super::places::{GlobalKinds, LocalIds, Places};
use super::texts::{RecentTexts, Strings};
use super::{Columns, Filled, Fills, LoadOptions, Part, Stretch, time};
use crate::algo::join::NONE;
use crate::model::events::{Events, MarkedRange, NO_PHASE, Payload, RangeKind};
use crate::model::step_mark::StepMark;
use crate::model::strings::{Interner, normalised_range_name};
use crate::source::batch::{Batch, Wanted, decoded};
use crate::source::schema::TableInfo;

const RANGE_TYPES: [i64; 4] = [59, 60, 70, 71];
const DOMAIN_CREATE: i64 = 75;
/// Set in a name reference that points to a registered string instead of a text of the part.
const REGISTERED: u32 = 1 << 31;

/// What ranges of one kind have in common within a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct LocalKind {
    thread: u32,
    domain: i64,
    crosses_threads: bool,
    /// A text of the part, or with [`REGISTERED`] an id among its registered strings.
    name: u32,
    /// Of the raw text; that of a registered string is found later.
    phase: u16,
    /// The raw text among those of the part, where it is wanted; that of a registered string is found later.
    raw: u32,
}

/// Accepted ranges of one part.
#[derive(Debug, Default)]
pub(super) struct RangePart {
    kinds: LocalIds<LocalKind>,
    pub(super) threads: LocalIds<Option<i64>>,
    texts: Interner,
    told: RecentTexts<Told>,
    raw_texts: Interner,
    registered: LocalIds<Option<i64>>,
    domain_names: Vec<(Option<i64>, i64, DomainName)>,
    /// Ranges of the part that mark steps, where the name is a text of their own.
    marks: Vec<MarkedRange>,
    payloads: Vec<Payload>,
    /// Ranges of the part whose payload is a registered string.
    payload_ids: Vec<(u32, i64)>,
    open: i64,
    rejected: i64,
}

/// What the raw text of a range tells.
#[derive(Debug)]
struct Told {
    /// The normalised name among the texts of the part.
    name: u32,
    phase: u16,
    /// Few texts mark steps.
    mark: Option<Box<StepMark>>,
}

impl Told {
    fn new(text: &str, texts: &mut Interner, options: &LoadOptions) -> Self {
        Self {
            name: texts.intern(&normalised_range_name(text)),
            phase: options.phases.as_ref().map_or(NO_PHASE, |phases| phases.find(text)),
            mark: mark(text, options).map(Box::new),
        }
    }
}

/// A domain's name, as text or as a registered string.
#[derive(Debug)]
enum DomainName {
    Text(Box<str>),
    Registered(i64),
}

impl Part for RangePart {
    const COLUMNS: &'static [Wanted] = &[
        Wanted::int("start"),
        Wanted::int("end"),
        Wanted::int("eventType"),
        Wanted::int("globalTid"),
        Wanted::int("endGlobalTid"),
        Wanted::int("textId"),
        Wanted::int("domainId"),
        Wanted::int("jsonTextId"),
        Wanted::text("text"),
        Wanted::text("jsonText"),
    ];

    const FILLS: Fills = Fills::Spans;

    fn new(_table: &TableInfo) -> Self {
        Self::default()
    }

    fn add(&mut self, batch: &Batch, stretch: &mut Stretch<'_>, options: &LoadOptions) {
        for row in 0..batch.rows() {
            match batch.ints(row).get(2) {
                Some(kind) if RANGE_TYPES.contains(&kind) => self.add_range(batch, row, stretch, options),
                Some(DOMAIN_CREATE) => self.add_domain(batch, row),
                Some(_) => {}
                None => self.rejected += 1,
            }
        }
    }

    fn rejected(&self) -> i64 {
        self.rejected
    }
}

impl RangePart {
    fn add_range(&mut self, batch: &Batch, row: usize, stretch: &mut Stretch<'_>, options: &LoadOptions) {
        let cells = batch.ints(row);
        let int = |column: usize| cells.get(column);
        let Some(start) = time(int(0)) else {
            self.rejected += 1;
            return;
        };
        let Some(end) = time(int(1)) else {
            // NULL means that the range was still open when the capture ended; any other value is damage.
            if cells.is_null(1) {
                self.open += 1;
            } else {
                self.rejected += 1;
            }
            return;
        };
        if end <= start {
            self.rejected += i64::from(end < start);
            return;
        }
        let tid = int(3);
        let range = u32::try_from(stretch.len()).unwrap_or(NONE);
        if let Some(json) = batch.text(row, 9) {
            self.payloads.extend(payload(&json, range));
        } else if let Some(id) = int(7) {
            self.payload_ids.push((range, id));
        }
        // Raw names are as many as ranges: those of ranges outside of the window are not kept.
        let keeps_raw = options.raw_names && options.window.is_none_or(|(from, to)| start < to && end > from);
        let mut kind = LocalKind {
            thread: self.threads.number(&tid),
            domain: int(6).unwrap_or(0),
            crosses_threads: int(4).is_some_and(|other| other != 0 && Some(other) != tid),
            phase: NO_PHASE,
            raw: NONE,
            name: NONE,
        };
        if let Some(bytes) = batch.text_bytes(row, 8) {
            let texts = &mut self.texts;
            let told = self.told.of(bytes, |text| Told::new(text, texts, options));
            (kind.name, kind.phase) = (told.name, told.phase);
            self.marks.extend(told.mark.as_deref().map(|&mark| MarkedRange { range, mark }));
            if keeps_raw {
                kind.raw = self.raw_texts.intern(&decoded(bytes));
            }
        } else {
            kind.name = self.registered.number(&int(5)) | REGISTERED;
        }
        stretch.push(start, end - start, self.kinds.number(&kind));
    }

    fn add_domain(&mut self, batch: &Batch, row: usize) {
        let int = |column: usize| batch.int(row, column);
        let Some(domain) = int(6) else { return };
        let name = match (batch.text(row, 8), int(5)) {
            (Some(text), _) => DomainName::Text(text.into()),
            (None, Some(id)) => DomainName::Registered(id),
            (None, None) => return,
        };
        self.domain_names.push((int(3), domain, name));
    }
}

/// What the raw name of a range says about a step.
fn mark(name: &str, options: &LoadOptions) -> Option<StepMark> {
    match &options.step_range {
        None => StepMark::of_engine(name),
        Some(pattern) if pattern.is_match(name) => {
            Some(StepMark { by_user: true, ..StepMark::of_engine(name).unwrap_or_default() })
        }
        Some(_) => None,
    }
}

/// Size and communicator from what NCCL attaches to its ranges: `{"NCCL communicator ID":1,"Message size [bytes]":4096}`.
fn payload(json: &str, range: u32) -> Option<Payload> {
    static BYTES: LazyLock<Regex> = LazyLock::new(|| compiled(r#""Message size \[bytes\]"\s*:\s*(\d+)"#));
    static COMMUNICATOR: LazyLock<Regex> = LazyLock::new(|| compiled(r#""NCCL communicator ID"\s*:\s*"?(\d+)"#));
    let number = |pattern: &Regex| pattern.captures(json)?.get(1)?.as_str().parse::<u64>().ok();
    let bytes = i64::try_from(number(&BYTES)?).ok()?;
    Some(Payload { range, communicator: number(&COMMUNICATOR).map(u64::cast_signed), bytes })
}

fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a literal pattern compiles")
}

/// All ranges, with their names and domains.
pub(super) fn fill(
    filled: Filled<RangePart>,
    places: &Places,
    strings: &Strings,
    options: &LoadOptions,
    events: &mut Events,
) {
    let domain_names = domain_names(&filled.parts, places, strings);
    let Events { ranges, range_names, raw_range_names, domains, payloads, .. } = events;
    let mut kinds = GlobalKinds::default();
    let mut global: Vec<Vec<u32>> = Vec::with_capacity(filled.parts.len());
    let mut marks: Vec<MarkedRange> = Vec::new();
    let mut before = 0;
    for (part, of_part) in filled.kinds() {
        let shifted = |range: u32| range.saturating_add(before);
        let registered_marks = registered_marks(part, of_part, strings, options);
        marks.extend(part.marks.iter().chain(&registered_marks).map(|m| MarkedRange { range: shifted(m.range), ..*m }));
        let by_id = |&(range, id): &(u32, i64)| strings.text(id).and_then(|json| payload(json, range));
        let all = part.payloads.iter().copied().chain(part.payload_ids.iter().filter_map(by_id));
        payloads.extend(all.map(|p| Payload { range: shifted(p.range), ..p }));
        before = shifted(u32::try_from(of_part.len()).unwrap_or(NONE));
        let texts: Vec<u32> = part.texts.texts().iter().map(|text| range_names.intern(text)).collect();
        let raw_texts: Vec<u32> = part.raw_texts.texts().iter().map(|text| raw_range_names.intern(text)).collect();
        let raw = |name: u32| registered_text(part.registered.values()[(name & !REGISTERED) as usize], strings);
        let mut kind = |local: &LocalKind| {
            let tid = part.threads.values()[local.thread as usize];
            let process = places.thread_process(tid);
            let is_registered = local.name & REGISTERED != 0;
            let name = if is_registered {
                range_names.intern(&normalised_range_name(raw(local.name)))
            } else {
                texts[local.name as usize]
            };
            let raw_number = match raw_texts.get(local.raw as usize) {
                Some(&number) => number,
                None if is_registered && options.raw_names => raw_range_names.intern(raw(local.name)),
                None => NONE,
            };
            let phase = match &options.phases {
                Some(phases) if is_registered => phases.find(raw(local.name)),
                _ => local.phase,
            };
            let domain = match (local.domain, domain_names.get(&(process, local.domain))) {
                (0, _) => domains.intern("default"),
                (_, Some(name)) => domains.intern(name),
                (number, None) => domains.intern(&format!("domain {number}")),
            };
            let (thread, crosses_threads) = (places.thread(tid), local.crosses_threads);
            kinds.number(RangeKind { thread, process, name, domain, crosses_threads, phase, raw: raw_number })
        };
        global.push(part.kinds.values().iter().map(&mut kind).collect());
        ranges.open += part.open;
    }
    let Filled { parts, mut columns } = filled;
    drop(parts);
    columns.number_kinds(&global);
    Columns { start: ranges.start, length: ranges.length, kind: ranges.kind, .. } = columns;
    ranges.kinds = kinds.into_values();
    marks.sort_by_key(|mark| mark.range);
    payloads.sort_by_key(|payload| payload.range);
    events.marks = marks;
}

/// Ranges of a part that mark steps, where the name is a registered string.
fn registered_marks(part: &RangePart, kinds: &[u32], strings: &Strings, options: &LoadOptions) -> Vec<MarkedRange> {
    let of_kind = |kind: &LocalKind| {
        let id = part.registered.values().get((kind.name & !REGISTERED) as usize)?;
        if kind.name & REGISTERED == 0 { None } else { mark(registered_text(*id, strings), options) }
    };
    let marks: Vec<Option<StepMark>> = part.kinds.values().iter().map(of_kind).collect();
    if marks.iter().all(Option::is_none) {
        return Vec::new();
    }
    let rows = (0_u32..).zip(kinds);
    rows.filter_map(|(range, &kind)| marks[kind as usize].map(|mark| MarkedRange { range, mark })).collect()
}

fn registered_text(id: Option<i64>, strings: &Strings) -> &str {
    id.and_then(|id| strings.text(id)).unwrap_or_default()
}

/// Names by process and domain id: ids are small numbers that each process gives out anew.
fn domain_names(parts: &[RangePart], places: &Places, strings: &Strings) -> FxHashMap<(u32, i64), String> {
    let mut names = FxHashMap::default();
    for (tid, domain, name) in parts.iter().flat_map(|part| &part.domain_names) {
        let name = match name {
            DomainName::Text(text) => text.to_string(),
            DomainName::Registered(id) => registered_text(Some(*id), strings).to_owned(),
        };
        names.entry((places.thread_process(*tid), *domain)).or_insert(name);
    }
    names
}
