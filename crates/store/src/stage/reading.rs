//! What a stage shows: the key space, as the changes on the stage leave it.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Stage;
use crate::space::EventKind;
use crate::{Compare, KeyValue, Range, RangeReply, Revision};

impl Stage<'_> {
    pub(super) fn holds(&self, compare: &Compare) -> bool {
        match compare.range.single() {
            Some(key) => compare.holds(self.get(key).into_iter()),
            None => compare.holds(self.merged(&compare.range).into_values()),
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&KeyValue> {
        match self.changes.get(key) {
            Some(changed) => changed.as_ref(),
            None => self.space.get(key),
        }
    }

    pub(super) fn read(
        &self,
        range: &Range,
        limit: usize,
        at: Option<Revision>,
        now: Revision,
    ) -> RangeReply {
        match at.filter(|at| *at != Revision::NONE) {
            None if !self.changes_within(range) => {
                RangeReply::collect(self.space.entries(range), limit, now)
            }
            None => RangeReply::collect(self.merged(range).into_values(), limit, now),
            Some(at) if at < self.space.head() => {
                RangeReply::collect(self.space.entries_at(range, at), limit, now)
            }
            Some(at) => RangeReply::collect(self.staged_at(range, at).into_values(), limit, now),
        }
    }

    fn changes_within(&self, range: &Range) -> bool {
        let bounds = range.bounds();
        bounds.is_some_and(|bounds| self.changes.range::<[u8], _>(bounds).next().is_some())
    }

    /// A range as it is here and now.
    pub(super) fn merged(&self, range: &Range) -> BTreeMap<&Bytes, &KeyValue> {
        let mut merged: BTreeMap<_, _> =
            self.space.entries(range).map(|kv| (&kv.key, kv)).collect();
        let bounds = range.bounds().into_iter();
        for (key, change) in bounds.flat_map(|bounds| self.changes.range::<[u8], _>(bounds)) {
            match change {
                Some(kv) => merged.insert(key, kv),
                None => merged.remove(key),
            };
        }
        merged
    }

    /// A range as a revision left it that is not in the key space yet.
    fn staged_at(&self, range: &Range, at: Revision) -> BTreeMap<&Bytes, &KeyValue> {
        let mut merged: BTreeMap<_, _> =
            self.space.entries(range).map(|kv| (&kv.key, kv)).collect();
        let batches = self.batches.iter().take_while(|batch| batch.revision <= at);
        for event in batches.flat_map(|batch| &batch.events) {
            match event.kind {
                _ if !range.contains(&event.kv.key) => None,
                EventKind::Put => merged.insert(&event.kv.key, &event.kv),
                EventKind::Delete => merged.remove(&event.kv.key),
            };
        }
        merged
    }
}
