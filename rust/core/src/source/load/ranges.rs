//! NVTX ranges: events of type 59, 60, 70 and 71 with `end > start`, and the names of their domains.

use rustc_hash::FxHashMap;

use super::places::{LocalIds, Places};
use super::texts::Strings;
use super::{LoadOptions, Part, time};
use crate::model::events::{Events, NO_PHASE};
use crate::model::strings::{Interner, normalised_range_name};
use crate::source::batch::{Batch, Wanted};
use crate::source::schema::TableInfo;

const RANGE_TYPES: [i64; 4] = [59, 60, 70, 71];
const DOMAIN_CREATE: i64 = 75;
/// Set in a name reference that points to a registered string instead of a text of the part.
const REGISTERED: u32 = 1 << 31;

/// Accepted ranges of one part.
#[derive(Debug, Default)]
pub(super) struct RangePart {
    start: Vec<i64>,
    end: Vec<i64>,
    crosses_threads: Vec<bool>,
    thread: Vec<u32>,
    pub(super) threads: LocalIds<Option<i64>>,
    domain: Vec<u32>,
    domains: LocalIds<(Option<i64>, i64)>,
    name: Vec<u32>,
    texts: Interner,
    registered: LocalIds<Option<i64>>,
    phase: Vec<u16>,
    domain_names: Vec<(Option<i64>, i64, DomainName)>,
    open: i64,
    rejected: i64,
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
        Wanted::text("text"),
    ];

    fn new(_table: &TableInfo) -> Self {
        Self::default()
    }

    fn add(&mut self, batch: &Batch, options: &LoadOptions) {
        for row in 0..batch.rows() {
            match batch.int(row, 2) {
                Some(kind) if RANGE_TYPES.contains(&kind) => self.add_range(batch, row, options),
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
    fn add_range(&mut self, batch: &Batch, row: usize, options: &LoadOptions) {
        let int = |column: usize| batch.int(row, column);
        let Some(start) = time(int(0)) else {
            self.rejected += 1;
            return;
        };
        let Some(end) = time(int(1)) else {
            // NULL means that the range was still open when the capture ended; any other value is damage.
            if batch.is_null(row, 1) {
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
        if options.window.is_some_and(|(from, to)| start >= to || end <= from) {
            return;
        }
        let tid = int(3);
        self.start.push(start);
        self.end.push(end);
        self.crosses_threads.push(int(4).is_some_and(|other| other != 0 && Some(other) != tid));
        self.thread.push(self.threads.number(tid));
        self.domain.push(self.domains.number((tid, int(6).unwrap_or(0))));
        let text = batch.text(row, 7);
        if let Some(phases) = &options.phases {
            self.phase.push(text.as_deref().map_or(NO_PHASE, |text| phases.find(text)));
        }
        self.name.push(match text {
            Some(text) => self.texts.intern(&normalised_range_name(&text)),
            None => self.registered.number(int(5)) | REGISTERED,
        });
    }

    fn add_domain(&mut self, batch: &Batch, row: usize) {
        let int = |column: usize| batch.int(row, column);
        let Some(domain) = int(6) else { return };
        let name = match (batch.text(row, 7), int(5)) {
            (Some(text), _) => DomainName::Text(text.into()),
            (None, Some(id)) => DomainName::Registered(id),
            (None, None) => return,
        };
        self.domain_names.push((int(3), domain, name));
    }
}

/// All ranges, with their names and domains.
pub(super) fn fill(
    parts: Vec<RangePart>,
    places: &Places,
    strings: &Strings,
    options: &LoadOptions,
    events: &mut Events,
) {
    let domain_names = domain_names(&parts, places, strings);
    let Events { ranges, range_names, domains, .. } = events;
    for part in parts {
        let texts: Vec<u32> = part.texts.texts().iter().map(|text| range_names.intern(text)).collect();
        let raw = |id: &Option<i64>| registered_text(*id, strings);
        let registered: Vec<u32> =
            part.registered.values().iter().map(|id| range_names.intern(&normalised_range_name(raw(id)))).collect();
        let is_registered = |name: u32| name & REGISTERED != 0;
        ranges.name.extend(part.name.iter().map(|&name| {
            if is_registered(name) { registered[(name & !REGISTERED) as usize] } else { texts[name as usize] }
        }));
        if let Some(phases) = &options.phases {
            let by_id: Vec<u16> = part.registered.values().iter().map(|id| phases.find(raw(id))).collect();
            ranges.phase.extend(
                part.name.iter().zip(&part.phase).map(|(&name, &phase)| {
                    if is_registered(name) { by_id[(name & !REGISTERED) as usize] } else { phase }
                }),
            );
        }
        let threads: Vec<(u32, u32)> =
            part.threads.values().iter().map(|&tid| (places.thread(tid), places.thread_process(tid))).collect();
        let local_domains: Vec<u32> = part
            .domains
            .values()
            .iter()
            .map(|&(tid, domain)| match domain {
                0 => domains.intern("default"),
                _ => match domain_names.get(&(places.thread_process(tid), domain)) {
                    Some(name) => domains.intern(name),
                    None => domains.intern(&format!("domain {domain}")),
                },
            })
            .collect();
        ranges.thread.extend(part.thread.iter().map(|&local| threads[local as usize].0));
        ranges.process.extend(part.thread.iter().map(|&local| threads[local as usize].1));
        ranges.domain.extend(part.domain.iter().map(|&local| local_domains[local as usize]));
        ranges.start.extend(part.start);
        ranges.end.extend(part.end);
        ranges.crosses_threads.extend(part.crosses_threads);
        ranges.open += part.open;
    }
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
