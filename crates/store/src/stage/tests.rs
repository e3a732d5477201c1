//! Transactions on a stage.

use std::time::Duration;

use super::*;
use crate::{Compare, Range, Relation, Target};

const LEASE: LeaseId = LeaseId(7);

fn put(key: &'static str, value: &'static str) -> Txn {
    Txn::new().then(Op::put(key, value))
}

#[test]
fn transactions_of_one_group_see_each_other_and_the_space_does_not() {
    let space = Space::new();
    let mut stage = Stage::new(&space);
    stage.run(&put("a", "1")).unwrap();
    let reply = stage.run(&Txn::new().when(Compare::absent("a")).then(Op::put("a", "2"))).unwrap();
    assert!(!reply.succeeded);
    assert_eq!(reply.revision, Revision(2));
    let reply =
        stage.run(&Txn::new().when(Compare::version("a", 1)).then(Op::put("a", "3"))).unwrap();
    assert_eq!((reply.succeeded, reply.revision), (true, Revision(3)));
    assert_eq!(space.get(b"a"), None);
}

#[test]
fn a_range_in_a_transaction_sees_the_steps_before_it() {
    let mut space = Space::new();
    let mut stage = Stage::new(&space);
    stage.run(&Txn { success: vec![Op::put("a", "1"), Op::put("b", "1")], ..Txn::new() }).unwrap();
    let batches = stage.finish().batches;
    batches.into_iter().for_each(|batch| space.apply(batch));
    let mut stage = Stage::new(&space);
    let all = Op::range(Range::all(), 0);
    let reply =
        stage.run(&Txn::new().then(Op::delete("a")).then(Op::put("c", "1")).then(all)).unwrap();
    let Some(OpReply::Range(found)) = reply.results.last() else { panic!("no range reply") };
    let keys: Vec<_> = found.entries.iter().map(|kv| kv.key.clone()).collect();
    assert_eq!(keys, ["b", "c"]);
}

#[test]
fn a_transaction_that_changes_nothing_takes_no_revision() {
    let space = Space::new();
    let mut stage = Stage::new(&space);
    let reply = stage.run(&Txn::new().then(Op::delete("nothing"))).unwrap();
    assert_eq!(reply.revision, Revision::FIRST);
    assert!(stage.finish().batches.is_empty());
}

#[test]
fn a_key_created_again_starts_over() {
    let space = Space::new();
    let mut stage = Stage::new(&space);
    for txn in [put("a", "1"), put("a", "2"), Txn::new().then(Op::delete("a"))] {
        stage.run(&txn).unwrap();
    }
    let reply = stage.run(&put("a", "3")).unwrap();
    let [OpReply::Put { kv, prev: None }] = &reply.results[..] else { panic!("{reply:?}") };
    assert_eq!((kv.version, kv.create_revision), (1, Revision(5)));
}

/// A key space after some transactions, one for each.
fn space_after(txns: &[Txn]) -> Space {
    let mut space = Space::new();
    let mut stage = Stage::new(&space);
    stage.grant(LEASE, Duration::from_secs(60)).unwrap();
    for txn in txns {
        stage.run(txn).unwrap();
    }
    let Staged { batches, settings } = stage.finish();
    batches.into_iter().for_each(|batch| space.apply(batch));
    settings.into_iter().for_each(|setting| space.set(setting));
    space
}

fn keys(reply: &OpReply) -> Vec<String> {
    let OpReply::Range(found) = reply else { panic!("{reply:?}") };
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    found.entries.iter().map(|kv| format!("{}={}", text(&kv.key), text(&kv.value))).collect()
}

#[test]
fn nested_transactions_share_a_revision_and_compare_with_what_was_before() {
    let space = space_after(&[put("a", "1")]);
    let mut stage = Stage::new(&space);
    let inner = Txn::new().when(Compare::absent("b")).then(Op::put("c", "1"));
    let inner = inner.otherwise(Op::put("c", "2")).otherwise(Op::range(Range::all(), 0));
    let outer = Txn::new().when(Compare::exists("a")).then(Op::put("b", "1"));
    let reply = stage.run(&outer.then(Op::txn(inner)).then(Op::delete("a"))).unwrap();
    assert_eq!((reply.succeeded, reply.revision), (true, Revision(3)));
    let OpReply::Txn(nested) = &reply.results[1] else { panic!("{reply:?}") };
    assert!(nested.succeeded, "b was not there before");
    let batches = stage.finish().batches;
    let events: Vec<_> = batches[0].events.iter().map(|event| event.kv.key.clone()).collect();
    assert_eq!((batches.len(), events), (1, vec!["b".into(), "c".into(), "a".into()]));
}

#[test]
fn a_key_may_be_put_and_then_deleted_by_two_nested_transactions() {
    let mut space = space_after(&[put("a", "1")]);
    let mut stage = Stage::new(&space);
    let (first, second) = (Txn::new().then(Op::put("a", "2")), Txn::new().then(Op::delete("a")));
    let txn = Txn::new().then(Op::txn(first)).then(Op::txn(second));
    assert!(!txn.writes_a_key_twice());
    stage.run(&txn).unwrap();
    stage.finish().batches.into_iter().for_each(|batch| space.apply(batch));
    assert_eq!(space.get(b"a"), None);
    let before = space.range(&Range::all(), Some(Revision(2)), 0).unwrap();
    assert_eq!(before.entries[0].value, "1");
    space.compact(Revision(3));
    assert_eq!(space.count(&Range::all(), Some(Revision(3))), Ok(0));
}

#[test]
fn a_put_may_keep_the_value_or_the_lease() {
    let space = space_after(&[Txn::new().then(Op::put_leased("a", "1", LEASE))]);
    let mut stage = Stage::new(&space);
    let op = |value: Option<&'static str>, lease| {
        let value = value.map(Bytes::from);
        Txn::new().then(Op::Put { key: "a".into(), value, lease })
    };
    for (txn, value, lease, version) in [
        (op(Some("2"), None), "2", LEASE, 2),
        (op(None, Some(LeaseId::NONE)), "2", LeaseId::NONE, 3),
        (op(None, None), "2", LeaseId::NONE, 4),
        (op(None, Some(LEASE)), "2", LEASE, 5),
    ] {
        let reply = stage.run(&txn).unwrap();
        let [OpReply::Put { kv, .. }] = &reply.results[..] else { panic!("{reply:?}") };
        assert_eq!((&kv.value[..], kv.lease, kv.version), (value.as_bytes(), lease, version));
    }
}

#[test]
fn a_transaction_that_cannot_be_done_as_a_whole_does_nothing() {
    let space = space_after(&[put("a", "1")]);
    let mut stage = Stage::new(&space);
    let keep = |key: &'static str| Op::Put { key: key.into(), value: None, lease: None };
    let at = |at| Op::Range { range: Range::all(), limit: 0, at: Some(Revision(at)) };
    let refused = [
        (Op::txn(Txn::new().then(keep("b"))), WriteError::KeyNotFound),
        (Op::put_leased("b", "1", LeaseId(99)), WriteError::LeaseNotFound),
        (at(3), WriteError::Read(ReadError::Future { head: Revision(2) })),
    ];
    for (op, error) in refused {
        assert_eq!(stage.run(&put("c", "1").then(op)), Err(error));
    }
    // What is not taken is not looked at.
    let taken = Txn::new().when(Compare::exists("a")).otherwise(keep("b")).otherwise(at(9));
    assert!(stage.run(&taken).unwrap().succeeded);
    assert!(stage.finish().batches.is_empty());
}

#[test]
fn ranges_at_a_revision_see_what_is_not_durable_yet_but_not_their_own_transaction() {
    let space = space_after(&[put("a", "1"), put("a", "2")]);
    let mut stage = Stage::new(&space);
    stage.run(&put("b", "3")).unwrap();
    stage.run(&put("c", "4").then(Op::delete("b"))).unwrap();
    let at = |at| Op::Range { range: Range::all(), limit: 0, at: Some(Revision(at)) };
    let txn = put("d", "5").then(at(2)).then(at(3)).then(at(4)).then(at(5)).then(at(0));
    let results = stage.run(&txn).unwrap().results;
    let found: Vec<_> = results[1..].iter().map(keys).collect();
    let expected: [&[&str]; 5] =
        [&["a=1"], &["a=2"], &["a=2", "b=3"], &["a=2", "c=4"], &["a=2", "c=4", "d=5"]];
    assert_eq!(found, expected);
}

#[test]
fn what_is_compacted_in_the_same_group_cannot_be_read() {
    let space = space_after(&[put("a", "1"), put("a", "2")]);
    let mut stage = Stage::new(&space);
    stage.compact(Revision(3));
    let read = Op::Range { range: Range::all(), limit: 0, at: Some(Revision(2)) };
    let compacted = ReadError::Compacted { compacted: Revision(3) };
    assert_eq!(stage.run(&Txn::new().then(read)), Err(WriteError::Read(compacted)));
}

#[test]
fn ending_a_lease_finds_the_keys_as_the_group_left_them() {
    let attached = |key: &'static str| Txn::new().then(Op::put_leased(key, "1", LEASE));
    let space = space_after(&[attached("a"), attached("b")]);
    let mut stage = Stage::new(&space);
    stage.run(&put("a", "detached")).unwrap();
    stage.run(&attached("c")).unwrap();
    stage.revoke(LEASE).unwrap();
    assert_eq!(stage.run(&attached("d")), Err(WriteError::LeaseNotFound));
    assert_eq!(stage.revoke(LEASE), Err(WriteError::LeaseNotFound));
    stage.grant(LEASE, Duration::from_secs(1)).unwrap();
    assert_eq!(stage.run(&attached("d")).map(|reply| reply.revision), Ok(Revision(7)));
    let batches = stage.finish().batches;
    let deleted: Vec<_> = batches[2].events.iter().map(|event| event.kv.key.clone()).collect();
    assert_eq!(deleted, ["b", "c"]);
}

#[test]
fn a_compare_over_a_range_sees_the_group() {
    let space = space_after(&[put("a/1", "x"), put("a/2", "x")]);
    let mut stage = Stage::new(&space);
    let all_new = Compare::over(Range::prefix("a/"), Target::Version(1), Relation::Equal);
    let txn = Txn::new().when(all_new.clone());
    assert!(stage.run(&txn).unwrap().succeeded);
    stage.run(&put("a/2", "y")).unwrap();
    assert!(!stage.run(&txn).unwrap().succeeded);
    stage.run(&Txn::new().then(Op::delete_range(Range::all()))).unwrap();
    let absent = Compare::over(Range::prefix("a/"), Target::Version(0), Relation::Equal);
    assert!(stage.run(&Txn::new().when(absent)).unwrap().succeeded);
    let no_value = Compare::over(Range::all(), Target::Value("z".into()), Relation::NotEqual);
    assert!(!stage.run(&Txn::new().when(no_value)).unwrap().succeeded);
}
