//! How a store is: its sizes, its counts, how long the disk takes.

use std::time::Duration;

use crate::Revision;

/// A store as it is at one moment. Counts begin when it is opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// The newest revision.
    pub revision: Revision,
    /// The oldest revision that can be read.
    pub compacted: Revision,
    /// Keys there are now.
    pub keys: usize,
    /// Bytes of these keys and their values.
    pub live_bytes: u64,
    /// Revisions kept for watches and for reads in the past.
    pub history_revisions: usize,
    /// Bytes of keys and values that these revisions wrote.
    pub history_bytes: u64,
    /// Bytes of all files, the reserve for a full disk among them.
    pub disk_bytes: u64,
    /// Files of the log, the one being written to among them.
    pub segments: usize,
    /// Bytes of the newest snapshot.
    pub snapshot_bytes: u64,
    /// Watches, of which one set may hold many.
    pub watchers: usize,
    /// Leases that have not ended.
    pub leases: usize,
    /// Why puts are refused at the moment, if they are.
    pub full: Option<Full>,
    /// Whether the disk failed: there are no more writes until the store is opened again.
    pub failed: bool,
    /// How long it took to make a group of writes durable.
    pub fsyncs: Histogram,
    /// Keys that were put.
    pub puts: u64,
    /// Keys that were deleted.
    pub deletes: u64,
    /// Transactions that were asked for and not refused.
    pub txns: u64,
}

/// What there is no room in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The disk.
    Disk,
    /// The quota of the options.
    Quota,
}

/// How long something took, each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Histogram {
    /// One for each bound, and one for what took longer than all of them.
    counts: [u64; Histogram::BOUNDS + 1],
    sum: Duration,
}

impl Histogram {
    /// How many bounds there are: 1 ms, 2 ms, 4 ms and so on to 8.192 s, as etcd has them.
    pub const BOUNDS: usize = 14;

    const FIRST_BOUND: Duration = Duration::from_millis(1);

    /// Notes one more.
    pub(crate) fn observe(&mut self, took: Duration) {
        let bucket = Histogram::bounds().position(|bound| took <= bound);
        self.counts[bucket.unwrap_or(Histogram::BOUNDS)] += 1;
        self.sum += took;
    }

    /// Each bound with how often it took no longer, in rising order.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let mut below = 0;
        Histogram::bounds().zip(self.counts).map(move |(bound, count)| {
            below += count;
            (bound, below)
        })
    }

    /// How often, in all.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How long, in all.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// The lowest bound that at least this part of all (0 to 1) did not exceed; `None` when there
    /// was none yet, or it is beyond the last bound.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let count = self.count();
        let enough = |below: u64| below > 0 && below as f64 >= part * count as f64;
        self.buckets().find(|(_, below)| enough(*below)).map(|(bound, _)| bound)
    }

    fn bounds() -> impl Iterator<Item = Duration> {
        (0..Histogram::BOUNDS as u32).map(|power| Histogram::FIRST_BOUND * (1 << power))
    }
}

/// What the writer says of itself and its log, for [`Stats`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Report {
    pub disk_bytes: u64,
    pub segments: usize,
    pub snapshot_bytes: u64,
    pub full: Option<Full>,
    pub failed: bool,
    pub fsyncs: Histogram,
    pub puts: u64,
    pub deletes: u64,
    pub txns: u64,
}

impl Report {
    /// Fills in what is known here.
    pub fn tell(&self, stats: &mut Stats) {
        stats.disk_bytes = self.disk_bytes;
        stats.segments = self.segments;
        stats.snapshot_bytes = self.snapshot_bytes;
        stats.full = self.full;
        stats.failed = self.failed;
        stats.fsyncs = self.fsyncs;
        stats.puts = self.puts;
        stats.deletes = self.deletes;
        stats.txns = self.txns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(millis: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        millis.iter().for_each(|millis| histogram.observe(Duration::from_millis(*millis)));
        histogram
    }

    #[test]
    fn buckets_are_cumulative_and_have_etcds_bounds() {
        let histogram = histogram(&[1, 2, 3, 5_000, 60_000]);
        let buckets: Vec<_> = histogram.buckets().collect();
        assert_eq!(buckets.len(), 14);
        assert_eq!(buckets[0], (Duration::from_millis(1), 1));
        assert_eq!(buckets[2], (Duration::from_millis(4), 3));
        assert_eq!(buckets[13], (Duration::from_millis(8_192), 4));
        assert_eq!((histogram.count(), histogram.sum()), (5, Duration::from_millis(65_006)));
    }

    #[test]
    fn a_quantile_is_a_bound_that_so_many_did_not_exceed() {
        let check = |millis: &[u64], part, expected: Option<u64>| {
            let found = histogram(millis).quantile(part);
            assert_eq!(found, expected.map(Duration::from_millis), "{part} of {millis:?}");
        };
        check(&[], 0.5, None);
        check(&[1, 1, 1, 7], 0.5, Some(1));
        check(&[1, 1, 1, 7], 0.99, Some(8));
        check(&[1, 60_000], 0.99, None);
        check(&[7], 0.0, Some(8));
    }
}
