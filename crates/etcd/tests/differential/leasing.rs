//! Leases.

use etcd::pb::etcdserverpb::{LeaseGrantRequest, LeaseLeasesRequest};

use crate::say::{
    Equal, compact, create, delete, everything, get, grant, lease, put, put_leased, revoke,
    time_to_live, txn, watch, when,
};
use crate::talk::Step;
use crate::{parts, talk};

const LIST: LeaseLeasesRequest = LeaseLeasesRequest {};

pub fn grants() -> Vec<Step> {
    talk![
        LIST,
        grant(7, 60),
        grant(7, 60),
        grant(8, 1),
        grant(9, 100_000),
        grant(10, 9_000_000_000),
        grant(10, 9_000_000_001),
        LeaseGrantRequest::default(),
        grant(11, 0),
        grant(12, -5),
        grant(0, 30),
        grant(-3, 30),
        time_to_live(7, false),
        time_to_live(9, true),
        time_to_live(99, true),
        time_to_live(0, false),
        everything(),
    ]
}

pub fn keys_of_leases() -> Vec<Step> {
    talk![
        grant(7, 60),
        grant(8, 60),
        put_leased("b", "1", 7),
        put_leased("a", "1", 7),
        put_leased("c", "1", 8),
        time_to_live(7, true),
        time_to_live(7, false),
        put_leased("a", "2", 8),
        time_to_live(7, true),
        time_to_live(8, true),
        put("c", "2"),
        delete("a"),
        time_to_live(8, true),
        txn(vec![when("b", Equal, lease(7))], parts![put_leased("b", "2", 8)], parts![]),
        time_to_live(7, true),
        time_to_live(8, true),
        LIST,
        everything(),
    ]
}

pub fn revokes() -> Vec<Step> {
    talk![
        create(1, watch("\0", "\0")),
        Step::Watched(1, 1),
        revoke(7),
        grant(7, 60),
        revoke(7),
        revoke(7),
        grant(7, 60),
        put_leased("c", "1", 7),
        put_leased("a", "1", 7),
        put_leased("b", "1", 7),
        put("d", "1"),
        Step::Watched(1, 4),
        revoke(7),
        Step::Watched(1, 3),
        everything(),
        get("a"),
        put_leased("a", "2", 7),
        time_to_live(7, true),
        compact(6),
        LIST,
    ]
}

pub fn keep_alives() -> Vec<Step> {
    talk![
        grant(7, 60),
        Step::KeepAlive(vec![7]),
        Step::KeepAlive(vec![7, 7, 8, 7]),
        Step::KeepAlive(vec![0]),
        put_leased("a", "1", 7),
        Step::KeepAlive(vec![7]),
        revoke(7),
        Step::KeepAlive(vec![7]),
    ]
}

pub fn bad_leases() -> Vec<Step> {
    talk![
        put_leased("a", "1", 7),
        revoke(0),
        revoke(-1),
        grant(i64::MAX, 60),
        grant(i64::MIN, 60),
        put_leased("a", "1", i64::MIN),
        grant(5, i64::MAX),
        grant(5, i64::MIN),
        everything(),
    ]
}

/// The shortest lease is two seconds here, and one of etcd's heart beats makes it no shorter.
pub fn expiry() -> Vec<Step> {
    talk![
        create(1, watch("\0", "\0")),
        Step::Watched(1, 1),
        grant(7, 2),
        put_leased("b", "1", 7),
        put_leased("a", "1", 7),
        Step::Watched(1, 2),
        Step::Watched(1, 2),
        everything(),
        time_to_live(7, true),
        put_leased("a", "1", 7),
        LIST,
    ]
}
