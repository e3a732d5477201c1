//! A transaction: compares, what to do when all hold, what to do when one does not.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use bytes::Bytes;

use crate::{KeyValue, Range, RangeReply, Revision};

/// Applied at one revision, or not at all. One branch may write a key only once.
#[derive(Debug, Clone, Default)]
pub struct Txn {
    /// All must hold for `success` to be applied.
    pub compares: Vec<Compare>,
    /// Applied when every compare holds.
    pub success: Vec<Op>,
    /// Applied when one does not.
    pub failure: Vec<Op>,
}

impl Txn {
    /// An empty transaction.
    pub fn new() -> Txn {
        Txn::default()
    }

    /// Adds a compare.
    #[must_use]
    pub fn when(mut self, compare: Compare) -> Txn {
        self.compares.push(compare);
        self
    }

    /// Adds an operation for when all compares hold.
    #[must_use]
    pub fn then(mut self, op: Op) -> Txn {
        self.success.push(op);
        self
    }

    /// Adds an operation for when a compare does not hold.
    #[must_use]
    pub fn otherwise(mut self, op: Op) -> Txn {
        self.failure.push(op);
        self
    }

    /// The bytes of its keys and values: what it can cost in the log, less some framing.
    pub(crate) fn bytes(&self) -> usize {
        self.success.iter().chain(&self.failure).map(Op::bytes).sum()
    }

    pub(crate) fn writes_a_key_twice(&self) -> bool {
        writes_a_key_twice(&self.success) || writes_a_key_twice(&self.failure)
    }
}

fn writes_a_key_twice(ops: &[Op]) -> bool {
    if ops.len() < 2 {
        return false;
    }
    let mut put = BTreeSet::new();
    let all_new = ops.iter().all(|op| match op {
        Op::Put { key, .. } => put.insert(key),
        Op::Delete { .. } | Op::Range { .. } => true,
    });
    let deletes_a_put = || {
        ops.iter().any(|op| match op {
            Op::Delete { range } => put.iter().any(|key| range.contains(key)),
            Op::Put { .. } | Op::Range { .. } => false,
        })
    };
    !all_new || deletes_a_put()
}

/// What of a key a compare looks at. Of a key that is not there, the numbers are 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// How many times it was written since it was created.
    Version(u64),
    /// The revision that created it.
    CreateRevision(Revision),
    /// The revision that wrote it last.
    ModRevision(Revision),
    /// Its value; a key that is not there has none, and no relation to one holds.
    Value(Bytes),
}

/// How what is stored must relate to the [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Stored and given are the same.
    Equal,
    /// They differ.
    NotEqual,
    /// The stored one is the greater.
    Greater,
    /// The stored one is the less.
    Less,
}

/// A condition on one key.
#[derive(Debug, Clone)]
pub struct Compare {
    /// The key.
    pub key: Bytes,
    /// What the stored must relate to.
    pub target: Target,
    /// How.
    pub relation: Relation,
}

impl Compare {
    /// Any condition; the others here are short for one with [`Relation::Equal`].
    pub fn new(key: impl Into<Bytes>, target: Target, relation: Relation) -> Compare {
        Compare { key: key.into(), target, relation }
    }

    /// The key was last written by `revision`.
    pub fn mod_revision(key: impl Into<Bytes>, revision: Revision) -> Compare {
        Compare::new(key, Target::ModRevision(revision), Relation::Equal)
    }

    /// The key was created by `revision`.
    pub fn create_revision(key: impl Into<Bytes>, revision: Revision) -> Compare {
        Compare::new(key, Target::CreateRevision(revision), Relation::Equal)
    }

    /// The key was written `version` times since it was created.
    pub fn version(key: impl Into<Bytes>, version: u64) -> Compare {
        Compare::new(key, Target::Version(version), Relation::Equal)
    }

    /// The key has this value.
    pub fn value(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Compare {
        Compare::new(key, Target::Value(value.into()), Relation::Equal)
    }

    /// The key is not there.
    pub fn absent(key: impl Into<Bytes>) -> Compare {
        Compare::new(key, Target::CreateRevision(Revision::NONE), Relation::Equal)
    }

    /// The key is there.
    pub fn exists(key: impl Into<Bytes>) -> Compare {
        Compare::new(key, Target::CreateRevision(Revision::NONE), Relation::Greater)
    }

    pub(crate) fn holds(&self, stored: Option<&KeyValue>) -> bool {
        let order = match &self.target {
            Target::Version(given) => stored.map_or(0, |kv| kv.version).cmp(given),
            Target::CreateRevision(given) => {
                stored.map_or(Revision::NONE, |kv| kv.create_revision).cmp(given)
            }
            Target::ModRevision(given) => {
                stored.map_or(Revision::NONE, |kv| kv.mod_revision).cmp(given)
            }
            Target::Value(given) => match stored {
                Some(kv) => kv.value.cmp(given),
                None => return false,
            },
        };
        match self.relation {
            Relation::Equal => order == Ordering::Equal,
            Relation::NotEqual => order != Ordering::Equal,
            Relation::Greater => order == Ordering::Greater,
            Relation::Less => order == Ordering::Less,
        }
    }
}

/// One step of a transaction. Later steps see what earlier ones did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Set a key.
    Put {
        /// The key.
        key: Bytes,
        /// Its new value.
        value: Bytes,
    },
    /// Delete every key in a range.
    Delete {
        /// The range.
        range: Range,
    },
    /// Read a range.
    Range {
        /// The range.
        range: Range,
        /// At most this many entries; 0 for all.
        limit: usize,
    },
}

impl Op {
    /// Sets `key` to `value`.
    pub fn put(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Op {
        Op::Put { key: key.into(), value: value.into() }
    }

    /// Deletes `key` if it is there.
    pub fn delete(key: impl Into<Bytes>) -> Op {
        Op::Delete { range: Range::key(key) }
    }

    /// Deletes every key in `range`.
    pub fn delete_range(range: Range) -> Op {
        Op::Delete { range }
    }

    /// Reads `range`; `limit` 0 reads all of it.
    pub fn range(range: Range, limit: usize) -> Op {
        Op::Range { range, limit }
    }

    fn bytes(&self) -> usize {
        match self {
            Op::Put { key, value } => key.len() + value.len(),
            Op::Delete { range } | Op::Range { range, .. } => {
                range.start().len() + range.end().map_or(0, Bytes::len)
            }
        }
    }
}

/// What a step found or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpReply {
    /// A key was set.
    Put {
        /// The key as it is now.
        kv: KeyValue,
        /// As it was before.
        prev: Option<KeyValue>,
    },
    /// Keys were deleted.
    Delete {
        /// As they were before.
        deleted: Vec<KeyValue>,
    },
    /// A range was read.
    Range(RangeReply),
}

/// The answer to a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnReply {
    /// Whether all compares held.
    pub succeeded: bool,
    /// The revision it wrote; the head it saw, when it wrote nothing.
    pub revision: Revision,
    /// One reply for each operation of the branch taken.
    pub results: Vec<OpReply>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> KeyValue {
        KeyValue {
            key: "k".into(),
            value: "m".into(),
            create_revision: Revision(4),
            mod_revision: Revision(9),
            version: 3,
        }
    }

    fn check(compare: Compare, on_stored: bool, on_absent: bool) {
        assert_eq!(compare.holds(Some(&stored())), on_stored, "{compare:?} on the stored key");
        assert_eq!(compare.holds(None), on_absent, "{compare:?} on an absent key");
    }

    #[test]
    fn compares_look_at_revisions_version_and_value() {
        check(Compare::mod_revision("k", Revision(9)), true, false);
        check(Compare::mod_revision("k", Revision::NONE), false, true);
        check(Compare::create_revision("k", Revision(4)), true, false);
        check(Compare::version("k", 3), true, false);
        check(Compare::version("k", 0), false, true);
        check(Compare::value("k", "m"), true, false);
        check(Compare::absent("k"), false, true);
        check(Compare::exists("k"), true, false);
    }

    #[test]
    fn relations_put_the_stored_on_the_left() {
        let value = |value, relation| Compare::new("k", Target::Value(value), relation);
        check(value("a".into(), Relation::Greater), true, false);
        check(value("a".into(), Relation::Less), false, false);
        check(value("z".into(), Relation::NotEqual), true, false);
        check(Compare::new("k", Target::Version(4), Relation::Less), true, true);
    }

    fn check_twice(ops: Vec<Op>, expected: bool) {
        assert_eq!(writes_a_key_twice(&ops), expected, "{ops:?}");
    }

    #[test]
    fn a_branch_that_writes_a_key_twice_is_found() {
        check_twice(vec![Op::put("a", "1"), Op::put("a", "2")], true);
        check_twice(vec![Op::put("a", "1"), Op::delete("a")], true);
        check_twice(vec![Op::delete_range(Range::prefix("a")), Op::put("ab", "1")], true);
        check_twice(vec![Op::put("a", "1"), Op::put("b", "2"), Op::delete("c")], false);
        check_twice(vec![Op::put("a", "1"), Op::range(Range::key("a"), 0)], false);
        check_twice(vec![Op::delete("a"), Op::delete_range(Range::all())], false);
    }
}
