//! What happened, in order, and what each key was before.

use std::collections::VecDeque;

use crate::{KeyValue, Options, Range, Revision};

/// What an event did to its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It was set.
    Put,
    /// It was deleted.
    Delete,
}

/// One change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What was done.
    pub kind: EventKind,
    /// The key as it is now. Of a deleted one only `key` and `mod_revision` are set.
    pub kv: KeyValue,
    /// The key as it was before, if it was there.
    pub prev: Option<KeyValue>,
}

/// All changes of one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The revision.
    pub revision: Revision,
    /// Its changes, in the order in which the transaction made them.
    pub events: Vec<Event>,
}

impl Batch {
    /// What of this batch lies in a range, if anything does.
    pub(crate) fn within(&self, range: &Range) -> Option<Batch> {
        let inside = self.events.iter().filter(|event| range.contains(&event.kv.key));
        let events: Vec<Event> = inside.cloned().collect();
        (!events.is_empty()).then_some(Batch { revision: self.revision, events })
    }

    pub(crate) fn touches(&self, range: &Range) -> bool {
        self.events.iter().any(|event| range.contains(&event.kv.key))
    }

    /// The bytes of its keys and values.
    pub(crate) fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.kv.key.len() + event.kv.value.len()).sum()
    }
}

/// What a kept revision costs beside its keys and values, roughly.
const REVISION_OVERHEAD_BYTES: usize = 512;

/// The batches since the last compaction, oldest first. Their revisions grow; in a mirror of
/// another store they have gaps.
#[derive(Default)]
pub(crate) struct History {
    ring: VecDeque<Batch>,
    bytes: usize,
    /// Those at the front that are compacted, and here only because somebody still reads them.
    compacted: usize,
    compacted_bytes: usize,
}

impl History {
    pub fn push(&mut self, batch: Batch) {
        self.bytes += batch.bytes();
        self.ring.push_back(batch);
    }

    /// Everything below `revision` was compacted.
    pub fn mark_compacted(&mut self, revision: Revision) {
        while let Some(batch) = self.ring.get(self.compacted)
            && batch.revision < revision
        {
            self.compacted += 1;
            self.compacted_bytes += batch.bytes();
        }
    }

    /// Takes the oldest batch if its revision is below `floor`.
    pub fn pop_below(&mut self, floor: Revision) -> Option<Batch> {
        if self.ring.front()?.revision >= floor {
            return None;
        }
        let batch = self.ring.pop_front()?;
        self.bytes -= batch.bytes();
        if let Some(left) = self.compacted.checked_sub(1) {
            self.compacted = left;
            self.compacted_bytes -= batch.bytes();
        }
        Some(batch)
    }

    /// Revisions that are kept, and their bytes.
    pub fn kept(&self) -> (usize, usize) {
        (self.ring.len() - self.compacted, self.bytes - self.compacted_bytes)
    }

    /// The newest revision that must go for the rest to be within bounds, beside keys and values
    /// of `live_bytes`.
    pub fn beyond(&self, options: &Options, live_bytes: u64) -> Option<Revision> {
        let bytes_max = options.history_bytes_beside(live_bytes);
        let mut excess = self.ring.len().saturating_sub(options.history_revisions_max);
        excess = excess.max(self.compacted);
        let mut bytes = self.bytes - self.compacted_bytes;
        for (index, batch) in self.ring.iter().enumerate().skip(self.compacted) {
            if index >= excess && bytes <= bytes_max {
                break;
            }
            bytes -= batch.bytes();
            excess = excess.max(index + 1);
        }
        let last = excess.checked_sub(1).filter(|_| excess > self.compacted)?;
        Some(self.ring[last].revision)
    }

    /// The batch of a revision, if it is the oldest that is kept.
    pub fn at(&self, revision: Revision) -> Option<&Batch> {
        self.ring.front().filter(|batch| batch.revision == revision)
    }

    pub fn from(&self, revision: Revision) -> impl Iterator<Item = &Batch> {
        let skipped = self.ring.partition_point(|batch| batch.revision < revision);
        self.ring.range(skipped..)
    }

    /// The memory it takes, roughly; the versions that its batches superseded are as much again.
    pub fn cost(&self) -> usize {
        self.bytes + self.ring.len() * REVISION_OVERHEAD_BYTES
    }
}

/// The superseded versions of one key, oldest first.
#[derive(Default)]
pub(crate) struct Past(VecDeque<Version>);

struct Version {
    kv: KeyValue,
    /// The revision that replaced or deleted it.
    ended: Revision,
}

impl Past {
    pub fn push(&mut self, kv: KeyValue, ended: Revision) {
        self.0.push_back(Version { kv, ended });
    }

    /// What the key was at a revision, if that is not what it is now.
    pub fn at(&self, at: Revision) -> Option<&KeyValue> {
        let index = self.0.partition_point(|version| version.ended <= at);
        self.0.get(index).map(|version| &version.kv).filter(|kv| kv.mod_revision <= at)
    }

    /// Forgets what only revisions below `floor` can see.
    pub fn prune(&mut self, floor: Revision) {
        let seen = self.0.partition_point(|version| version.ended <= floor);
        self.0.drain(..seen);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
