//! Ranges, with every option.

use etcd::pb::etcdserverpb::RangeRequest;
use etcd::pb::etcdserverpb::range_request::{SortOrder, SortTarget};

use crate::say::{ALL, delete, differs, everything, get, grant, put, put_leased, range};
use crate::talk;
use crate::talk::Step;

/// Keys of different ages, versions and values.
fn some_keys() -> Vec<Step> {
    talk![
        put("a", "3"),
        put("b", "1"),
        put("c", "2"),
        put("b", "4"),
        put("a", "1"),
        put("d", "1"),
        put("a", "9"),
        delete("d"),
        put("e", ""),
        grant(7, 100),
        put_leased("f", "0", 7),
    ]
}

fn after_some_keys(asks: impl IntoIterator<Item = RangeRequest>) -> Vec<Step> {
    some_keys().into_iter().chain(asks.into_iter().map(Step::from)).collect()
}

pub fn one_key() -> Vec<Step> {
    after_some_keys([
        get("a"),
        get("d"),
        get("e"),
        get("f"),
        get("z"),
        RangeRequest { serializable: true, ..get("a") },
        RangeRequest { keys_only: true, ..get("a") },
        RangeRequest { count_only: true, ..get("a") },
        RangeRequest { count_only: true, keys_only: true, ..get("z") },
        RangeRequest { limit: 1, ..get("a") },
    ])
}

pub fn ranges_and_limits() -> Vec<Step> {
    let limits =
        [0, 1, 2, 4, 5, 6, -1, i64::MAX].map(|limit| RangeRequest { limit, ..everything() });
    let ranges = [
        range("a", "c"),
        range("b", ALL),
        range("c", "a"),
        range("a", "a"),
        range("aa", "bb"),
        range(ALL, "b"),
        everything(),
        RangeRequest { limit: 2, ..range("b", ALL) },
        RangeRequest { keys_only: true, ..everything() },
        RangeRequest { keys_only: true, limit: 2, ..everything() },
        RangeRequest { count_only: true, ..everything() },
        RangeRequest { count_only: true, limit: 2, ..everything() },
        RangeRequest { serializable: true, limit: 3, ..range("a", "e") },
    ];
    after_some_keys(ranges.into_iter().chain(limits))
}

const TARGETS: [SortTarget; 5] =
    [SortTarget::Key, SortTarget::Version, SortTarget::Create, SortTarget::Mod, SortTarget::Value];

pub fn orders() -> Vec<Step> {
    let orders = [SortOrder::None, SortOrder::Ascend, SortOrder::Descend];
    let mut asks = Vec::new();
    for (target, order) in TARGETS.iter().flat_map(|target| orders.map(|order| (*target, order))) {
        for limit in [0, 2] {
            let (sort_target, sort_order) = (target.into(), order.into());
            asks.push(RangeRequest { sort_target, sort_order, limit, ..everything() });
        }
    }
    let last = RangeRequest {
        sort_target: SortTarget::Create.into(),
        sort_order: SortOrder::Descend.into(),
        keys_only: true,
        limit: 1,
        ..everything()
    };
    let values_unseen = RangeRequest {
        sort_target: SortTarget::Value.into(),
        sort_order: SortOrder::Ascend.into(),
        keys_only: true,
        ..everything()
    };
    let counted = RangeRequest { count_only: true, ..last.clone() };
    asks.extend([last, values_unseen, counted]);
    after_some_keys(asks)
}

pub fn old_revisions() -> Vec<Step> {
    let old = (-1..13).map(|revision| RangeRequest { revision, ..everything() });
    let limited = (1..9).map(|revision| RangeRequest { revision, limit: 1, ..range("a", "e") });
    let one = (1..9).map(|revision| RangeRequest { revision, ..get("d") });
    let counted =
        (3..5).map(|revision| RangeRequest { revision, count_only: true, ..everything() });
    after_some_keys(old.chain(limited).chain(one).chain(counted))
}

pub fn bounds_of_revisions() -> Vec<Step> {
    let mut asks = Vec::new();
    for bound in [1, 3, 5, 8, 20, -1] {
        asks.extend([
            RangeRequest { min_mod_revision: bound, ..everything() },
            RangeRequest { max_mod_revision: bound, ..everything() },
            RangeRequest { min_create_revision: bound, ..everything() },
            RangeRequest { max_create_revision: bound, ..everything() },
            RangeRequest { min_mod_revision: bound, limit: 1, ..everything() },
            RangeRequest { max_mod_revision: bound, count_only: true, ..everything() },
        ]);
    }
    asks.push(RangeRequest { min_create_revision: 2, max_mod_revision: 8, ..everything() });
    asks.push(RangeRequest { min_mod_revision: 6, max_mod_revision: 3, ..everything() });
    after_some_keys(asks)
}

/// A target that is none takes etcd 3.4 down, and so is not among them.
pub fn bad_ranges() -> Vec<Step> {
    let no_order = differs(
        RangeRequest { sort_order: 7, ..everything() },
        "3.5 refuses an order that is none",
        "RangeResponse",
        "InvalidArgument: etcdserver: invalid sort option",
    );
    let mut steps = after_some_keys([
        get(""),
        range("", "z"),
        range("", ALL),
        RangeRequest { revision: 1000, ..get("a") },
        RangeRequest { revision: 1000, ..get("") },
        RangeRequest { revision: i64::MAX, ..get("a") },
        RangeRequest { revision: i64::MIN, ..get("a") },
    ]);
    steps.push(no_order);
    steps
}
