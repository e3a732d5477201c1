//! The KV service: ranges, puts, deletes, transactions, compaction.

use std::sync::Arc;

use crate::member::Member;

/// The KV service of a member.
pub(crate) struct Kv {
    member: Arc<Member>,
}

impl Kv {
    pub(crate) fn new(member: Arc<Member>) -> Kv {
        Kv { member }
    }
}
