//! What an owner of a store may choose. Everything the store keeps is bounded by one of these.

use std::time::Duration;

/// How much history and log a store keeps.
///
/// # What it takes on the disk
/// With *S* the size of a snapshot (all keys and values as they are, and some 50 bytes for each
/// key), a store takes at most
///
/// > 2 *S* + max(`snapshot_after_bytes`, *S*) + 2 `history_bytes_max` + 3 `segment_bytes` + 4 MiB
///
/// and what is written while one snapshot is taken. The terms: the snapshot and the next one while
/// it is being written; log that the next snapshot will replace; log of the history that is kept;
/// segments that are begun and not full (with very many leases and records: four times what these
/// take, each); and the reserve for a full disk. History that would make the log longer than that
/// is given up, so the bound holds whatever is written.
#[derive(Debug, Clone)]
pub struct Options {
    /// Revisions kept for watches and for reads in the past; older ones are compacted.
    pub history_revisions_max: usize,
    /// Bytes of keys and values kept in that history; older revisions are compacted.
    pub history_bytes_max: usize,
    /// Revisions that were superseded longer ago than this are compacted, late by a sixty-fourth of
    /// it at most. What was read from the disk counts as written when the store was opened. `None`:
    /// only number and size count.
    pub history_age_max: Option<Duration>,
    /// Bytes of keys and values, of history too, that the store may hold, give or take one
    /// transaction. History is given up, down to a sixteenth of this, before a put is refused with
    /// [`crate::WriteError::Quota`]. Deletes and all else go on, and puts when there is room again.
    pub quota_bytes: Option<u64>,
    /// A log segment that has reached this many bytes is closed and a new one begun.
    pub segment_bytes: u64,
    /// When closed segments hold this many bytes that no kept revision needs, a snapshot replaces
    /// them. A key space larger than this waits until they are as large as its last snapshot.
    pub snapshot_after_bytes: u64,
}

/// The part of the quota that history keeps when keys and values press.
const QUOTA_PART_OF_HISTORY: u64 = 16;

impl Options {
    /// The most bytes that keys and values may have now; `None` without a quota.
    pub(crate) fn live_bytes_max(&self) -> Option<u64> {
        self.quota_bytes.map(|quota| quota - quota / QUOTA_PART_OF_HISTORY)
    }

    /// The most bytes that history may have beside keys and values of `live_bytes`.
    pub(crate) fn history_bytes_beside(&self, live_bytes: u64) -> usize {
        let Some(quota) = self.quota_bytes else { return self.history_bytes_max };
        let left = quota.saturating_sub(live_bytes).max(quota / QUOTA_PART_OF_HISTORY);
        usize::try_from(left).unwrap_or(usize::MAX).min(self.history_bytes_max)
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            history_revisions_max: 10_000,
            history_bytes_max: 32 << 20,
            history_age_max: None,
            quota_bytes: None,
            segment_bytes: 8 << 20,
            snapshot_after_bytes: 32 << 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(quota: Option<u64>, live: u64, expected: usize) {
        let options = Options { quota_bytes: quota, history_bytes_max: 500, ..Options::default() };
        assert_eq!(options.history_bytes_beside(live), expected, "{quota:?} {live}");
    }

    #[test]
    fn history_gives_way_to_what_is_alive_down_to_a_part_of_the_quota() {
        check(None, 10_000, 500);
        check(Some(1_600), 0, 500);
        check(Some(1_600), 1_200, 400);
        check(Some(1_600), 1_500, 100);
        check(Some(1_600), 9_999, 100);
    }

    #[test]
    fn live_and_history_fill_the_quota_together() {
        let options = Options { quota_bytes: Some(1_600), ..Options::default() };
        let live = options.live_bytes_max().expect("there is a quota");
        assert_eq!(live + options.history_bytes_beside(live) as u64, 1_600);
    }
}
