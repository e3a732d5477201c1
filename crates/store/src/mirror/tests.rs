use std::time::Duration;

use super::*;
use crate::{Compare, Op, ReadError, Store, WatchError};

const SOON: Duration = Duration::from_secs(20);

pub(crate) fn blank() -> KeyValue {
    KeyValue::deleted(Bytes::new(), Revision::NONE)
}

fn kv(key: &'static str, value: &'static str, revision: u64) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: value.into(),
        create_revision: Revision(revision),
        mod_revision: Revision(revision),
        version: 1,
        ..blank()
    }
}

fn put(revision: u64, key: &'static str, value: &'static str) -> Batch {
    let event = Event { kind: EventKind::Put, kv: kv(key, value, revision), prev: None };
    Batch { revision: Revision(revision), events: vec![event] }
}

fn delete(revision: u64, key: &'static str) -> Batch {
    let event = Event {
        kind: EventKind::Delete,
        kv: KeyValue::deleted(key.into(), Revision(revision)),
        prev: None,
    };
    Batch { revision: Revision(revision), events: vec![event] }
}

/// At revision 10, with a=1 (of 4) and b=1 (of 7).
fn mirrored() -> (Store, Mirror) {
    let (store, mirror) = Store::mirrored(Options::default());
    mirror.reset(vec![kv("a", "1", 4), kv("b", "1", 7)], Revision(10));
    (store, mirror)
}

/// The next changes as `revision: a=1 -b`.
async fn next(watcher: &mut crate::Watcher) -> String {
    let next = tokio::time::timeout(SOON, watcher.next()).await.expect("in time");
    let batch = match next {
        Ok(batch) => batch,
        Err(error) => return format!("{error:?}"),
    };
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let events = batch.events.iter().map(|event| match event.kind {
        EventKind::Put => format!("{}={}", text(&event.kv.key), text(&event.kv.value)),
        EventKind::Delete => format!("-{}", text(&event.kv.key)),
    });
    format!("{}: {}", batch.revision, events.collect::<Vec<_>>().join(" "))
}

#[tokio::test]
async fn a_mirror_is_read_and_watched_like_any_store_and_revisions_may_have_gaps() {
    let (store, mirror) = mirrored();
    let mut watcher = store.watch(Range::all(), Revision::NONE).unwrap();
    let mut other = store.watch(Range::key("z"), Revision(12)).unwrap();
    mirror.apply(put(15, "a", "2"));
    mirror.apply(delete(19, "b"));
    mirror.progress(Revision(30));
    assert_eq!(next(&mut watcher).await, "15: a=2");
    assert_eq!(next(&mut watcher).await, "19: -b");
    assert_eq!(watcher.progress(), Revision(30));
    assert_eq!((store.revision(), store.compacted()), (Revision(30), Revision(10)));
    let at = |revision| store.range(&Range::all(), Some(Revision(revision)), 0).map(|r| r.count);
    assert_eq!((at(14), at(18), at(19), at(30)), (Ok(2), Ok(2), Ok(1), Ok(1)));
    assert_eq!(at(31), Err(ReadError::Future { head: Revision(30) }));
    let mut late = store.watch(Range::all(), Revision(16)).unwrap();
    assert_eq!(next(&mut late).await, "19: -b");
    mirror.apply(put(40, "z", "1"));
    assert_eq!(next(&mut other).await, "40: z=1");
}

#[tokio::test]
async fn a_watcher_of_a_quiet_range_sleeps_through_gaps() {
    let (store, mirror) = mirrored();
    mirror.progress(Revision(20));
    let mut watcher = store.watch(Range::key("z"), Revision(12)).unwrap();
    let idle = tokio::time::timeout(Duration::from_millis(50), watcher.next()).await;
    assert!(idle.is_err(), "{idle:?}");
    assert_eq!(watcher.progress(), Revision(20));
}

#[tokio::test]
async fn events_carry_what_was_before_and_nothing_happens_twice() {
    let (store, mirror) = mirrored();
    let mut watcher = store.watch(Range::all(), Revision::NONE).unwrap();
    mirror.apply(put(11, "a", "2"));
    mirror.apply(put(11, "a", "2"));
    mirror.apply(put(9, "a", "0"));
    mirror.apply(delete(12, "nothing"));
    mirror.apply(delete(13, "a"));
    let batch = watcher.next().await.unwrap();
    assert_eq!(batch.events[0].prev, Some(kv("a", "1", 4)));
    let batch = watcher.next().await.unwrap();
    assert_eq!((batch.revision, &batch.events[0].prev), (Revision(13), &Some(kv("a", "2", 11))));
    assert_eq!(store.get(b"a"), None);
}

#[tokio::test]
async fn after_a_gap_watchers_are_told_what_differs_and_go_on() {
    let (store, mirror) = mirrored();
    let mut watcher = store.watch(Range::all(), Revision::NONE).unwrap();
    mirror.apply(put(11, "c", "1"));
    mirror.reset(vec![kv("a", "1", 4), kv("d", "1", 20), kv("e", "1", 18)], Revision(25));
    for expected in ["11: c=1", "18: e=1", "20: d=1", "25: -b -c"] {
        assert_eq!(next(&mut watcher).await, expected);
    }
    mirror.apply(put(26, "a", "2"));
    assert_eq!(next(&mut watcher).await, "26: a=2");
    let from = |revision| store.watch(Range::all(), Revision(revision)).map(drop);
    let compacted = Revision(25);
    assert_eq!(from(20), Err(WatchError::Compacted { compacted }), "not all of it was seen");
    assert_eq!(from(26), Ok(()));
    let read = store.range(&Range::all(), Some(Revision(20)), 0);
    assert_eq!(read, Err(ReadError::Compacted { compacted }));
}

#[tokio::test]
async fn when_the_store_behind_goes_back_watchers_end_and_all_is_new() {
    let (store, mirror) = mirrored();
    let mut watcher = store.watch(Range::all(), Revision::NONE).unwrap();
    let mut export = store.export();
    mirror.reset(vec![kv("x", "1", 3)], Revision(5));
    let mut new = store.watch(Range::all(), Revision::NONE).unwrap();
    assert_eq!(next(&mut watcher).await, "Lagged");
    drop(watcher);
    assert!(export.next_page().is_err());
    mirror.apply(put(6, "y", "1"));
    assert_eq!(next(&mut new).await, "6: y=1");
    assert_eq!(store.range(&Range::all(), None, 0).unwrap().count, 2);
}

#[tokio::test]
async fn writes_are_requests_to_the_feeder() {
    let (store, mirror) = mirrored();
    let txn = Txn::new().when(Compare::absent("c")).then(Op::put("c", "1"));
    let commit = tokio::spawn({
        let store = store.clone();
        async move { store.commit(txn).await }
    });
    let Some(Request::Commit(txn, answer)) = mirror.next().await else { panic!("no request") };
    assert_eq!((txn.compares.len(), txn.success.len()), (1, 1));
    mirror.apply(put(12, "c", "1"));
    answer.send(Err(WriteError::Deposed));
    assert_eq!(commit.await.unwrap(), Err(WriteError::Deposed));
}

#[tokio::test]
async fn the_store_is_closed_by_its_handles_or_by_the_feeder() {
    let (store, mirror) = mirrored();
    let mut watcher = store.watch(Range::all(), Revision::NONE).unwrap();
    let closing = tokio::spawn(store.clone().close());
    assert!(mirror.next().await.is_none());
    mirror.close();
    tokio::time::timeout(SOON, closing).await.expect("in time").unwrap();
    assert_eq!(next(&mut watcher).await, "Closed");
    assert_eq!(store.commit(Txn::new().then(Op::put("a", "2"))).await, Err(WriteError::Closed));
}

#[tokio::test]
async fn another_store_at_the_same_revision_is_a_new_beginning_too() {
    let (store, mirror) = mirrored();
    let mut watcher = store.watch(Range::all(), Revision::NONE).unwrap();
    mirror.reset(vec![kv("a", "1", 4), kv("b", "1", 7)], Revision(10));
    assert_eq!(watcher.progress(), Revision(10), "it is the same store");
    mirror.reset(vec![kv("x", "1", 3)], Revision(10));
    assert_eq!(next(&mut watcher).await, "Lagged");
    assert_eq!(store.range(&Range::all(), None, 0).unwrap().count, 1);
}

#[tokio::test]
async fn history_grows_no_older_than_the_options_say() {
    let history_age_max = Some(Duration::from_millis(30));
    let (store, mirror) = Store::mirrored(Options { history_age_max, ..Options::default() });
    mirror.reset(vec![kv("a", "1", 4)], Revision(10));
    mirror.apply(put(11, "a", "2"));
    mirror.apply(put(12, "a", "3"));
    let begun = std::time::Instant::now();
    while store.compacted() < Revision(11) {
        assert!(begun.elapsed() < SOON, "not in time");
        mirror.progress(Revision(12));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(store.get(b"a").unwrap().value, "3");
}
