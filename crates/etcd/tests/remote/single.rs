//! One member, and everything in order.

use std::time::Duration;

use etcd::pb::etcdserverpb::{CompactionRequest, PutRequest, RangeRequest};
use etcd::remote::RemoteConfig;
use store::{Compare, LeaseId, Op, OpReply, Range, ReadError, Revision, Txn, WriteError};

use crate::etcd_process::{is_missing, start, urls};
use crate::support::{next, open, open_as, put, soon, text, until, value};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_in_etcd_is_written_read_and_watched_like_any() {
    if is_missing("a_store_in_etcd_is_written_read_and_watched_like_any") {
        return;
    }
    let members = start(1).await;
    let store = open(urls(&members)).await.store;
    let mut watcher = store.watch(Range::all(), Revision::NONE).unwrap();
    let first = store.commit(put("a", "1").then(Op::put("b/x", "1"))).await.unwrap().revision;
    assert_eq!(store.get(b"a").unwrap().mod_revision, first, "a write is there at once");
    assert_eq!(next(&mut watcher).await, (first, "a=1 b/x=1".into()));
    let guarded = |revision| put("a", "2").when(Compare::mod_revision("a", revision));
    let refused = store.commit(guarded(Revision(1)).otherwise(Op::range(Range::key("a"), 0))).await;
    let refused = refused.unwrap();
    let [OpReply::Range(found)] = &refused.results[..] else { panic!("{refused:?}") };
    assert_eq!((refused.succeeded, text(&found.entries[0].value)), (false, "1".into()));
    let reply = store.commit(guarded(first)).await.unwrap();
    let [OpReply::Put { kv, prev: Some(prev) }] = &reply.results[..] else { panic!("{reply:?}") };
    assert_eq!(Some(kv), store.get(b"a").as_ref());
    assert_eq!((kv.version, prev.mod_revision), (2, first));
    assert_eq!(next(&mut watcher).await, (reply.revision, "a=2".into()));
    let reply = store.commit(Txn::new().then(Op::delete_range(Range::all()))).await.unwrap();
    assert_eq!(next(&mut watcher).await, (reply.revision, "-a -b/x".into()));
    let past = store.range(&Range::all(), Some(first), 0).unwrap();
    assert_eq!(past.count, 2, "the past can be read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_lies_under_the_prefix_and_nothing_else_is_touched() {
    if is_missing("what_is_written_lies_under_the_prefix_and_nothing_else_is_touched") {
        return;
    }
    let members = start(1).await;
    let mut client = members[0].client().await;
    for key in ["/other", "/sampan0", "/sampan/data0"] {
        let put = PutRequest { key: key.into(), value: "x".into(), ..PutRequest::default() };
        client.put(put).await.unwrap();
    }
    let store = open(urls(&members)).await.store;
    store.commit(put("zoo", "1").then(Op::put("\u{7f}", "1"))).await.unwrap();
    store.commit(Txn::new().then(Op::delete_range(Range::starting_at("zoo")))).await.unwrap();
    store.commit(put("zebra", "1")).await.unwrap();
    let all = RangeRequest { key: "\0".into(), range_end: "\0".into(), ..Default::default() };
    let found = client.range(all).await.unwrap().into_inner().kvs;
    let found: Vec<_> = found.iter().map(|kv| text(&kv.key)).collect();
    let expected = ["/other", "/sampan/data/zebra", "/sampan/data0", "/sampan/leader", "/sampan0"];
    assert_eq!(found, expected);
    assert_eq!(store.range(&Range::all(), None, 0).unwrap().count, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_etcd_would_refuse_is_refused_by_its_name() {
    if is_missing("what_etcd_would_refuse_is_refused_by_its_name") {
        return;
    }
    let members = start(1).await;
    let store = open(urls(&members)).await.store;
    let many =
        Txn { success: (0..200).map(|n| Op::put(format!("{n}"), "")).collect(), ..Txn::new() };
    assert_eq!(store.commit(many).await, Err(WriteError::TooLarge));
    let large = || Txn::new().then(Op::put("a", vec![0; 1_600_000]));
    assert_eq!(store.commit(large()).await, Err(WriteError::TooLarge));
    let larger = Txn::new().then(Op::put("a", vec![0; 4_000_000]));
    assert_eq!(store.commit(larger).await, Err(WriteError::TooLarge));
    let leased = Txn::new().then(Op::put_leased("a", "1", LeaseId(7)));
    assert_eq!(store.commit(leased).await, Err(WriteError::Unsupported));
    let keep = Txn::new().then(Op::Put { key: "a".into(), value: None, lease: None });
    assert_eq!(store.commit(keep).await, Err(WriteError::KeyNotFound));
    let future = Op::Range { range: Range::all(), limit: 0, at: Some(Revision(1_000)) };
    let refused = store.commit(Txn::new().then(future)).await;
    assert!(matches!(refused, Err(WriteError::Read(ReadError::Future { .. }))), "{refused:?}");
    let lease = store.grant_lease(LeaseId::NONE, Duration::from_secs(5)).await;
    assert_eq!(lease, Err(WriteError::Unsupported));
    store.commit(put("a", "1")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_of_others_in_the_same_etcd_only_leave_gaps() {
    if is_missing("writes_of_others_in_the_same_etcd_only_leave_gaps") {
        return;
    }
    let members = start(1).await;
    let store = open(urls(&members)).await.store;
    let mut watcher = store.watch(Range::all(), Revision::NONE).unwrap();
    let mut client = members[0].client().await;
    for _ in 0..20 {
        let put = PutRequest { key: "/other".into(), ..PutRequest::default() };
        client.put(put).await.unwrap();
    }
    // Nothing of ours has that revision; that it was seen all the same takes a write of ours.
    let refused = store.commit(put("a", "1").when(Compare::exists("a"))).await.unwrap();
    assert!(!refused.succeeded && store.revision() >= refused.revision);
    let revision = store.commit(put("a", "1")).await.unwrap().revision;
    assert_eq!(next(&mut watcher).await, (revision, "a=1".into()));
    assert_eq!(watcher.progress(), revision);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_store_is_read_in_pages_at_one_revision() {
    if is_missing("a_large_store_is_read_in_pages_at_one_revision") {
        return;
    }
    let members = start(1).await;
    let store = open(urls(&members)).await.store;
    let writers: Vec<_> = (0..30)
        .map(|part| {
            let store = store.clone();
            tokio::spawn(async move {
                let ops = (0..100).map(|n| Op::put(format!("{part}/{n}"), "x".repeat(n)));
                let txn = Txn { success: ops.collect(), ..Txn::new() };
                store.commit(txn).await.unwrap();
            })
        })
        .collect();
    for writer in writers {
        soon(writer).await.unwrap();
    }
    let before = store.range(&Range::all(), None, 0).unwrap();
    assert_eq!(before.count, 3_000);
    soon(store.close()).await;
    let store = open(urls(&members)).await.store;
    assert_eq!(store.range(&Range::all(), None, 0).unwrap().entries, before.entries);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_history_is_compacted_and_a_compaction_can_be_asked_for() {
    if is_missing("old_history_is_compacted_and_a_compaction_can_be_asked_for") {
        return;
    }
    let members = start(1).await;
    let mut config = RemoteConfig::new(urls(&members));
    config.compact_after = Some(Duration::from_millis(300));
    let store = open_as(config).await.store;
    let first = store.commit(put("a", "1")).await.unwrap().revision;
    let last = store.commit(put("a", "2")).await.unwrap().revision;
    let mut client = members[0].client().await;
    let at = i64::try_from(first.0).unwrap();
    let old = RangeRequest { key: "x".into(), revision: at, ..RangeRequest::default() };
    until("etcd is compacted", async || client.range(old.clone()).await.is_err()).await;
    assert_eq!(value(&store, "a"), Some("2".into()));
    let further = store.commit(put("a", "3")).await.unwrap().revision;
    let _ = store.compact(further).await;
    assert!(store.range(&Range::all(), Some(last), 0).is_err() || store.compacted() <= last);
    let again = CompactionRequest { revision: at, ..CompactionRequest::default() };
    assert!(client.compact(again).await.is_err());
    assert!(store.compact(Revision(10_000)).await.is_err());
}
