//! The same conversations with Debian's etcd and with ours: every reply is compared field by field,
//! revisions, error codes and texts included.
//!
//! Debian's etcd is 3.4.23 and we speak like 3.5. Where the two differ, the step says so and why
//! ([`talk::Step::Differs`]); nothing else is passed over but what must differ between any two
//! servers: ids of cluster and members, terms and indexes of raft, sizes, hashes, tokens, and
//! seconds that go by.

#[path = "differential/asks.rs"]
mod asks;
#[path = "differential/masks.rs"]
mod masks;
#[path = "differential/peer.rs"]
mod peer;
#[path = "support/port.rs"]
mod port;
#[path = "differential/say.rs"]
mod say;
#[path = "differential/servers.rs"]
mod servers;
#[path = "differential/talk.rs"]
mod talk;

#[path = "differential/access.rs"]
mod access;
#[path = "differential/admin.rs"]
mod admin;
#[path = "differential/compacting.rs"]
mod compacting;
#[path = "differential/leasing.rs"]
mod leasing;
#[path = "differential/locking.rs"]
mod locking;
#[path = "differential/random.rs"]
mod random;
#[path = "differential/reading.rs"]
mod reading;
#[path = "differential/transacting.rs"]
mod transacting;
#[path = "differential/watching.rs"]
mod watching;
#[path = "differential/writing.rs"]
mod writing;

/// One test for each conversation.
macro_rules! conversations {
    ($($topic:ident: $($name:ident),+;)+) => {$(
        mod $topic {
            $(
                #[test]
                fn $name() {
                    crate::talk::compare(&crate::$topic::$name());
                }
            )+
        }
    )+};
}

mod alike {
    conversations! {
        writing: puts, puts_that_keep_something, deletes, keys_of_any_bytes, requests_too_large;
        reading: one_key, ranges_and_limits, orders, old_revisions, bounds_of_revisions, bad_ranges;
        transacting: compares_of_one_key, compares_of_ranges, results_in_order, nested,
            reads_amid_writes, what_is_missing_first, refused, too_many_operations;
        compacting: compactions, reads_of_what_was_compacted;
        leasing: grants, keys_of_leases, revokes, keep_alives, bad_leases, expiry;
        watching: one_watch, several_on_one_stream, from_the_past, filters, what_was_before,
            cancelled, of_compacted_revisions, in_the_future, of_transactions, of_keys_changed_twice_at_once, bad_watches, progress;
        locking: locks, locks_that_wait, elections, elections_observed, bad_elections;
        access: off, users, roles, permissions, enabling, tokens, ranges_of_roles, leases_of_others;
        admin: status_and_members, alarms, hashes, maintenance_errors, member_errors;
    }
}
