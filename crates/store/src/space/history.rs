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

    fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.kv.key.len() + event.kv.value.len()).sum()
    }
}

/// The batches since the last compaction: a ring without gaps, oldest first.
#[derive(Default)]
pub(crate) struct History {
    ring: VecDeque<Batch>,
    bytes: usize,
}

impl History {
    pub fn push(&mut self, batch: Batch) {
        self.bytes += batch.bytes();
        self.ring.push_back(batch);
    }

    /// Takes the oldest batch if its revision is not above `floor`.
    pub fn pop_through(&mut self, floor: Revision) -> Option<Batch> {
        if self.ring.front()?.revision > floor {
            return None;
        }
        let batch = self.ring.pop_front()?;
        self.bytes -= batch.bytes();
        Some(batch)
    }

    /// The newest revision that must go for the rest to be within bounds.
    pub fn beyond(&self, options: &Options) -> Option<Revision> {
        let mut excess = self.ring.len().saturating_sub(options.history_revisions_max);
        let mut bytes = self.bytes;
        for (index, batch) in self.ring.iter().enumerate() {
            if index >= excess && bytes <= options.history_bytes_max {
                break;
            }
            bytes -= batch.bytes();
            excess = excess.max(index + 1);
        }
        excess.checked_sub(1).map(|last| self.ring[last].revision)
    }

    pub fn from(&self, revision: Revision) -> impl Iterator<Item = &Batch> {
        let oldest = self.ring.front().map_or(Revision::NONE, |batch| batch.revision);
        let skipped = revision.0.saturating_sub(oldest.0);
        let skipped = usize::try_from(skipped).map_or(self.ring.len(), |n| n.min(self.ring.len()));
        self.ring.range(skipped..)
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
