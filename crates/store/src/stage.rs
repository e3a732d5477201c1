//! Where a group of transactions is worked out before it is durable.
//!
//! A stage lies over the key space like tracing paper: transactions see it and each other's
//! changes, the key space below does not change. Dropping the stage undoes everything. Replay of
//! the log goes through here too, so that a write means the same both times.

mod branch;
mod growth;
mod leases;
mod reading;

use std::collections::{BTreeMap, BTreeSet};

use branch::Branch;
use bytes::Bytes;

use crate::space::{Batch, Event, EventKind, RECORDS_BYTES_MAX, Setting, Space};
use crate::{KeyValue, LeaseId, Op, OpReply, ReadError, Revision, Txn, TxnReply, WriteError};

pub(crate) struct Stage<'a> {
    space: &'a Space,
    /// Keys changed here; `None` for deleted.
    changes: BTreeMap<Bytes, Option<KeyValue>>,
    /// What was attached to leases here; some of it may be changed again.
    leased: BTreeMap<LeaseId, BTreeSet<Bytes>>,
    /// Leases granted here (`true`) and ended here.
    leases: BTreeMap<LeaseId, bool>,
    batches: Vec<Batch>,
    settings: Vec<Setting>,
    head: Revision,
    compacted: Revision,
}

/// What a stage comes to: what is published once it is durable.
#[derive(Default)]
pub(crate) struct Staged {
    pub batches: Vec<Batch>,
    pub settings: Vec<Setting>,
}

impl<'a> Stage<'a> {
    pub fn new(space: &'a Space) -> Stage<'a> {
        Stage {
            space,
            changes: BTreeMap::new(),
            leased: BTreeMap::new(),
            leases: BTreeMap::new(),
            batches: Vec::new(),
            settings: Vec::new(),
            head: space.head(),
            compacted: space.compacted(),
        }
    }

    pub fn head(&self) -> Revision {
        self.head
    }

    pub fn compacted(&self) -> Revision {
        self.compacted
    }

    pub fn finish(self) -> Staged {
        Staged { batches: self.batches, settings: self.settings }
    }

    /// History below a revision is given up: transactions after this cannot read it any more.
    pub fn compact(&mut self, revision: Revision) {
        self.compacted = self.compacted.max(revision);
    }

    /// Works out one transaction. The operations of the branch taken are in
    /// [`Txn::success`] or [`Txn::failure`] as the reply says.
    ///
    /// # Errors
    /// When one of the operations cannot be done; then none was.
    pub fn run(&mut self, txn: &Txn) -> Result<TxnReply, WriteError> {
        let branch = Branch::choose(txn, &mut |compare| self.holds(compare));
        branch.check(&mut |op| self.check_put(op))?;
        branch.check(&mut |op| self.check_read(op))?;
        Ok(self.apply_at_next(&branch))
    }

    /// Applies operations that were checked when they were logged, and holds no transactions.
    pub fn replay(&mut self, ops: &[Op]) {
        self.apply_at_next(&Branch::of(ops));
    }

    /// Applies a branch at the next revision, which is used up only if something changes.
    fn apply_at_next(&mut self, branch: &Branch<'_>) -> TxnReply {
        let mut events = Vec::new();
        let reply = self.apply(branch, self.head.next(), &mut events);
        self.push(events);
        reply
    }

    fn push(&mut self, events: Vec<Event>) {
        if !events.is_empty() {
            self.head = self.head.next();
            self.batches.push(Batch { revision: self.head, events });
        }
    }

    fn check_put(&self, op: &Op) -> Result<(), WriteError> {
        let Op::Put { key, value, lease } = op else { return Ok(()) };
        if (value.is_none() || lease.is_none()) && self.get(key).is_none() {
            return Err(WriteError::KeyNotFound);
        }
        match lease {
            Some(id) if *id != LeaseId::NONE && !self.is_granted(*id) => {
                Err(WriteError::LeaseNotFound)
            }
            _ => Ok(()),
        }
    }

    fn check_read(&self, op: &Op) -> Result<(), WriteError> {
        let Op::Range { at: Some(at), .. } = op else { return Ok(()) };
        if *at > self.head {
            Err(WriteError::Read(ReadError::Future { head: self.head }))
        } else if *at != Revision::NONE && *at < self.compacted {
            Err(WriteError::Read(ReadError::Compacted { compacted: self.compacted }))
        } else {
            Ok(())
        }
    }

    fn apply(
        &mut self,
        branch: &Branch<'_>,
        revision: Revision,
        events: &mut Vec<Event>,
    ) -> TxnReply {
        let mut nested = branch.nested.iter();
        let mut results = Vec::with_capacity(branch.ops.len());
        for op in branch.ops {
            results.push(match op {
                Op::Put { key, value, lease } => {
                    let event = self.put(key, value.as_ref(), *lease, revision);
                    let reply = OpReply::Put { kv: event.kv.clone(), prev: event.prev.clone() };
                    events.push(event);
                    reply
                }
                Op::Delete { range } => {
                    let deleted: Vec<_> = self.entries(range).cloned().collect();
                    events.extend(deleted.iter().map(|prev| self.delete(prev, revision)));
                    OpReply::Delete { deleted }
                }
                Op::Range { range, limit, at } => {
                    let now = if events.is_empty() { self.head } else { revision };
                    OpReply::Range(self.read(range, *limit, *at, now))
                }
                Op::Txn(_) => {
                    let branch = nested.next().expect("every nested transaction has its branch");
                    OpReply::Txn(self.apply(branch, revision, events))
                }
            });
        }
        let revision = if events.is_empty() { self.head } else { revision };
        TxnReply { succeeded: branch.succeeded, revision, results }
    }

    /// Key and value are copied once: callers hand in slices of larger buffers, and those must not
    /// live as long as the key does.
    fn put(
        &mut self,
        key: &Bytes,
        value: Option<&Bytes>,
        lease: Option<LeaseId>,
        revision: Revision,
    ) -> Event {
        let prev = self.get(key).cloned();
        let (key, create_revision, version) = match &prev {
            Some(prev) => (prev.key.clone(), prev.create_revision, prev.version + 1),
            None => (Bytes::copy_from_slice(key), revision, 1),
        };
        let kept = prev.as_ref();
        let value = match value {
            Some(value) => Bytes::copy_from_slice(value),
            None => kept.map(|prev| prev.value.clone()).unwrap_or_default(),
        };
        let lease = lease.or(kept.map(|prev| prev.lease)).unwrap_or_default();
        let kv = KeyValue { key, value, create_revision, mod_revision: revision, version, lease };
        self.changes.insert(kv.key.clone(), Some(kv.clone()));
        if lease != LeaseId::NONE {
            self.leased.entry(lease).or_default().insert(kv.key.clone());
        }
        Event { kind: EventKind::Put, kv, prev }
    }

    fn delete(&mut self, prev: &KeyValue, revision: Revision) -> Event {
        self.changes.insert(prev.key.clone(), None);
        let kv = KeyValue::deleted(prev.key.clone(), revision);
        Event { kind: EventKind::Delete, kv, prev: Some(prev.clone()) }
    }

    /// Whether there is room for what a record is to be.
    pub fn check_record(&self, name: &str, content: Option<&Bytes>) -> Result<(), WriteError> {
        let staged = self.settings.iter().map(Setting::record_bytes).sum::<usize>();
        let new = content.map_or(0, |content| name.len() + content.len());
        if new > 0 && self.space.records().bytes() + staged + new > RECORDS_BYTES_MAX {
            return Err(WriteError::TooLarge);
        }
        Ok(())
    }

    /// Sets or removes a record.
    pub fn set_record(&mut self, name: String, content: Option<Bytes>) {
        self.settings.push(Setting::Record(name, content));
    }
}

#[cfg(test)]
mod tests;
