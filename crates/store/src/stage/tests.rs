//! Transactions on a stage.

use super::*;
use crate::{Compare, Range};

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
