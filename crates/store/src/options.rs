//! What an owner of a store may choose. Everything the store keeps is bounded by one of these.

/// How much history and log a store keeps.
#[derive(Debug, Clone)]
pub struct Options {
    /// Revisions kept for watches and for reads in the past; older ones are compacted.
    pub history_revisions_max: usize,
    /// Bytes of keys and values kept in that history; older revisions are compacted.
    pub history_bytes_max: usize,
    /// A log segment that has reached this many bytes is closed and a new one begun.
    pub segment_bytes: u64,
    /// When closed segments hold this many bytes that no kept revision needs, a snapshot replaces
    /// them. A key space larger than this waits until they are as large as its last snapshot.
    pub snapshot_after_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            history_revisions_max: 10_000,
            history_bytes_max: 32 << 20,
            segment_bytes: 8 << 20,
            snapshot_after_bytes: 32 << 20,
        }
    }
}
