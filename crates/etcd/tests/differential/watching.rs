//! Watches.

use etcd::pb::etcdserverpb::WatchCreateRequest;
use etcd::pb::etcdserverpb::watch_create_request::FilterType;

use crate::say::{
    ALL, Equal, ask_progress, cancel, compact, create, delete, delete_range, differs, put, txn,
    version, watch, when,
};
use crate::talk::Step;
use crate::{parts, talk};

fn key(key: &str) -> WatchCreateRequest {
    watch(key, "")
}

pub fn one_watch() -> Vec<Step> {
    talk![
        create(1, key("a")),
        Step::Watched(1, 1),
        put("a", "1"),
        Step::Watched(1, 1),
        put("b", "1"),
        put("a", "2"),
        delete("a"),
        put("a", "3"),
        Step::Watched(1, 3),
        cancel(1, 0),
        Step::Watched(1, 1),
    ]
}

pub fn several_on_one_stream() -> Vec<Step> {
    talk![
        create(1, key("a")),
        Step::Watched(1, 1),
        create(1, watch("a", "c")),
        Step::Watched(1, 1),
        create(1, WatchCreateRequest { watch_id: 9, ..watch(ALL, ALL) }),
        Step::Watched(1, 1),
        put("a", "1"),
        Step::Watched(1, 3),
        put("b", "1"),
        Step::Watched(1, 2),
        put("c", "1"),
        Step::Watched(1, 1),
        create(1, WatchCreateRequest { watch_id: 9, ..key("z") }),
        Step::Watched(1, 1),
        put("a", "2"),
        Step::Watched(1, 3),
        cancel(1, 1),
        Step::Watched(1, 1),
        put("b", "2"),
        Step::Watched(1, 1),
        create(1, key("b")),
        Step::Watched(1, 1),
        put("b", "3"),
        Step::Watched(1, 2),
    ]
}

pub fn from_the_past() -> Vec<Step> {
    let from = |start_revision, request| WatchCreateRequest { start_revision, ..request };
    talk![
        put("a", "1"),
        put("b", "1"),
        put("a", "2"),
        delete("a"),
        put("b", "2"),
        create(1, from(1, key("a"))),
        Step::Watched(1, 4),
        create(2, from(3, watch(ALL, ALL))),
        Step::Watched(2, 5),
        create(3, from(6, key("a"))),
        Step::Watched(3, 1),
        create(4, from(7, watch(ALL, ALL))),
        Step::Watched(4, 1),
        put("a", "3"),
        Step::Watched(1, 1),
        Step::Watched(2, 1),
        Step::Watched(3, 1),
        Step::Watched(4, 1),
    ]
}

pub fn filters() -> Vec<Step> {
    let only = |filters: &[FilterType]| WatchCreateRequest {
        filters: filters.iter().map(|filter| (*filter).into()).collect(),
        start_revision: 1,
        ..watch(ALL, ALL)
    };
    let no_puts = only(&[FilterType::Noput]);
    let no_deletes = only(&[FilterType::Nodelete]);
    let nothing = only(&[FilterType::Noput, FilterType::Nodelete]);
    talk![
        put("a", "1"),
        delete("a"),
        put("b", "1"),
        create(1, no_puts),
        Step::Watched(1, 2),
        create(2, no_deletes),
        Step::Watched(2, 3),
        create(3, nothing),
        Step::Watched(3, 1),
        delete("b"),
        put("c", "1"),
        Step::Watched(1, 1),
        Step::Watched(2, 1),
        delete("c"),
        Step::Watched(1, 1),
        cancel(3, 0),
        Step::Watched(3, 1),
    ]
}

pub fn what_was_before() -> Vec<Step> {
    let before = |request| WatchCreateRequest { prev_kv: true, ..request };
    talk![
        put("a", "1"),
        put("a", "2"),
        create(1, WatchCreateRequest { start_revision: 2, ..before(key("a")) }),
        Step::Watched(1, 3),
        put("a", "3"),
        delete("a"),
        put("a", "4"),
        Step::Watched(1, 3),
        compact(4),
        create(2, WatchCreateRequest { start_revision: 5, ..before(watch("a", "b")) }),
        Step::Watched(2, 3),
        // What was before the first kept revision is not there any more.
        compact(6),
        create(3, WatchCreateRequest { start_revision: 6, ..before(watch("a", "b")) }),
        Step::Watched(3, 2),
    ]
}

pub fn cancelled() -> Vec<Step> {
    talk![
        create(1, key("a")),
        Step::Watched(1, 1),
        cancel(1, 5),
        create(1, key("b")),
        Step::Watched(1, 1),
        cancel(1, 0),
        Step::Watched(1, 1),
        cancel(1, 0),
        put("a", "1"),
        put("b", "1"),
        Step::Watched(1, 1),
        create(1, key("a")),
        Step::Watched(1, 1),
    ]
}

pub fn of_compacted_revisions() -> Vec<Step> {
    let from = |start_revision| WatchCreateRequest { start_revision, ..watch(ALL, ALL) };
    talk![
        put("a", "1"),
        put("a", "2"),
        put("a", "3"),
        put("a", "4"),
        compact(4),
        create(1, from(2)),
        Step::Watched(1, 2),
        create(2, from(3)),
        Step::Watched(2, 2),
        create(3, from(4)),
        Step::Watched(3, 3),
        create(4, from(5)),
        Step::Watched(4, 2),
        create(1, from(5)),
        Step::Watched(1, 2),
    ]
}

pub fn in_the_future() -> Vec<Step> {
    let from = |start_revision| WatchCreateRequest { start_revision, ..watch(ALL, ALL) };
    talk![
        put("a", "1"),
        create(1, from(4)),
        Step::Watched(1, 1),
        put("a", "2"),
        put("a", "3"),
        Step::Watched(1, 1),
        put("a", "4"),
        Step::Watched(1, 1),
    ]
}

pub fn of_transactions() -> Vec<Step> {
    let all_before = WatchCreateRequest { prev_kv: true, start_revision: 1, ..watch(ALL, ALL) };
    talk![
        create(1, all_before.clone()),
        Step::Watched(1, 1),
        txn(vec![], parts![put("b", "1"), put("a", "1"), put("c", "1")], parts![]),
        Step::Watched(1, 3),
        txn(
            vec![when("a", Equal, version(1))],
            parts![delete_range("b", "d"), put("a", "2")],
            parts![]
        ),
        Step::Watched(1, 3),
        delete_range("a", "z"),
        Step::Watched(1, 1),
        create(2, all_before),
        Step::Watched(2, 8),
    ]
}

/// What was before is what was before the revision, not before that part of it.
pub fn of_keys_changed_twice_at_once() -> Vec<Step> {
    let nested = |part| parts![txn(vec![], part, parts![])].remove(0);
    let twice = vec![nested(parts![delete("a")]), nested(parts![put("a", "3")])];
    let again = vec![nested(parts![put("a", "4")]), nested(parts![delete("a")])];
    talk![
        create(1, WatchCreateRequest { prev_kv: true, ..key("a") }),
        Step::Watched(1, 1),
        put("a", "1"),
        put("a", "2"),
        Step::Watched(1, 2),
        txn(vec![], twice, parts![]),
        txn(vec![], again, parts![]),
        txn(vec![], parts![put("a", "5"), delete_range("a", ALL)], parts![]),
        txn(vec![], parts![delete_range("a", ALL), put("a", "6")], parts![]),
        put("a", "7"),
        Step::Watched(1, 3),
    ]
}

pub fn bad_watches() -> Vec<Step> {
    talk![
        create(1, key("")),
        Step::Watched(1, 1),
        create(2, watch("b", "a")),
        Step::Watched(2, 1),
        create(3, watch("", "z")),
        Step::Watched(3, 1),
        create(4, WatchCreateRequest { start_revision: -5, ..key("a") }),
        differs(
            Step::Watched(4, 1),
            "3.5 refuses revisions below zero",
            "canceled: false",
            "cancel_reason: \"etcdserver: mvcc: required revision has been compacted\"",
        ),
        create(5, watch("a", "a")),
        Step::Watched(5, 1),
        create(6, WatchCreateRequest { watch_id: -2, ..key("a") }),
        Step::Watched(6, 1),
        put("a", "1"),
        put("b", "1"),
        Step::Watched(1, 1),
        Step::Watched(6, 1),
    ]
}

pub fn progress() -> Vec<Step> {
    talk![
        create(1, key("a")),
        Step::Watched(1, 1),
        ask_progress(1),
        Step::Watched(1, 1),
        put("b", "1"),
        ask_progress(1),
        Step::Watched(1, 1),
        put("a", "1"),
        Step::Watched(1, 1),
    ]
}
