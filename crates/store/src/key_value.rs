//! A revision, and a key with its value at one.

use std::fmt;

use bytes::Bytes;

use crate::LeaseId;

/// A point in the store's history. A new store is at revision 1; every transaction that writes
/// takes the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

impl Revision {
    /// No revision: "not there" in a compare, "the head" in a read, "from now on" in a watch.
    pub const NONE: Revision = Revision(0);

    /// Where a new store starts.
    pub(crate) const FIRST: Revision = Revision(1);

    /// The revision after this one.
    #[must_use]
    pub fn next(self) -> Revision {
        Revision(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// A key with its value as a revision left it. Cloning shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
    /// The revision that created the key (the latest time, if it was deleted in between).
    pub create_revision: Revision,
    /// The revision that wrote this value.
    pub mod_revision: Revision,
    /// How many times the key was written since it was created; the first write makes it 1.
    pub version: u64,
    /// The lease that the key goes with; [`LeaseId::NONE`] when it stays.
    pub lease: LeaseId,
}

impl KeyValue {
    /// Bytes of key and value.
    pub(crate) fn bytes(&self) -> u64 {
        (self.key.len() + self.value.len()) as u64
    }

    /// What is said of a key that `revision` deleted.
    pub(crate) fn deleted(key: Bytes, revision: Revision) -> KeyValue {
        KeyValue {
            key,
            value: Bytes::new(),
            create_revision: Revision::NONE,
            mod_revision: revision,
            version: 0,
            lease: LeaseId::NONE,
        }
    }
}
