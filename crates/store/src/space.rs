//! The key space in memory: what every key is now, and what it was since the last compaction.
//!
//! Only durable changes get in here, one [`Batch`] per revision. The past is kept twice, each half
//! for its readers: batches in order for watchers, and superseded versions by key for reads at an
//! old revision. Neither copies bytes; both are pruned together.

mod history;
mod leased;
mod pins;
mod reading;
mod records;
mod settings;

use std::collections::BTreeMap;

use bytes::Bytes;
pub use history::{Batch, Event, EventKind};
use history::{History, Past};
use leased::Leased;
pub(crate) use pins::Pin;
use pins::Pins;
pub use reading::{RangeReply, ReadError};
pub use records::RECORDS_BYTES_MAX;
pub(crate) use records::Records;
pub(crate) use settings::{Setting, Settings};

use crate::lease::table::Leases;
use crate::{KeyValue, Options, Range, Revision, Stats};

/// See the module.
pub(crate) struct Space {
    current: BTreeMap<Bytes, KeyValue>,
    past: BTreeMap<Bytes, Past>,
    history: History,
    /// Bytes of the keys and values in `current`.
    live_bytes: u64,
    head: Revision,
    /// Reads at and watches from a revision below this one are refused.
    compacted: Revision,
    /// Up to here it is only known what the changes came to, as another store went on unseen.
    unseen: Revision,
    /// Revisions that are being read page by page: nothing they need may be pruned.
    pins: Pins,
    leases: Leases,
    leased: Leased,
    records: Records,
}

impl Space {
    pub fn new() -> Space {
        Space::restored(BTreeMap::new(), Revision::FIRST)
    }

    /// The key space a snapshot holds. What was before it is gone.
    pub fn restored(current: BTreeMap<Bytes, KeyValue>, head: Revision) -> Space {
        let compacted = if head == Revision::FIRST { Revision::NONE } else { head };
        let (past, history, pins) = (BTreeMap::new(), History::default(), Pins::default());
        let leased = current.values().collect();
        let live_bytes = current.values().map(KeyValue::bytes).sum();
        let (leases, records, unseen) = (Leases::new(), Records::default(), compacted);
        Space {
            current,
            past,
            history,
            live_bytes,
            head,
            compacted,
            unseen,
            pins,
            leases,
            leased,
            records,
        }
    }

    /// Begins anew as another one; what was pinned is not any more.
    pub fn replace(&mut self, mut new: Space) {
        new.pins = std::mem::take(&mut self.pins).emptied();
        *self = new;
    }

    pub fn head(&self) -> Revision {
        self.head
    }

    pub fn compacted(&self) -> Revision {
        self.compacted.max(self.unseen)
    }

    /// The first revision of which all changes are kept.
    pub fn watchable(&self) -> Revision {
        self.compacted.max(self.unseen.next())
    }

    pub fn get(&self, key: &[u8]) -> Option<&KeyValue> {
        self.current.get(key)
    }

    /// The entries of a range at the head, in key order.
    pub fn entries(&self, range: &Range) -> impl Iterator<Item = &KeyValue> {
        range
            .bounds()
            .into_iter()
            .flat_map(|bounds| self.current.range::<[u8], _>(bounds).map(|(_, kv)| kv))
    }

    pub fn range(
        &self,
        range: &Range,
        at: Option<Revision>,
        limit: usize,
    ) -> Result<RangeReply, ReadError> {
        Ok(match self.readable(at)? {
            None => RangeReply::collect(self.entries(range), limit, self.head),
            Some(at) => RangeReply::collect(self.entries_at(range, at), limit, self.head),
        })
    }

    /// How many keys a range holds at the head, or held at a revision.
    pub fn count(&self, range: &Range, at: Option<Revision>) -> Result<usize, ReadError> {
        match self.readable(at)? {
            None => Ok(self.entries(range).count()),
            Some(at) => Ok(self.entries_at(range, at).count()),
        }
    }

    /// The revision to read at, `None` for the head.
    fn readable(&self, at: Option<Revision>) -> Result<Option<Revision>, ReadError> {
        match at {
            None | Some(Revision::NONE) => Ok(None),
            Some(at) if at > self.head => Err(ReadError::Future { head: self.head }),
            Some(at) if at < self.compacted() => {
                Err(ReadError::Compacted { compacted: self.compacted() })
            }
            Some(at) => Ok(Some(at).filter(|at| *at < self.head)),
        }
    }

    /// The first `limit` entries of a range at a revision that is pinned.
    pub fn page_at_pin(&self, range: &Range, at: Revision, limit: usize) -> Vec<KeyValue> {
        self.entries_at(range, at).take(limit).cloned().collect()
    }

    /// The entries of a range at an old revision: current ones that are old enough, past ones that
    /// were not yet superseded, merged in key order.
    pub fn entries_at<'a>(
        &'a self,
        range: &'a Range,
        at: Revision,
    ) -> impl Iterator<Item = &'a KeyValue> {
        let mut current = self.entries(range).filter(move |kv| kv.mod_revision <= at).peekable();
        let bounds = range.bounds();
        let past = bounds.into_iter().flat_map(|bounds| self.past.range::<[u8], _>(bounds));
        let mut past = past.filter_map(move |(_, past)| past.at(at)).peekable();
        std::iter::from_fn(move || match (current.peek(), past.peek()) {
            (Some(now), Some(then)) if then.key < now.key => past.next(),
            (None, Some(_)) => past.next(),
            _ => current.next(),
        })
    }

    /// Takes in a later revision, which is durable.
    pub fn apply(&mut self, batch: Batch) {
        assert!(batch.revision > self.head, "revisions are applied in order");
        self.head = batch.revision;
        for event in &batch.events {
            self.leased.changed(event.prev.as_ref(), &event.kv);
            if let Some(prev) = &event.prev {
                self.live_bytes -= prev.bytes();
                let past = self.past.entry(prev.key.clone()).or_default();
                past.push(prev.clone(), batch.revision);
            }
            match event.kind {
                EventKind::Put => {
                    self.live_bytes += event.kv.bytes();
                    self.current.insert(event.kv.key.clone(), event.kv.clone());
                }
                EventKind::Delete => drop(self.current.remove(&event.kv.key)),
            }
        }
        self.history.push(batch);
    }

    /// How many keys there are now.
    pub fn len(&self) -> usize {
        self.current.len()
    }

    /// Bytes of the keys and values there are now.
    pub fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// Fills in what is counted here.
    pub fn measure(&self, stats: &mut Stats) {
        let (revisions, bytes) = self.history.kept();
        stats.revision = self.head;
        stats.compacted = self.compacted();
        stats.keys = self.current.len();
        stats.live_bytes = self.live_bytes;
        stats.history_revisions = revisions;
        stats.history_bytes = bytes as u64;
        stats.leases = self.leases.len();
    }

    /// Nothing happened here up to a revision.
    pub fn advance(&mut self, head: Revision) {
        self.head = self.head.max(head);
    }

    /// What happened up to the head was not all seen: it can neither be read nor watched from.
    /// Watchers that are there go on.
    pub fn mark_unseen(&mut self) {
        self.unseen = self.head;
    }

    /// Compacts what is beyond the bounds of the options; returns the batches given up.
    pub fn trim(&mut self, options: &Options) -> Vec<Batch> {
        let beyond = self.history.beyond(options, self.live_bytes);
        beyond.map(|revision| self.compact(revision)).unwrap_or_default()
    }

    /// Forgets what was before `revision`; it and all above can still be read, and watched from.
    /// Returns the batches given up.
    pub fn compact(&mut self, revision: Revision) -> Vec<Batch> {
        self.compacted = self.compacted.max(revision.min(self.head));
        self.history.mark_compacted(self.compacted);
        self.pins.bound(&self.history);
        let floor = self.pins.floor(self.compacted);
        let mut given_up = Vec::new();
        while let Some(batch) = self.history.pop_below(floor) {
            prune(&mut self.past, &batch, floor);
            given_up.push(batch);
        }
        // The floor's own changes stay; what they superseded cannot be read any more.
        if let Some(batch) = self.history.at(floor) {
            prune(&mut self.past, batch, floor);
        }
        given_up
    }

    /// Holds the state at the compacted revision until [`Space::unpin`].
    pub fn pin(&mut self) -> Pin {
        self.pins.add(self.compacted.max(Revision::FIRST))
    }

    /// Holds the state at the head until [`Space::unpin`], or until that costs too much.
    pub fn pin_head(&mut self) -> Pin {
        self.pins.add_weak(self.head)
    }

    /// Whether the state is still held.
    pub fn is_pinned(&self, pin: Pin) -> bool {
        self.pins.holds(pin)
    }

    /// Lets the pinned state go; returns the batches given up.
    pub fn unpin(&mut self, pin: Pin) -> Vec<Batch> {
        self.pins.remove(pin);
        self.compact(self.compacted)
    }

    #[cfg(test)]
    pub fn set_held_bytes_max(&mut self, bytes: usize) {
        self.pins.set_held_bytes_max(bytes);
    }

    /// The kept batches from `revision` on.
    pub fn batches_from(&self, revision: Revision) -> impl Iterator<Item = &Batch> {
        self.history.from(revision)
    }
}

/// Forgets what a batch superseded, as far as only revisions below `floor` can see it.
fn prune(past: &mut BTreeMap<Bytes, Past>, batch: &Batch, floor: Revision) {
    for prev in batch.events.iter().filter_map(|event| event.prev.as_ref()) {
        if let Some(versions) = past.get_mut(&prev.key) {
            versions.prune(floor);
            if versions.is_empty() {
                past.remove(&prev.key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
