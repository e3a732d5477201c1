//! A transaction: compares, what to do when all hold, what to do when one does not.

mod compare;
mod duplicates;

use bytes::Bytes;
pub use compare::{Compare, Relation, Target};

use crate::{KeyValue, LeaseId, Range, RangeReply, Revision};

/// How deep transactions may be nested.
pub const TXN_DEPTH_MAX: usize = 64;

/// Applied at one revision, or not at all. A key may be written only once, by whichever branches
/// are taken; of one transaction's two branches only one is, so both may write it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
        self.ops().map(Op::bytes).sum()
    }

    /// Whether any of its branches puts a key.
    pub(crate) fn puts(&self) -> bool {
        self.ops().any(|op| match op {
            Op::Put { .. } => true,
            Op::Txn(nested) => nested.puts(),
            Op::Delete { .. } | Op::Range { .. } => false,
        })
    }

    /// Whether it is nested no deeper than [`TXN_DEPTH_MAX`].
    pub(crate) fn is_shallow(&self) -> bool {
        fn within(txn: &Txn, depth: usize) -> bool {
            depth > 0
                && txn.ops().all(|op| match op {
                    Op::Txn(nested) => within(nested, depth - 1),
                    Op::Put { .. } | Op::Delete { .. } | Op::Range { .. } => true,
                })
        }
        within(self, TXN_DEPTH_MAX)
    }

    pub(crate) fn writes_a_key_twice(&self) -> bool {
        duplicates::writes_a_key_twice(&self.success)
            || duplicates::writes_a_key_twice(&self.failure)
    }

    fn ops(&self) -> impl Iterator<Item = &Op> {
        self.success.iter().chain(&self.failure)
    }
}

/// One step of a transaction. Later steps see what earlier ones did; compares, those of nested
/// transactions too, see what was before the first of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Set a key.
    Put {
        /// The key.
        key: Bytes,
        /// Its new value; `None` keeps the one it has.
        value: Option<Bytes>,
        /// The lease it is attached to; `None` keeps the one it has, [`LeaseId::NONE`] is none.
        lease: Option<LeaseId>,
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
        /// As it was at this revision, before the transaction; `None`: as it is now.
        at: Option<Revision>,
    },
    /// A transaction within this one, at the same revision.
    Txn(Box<Txn>),
}

impl Op {
    /// Sets `key` to `value`, without a lease.
    pub fn put(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Op {
        Op::put_leased(key, value, LeaseId::NONE)
    }

    /// Sets `key` to `value`, to be deleted with `lease`.
    pub fn put_leased(key: impl Into<Bytes>, value: impl Into<Bytes>, lease: LeaseId) -> Op {
        Op::Put { key: key.into(), value: Some(value.into()), lease: Some(lease) }
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
        Op::Range { range, limit, at: None }
    }

    /// A nested transaction.
    pub fn txn(txn: Txn) -> Op {
        Op::Txn(Box::new(txn))
    }

    fn bytes(&self) -> usize {
        match self {
            Op::Put { key, value, .. } => key.len() + value.as_ref().map_or(0, Bytes::len),
            Op::Delete { range } | Op::Range { range, .. } => {
                range.start().len() + range.end().map_or(0, Bytes::len)
            }
            Op::Txn(txn) => txn.bytes(),
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
    /// A nested transaction was applied.
    Txn(TxnReply),
}

/// The answer to a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnReply {
    /// Whether all compares held.
    pub succeeded: bool,
    /// The revision it wrote; the head it saw, when it wrote nothing. Of a nested one: the same of
    /// the whole transaction up to its end.
    pub revision: Revision,
    /// One reply for each operation of the branch taken.
    pub results: Vec<OpReply>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_all_branches_count() {
        let inner = Txn::new().then(Op::put("ab", "cde")).otherwise(Op::delete("f"));
        let txn = Txn::new().then(Op::txn(inner)).otherwise(Op::put("g", "h"));
        assert_eq!(txn.bytes(), 5 + 3 + 2);
    }

    #[test]
    fn nesting_has_a_bound() {
        let nest = |levels| (1..levels).fold(Txn::new(), |txn, _| Txn::new().then(Op::txn(txn)));
        assert!(nest(TXN_DEPTH_MAX).is_shallow());
        assert!(!nest(TXN_DEPTH_MAX + 1).is_shallow());
    }
}
