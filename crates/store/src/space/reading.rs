//! What a read of a range comes to.

use crate::{KeyValue, Revision};

/// Why a range could not be read at the revision asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The revision is older than the history that is kept.
    #[error("the revision is older than {compacted}, the oldest that is kept")]
    Compacted {
        /// The oldest revision that can be read.
        compacted: Revision,
    },
    /// The revision has not happened yet.
    #[error("the revision is in the future; the store is at {head}")]
    Future {
        /// The newest revision.
        head: Revision,
    },
}

/// A range as it was at one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeReply {
    /// The entries, in key order, no more than asked for.
    pub entries: Vec<KeyValue>,
    /// The store's head when the range was read.
    pub revision: Revision,
    /// Whether the range holds more than the entries here.
    pub more: bool,
    /// How many keys the whole range holds.
    pub count: usize,
}

impl RangeReply {
    /// Takes `limit` entries (0: all) and counts the rest.
    pub(crate) fn collect<'a>(
        found: impl Iterator<Item = &'a KeyValue>,
        limit: usize,
        revision: Revision,
    ) -> RangeReply {
        let mut entries = Vec::new();
        let mut count = 0;
        for kv in found {
            count += 1;
            if limit == 0 || count <= limit {
                entries.push(kv.clone());
            }
        }
        let more = count > entries.len();
        RangeReply { entries, revision, more, count }
    }
}
