//! Device time over time: exact sums by bucket in bins of equal width, fine ones and coarse ones.

use super::device_time::{BUCKETS, Split};

/// Coarse bins over the window of a device.
const COARSE_BINS: i64 = 1_000;
/// Fine bins in a coarse one, while there are few devices.
const FINE_IN_COARSE: i64 = 16;
/// Fine bins of all devices together.
const MAX_FINE_BINS: i64 = 64_000;

/// The time of one device in bins.
#[derive(Debug, Default, Clone)]
pub struct Timeline {
    /// Start of the first bin.
    pub start: i64,
    /// Width of a fine bin.
    pub bin_ns: i64,
    /// Fine bins in a coarse one.
    pub fine_in_coarse: usize,
    /// Fine bins.
    bins: Vec<Split>,
    at: usize,
}

impl Timeline {
    /// Empty bins over a window; `devices` share the bins that there may be.
    pub(super) fn new((start, end): (i64, i64), devices: usize) -> Self {
        let devices = i64::try_from(devices).unwrap_or(i64::MAX).max(1);
        let fine = (MAX_FINE_BINS / COARSE_BINS / devices).clamp(1, FINE_IN_COARSE);
        let length = end.saturating_sub(start).max(1);
        let bin_ns = (length - 1) / (COARSE_BINS * fine) + 1;
        let bins = usize::try_from((length - 1) / bin_ns + 1).unwrap_or(1);
        let fine_in_coarse = usize::try_from(fine).unwrap_or(1);
        Self { start, bin_ns, fine_in_coarse, bins: vec![Split::default(); bins], at: 0 }
    }

    /// Books a stretch of time; stretches come in order.
    #[inline]
    pub(super) fn book(&mut self, start: i64, end: i64, bucket: usize) {
        let mut from = start;
        while from < end {
            let until = self.bin_end(from);
            let to = end.min(until);
            self.bins[self.at][bucket] += to - from;
            from = to;
        }
    }

    /// Adds nanoseconds by bucket to the bin of a time; times come in order.
    pub(super) fn add(&mut self, time: i64, split: &Split) {
        self.bin_end(time);
        for (sum, ns) in self.bins[self.at].iter_mut().zip(split) {
            *sum += ns;
        }
    }

    /// Goes to the bin of a time, and returns where it ends; the last bin has no end. Times come in order.
    pub(super) fn bin_end(&mut self, time: i64) -> i64 {
        let bins = i64::try_from(self.at + 1).unwrap_or(i64::MAX);
        let mut until = self.start.saturating_add(self.bin_ns.saturating_mul(bins));
        while until <= time && self.at + 1 < self.bins.len() {
            self.at += 1;
            until = until.saturating_add(self.bin_ns);
        }
        if self.at + 1 == self.bins.len() { i64::MAX } else { until }
    }

    /// Fine bins, or coarse ones.
    pub fn bins(&self, coarse: bool) -> (i64, Vec<Split>) {
        if !coarse {
            return (self.bin_ns, self.bins.clone());
        }
        let sum = |bins: &[Split]| {
            bins.iter().fold(Split::default(), |mut sum, bin| {
                for (sum, ns) in sum.iter_mut().zip(bin) {
                    *sum += ns;
                }
                sum
            })
        };
        let width = self.bin_ns * i64::try_from(self.fine_in_coarse).unwrap_or(1);
        (width, self.bins.chunks(self.fine_in_coarse.max(1)).map(sum).collect())
    }

    /// Labels of the buckets, in the order of a bin.
    pub const fn labels() -> [&'static str; BUCKETS.len()] {
        BUCKETS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_every_nanosecond_once() {
        let widest = (1 - (1 << 62), 1 << 62);
        for (start, end) in [(0, 1), (5, 1_000_003), (-70, 20_000_000), (10, 16_010), widest] {
            let mut timeline = Timeline::new((start, end), 2);
            let cuts = [start, start + (end - start) / 3, start + (end - start) / 2, end];
            for (bucket, cut) in cuts.windows(2).enumerate() {
                timeline.book(cut[0], cut[1], bucket);
            }
            for coarse in [false, true] {
                let (width, bins) = timeline.bins(coarse);
                assert_eq!(bins.iter().flatten().sum::<i64>(), end - start);
                assert!(bins.iter().all(|bin| bin.iter().sum::<i64>() <= width));
                assert!(bins.len() <= if coarse { 1_000 } else { 16_000 });
            }
        }
    }
}
