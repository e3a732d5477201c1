//! What a stage shows: the key space, as the changes on the stage leave it.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use bytes::Bytes;

use super::Stage;
use crate::space::EventKind;
use crate::{Compare, KeyValue, Range, RangeReply, Revision};

impl Stage<'_> {
    pub(super) fn holds(&self, compare: &Compare) -> bool {
        match compare.range.single() {
            Some(key) => compare.holds(self.get(key).into_iter()),
            None => compare.holds(self.entries(&compare.range)),
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
            None => RangeReply::collect(self.entries(range), limit, now),
            Some(at) if at < self.space.head() => {
                RangeReply::collect(self.space.entries_at(range, at), limit, now)
            }
            Some(at) => RangeReply::collect(self.staged_at(range, at).into_values(), limit, now),
        }
    }

    /// A range as it is here and now, in key order.
    pub(super) fn entries(&self, range: &Range) -> impl Iterator<Item = &KeyValue> {
        let mut below = self.space.entries(range).peekable();
        let bounds = range.bounds().into_iter();
        let changes = bounds.flat_map(|bounds| self.changes.range::<[u8], _>(bounds));
        let mut changes = changes.peekable();
        std::iter::from_fn(move || {
            loop {
                let Some((changed, _)) = changes.peek() else { return below.next() };
                match below.peek().map(|kv| kv.key.cmp(changed)) {
                    Some(Ordering::Less) => return below.next(),
                    Some(Ordering::Equal) => {
                        below.next();
                    }
                    Some(Ordering::Greater) | None => {}
                }
                if let Some((_, Some(kv))) = changes.next() {
                    return Some(kv);
                }
            }
        })
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
