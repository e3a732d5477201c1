//! A lease: keys attached to it are deleted when it ends, and it ends unless it is kept alive.
//!
//! - [`table`]: the leases there are, with their deadlines
//! - [`clock`]: what time it is, for deadlines in memory and on disk
//! - [`expiry`]: the thread that ends leases whose time is up

pub(crate) mod clock;
pub(crate) mod expiry;
pub(crate) mod table;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Leases there may be at a time.
pub const LEASES_MAX: usize = 1 << 20;

/// The name of a lease. Whoever grants it may choose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LeaseId(pub i64);

impl LeaseId {
    /// No lease: of a key that is attached to none; "choose one" when one is granted.
    pub const NONE: LeaseId = LeaseId(0);

    /// A positive one. It need not be hard to guess, only unlikely to be taken.
    pub(crate) fn random() -> LeaseId {
        // Every `RandomState` has keys of its own.
        let hash = RandomState::new().hash_one(0);
        let positive = i64::try_from(hash >> 1).expect("half of all u64 fit");
        LeaseId(positive.max(1))
    }
}

impl fmt::Display for LeaseId {
    /// In hexadecimal, as etcd's tools say it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:x}", self.0)
    }
}

/// A lease as it was when it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Its name.
    pub id: LeaseId,
    /// How long it lasts after it was granted or kept alive.
    pub ttl: Duration,
    /// How long it lasts from now on.
    pub remaining: Duration,
}
