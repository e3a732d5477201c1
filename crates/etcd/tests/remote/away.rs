//! etcd is away for a while, or comes back as another.

use std::time::{Duration, Instant};

use etcd::pb::etcdserverpb::{CompactionRequest, DeleteRangeRequest, PutRequest};
use store::{Range, Revision, WatchError, WriteError};

use crate::etcd_process::{is_missing, start, urls};
use crate::load::{check_history, collect, load};
use crate::proxy::Proxy;
use crate::support::{commit_again, next, open, put, soon, value};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_and_writes_fail_in_time_while_etcd_is_away() {
    if is_missing("reads_go_on_and_writes_fail_in_time_while_etcd_is_away") {
        return;
    }
    let mut members = start(1).await;
    let store = open(urls(&members)).await.store;
    let first = store.commit(put("a", "1")).await.unwrap().revision;
    let mut watcher = store.watch(Range::all(), first).unwrap();
    members[0].kill();
    let begun = Instant::now();
    assert_eq!(store.commit(put("a", "2")).await, Err(WriteError::Unavailable));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(value(&store, "a"), Some("1".into()));
    members[0].run();
    let last = commit_again(&store, &put("b", "3")).await;
    assert_eq!(next(&mut watcher).await, (first, "a=1".into()));
    let mut seen = next(&mut watcher).await;
    if seen.1 == "a=2" {
        seen = next(&mut watcher).await;
    }
    assert_eq!(seen, (last, "b=3".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_has_stopped_is_noticed() {
    if is_missing("a_member_that_has_stopped_is_noticed") {
        return;
    }
    let members = start(1).await;
    let store = open(urls(&members)).await.store;
    members[0].signal("-STOP");
    assert_eq!(soon(store.commit(put("a", "1"))).await, Err(WriteError::Unavailable));
    members[0].signal("-CONT");
    commit_again(&store, &put("a", "2")).await;
    assert_eq!(value(&store, "a"), Some("2".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_compacted_while_the_network_was_cut_reaches_watchers_as_a_difference() {
    if is_missing("what_was_compacted_while_the_network_was_cut") {
        return;
    }
    let members = start(1).await;
    let proxy = Proxy::to(&members[0].url).await;
    let store = open([proxy.url.clone()]).await.store;
    for key in ["kept", "changed", "gone"] {
        store.commit(put(key, "1")).await.unwrap();
    }
    let mut watcher = store.watch(Range::all(), Revision::NONE).unwrap();
    proxy.cut();
    let mut client = members[0].client().await;
    let mut last = 0;
    for (key, value) in [("changed", "2"), ("passing", "1"), ("changed", "3"), ("new", "1")] {
        let key = format!("/sampan/data/{key}").into();
        let put = PutRequest { key, value: value.into(), ..PutRequest::default() };
        last = client.put(put).await.unwrap().into_inner().header.unwrap().revision;
    }
    for key in ["/sampan/data/gone", "/sampan/data/passing"] {
        let delete = DeleteRangeRequest { key: key.into(), ..DeleteRangeRequest::default() };
        client.delete_range(delete).await.unwrap();
    }
    let compaction = CompactionRequest { revision: last + 2, physical: true };
    client.compact(compaction).await.unwrap();
    proxy.heal();
    let last = u64::try_from(last).unwrap();
    assert_eq!(next(&mut watcher).await, (Revision(last - 1), "changed=3".into()));
    assert_eq!(next(&mut watcher).await, (Revision(last), "new=1".into()));
    let (revision, gone) = next(&mut watcher).await;
    assert!(revision >= Revision(last + 2));
    assert_eq!(gone, "-gone");
    assert_eq!(store.get(b"changed").unwrap().version, 3);
    let revision = commit_again(&store, &put("after", "1")).await;
    assert_eq!(next(&mut watcher).await, (revision, "after=1".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_lost_everything_is_taken_as_it_is() {
    if is_missing("an_etcd_that_lost_everything_is_taken_as_it_is") {
        return;
    }
    let mut members = start(1).await;
    let store = open(urls(&members)).await.store;
    for n in 0..20 {
        store.commit(put("a", n.to_string())).await.unwrap();
    }
    let mut watcher = store.watch(Range::all(), Revision::NONE).unwrap();
    members[0].kill();
    members[0].wipe();
    members[0].run();
    assert_eq!(soon(watcher.next()).await, Err(WatchError::Lagged));
    assert_eq!(value(&store, "a"), None);
    let revision = commit_again(&store, &put("b", "1")).await;
    assert!(revision < Revision(20), "revisions begin anew");
    assert_eq!(value(&store, "b"), Some("1".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_ran_out_unused_is_taken_again() {
    if is_missing("a_lease_that_ran_out_unused_is_taken_again") {
        return;
    }
    let members = start(1).await;
    let proxy = Proxy::to(&members[0].url).await;
    let store = open([proxy.url.clone()]).await.store;
    store.commit(put("a", "1")).await.unwrap();
    proxy.cut();
    let mut client = members[0].client().await;
    crate::support::until("the lease runs out", async || {
        let key = "/sampan/leader".into();
        let range = etcd::pb::etcdserverpb::RangeRequest { key, ..Default::default() };
        client.range(range).await.unwrap().into_inner().kvs.is_empty()
    })
    .await;
    proxy.heal();
    commit_again(&store, &put("a", "2")).await;
    assert_eq!(value(&store, "a"), Some("2".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_sees_everything_once_and_in_order_over_a_network_that_breaks_again_and_again() {
    if is_missing("a_watcher_sees_everything_once_over_a_network_that_breaks") {
        return;
    }
    let members = start(1).await;
    let proxy = Proxy::to(&members[0].url).await;
    let store = open([proxy.url.clone()]).await.store;
    let watching = tokio::spawn(collect(store.watch(Range::all(), Revision::NONE).unwrap()));
    let load = load(&store);
    for _ in 0..12 {
        load.goes_on(40).await;
        proxy.cut();
        tokio::time::sleep(Duration::from_millis(30)).await;
        proxy.heal();
    }
    load.end().await;
    commit_again(&store, &put("end", "1")).await;
    let content = store.range(&Range::all(), None, 0).unwrap().entries;
    soon(store.close()).await;
    let seen = soon(watching).await.unwrap();
    check_history(&seen);
    let versions: u64 = content.iter().map(|kv| kv.version).sum();
    assert_eq!(seen.len() as u64, versions, "every write was seen");
    let again = open(urls(&members)).await.store;
    assert_eq!(again.range(&Range::all(), None, 0).unwrap().entries, content, "as etcd has it");
}
