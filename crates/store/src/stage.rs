//! Where a group of transactions is worked out before it is durable.
//!
//! A stage lies over the key space like tracing paper: transactions see it and each other's
//! changes, the key space below does not change. Dropping the stage undoes everything. Replay of
//! the log goes through here too, so that a write means the same both times.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::space::{Batch, Event, EventKind, Space};
use crate::{KeyValue, Op, OpReply, Range, RangeReply, Revision, Txn, TxnReply};

pub(crate) struct Stage<'a> {
    space: &'a Space,
    /// Keys changed here; `None` for deleted.
    changes: BTreeMap<Bytes, Option<KeyValue>>,
    batches: Vec<Batch>,
    head: Revision,
}

impl<'a> Stage<'a> {
    pub fn new(space: &'a Space) -> Stage<'a> {
        Stage { space, changes: BTreeMap::new(), batches: Vec::new(), head: space.head() }
    }

    pub fn head(&self) -> Revision {
        self.head
    }

    pub fn into_batches(self) -> Vec<Batch> {
        self.batches
    }

    /// Works out one transaction. The operations of the branch taken are in
    /// [`Txn::success`] or [`Txn::failure`] as the reply says.
    pub fn run(&mut self, txn: &Txn) -> TxnReply {
        let succeeded = txn.compares.iter().all(|compare| compare.holds(self.get(&compare.key)));
        let ops = if succeeded { &txn.success } else { &txn.failure };
        let results = self.apply(ops);
        TxnReply { succeeded, revision: self.head, results }
    }

    /// Applies operations at the next revision, which is used up only if they change something.
    pub fn apply(&mut self, ops: &[Op]) -> Vec<OpReply> {
        let revision = self.head.next();
        let mut events = Vec::new();
        let replies = ops.iter().map(|op| self.apply_one(op, revision, &mut events)).collect();
        if !events.is_empty() {
            self.head = revision;
            self.batches.push(Batch { revision, events });
        }
        replies
    }

    fn apply_one(&mut self, op: &Op, revision: Revision, events: &mut Vec<Event>) -> OpReply {
        match op {
            Op::Put { key, value } => {
                let event = self.put(key, value, revision);
                let reply = OpReply::Put { kv: event.kv.clone(), prev: event.prev.clone() };
                events.push(event);
                reply
            }
            Op::Delete { range } => {
                let deleted = self.entries(range, 0).entries;
                events.extend(deleted.iter().map(|prev| self.delete(prev, revision)));
                OpReply::Delete { deleted }
            }
            Op::Range { range, limit } => OpReply::Range(self.entries(range, *limit)),
        }
    }

    /// Key and value are copied once: callers hand in slices of larger buffers, and those must not
    /// live as long as the key does.
    fn put(&mut self, key: &Bytes, value: &Bytes, revision: Revision) -> Event {
        let prev = self.get(key).cloned();
        let (key, create_revision, version) = match &prev {
            Some(prev) => (prev.key.clone(), prev.create_revision, prev.version + 1),
            None => (Bytes::copy_from_slice(key), revision, 1),
        };
        let value = Bytes::copy_from_slice(value);
        let kv = KeyValue { key, value, create_revision, mod_revision: revision, version };
        self.changes.insert(kv.key.clone(), Some(kv.clone()));
        Event { kind: EventKind::Put, kv, prev }
    }

    fn delete(&mut self, prev: &KeyValue, revision: Revision) -> Event {
        self.changes.insert(prev.key.clone(), None);
        let kv = KeyValue {
            key: prev.key.clone(),
            value: Bytes::new(),
            create_revision: Revision::NONE,
            mod_revision: revision,
            version: 0,
        };
        Event { kind: EventKind::Delete, kv, prev: Some(prev.clone()) }
    }

    fn get(&self, key: &[u8]) -> Option<&KeyValue> {
        match self.changes.get(key) {
            Some(changed) => changed.as_ref(),
            None => self.space.get(key),
        }
    }

    fn entries(&self, range: &Range, limit: usize) -> RangeReply {
        let Some(bounds) = range.bounds() else {
            return RangeReply::collect(std::iter::empty(), limit, self.head);
        };
        let mut changed = self.changes.range::<[u8], _>(bounds).peekable();
        if changed.peek().is_none() {
            return RangeReply::collect(self.space.entries(range), limit, self.head);
        }
        let mut merged: BTreeMap<&Bytes, &KeyValue> =
            self.space.entries(range).map(|kv| (&kv.key, kv)).collect();
        for (key, change) in changed {
            match change {
                Some(kv) => merged.insert(key, kv),
                None => merged.remove(key),
            };
        }
        RangeReply::collect(merged.into_values(), limit, self.head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Compare;

    fn put(key: &'static str, value: &'static str) -> Txn {
        Txn::new().then(Op::put(key, value))
    }

    #[test]
    fn transactions_of_one_group_see_each_other_and_the_space_does_not() {
        let space = Space::new();
        let mut stage = Stage::new(&space);
        stage.run(&put("a", "1"));
        let reply = stage.run(&Txn::new().when(Compare::absent("a")).then(Op::put("a", "2")));
        assert!(!reply.succeeded);
        assert_eq!(reply.revision, Revision(2));
        let reply = stage.run(&Txn::new().when(Compare::version("a", 1)).then(Op::put("a", "3")));
        assert_eq!((reply.succeeded, reply.revision), (true, Revision(3)));
        assert_eq!(space.get(b"a"), None);
    }

    #[test]
    fn a_range_in_a_transaction_sees_the_steps_before_it() {
        let mut space = Space::new();
        let mut stage = Stage::new(&space);
        stage.run(&Txn { success: vec![Op::put("a", "1"), Op::put("b", "1")], ..Txn::new() });
        let batches = stage.into_batches();
        batches.into_iter().for_each(|batch| space.apply(batch));
        let mut stage = Stage::new(&space);
        let all = Op::range(Range::all(), 0);
        let reply = stage.run(&Txn::new().then(Op::delete("a")).then(Op::put("c", "1")).then(all));
        let Some(OpReply::Range(found)) = reply.results.last() else { panic!("no range reply") };
        let keys: Vec<_> = found.entries.iter().map(|kv| kv.key.clone()).collect();
        assert_eq!(keys, ["b", "c"]);
    }

    #[test]
    fn a_transaction_that_changes_nothing_takes_no_revision() {
        let space = Space::new();
        let mut stage = Stage::new(&space);
        let reply = stage.run(&Txn::new().then(Op::delete("nothing")));
        assert_eq!(reply.revision, Revision::FIRST);
        assert!(stage.into_batches().is_empty());
    }

    #[test]
    fn a_key_created_again_starts_over() {
        let space = Space::new();
        let mut stage = Stage::new(&space);
        for txn in [put("a", "1"), put("a", "2"), Txn::new().then(Op::delete("a"))] {
            stage.run(&txn);
        }
        let reply = stage.run(&put("a", "3"));
        let [OpReply::Put { kv, prev: None }] = &reply.results[..] else { panic!("{reply:?}") };
        assert_eq!((kv.version, kv.create_revision), (1, Revision(5)));
    }
}
