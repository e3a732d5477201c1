use std::collections::HashMap;
use std::time::Duration;

use super::*;
use crate::{Op, Options, Store, Txn};

async fn put(store: &Store, key: String) -> Revision {
    store.commit(Txn::new().then(Op::put(key, "v"))).await.unwrap().revision
}

/// The revisions that each watch gets until nothing is left.
async fn drain(set: &mut WatchSet) -> HashMap<u64, Vec<u64>> {
    let mut seen: HashMap<u64, Vec<u64>> = HashMap::new();
    while set.progress().is_none() {
        let next = tokio::time::timeout(Duration::from_millis(200), set.next()).await;
        let Ok(found) = next else { break };
        let (token, changes) = found.unwrap();
        let revisions = changes.unwrap().batches.into_iter().map(|batch| batch.revision.0);
        seen.entry(token).or_default().extend(revisions);
    }
    seen
}

#[tokio::test]
async fn each_watch_gets_what_concerns_it_once_and_in_order() {
    let store = Store::in_memory();
    let mut set = store.watch_set();
    for token in 0..1_000 {
        set.add(token, Range::prefix(format!("k{token}/")), Revision::NONE).unwrap();
    }
    set.add(5_000, Range::all(), Revision::NONE).unwrap();
    assert_eq!((set.len(), store.watchers()), (1_001, 1_001));
    for key in ["k7/a", "k999/a", "k7/b", "other"] {
        put(&store, key.to_owned()).await;
    }
    let seen = drain(&mut set).await;
    assert_eq!(seen[&7], [2, 4]);
    assert_eq!(seen[&999], [3]);
    assert_eq!(seen[&5_000], [2, 3, 4, 5]);
    assert_eq!(seen.len(), 3, "nobody else was woken");
    assert_eq!(set.progress(), Some(Revision(5)));
    drop(set);
    assert_eq!(store.watchers(), 0);
}

#[tokio::test]
async fn a_watch_in_the_past_catches_up_in_portions_while_others_have_their_turn() {
    let store = Store::in_memory();
    for n in 0..2_500 {
        put(&store, format!("k{n}")).await;
    }
    let mut set = store.watch_set();
    set.add(1, Range::prefix("k"), Revision(2)).unwrap();
    set.add(2, Range::prefix("k2499"), Revision(2)).unwrap();
    let (token, changes) = set.next().await.unwrap();
    let changes = changes.unwrap();
    assert_eq!((token, changes.batches.len()), (1, 1_000));
    assert_eq!(changes.through, Revision(1_001), "no more than was handed out");
    assert_eq!(set.progress(), None);
    assert_eq!(set.progress_of(1), Some(Revision(1_001)));
    let seen = drain(&mut set).await;
    assert_eq!(seen[&1], (1_002..=2_501).collect::<Vec<_>>());
    assert_eq!(seen[&2], [2_501]);
}

#[tokio::test]
async fn a_watch_that_is_removed_or_replaced_gets_no_more() {
    let store = Store::in_memory();
    let mut set = store.watch_set();
    set.add(1, Range::key("a"), Revision::NONE).unwrap();
    set.add(2, Range::key("a"), Revision::NONE).unwrap();
    put(&store, "a".into()).await;
    assert!(set.remove(1));
    assert!(!set.remove(1));
    set.add(2, Range::key("b"), Revision::NONE).unwrap();
    assert_eq!(drain(&mut set).await, HashMap::new());
    put(&store, "b".into()).await;
    assert_eq!(drain(&mut set).await[&2], [3]);
}

#[tokio::test]
async fn a_watch_that_fell_behind_is_told_and_the_others_go_on() {
    let store = Store::open(
        tempfile::tempdir().unwrap().path(),
        Options { history_revisions_max: 10, ..Options::default() },
    )
    .unwrap();
    let mut set = store.watch_set();
    set.add(1, Range::prefix("busy"), Revision::NONE).unwrap();
    set.add(2, Range::prefix("quiet"), Revision::NONE).unwrap();
    for _ in 0..50 {
        put(&store, "busy".into()).await;
    }
    assert_eq!(set.next().await.unwrap(), (1, Err(WatchError::Lagged)));
    assert_eq!(set.len(), 1);
    let compacted = store.compacted();
    let late = set.add(3, Range::all(), Revision(2));
    assert_eq!(late, Err(WatchError::Compacted { compacted }));
    let last = put(&store, "quiet".into()).await;
    assert_eq!(drain(&mut set).await[&2], [last.0]);
}

#[tokio::test]
async fn a_watch_may_start_in_the_future_and_is_never_ahead_of_the_head() {
    let store = Store::in_memory();
    let mut set = store.watch_set();
    set.add(1, Range::all(), Revision(3)).unwrap();
    assert_eq!(set.progress_of(1), Some(Revision(1)));
    put(&store, "a".into()).await;
    put(&store, "b".into()).await;
    assert_eq!(drain(&mut set).await[&1], [3]);
}

#[tokio::test]
async fn a_set_ends_with_the_store_after_all_was_handed_out() {
    let store = Store::in_memory();
    let mut set = store.watch_set();
    set.add(1, Range::all(), Revision::NONE).unwrap();
    put(&store, "a".into()).await;
    store.clone().close().await;
    assert_eq!(set.next().await.unwrap().0, 1);
    assert_eq!(set.next().await, Err(WatchError::Closed));
    assert_eq!(set.add(2, Range::all(), Revision::NONE), Err(WatchError::Closed));
}
