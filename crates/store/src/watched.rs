//! Who wants to hear of changes to what.
//!
//! A change finds those it concerns without looking at the others: watchers of one key by hash,
//! watchers of a prefix in a sorted map, and only ranges of other shapes are compared one by one.
//! What is queued for a watcher is one token in its inbox, however much happens: the changes
//! themselves stay in the history, where it reads them.

mod inbox;
mod interest;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
pub(crate) use inbox::{Bells, Inbox};
use interest::Interest;
pub(crate) use interest::Subscription;

use crate::range::Shape;
use crate::space::{Batch, Space};
use crate::{Range, Revision};

/// Every watcher there is, by what it watches.
#[derive(Default)]
pub(crate) struct Watched {
    keys: HashMap<Bytes, Interest>,
    prefixes: BTreeMap<Bytes, Interest>,
    others: HashMap<Range, Interest>,
    watchers: usize,
    closed: bool,
}

/// What a watcher is told that can never catch up.
const LAGGED: Revision = Revision(u64::MAX);

impl Watched {
    /// Adds a watcher, or gives `None` when the store is closed. Of a range that was not watched
    /// before, everything up to the head may have touched it.
    pub fn subscribe(
        &mut self,
        range: &Range,
        space: &Space,
        inbox: Arc<Inbox>,
        token: u64,
    ) -> Option<Arc<Subscription>> {
        if self.closed {
            return None;
        }
        let new = || Interest::new(space.head(), Revision(space.watchable().0 - 1));
        let interest = match range.shape() {
            Shape::Key => self.keys.entry(range.start().clone()).or_insert_with(new),
            Shape::Prefix => self.prefixes.entry(range.start().clone()).or_insert_with(new),
            Shape::Other => self.others.entry(range.clone()).or_insert_with(new),
        };
        self.watchers += 1;
        Some(interest.add(inbox, token))
    }

    /// A watcher goes.
    pub fn unsubscribe(&mut self, range: &Range, subscription: &Arc<Subscription>) {
        let start = range.start();
        let (removed, left) = match range.shape() {
            Shape::Key => self.keys.get_mut(start).map(|i| i.remove(subscription)),
            Shape::Prefix => self.prefixes.get_mut(start).map(|i| i.remove(subscription)),
            Shape::Other => self.others.get_mut(range).map(|i| i.remove(subscription)),
        }
        .unwrap_or((false, usize::MAX));
        self.watchers -= usize::from(removed);
        if left == 0 {
            match range.shape() {
                Shape::Key => drop(self.keys.remove(start)),
                Shape::Prefix => drop(self.prefixes.remove(start)),
                Shape::Other => drop(self.others.remove(range)),
            }
        }
    }

    /// How many watchers there are.
    pub fn watchers(&self) -> usize {
        self.watchers
    }

    /// Ends every watcher once it has seen what there is.
    pub fn close(&mut self) -> Bells {
        self.closed = true;
        let mut bells = Bells::default();
        self.drain().for_each(|interest| interest.close(&mut bells));
        bells
    }

    /// Ends every watcher with the error that it fell behind.
    pub fn lag(&mut self) -> Bells {
        let mut bells = Bells::default();
        for interest in self.drain() {
            interest.forget(LAGGED);
            interest.touch(LAGGED, &mut bells);
        }
        bells
    }

    /// Queues a token for everybody whom these batches concern. The bells are to be rung when the
    /// batches can be read.
    pub fn signal(&self, batches: &[Batch]) -> Bells {
        let mut bells = Bells::default();
        for batch in batches {
            self.concerned(batch, |interest| interest.touch(batch.revision, &mut bells));
        }
        bells
    }

    /// Wakes nobody: who has seen these batches need not know, who has not was told of them.
    pub fn forget(&self, given_up: &[Batch]) {
        for batch in given_up {
            self.concerned(batch, |interest| interest.forget(batch.revision));
        }
    }

    fn drain(&mut self) -> impl Iterator<Item = Interest> {
        self.watchers = 0;
        let keys = std::mem::take(&mut self.keys).into_values();
        let prefixes = std::mem::take(&mut self.prefixes).into_values();
        keys.chain(prefixes).chain(std::mem::take(&mut self.others).into_values())
    }

    /// Calls `tell` for what a batch touches; it may do so more than once.
    fn concerned(&self, batch: &Batch, mut tell: impl FnMut(&Interest)) {
        for event in &batch.events {
            let key = &event.kv.key;
            if let Some(interest) = self.keys.get(key) {
                tell(interest);
            }
            self.prefixes_of(key, &mut tell);
        }
        for (range, interest) in &self.others {
            if batch.touches(range) {
                tell(interest);
            }
        }
    }

    /// The watched prefixes of a key, longest first. The greatest prefix that is not above the key
    /// is either one of the key's, or tells by what it has in common with the key how long the
    /// next one can be.
    fn prefixes_of(&self, key: &[u8], tell: &mut impl FnMut(&Interest)) {
        let mut upto = Bound::Included(key);
        while let Some((prefix, interest)) =
            self.prefixes.range::<[u8], _>((Bound::Unbounded, upto)).next_back()
        {
            let common = prefix.iter().zip(key).take_while(|(a, b)| a == b).count();
            if common == prefix.len() {
                tell(interest);
                upto = Bound::Excluded(&key[..common]);
            } else {
                upto = Bound::Included(&key[..common]);
            }
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.keys.len() + self.prefixes.len() + self.others.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Event, EventKind, KeyValue};

    fn batch(revision: u64, keys: &[&[u8]]) -> Batch {
        let event = |key: &&[u8]| Event {
            kind: EventKind::Delete,
            kv: KeyValue::deleted(Bytes::copy_from_slice(key), Revision(revision)),
            prev: None,
        };
        Batch { revision: Revision(revision), events: keys.iter().map(event).collect() }
    }

    /// Watches every range with its index as token; returns the tokens that a batch queues.
    fn queued(ranges: &[Range], keys: &[&[u8]]) -> Vec<u64> {
        let space = Space::new();
        let mut watched = Watched::default();
        let inbox = Arc::new(Inbox::default());
        let subscriptions: Vec<_> = (0..)
            .zip(ranges)
            .map(|(token, range)| watched.subscribe(range, &space, inbox.clone(), token).unwrap())
            .collect();
        watched.signal(&[batch(2, keys), batch(3, keys)]).ring();
        let mut tokens: Vec<u64> = std::iter::from_fn(|| inbox.pop()).collect();
        tokens.sort_unstable();
        for (range, subscription) in ranges.iter().zip(&subscriptions) {
            watched.unsubscribe(range, subscription);
        }
        assert_eq!((watched.len(), watched.watchers()), (0, 0), "all that came have gone");
        tokens
    }

    fn check(ranges: &[Range], keys: &[&[u8]]) {
        let concerned = |range: &Range| keys.iter().any(|key| range.contains(key));
        let expected: Vec<u64> =
            (0..).zip(ranges).filter(|(_, range)| concerned(range)).map(|(n, _)| n).collect();
        assert_eq!(queued(ranges, keys), expected, "{ranges:?} when {keys:?} change");
    }

    #[test]
    fn a_change_finds_keys_prefixes_and_other_ranges_and_queues_each_once() {
        let ranges = [
            Range::key("a/b"),
            Range::key("a"),
            Range::prefix("a/"),
            Range::prefix("a/b"),
            Range::prefix("a/b"),
            Range::prefix("a/ax"),
            Range::prefix("a/bc"),
            Range::all(),
            Range::new("a", "b"),
            Range::new("b", "a"),
            Range::starting_at("a/c"),
        ];
        check(&ranges, &[b"a/b"]);
        check(&ranges, &[b"a/bcd", b"z", b"a/bcd"]);
        check(&ranges, &[b""]);
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(0), Just(1), Just(b'a'), Just(u8::MAX)], 0..5)
    }

    fn range() -> impl Strategy<Value = Range> {
        prop_oneof![
            bytes().prop_map(Range::key),
            bytes().prop_map(Range::prefix),
            bytes().prop_map(Range::starting_at),
            (bytes(), bytes()).prop_map(|(start, end)| Range::new(start, end)),
        ]
    }

    proptest! {
        #[test]
        fn exactly_those_are_found_whom_a_change_concerns(
            ranges in prop::collection::vec(range(), 0..40),
            keys in prop::collection::vec(bytes(), 1..4),
        ) {
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            check(&ranges, &keys);
        }
    }
}
