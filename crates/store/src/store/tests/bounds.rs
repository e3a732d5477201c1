//! What a store keeps is bounded: by number, by size, by age, by quota.

use super::*;
use crate::Full;

#[tokio::test]
async fn the_log_stays_bounded_and_a_snapshot_reads_back() {
    let files = Faulty::default();
    let store = open(&files, small());
    for n in 0..400 {
        store.commit(put(format!("k{:02}", n % 20), format!("{n}"))).await.unwrap();
    }
    let names = || files.list().unwrap();
    until("a snapshot", || names().iter().any(|name| name.ends_with(".snapshot"))).await;
    until("old segments are gone", || names().len() < 16).await;
    let before = content(&store);
    let head = store.revision();
    store.close().await;
    let store = open(&files.after_crash(0), small());
    assert_eq!((content(&store), store.revision()), (before, head));
    assert!(store.compacted() > Revision(300));
    let kept = store.range(&Range::all(), Some(store.compacted()), 0).unwrap();
    assert_eq!(kept.count, 20);
}

/// The bound that [`Options`] promises.
fn disk_bytes_max(options: &Options, snapshot: u64) -> u64 {
    2 * snapshot
        + options.snapshot_after_bytes.max(snapshot)
        + 2 * options.history_bytes_max as u64
        + 3 * options.segment_bytes
        + crate::log::RESERVE_BYTES
}

#[tokio::test]
async fn the_disk_stays_within_its_bound_under_overwrites_and_keep_alives() {
    let options = Options {
        history_bytes_max: 20_000,
        segment_bytes: 4_000,
        snapshot_after_bytes: 10_000,
        ..Options::default()
    };
    let files = Faulty::default();
    let store = open(&files, options.clone());
    let lease = store.grant_lease(LeaseId::NONE, Duration::from_secs(600)).await.unwrap().id;
    // What comes while one snapshot is being taken.
    let slack = 40_000;
    let mut most = 0;
    for n in 0..6_000 {
        store.commit(put(format!("k{:02}", n % 30), "v".repeat(20 + n % 80))).await.unwrap();
        store.keep_alive(lease).await.unwrap();
        store.put_record("position", Some(n.to_string().into())).await.unwrap();
        most = most.max(store.stats().disk_bytes);
    }
    let stats = store.stats();
    assert!(stats.snapshot_bytes > 0, "{stats:?}");
    let bound = disk_bytes_max(&options, stats.snapshot_bytes) + slack;
    assert!(most <= bound, "{most} bytes of {bound}: {stats:?}");
    assert!(stats.history_bytes <= 20_100, "{stats:?}");
}

#[tokio::test]
async fn records_without_revisions_do_not_make_the_log_grow_for_ever() {
    let options = Options { history_bytes_max: 4_000, ..small() };
    let store = open(&Faulty::default(), options.clone());
    for n in 0..40 {
        store.commit(put(format!("k{n:02}"), "x")).await.unwrap();
        for n in 0..40 {
            store.put_record("position", Some(format!("{n:0100}").into())).await.unwrap();
        }
    }
    let stats = store.stats();
    let bound = disk_bytes_max(&options, stats.snapshot_bytes) + 20_000;
    assert!(stats.disk_bytes <= bound, "{} of {bound}", stats.disk_bytes);
}

#[tokio::test]
async fn old_history_goes_by_itself_and_survives_reopening() {
    let age = Duration::from_millis(300);
    let options = Options { history_age_max: Some(age), ..Options::default() };
    let files = Faulty::default();
    let store = open(&files, options.clone());
    let start = std::time::Instant::now();
    for n in 0..10 {
        store.commit(put("a", n.to_string())).await.unwrap();
    }
    let head = store.revision();
    until("history is compacted up to the head", || store.compacted() == head).await;
    assert!(start.elapsed() >= age);
    assert_eq!(store.revision(), head, "compaction is no revision");
    store.close().await;
    let store = open(&files.after_crash(0), options);
    assert_eq!(store.compacted(), head);
}

#[tokio::test]
async fn history_that_was_read_from_the_disk_goes_by_age_too() {
    let files = Faulty::default();
    let store = open(&files, Options::default());
    store.commit(put("a", "1")).await.unwrap();
    store.commit(put("a", "2")).await.unwrap();
    store.close().await;
    let age = Some(Duration::from_millis(50));
    let store = open(&files, Options { history_age_max: age, ..Options::default() });
    until("it is compacted", || store.compacted() == Revision(3)).await;
}

fn with_quota(bytes: u64) -> Options {
    Options { quota_bytes: Some(bytes), ..Options::default() }
}

#[tokio::test]
async fn a_quota_refuses_growth_and_recovers_after_deletes() {
    let store = open(&Faulty::default(), with_quota(16_000));
    let value = "v".repeat(996);
    let mut written = 0;
    let refused = loop {
        match store.commit(put(format!("k{written:03}"), value.clone())).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((refused, written), (WriteError::Quota, 15));
    assert_eq!(store.stats().full, Some(Full::Quota));
    store.commit(put("k003", "v".repeat(996))).await.expect("what does not grow is let in");
    store.put_record("r", Some("1".into())).await.expect("records have a bound of their own");
    store.commit(Txn::new().then(Op::delete("k000"))).await.unwrap();
    assert_eq!(store.stats().full, None);
    store.commit(put("k999", value.clone())).await.expect("there is room again");
    let stats = store.stats();
    assert!(stats.live_bytes + stats.history_bytes <= 17_000, "{stats:?}");
}

#[tokio::test]
async fn history_gives_way_before_a_quota_refuses_anything() {
    let store = open(&Faulty::default(), with_quota(16_000));
    for n in 0..300 {
        store.commit(put(format!("k{:02}", n % 10), "v".repeat(997))).await.unwrap();
        let stats = store.stats();
        assert!(stats.live_bytes + stats.history_bytes <= 17_000, "{stats:?}");
    }
    assert_eq!(store.stats().full, None);
}

#[tokio::test]
async fn statistics_tell_what_happened() {
    let store = open(&Faulty::default(), Options::default());
    let _watcher = store.watch(Range::all(), Revision::NONE).unwrap();
    store.commit(put("a", "1").then(Op::put("b", "22"))).await.unwrap();
    store.commit(Txn::new().then(Op::delete("a"))).await.unwrap();
    store.commit(Txn::new().when(Compare::absent("b")).then(Op::put("b", "3"))).await.unwrap();
    store.grant_lease(LeaseId::NONE, Duration::from_secs(60)).await.unwrap();
    store.commit(Txn::new()).await.unwrap();
    let stats = store.stats();
    assert_eq!((stats.revision, stats.keys, stats.live_bytes), (Revision(3), 1, 3));
    assert_eq!((stats.history_revisions, stats.history_bytes), (2, 6));
    assert_eq!((stats.puts, stats.deletes, stats.txns), (2, 1, 4));
    assert_eq!((stats.watchers, stats.leases, stats.segments), (1, 1, 1));
    assert_eq!((stats.full, stats.failed, stats.fsyncs.count()), (None, false, 3));
    assert!(stats.disk_bytes > crate::log::RESERVE_BYTES);
}
