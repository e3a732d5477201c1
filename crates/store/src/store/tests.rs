//! The store as a whole, on memory that can fail.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::log_store::{Fault, Faulty};
use crate::{Batch, Compare, EventKind, Op};

mod bounds;
mod disk;
mod leases;

const SOON: Duration = Duration::from_secs(20);

/// Segments and history so small that a hundred writes rotate, compact and take snapshots.
fn small() -> Options {
    Options {
        history_revisions_max: 16,
        history_bytes_max: 1 << 20,
        segment_bytes: 512,
        snapshot_after_bytes: 2_048,
        ..Options::default()
    }
}

fn open(files: &Faulty, options: Options) -> Store {
    Store::open_on(Arc::new(files.clone()), options).expect("the files are good")
}

fn put(key: impl Into<String>, value: impl Into<String>) -> Txn {
    Txn::new().then(Op::put(key.into(), value.into()))
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.expect("this should not take so long")
}

/// Waits for a condition that another thread brings about.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

fn content(store: &Store) -> Vec<(String, String)> {
    let reply = store.range(&Range::all(), None, 0).unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    reply.entries.iter().map(|kv| (text(&kv.key), text(&kv.value))).collect()
}

#[tokio::test]
async fn a_write_is_there_when_commit_returns_and_after_reopening() {
    let files = Faulty::default();
    let store = open(&files, Options::default());
    assert_eq!(store.revision(), Revision(1));
    let reply = store.commit(put("a", "1")).await.unwrap();
    assert_eq!((reply.succeeded, reply.revision), (true, Revision(2)));
    let written = store.get(b"a").unwrap();
    store.close().await;
    let store = open(&files.after_crash(0), Options::default());
    assert_eq!(store.get(b"a"), Some(written));
    assert_eq!(store.commit(put("a", "2")).await.unwrap().revision, Revision(3));
    assert_eq!(store.get(b"a").unwrap().version, 2);
}

#[tokio::test]
async fn only_one_of_many_creators_of_a_key_wins() {
    let store = Store::in_memory();
    let create = |n: usize| {
        let store = store.clone();
        let txn = put("leader", n.to_string()).when(Compare::absent("leader"));
        async move { store.commit(txn).await.unwrap().succeeded }
    };
    let mut tasks: Vec<_> = (0..32).map(|n| tokio::spawn(create(n))).collect();
    let mut winners = 0;
    for task in &mut tasks {
        winners += usize::from(task.await.unwrap());
    }
    assert_eq!((winners, store.revision()), (1, Revision(2)));
}

#[tokio::test]
async fn transactions_that_cannot_be_are_refused_at_once() {
    let store = Store::in_memory();
    let twice = put("a", "1").then(Op::delete("a"));
    assert_eq!(store.commit(twice).await, Err(WriteError::DuplicateKey));
    let large = Txn::new().then(Op::put("a", vec![0; TXN_BYTES_MAX]));
    assert_eq!(store.commit(large).await, Err(WriteError::TooLarge));
    assert_eq!(store.revision(), Revision::FIRST);
}

#[tokio::test]
async fn a_compaction_that_was_asked_for_survives_reopening() {
    let files = Faulty::default();
    let store = open(&files, Options::default());
    for n in 0..5 {
        store.commit(put("a", n.to_string())).await.unwrap();
    }
    assert_eq!(store.compact(Revision(9)).await, Err(CompactError::Future { head: Revision(6) }));
    store.compact(Revision(4)).await.unwrap();
    let compacted = CompactError::Compacted { compacted: Revision(4) };
    assert_eq!(store.compact(Revision(4)).await, Err(compacted));
    store.close().await;
    let store = open(&files, Options::default());
    assert_eq!(store.compacted(), Revision(4));
    let error = ReadError::Compacted { compacted: Revision(4) };
    assert_eq!(store.range(&Range::all(), Some(Revision(3)), 0), Err(error));
    assert!(store.range(&Range::all(), Some(Revision(4)), 0).is_ok());
}

#[tokio::test]
async fn a_watcher_gets_the_past_and_then_the_present_of_its_range() {
    let store = Store::in_memory();
    store.commit(put("a/1", "x")).await.unwrap();
    store.commit(put("b/1", "x")).await.unwrap();
    store.commit(Txn::new().then(Op::delete("a/1")).then(Op::put("b/2", "x"))).await.unwrap();
    let mut watcher = store.watch(Range::prefix("a/"), Revision(2)).unwrap();
    let seen = |batch: &Batch| {
        let event = &batch.events[0];
        (batch.revision.0, batch.events.len(), event.kind, event.prev.is_some())
    };
    assert_eq!(seen(&soon(watcher.next()).await.unwrap()), (2, 1, EventKind::Put, false));
    assert_eq!(watcher.progress(), Revision(2));
    assert_eq!(seen(&soon(watcher.next()).await.unwrap()), (4, 1, EventKind::Delete, true));
    let (batch, _) = tokio::join!(soon(watcher.next()), store.commit(put("a/2", "y")));
    assert_eq!(seen(&batch.unwrap()), (5, 1, EventKind::Put, false));
}

#[tokio::test]
async fn progress_of_an_idle_watcher_follows_the_head() {
    let store = Store::in_memory();
    let mut watcher = store.watch(Range::prefix("a/"), Revision::NONE).unwrap();
    for _ in 0..3 {
        store.commit(put("b", "x")).await.unwrap();
    }
    assert_eq!(watcher.progress(), Revision(4));
    store.commit(put("a/1", "x")).await.unwrap();
    store.commit(put("b", "x")).await.unwrap();
    assert_eq!(watcher.progress(), Revision(1), "revision 5 was not handed out");
    soon(watcher.next()).await.unwrap();
    assert_eq!(watcher.progress(), Revision(6));
}

#[tokio::test]
async fn a_quiet_watcher_outlives_compaction_and_a_slow_one_is_told() {
    let store = open(&Faulty::default(), small());
    let mut quiet = store.watch(Range::key("quiet"), Revision::NONE).unwrap();
    let mut slow = store.watch(Range::prefix("k"), Revision::NONE).unwrap();
    for n in 0..100 {
        store.commit(put(format!("k{n}"), "x")).await.unwrap();
    }
    store.commit(put("quiet", "x")).await.unwrap();
    assert_eq!(soon(quiet.next()).await.unwrap().revision, Revision(102));
    assert_eq!(quiet.progress(), Revision(102));
    assert_eq!(soon(slow.next()).await, Err(WatchError::Lagged));
    let compacted = store.compacted();
    let from = |revision| store.watch(Range::all(), revision).map(drop);
    let below = Revision(compacted.0 - 1);
    assert_eq!(from(below), Err(WatchError::Compacted { compacted }));
    assert_eq!(from(compacted), Ok(()));
}

#[tokio::test]
async fn a_watcher_may_start_in_the_future() {
    let store = Store::in_memory();
    let mut watcher = store.watch(Range::all(), Revision(4)).unwrap();
    for value in ["2", "3", "4"] {
        store.commit(put("a", value)).await.unwrap();
    }
    let batch = soon(watcher.next()).await.unwrap();
    assert_eq!((batch.revision, &batch.events[0].kv.value[..]), (Revision(4), &b"4"[..]));
}

#[tokio::test]
async fn closing_ends_writes_and_watches_and_frees_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let mut watcher = store.watch(Range::all(), Revision::NONE).unwrap();
    store.commit(put("a", "1")).await.unwrap();
    let other = store.clone();
    match Store::open(dir.path(), Options::default()).map(drop) {
        Err(OpenError::InUse { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    store.close().await;
    assert_eq!(other.commit(put("a", "2")).await, Err(WriteError::Closed));
    assert!(soon(watcher.next()).await.is_ok(), "what was written before is still handed out");
    assert_eq!(soon(watcher.next()).await, Err(WatchError::Closed));
    assert_eq!(other.watch(Range::all(), Revision::NONE).map(drop), Err(WatchError::Closed));
    Store::open(dir.path(), Options::default()).unwrap().close().await;
}

#[tokio::test]
async fn a_thousand_watchers_share_signals_and_get_every_event() {
    let store = Store::in_memory();
    let mut watchers: Vec<_> = (0..1_000)
        .map(|n| store.watch(Range::prefix(format!("k{}/", n % 10)), Revision::NONE).unwrap())
        .collect();
    assert_eq!(store.shared.watched().len(), 10);
    for n in 0..50 {
        store.commit(put(format!("k{}/x", n % 10), n.to_string())).await.unwrap();
    }
    for watcher in &mut watchers {
        for _ in 0..5 {
            soon(watcher.next()).await.unwrap();
        }
        assert_eq!(watcher.progress(), store.revision());
    }
    assert_eq!(store.watchers(), 1_000);
    drop(watchers);
    assert_eq!((store.watchers(), store.shared.watched().len()), (0, 0));
}
