//! Which executions on several devices are one collective, and who waited for whom.
//!
//! The n-th execution of a kernel name on each device is one collective. Captures begin and end in the middle of
//! things, so the executions of a device may be shifted against those of the device that has most of them: the shift
//! is the one under which most executions overlap in time, no shift where as many do without. Devices with equally many
//! executions are not shifted while at least half of them overlap.

use rustc_hash::FxHashMap;

use super::{Collectives, Group};

/// A device is late if it starts by more than this after the first.
const LATE_NS: i64 = 10_000;
/// Executions that one is compared with while shifts are looked for.
const COMPARED: usize = 16;

/// One collective over all devices.
#[derive(Debug, Clone, Copy)]
pub(super) struct Occurrence {
    /// Index into the names.
    pub(super) name: u32,
    /// Number among the occurrences of the name.
    pub(super) number: u32,
    /// Devices that take part; of a single one nothing can be said.
    pub(super) devices: u32,
    /// Where it started first.
    pub(super) first_start: i64,
    /// Where it started last.
    pub(super) last_start: i64,
    /// Where it ended first.
    first_end: i64,
    /// Where it ended last.
    pub(super) last_end: i64,
    /// The device that started last; of several the first.
    pub(super) late_device: u32,
    /// Summed time that the devices waited for the last one.
    pub(super) wait: i64,
}

impl Occurrence {
    const fn new(name: u32, number: u32) -> Self {
        Self {
            name,
            number,
            devices: 0,
            first_start: i64::MAX,
            last_start: i64::MIN,
            first_end: i64::MAX,
            last_end: i64::MIN,
            late_device: 0,
            wait: 0,
        }
    }

    fn add(&mut self, device: u32, (start, end): (i64, i64)) {
        if start > self.last_start {
            (self.last_start, self.late_device) = (start, device);
        }
        self.devices += 1;
        self.first_start = self.first_start.min(start);
        self.first_end = self.first_end.min(end);
        self.last_end = self.last_end.max(end);
    }

    /// Whether several devices take part.
    pub(super) const fn is_matched(&self) -> bool {
        self.devices > 1
    }

    /// From the first to the last start.
    pub(super) const fn spread(&self) -> i64 {
        self.last_start - self.first_start
    }

    /// From the last start to the last end.
    pub(super) const fn transfer(&self) -> i64 {
        self.last_end - self.last_start
    }
}

/// What one device waited.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waits {
    /// Matched collectives.
    pub(super) collectives: i64,
    /// From its own start to the last one's.
    pub(super) wait: i64,
    /// How often it was the last, and late.
    pub(super) late: i64,
    /// The spread of those.
    pub(super) late_spread: i64,
    /// From the last start to the last end.
    pub(super) transfer: i64,
}

/// Collectives matched over the devices.
#[derive(Debug, Default)]
pub(super) struct Ranks {
    /// All occurrences of names that several devices have, by name.
    pub(super) occurrences: Vec<Occurrence>,
    /// By device.
    pub(super) waits: Vec<Waits>,
    /// For each group, the place of its first execution in the occurrences.
    first_of_group: Vec<Option<usize>>,
}

impl Ranks {
    pub(super) fn new(collectives: &Collectives, devices: usize) -> Self {
        let groups = &collectives.groups;
        let mut ranks = Self {
            occurrences: Vec::new(),
            waits: vec![Waits::default(); devices],
            first_of_group: vec![None; groups.len()],
        };
        // Groups of one name stand side by side, in the order of their devices.
        let mut from = 0;
        for alike in groups.chunk_by(|a, b| a.name == b.name) {
            if alike.len() > 1 {
                ranks.match_groups(alike, from);
            }
            from += alike.len();
        }
        ranks.occurrences.shrink_to_fit();
        ranks.add_waits(groups);
        ranks
    }

    /// Matches the groups of one name, which begin at number `from`.
    fn match_groups(&mut self, alike: &[Group], from: usize) {
        let most = alike.iter().map(|group| group.spans.len()).max().unwrap_or_default();
        let Some(reference) = alike.iter().find(|group| group.spans.len() == most) else { return };
        let shifts: Vec<i64> = alike
            .iter()
            .map(|group| if group.device == reference.device { 0 } else { shift(&reference.spans, &group.spans) })
            .collect();
        let lowest = shifts.iter().copied().min().unwrap_or_default();
        let base = self.occurrences.len();
        for ((i, group), shift) in alike.iter().enumerate().zip(shifts) {
            let first = base + usize::try_from(shift - lowest).unwrap_or_default();
            self.first_of_group[from + i] = Some(first);
            for (place, &span) in (first..).zip(&group.spans) {
                while self.occurrences.len() <= place {
                    let number = u32::try_from(self.occurrences.len() - base).unwrap_or(u32::MAX);
                    self.occurrences.push(Occurrence::new(group.name, number));
                }
                self.occurrences[place].add(group.device, span);
            }
        }
    }

    fn add_waits(&mut self, groups: &[Group]) {
        for (group, first) in groups.iter().zip(&self.first_of_group) {
            let Some(first) = *first else { continue };
            let waits = &mut self.waits[group.device as usize];
            for (occurrence, (start, _)) in self.occurrences[first..].iter_mut().zip(&group.spans) {
                if !occurrence.is_matched() {
                    continue;
                }
                let wait = occurrence.last_start - start;
                occurrence.wait = occurrence.wait.saturating_add(wait);
                waits.collectives += 1;
                waits.wait = waits.wait.saturating_add(wait);
                waits.transfer = waits.transfer.saturating_add(occurrence.transfer());
                if occurrence.late_device == group.device && occurrence.spread() > LATE_NS {
                    waits.late += 1;
                    waits.late_spread = waits.late_spread.saturating_add(occurrence.spread());
                }
            }
        }
    }

    /// Occurrences that several devices have.
    pub(super) fn matched(&self) -> impl Iterator<Item = &Occurrence> + Clone {
        self.occurrences.iter().filter(|occurrence| occurrence.is_matched())
    }

    /// Matched occurrences of which a device was through before another one began.
    pub(super) fn apart(&self) -> usize {
        self.matched().filter(|occurrence| occurrence.first_end <= occurrence.last_start).count()
    }

    /// How long the `i`-th execution of a group transferred, where that is known.
    pub(super) fn transfer(&self, group: usize, i: usize) -> Option<i64> {
        let occurrence = self.occurrences.get(self.first_of_group[group]? + i)?;
        occurrence.is_matched().then(|| occurrence.transfer())
    }
}

const fn overlap(a: (i64, i64), b: (i64, i64)) -> bool {
    a.0 < b.1 && b.0 < a.1
}

/// How many executions overlap if number `i` of `own` is number `i + shift` of `reference`.
fn overlapping(reference: &[(i64, i64)], own: &[(i64, i64)], shift: i64) -> usize {
    let skip = |by: i64| usize::try_from(by).unwrap_or_default();
    let (reference, own) = (reference.iter().skip(skip(shift)), own.iter().skip(skip(shift.saturating_neg())));
    reference.zip(own).filter(|&(&a, &b)| overlap(a, b)).count()
}

/// By how much the executions of a device are shifted against those of the reference, which has at least as many.
fn shift(reference: &[(i64, i64)], own: &[(i64, i64)]) -> i64 {
    let unshifted = overlapping(reference, own, 0);
    let are_equally_many = reference.len() == own.len();
    if unshifted == own.len() || are_equally_many && 2 * unshifted >= own.len() {
        return 0;
    }
    let at_the_end = i64::try_from(reference.len() - own.len()).unwrap_or_default();
    let mut best = (unshifted, 0);
    for candidate in [Some(at_the_end), most_frequent_shift(reference, own)].into_iter().flatten() {
        let found = overlapping(reference, own, candidate);
        if found > best.0 {
            best = (found, candidate);
        }
    }
    best.1
}

/// The shift that most pairs of overlapping executions have; of several the smallest. `None` where nothing overlaps.
fn most_frequent_shift(reference: &[(i64, i64)], own: &[(i64, i64)]) -> Option<i64> {
    let mut votes: FxHashMap<i64, usize> = FxHashMap::default();
    let mut from = 0;
    for (i, &span) in own.iter().enumerate() {
        while reference.get(from).is_some_and(|other| other.1 <= span.0) {
            from += 1;
        }
        let candidates =
            reference.iter().enumerate().skip(from).take(COMPARED).take_while(|(_, other)| other.0 < span.1);
        for (j, _) in candidates.filter(|(_, other)| overlap(**other, span)) {
            let place = |at: usize| i64::try_from(at).unwrap_or(i64::MAX);
            *votes.entry(place(j) - place(i)).or_default() += 1;
        }
    }
    votes.into_iter().max_by_key(|&(shift, votes)| (votes, std::cmp::Reverse((shift.abs(), shift)))).map(|vote| vote.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Collectives of 10 ns every 100 ns, numbered.
    fn executions(numbers: std::ops::Range<i64>, late: i64) -> Vec<(i64, i64)> {
        numbers.map(|n| (n * 100 + late, n * 100 + 10)).collect()
    }

    #[test]
    fn executions_that_the_capture_cut_off_shift_the_rest() {
        assert_eq!(shift(&executions(0..9, 0), &executions(0..9, 5)), 0);
        assert_eq!(shift(&executions(0..9, 0), &executions(0..7, 5)), 0, "the last ones are missing");
        assert_eq!(shift(&executions(0..9, 0), &executions(2..9, 5)), 2, "the first ones are missing");
        assert_eq!(shift(&executions(0..9, 0), &executions(1..8, 5)), 1, "some are missing on both sides");
        assert_eq!(shift(&executions(0..9, 0), &executions(1..10, 5)), 1, "equally many, of different times");
        assert_eq!(shift(&executions(1..10, 0), &executions(0..9, 5)), -1);
        assert_eq!(shift(&executions(0..9, 0), &executions(20..25, 0)), 0, "nothing overlaps");
    }

    #[test]
    fn heaps_of_overlapping_executions_end() {
        let all: Vec<(i64, i64)> = (0..200_000).map(|i| (i, 1 << 40)).collect();
        assert_eq!(shift(&all, &all[..100_000]), 0);
        let none: Vec<(i64, i64)> = vec![(1 << 41, 1 << 42); 50_000];
        assert_eq!(shift(&all, &none), 0);
    }
}
