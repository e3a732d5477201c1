//! The plain model: maps, and a copy of all keys for every revision.

use std::collections::BTreeMap;

use bytes::Bytes;
use sampan_store::{
    Batch, Compare, Event, EventKind, KeyValue, LeaseId, Op, OpReply, Range, RangeReply, ReadError,
    Relation, Revision, Target, Txn, TxnReply, WriteError,
};

pub type Contents = BTreeMap<Bytes, KeyValue>;

pub struct Model {
    /// What every revision looked like; the index is the revision.
    pub states: Vec<Contents>,
    /// What every revision did.
    pub batches: Vec<Batch>,
    pub leases: BTreeMap<LeaseId, u64>,
    pub records: BTreeMap<String, Bytes>,
    /// Nothing below this may be readable; the store may have compacted further by itself.
    pub compacted: Revision,
}

/// A revision in the making.
struct Making {
    now: Contents,
    revision: Revision,
    events: Vec<Event>,
}

impl Model {
    pub fn new() -> Model {
        let nothing = |revision| Batch { revision: Revision(revision), events: Vec::new() };
        Model {
            states: vec![Contents::new(), Contents::new()],
            batches: vec![nothing(0), nothing(1)],
            leases: BTreeMap::new(),
            records: BTreeMap::new(),
            compacted: Revision::NONE,
        }
    }

    pub fn head(&self) -> Revision {
        Revision(self.states.len() as u64 - 1)
    }

    pub fn now(&self) -> &Contents {
        self.states.last().expect("there is always one")
    }

    fn make(&self) -> Making {
        Making { now: self.now().clone(), revision: self.head().next(), events: Vec::new() }
    }

    fn made(&mut self, making: Making) {
        let Making { now, revision, events } = making;
        if !events.is_empty() {
            self.states.push(now);
            self.batches.push(Batch { revision, events });
        }
    }

    /// What a read of a range comes to.
    pub fn range(
        &self,
        range: &Range,
        at: Revision,
        limit: usize,
        compacted: Revision,
    ) -> Result<RangeReply, ReadError> {
        self.check_readable(at, compacted)?;
        Ok(collect(&self.states[at.0 as usize], range, limit, self.head()))
    }

    fn check_readable(&self, at: Revision, compacted: Revision) -> Result<(), ReadError> {
        match at {
            at if at > self.head() => Err(ReadError::Future { head: self.head() }),
            at if at < compacted => Err(ReadError::Compacted { compacted }),
            _ => Ok(()),
        }
    }

    /// What a transaction comes to, when the store is compacted so far.
    pub fn txn(&mut self, txn: &Txn, compacted: Revision) -> Result<TxnReply, WriteError> {
        if duplicates(&txn.success).is_none() || duplicates(&txn.failure).is_none() {
            return Err(WriteError::DuplicateKey);
        }
        let mut taken = Vec::new();
        self.taken(txn, &mut taken);
        for op in &taken {
            self.check_put(op)?;
        }
        for op in &taken {
            if let Op::Range { at: Some(at), .. } = op {
                self.check_readable(*at, compacted).map_err(WriteError::Read)?;
            }
        }
        let mut making = self.make();
        let reply = self.apply(txn, &mut making);
        self.made(making);
        Ok(reply)
    }

    fn succeeds(&self, txn: &Txn) -> bool {
        txn.compares.iter().all(|compare| holds(self.now(), compare))
    }

    fn branch<'t>(&self, txn: &'t Txn) -> &'t [Op] {
        if self.succeeds(txn) { &txn.success } else { &txn.failure }
    }

    /// The operations that will be applied, in the order in which they are written.
    fn taken<'t>(&self, txn: &'t Txn, taken: &mut Vec<&'t Op>) {
        for op in self.branch(txn) {
            taken.push(op);
            if let Op::Txn(nested) = op {
                self.taken(nested, taken);
            }
        }
    }

    fn check_put(&self, op: &Op) -> Result<(), WriteError> {
        let Op::Put { key, value, lease } = op else { return Ok(()) };
        if (value.is_none() || lease.is_none()) && !self.now().contains_key(key) {
            return Err(WriteError::KeyNotFound);
        }
        match lease {
            Some(id) if *id != LeaseId::NONE && !self.leases.contains_key(id) => {
                Err(WriteError::LeaseNotFound)
            }
            _ => Ok(()),
        }
    }

    fn apply(&self, txn: &Txn, making: &mut Making) -> TxnReply {
        let results = self.branch(txn).iter().map(|op| match op {
            Op::Put { key, value, lease } => making.put(key, value.as_ref(), *lease),
            Op::Delete { range } => OpReply::Delete { deleted: making.delete(range) },
            Op::Range { range, limit, at } => {
                let contents = at.map_or(&making.now, |at| &self.states[at.0 as usize]);
                OpReply::Range(collect(contents, range, *limit, making.reached()))
            }
            Op::Txn(nested) => OpReply::Txn(self.apply(nested, making)),
        });
        let results = results.collect();
        TxnReply { succeeded: self.succeeds(txn), revision: making.reached(), results }
    }

    pub fn grant(&mut self, id: LeaseId, ttl_s: u64) -> Result<(), WriteError> {
        if self.leases.contains_key(&id) {
            return Err(WriteError::LeaseExists);
        }
        self.leases.insert(id, ttl_s);
        Ok(())
    }

    pub fn revoke(&mut self, id: LeaseId) -> Result<Revision, WriteError> {
        self.leases.remove(&id).ok_or(WriteError::LeaseNotFound)?;
        let mut making = self.make();
        for key in self.lease_keys(id) {
            making.delete(&Range::key(key));
        }
        self.made(making);
        Ok(self.head())
    }

    pub fn lease_keys(&self, id: LeaseId) -> Vec<Bytes> {
        let attached = self.now().values().filter(|kv| kv.lease == id);
        attached.map(|kv| kv.key.clone()).collect()
    }

    /// What a watcher of a range gets from a revision on.
    pub fn watched(&self, range: &Range, from: Revision) -> Vec<Batch> {
        let seen = self.batches.iter().skip(from.0 as usize).map(|batch| {
            let events = batch.events.iter().filter(|event| range.contains(&event.kv.key));
            Batch { revision: batch.revision, events: events.cloned().collect() }
        });
        seen.filter(|batch| !batch.events.is_empty()).collect()
    }
}

impl Making {
    fn reached(&self) -> Revision {
        Revision(self.revision.0 - u64::from(self.events.is_empty()))
    }

    fn put(&mut self, key: &Bytes, value: Option<&Bytes>, lease: Option<LeaseId>) -> OpReply {
        let prev = self.now.get(key).cloned();
        let blank = KeyValue {
            key: key.clone(),
            value: Bytes::new(),
            create_revision: self.revision,
            mod_revision: self.revision,
            version: 0,
            lease: LeaseId::NONE,
        };
        let mut kv = prev.clone().unwrap_or(blank);
        kv.version += 1;
        kv.mod_revision = self.revision;
        kv.value = value.cloned().unwrap_or(kv.value);
        kv.lease = lease.unwrap_or(kv.lease);
        self.now.insert(key.clone(), kv.clone());
        self.events.push(Event { kind: EventKind::Put, kv: kv.clone(), prev: prev.clone() });
        OpReply::Put { kv, prev }
    }

    fn delete(&mut self, range: &Range) -> Vec<KeyValue> {
        let inside = self.now.values().filter(|kv| range.contains(&kv.key));
        let deleted: Vec<_> = inside.cloned().collect();
        for prev in &deleted {
            self.now.remove(&prev.key);
            let kv = KeyValue {
                key: prev.key.clone(),
                value: Bytes::new(),
                create_revision: Revision::NONE,
                mod_revision: self.revision,
                version: 0,
                lease: LeaseId::NONE,
            };
            self.events.push(Event { kind: EventKind::Delete, kv, prev: Some(prev.clone()) });
        }
        deleted
    }
}

fn collect(contents: &Contents, range: &Range, limit: usize, revision: Revision) -> RangeReply {
    let inside = contents.values().filter(|kv| range.contains(&kv.key));
    let all: Vec<_> = inside.cloned().collect();
    let limit = if limit == 0 { all.len() } else { limit };
    let entries: Vec<_> = all.iter().take(limit).cloned().collect();
    RangeReply { entries, revision, more: all.len() > limit, count: all.len() }
}

fn holds(contents: &Contents, compare: &Compare) -> bool {
    let inside: Vec<_> =
        contents.values().filter(|kv| compare.range.contains(&kv.key)).map(Some).collect();
    let looked_at = if inside.is_empty() { vec![None] } else { inside };
    looked_at.into_iter().all(|kv| {
        let number = |of: fn(&KeyValue) -> u64| kv.map_or(0, of);
        let order = match &compare.target {
            Target::Version(given) => number(|kv| kv.version).cmp(given),
            Target::CreateRevision(given) => number(|kv| kv.create_revision.0).cmp(&given.0),
            Target::ModRevision(given) => number(|kv| kv.mod_revision.0).cmp(&given.0),
            Target::Lease(given) => kv.map_or(0, |kv| kv.lease.0).cmp(&given.0),
            Target::Value(given) => match kv {
                Some(kv) => kv.value.cmp(given),
                None => return false,
            },
        };
        match compare.relation {
            Relation::Equal => order.is_eq(),
            Relation::NotEqual => order.is_ne(),
            Relation::Greater => order.is_gt(),
            Relation::Less => order.is_lt(),
        }
    })
}

/// The puts and deletes of a list of operations; `None` when a key is written twice.
fn duplicates(ops: &[Op]) -> Option<(Vec<&Bytes>, Vec<&Range>)> {
    let mut puts: Vec<&Bytes> = Vec::new();
    let mut deletes: Vec<&Range> = Vec::new();
    deletes.extend(ops.iter().filter_map(|op| match op {
        Op::Delete { range } if range.end().is_some() => Some(range),
        _ => None,
    }));
    for op in ops {
        let Op::Txn(nested) = op else { continue };
        let (then, otherwise) = (duplicates(&nested.success)?, duplicates(&nested.failure)?);
        for put in then.0.iter().chain(&otherwise.0) {
            if puts.contains(put) || deletes.iter().any(|range| range.contains(put)) {
                return None;
            }
        }
        puts.extend(then.0.into_iter().chain(otherwise.0));
        deletes.extend(then.1.into_iter().chain(otherwise.1));
    }
    for op in ops {
        if let Op::Put { key, .. } = op {
            if puts.contains(&key) || deletes.iter().any(|range| range.contains(key)) {
                return None;
            }
            puts.push(key);
        }
    }
    Some((puts, deletes))
}
