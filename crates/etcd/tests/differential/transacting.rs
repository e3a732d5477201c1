//! Transactions.

use etcd::pb::etcdserverpb::compare::CompareTarget;
use etcd::pb::etcdserverpb::{Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp};

use crate::say::{
    ALL, Equal, Greater, Less, NotEqual, created, delete, delete_range, differs, everything, get,
    grant, lease, modified, over, put, put_leased, range, txn, value, version, when,
};
use crate::talk::Step;
use crate::{parts, talk};

fn keys() -> Vec<Step> {
    talk![
        put("a", "1"),
        put("b", "2"),
        put("b", "3"),
        grant(7, 100),
        put_leased("c", "4", 7),
        put("e", ""),
    ]
}

/// Whether a compare holds.
fn holds(compare: Compare) -> Step {
    Step::from(txn(vec![compare], Vec::new(), Vec::new()))
}

pub fn compares_of_one_key() -> Vec<Step> {
    let targets = [
        version(0),
        version(1),
        version(2),
        created(0),
        created(2),
        created(3),
        modified(0),
        modified(2),
        modified(4),
        value(""),
        value("1"),
        value("3"),
        lease(0),
        lease(7),
        lease(-1),
    ];
    let mut steps = keys();
    for key in ["a", "b", "c", "e", "nothing"] {
        for target in &targets {
            for result in [Equal, NotEqual, Less, Greater] {
                steps.push(holds(when(key, result, target.clone())));
            }
        }
    }
    steps
}

pub fn compares_of_ranges() -> Vec<Step> {
    let ranges = [("a", "c"), ("a", "d"), ("c", "a"), ("x", "z"), (ALL, ALL), ("b", ALL)];
    let mut steps = keys();
    for (from, to) in ranges {
        for target in [version(1), created(2), modified(0), value("1"), value("9"), lease(0)] {
            for result in [Equal, NotEqual, Less, Greater] {
                steps.push(holds(over(when(from, result, target.clone()), to)));
            }
        }
    }
    steps
}

pub fn results_in_order() -> Vec<Step> {
    let is_new = |key| when(key, Equal, created(0));
    talk![
        txn(vec![], parts![], parts![]),
        txn(vec![is_new("a")], parts![put("a", "1"), get("a")], parts![get("a")]),
        txn(vec![is_new("a")], parts![put("a", "2"), get("a")], parts![get("a")]),
        txn(vec![], parts![put("b", "1"), put("c", "1"), put("d", "1")], parts![]),
        everything(),
        txn(
            vec![when("b", Equal, value("1")), when("c", Greater, version(0))],
            parts![
                DeleteRangeRequest { prev_kv: true, ..delete_range("b", "d") },
                PutRequest { prev_kv: true, ..put("d", "2") },
                range("a", "z"),
            ],
            parts![put("failed", "")],
        ),
        txn(
            vec![when("a", Equal, value("1")), when("c", Greater, version(0))],
            parts![put("wrong", "")],
            parts![delete("a"), delete("nothing")],
        ),
        txn(vec![], parts![delete("nothing")], parts![]),
        txn(vec![], parts![get("nothing")], parts![]),
        everything(),
        // The same key written in both branches, and deleted twice.
        txn(vec![], parts![put("k", "1")], parts![put("k", "2")]),
        txn(vec![], parts![delete("k"), delete("k")], parts![]),
        everything(),
    ]
}

pub fn nested() -> Vec<Step> {
    let inner = |key, result| {
        txn(
            vec![when(key, Equal, value("1"))],
            parts![put("inner", result), get(key)],
            parts![get("inner"), delete("inner")],
        )
    };
    let deep = txn(vec![], parts![txn(vec![], parts![inner("a", "deep")], parts![])], parts![]);
    talk![
        txn(vec![], parts![inner("a", "no")], parts![]),
        put("a", "1"),
        txn(vec![], parts![put("b", "1"), inner("a", "yes"), put("c", "1")], parts![]),
        // All compares are made before anything is written.
        txn(vec![], parts![put("a", "2"), inner("a", "before")], parts![]),
        txn(vec![], parts![inner("a", "after"), get("inner")], parts![]),
        put("a", "1"),
        deep.clone(),
        txn(vec![when("a", Equal, value("9"))], parts![], parts![deep]),
        txn(vec![], parts![txn(vec![], parts![], parts![])], parts![]),
        // Two nested transactions that could both write a key.
        txn(vec![], parts![inner("a", "x"), inner("a", "y")], parts![]),
        txn(vec![], parts![put("inner", "x"), inner("a", "y")], parts![]),
        txn(vec![], parts![inner("a", "x"), delete("inner")], parts![]),
        // A branch that is never taken is checked as well.
        txn(vec![], parts![], parts![put("a", "1"), put("a", "2")]),
        txn(vec![], parts![], parts![put("", "1")]),
        everything(),
    ]
}

pub fn reads_amid_writes() -> Vec<Step> {
    let at = |revision| RangeRequest { revision, ..range("a", "z") };
    talk![
        put("a", "1"),
        put("b", "1"),
        txn(
            vec![],
            parts![
                range("a", "z"),
                put("a", "2"),
                range("a", "z"),
                delete("b"),
                RangeRequest { count_only: true, ..range("a", "z") },
                put("c", "1"),
                RangeRequest { limit: 1, ..range("a", "z") },
                at(2),
                at(3),
            ],
            parts![],
        ),
        everything(),
        txn(vec![], parts![at(4)], parts![]),
        txn(vec![], parts![put("d", "1"), at(5)], parts![]),
        txn(vec![], parts![put("d", "1"), at(6)], parts![]),
        txn(vec![], parts![at(1000), put("e", "1")], parts![]),
        txn(vec![], parts![PutRequest { ignore_value: true, ..put("new", "") }], parts![]),
        txn(
            vec![],
            parts![put("f", "1"), PutRequest { ignore_value: true, ..put("new", "") }],
            parts![]
        ),
        txn(
            vec![],
            parts![put("f", "1"), PutRequest { ignore_lease: true, ..put("new", "1") }],
            parts![]
        ),
        txn(
            vec![],
            parts![PutRequest { ignore_value: true, prev_kv: true, ..put("a", "") }],
            parts![]
        ),
        txn(vec![], parts![put("g", "1"), put_leased("h", "1", 99)], parts![]),
        everything(),
    ]
}

/// Of two things that are missing, which is told.
pub fn what_is_missing_first() -> Vec<Step> {
    let both = || PutRequest { ignore_value: true, ..put_leased("new", "", 99) };
    let deep = |part| txn(vec![], parts![txn(vec![], vec![part], parts![])], parts![]);
    let key = || PutRequest { ignore_value: true, ..put("new", "") };
    let at = |revision| RangeRequest { revision, ..get("a") };
    talk![
        put("a", "1"),
        both(),
        txn(vec![], parts![both()], parts![]),
        deep(parts![both()].remove(0)),
        txn(vec![], parts![delete("a"), both()], parts![]),
        txn(vec![], parts![deep(parts![both()].remove(0))], parts![]),
        txn(vec![], parts![key(), put_leased("b", "1", 99)], parts![]),
        txn(vec![], parts![put_leased("b", "1", 99), key()], parts![]),
        txn(vec![], parts![at(1000), key()], parts![]),
        txn(vec![], parts![at(1000), put_leased("b", "1", 99)], parts![]),
        txn(vec![], parts![put_leased("b", "1", 99), deep(parts![key()].remove(0))], parts![]),
        txn(vec![], parts![deep(parts![key()].remove(0)), put_leased("b", "1", 99)], parts![]),
        txn(
            vec![],
            parts![
                txn(vec![], parts![deep(parts![get("a")].remove(0)), get("a")], parts![]),
                txn(vec![], parts![deep(parts![key()].remove(0))], parts![]),
                put_leased("b", "1", 99),
            ],
            parts![],
        ),
        everything(),
    ]
}

pub fn refused() -> Vec<Step> {
    let no_request = RequestOp { request: None };
    let no_value = Compare { target_union: None, ..when("a", Equal, version(0)) };
    let crossed =
        |target: CompareTarget| Compare { target: target.into(), ..when("a", Equal, value("1")) };
    let of_result = |result| Compare { result, ..when("a", Equal, version(0)) };
    let mut steps = talk![
        txn(vec![], parts![put("a", "1"), put("a", "2")], parts![]),
        txn(vec![], parts![put("a", "1"), delete("a")], parts![]),
        txn(vec![], parts![delete("a"), put("a", "1")], parts![]),
        txn(vec![], parts![delete_range("a", "c"), put("b", "1")], parts![]),
        txn(vec![], parts![put("b", "1"), delete_range("a", "c")], parts![]),
        txn(vec![], parts![put("c", "1"), delete_range("a", "c")], parts![]),
        txn(vec![], parts![put("b", "1"), delete_range("a", ALL)], parts![]),
        txn(vec![], parts![delete_range("a", "c"), delete_range("b", "d")], parts![]),
        txn(vec![], parts![put("", "1")], parts![]),
        txn(vec![], parts![get("")], parts![]),
        txn(vec![], parts![delete("")], parts![]),
        txn(vec![when("", Equal, version(0))], parts![], parts![]),
        txn(vec![], parts![PutRequest { ignore_value: true, ..put("a", "1") }], parts![]),
        txn(vec![], parts![PutRequest { ignore_lease: true, ..put_leased("a", "1", 7) }], parts![]),
        differs(
            txn(vec![], parts![RangeRequest { sort_order: 8, ..get("a") }], parts![]),
            "3.5 refuses an order that is none",
            "TxnResponse",
            "InvalidArgument: etcdserver: invalid sort option",
        ),
        txn(vec![], parts![no_request], parts![]),
        put("a", "1"),
        txn(vec![no_value], parts![], parts![]),
        txn(vec![of_result(4)], parts![], parts![]),
        txn(vec![of_result(-1)], parts![], parts![]),
    ];
    let targets =
        [CompareTarget::Version, CompareTarget::Create, CompareTarget::Mod, CompareTarget::Lease];
    steps.extend(targets.map(|target| Step::from(txn(vec![crossed(target)], vec![], vec![]))));
    let unknown = Compare { target: 9, ..when("a", Equal, version(1)) };
    steps.push(Step::from(txn(vec![unknown], vec![], vec![])));
    steps.push(Step::from(everything()));
    steps
}

pub fn too_many_operations() -> Vec<Step> {
    let puts = |count: usize| -> Vec<RequestOp> {
        (0..count).flat_map(|number| parts![put(&format!("k{number}"), "v")]).collect()
    };
    let compares = |count: usize| -> Vec<Compare> {
        (0..count).map(|_| when("a", Equal, version(0))).collect()
    };
    talk![
        txn(vec![], puts(128), vec![]),
        txn(vec![], puts(129), vec![]),
        txn(vec![], vec![], puts(129)),
        txn(compares(128), vec![], vec![]),
        txn(compares(129), vec![], vec![]),
        txn(vec![], parts![txn(vec![], puts(129), vec![])], vec![]),
        txn(vec![], parts![txn(vec![], puts(100), vec![]), put("a", "1")], puts(28)),
        RangeRequest { count_only: true, ..everything() },
    ]
}
