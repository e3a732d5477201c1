//! Disks that are full, that fail, and that forget.

use super::*;
use crate::Full;
use crate::log_store::{LogStore, Names};

fn delete(key: &str) -> Txn {
    Txn::new().then(Op::delete(key.to_owned()))
}

#[tokio::test]
async fn a_full_disk_refuses_puts_and_recovers_by_itself() {
    let files = Faulty::default();
    let store = open(&files, Options::default());
    store.commit(put("a", "1")).await.unwrap();
    files.fail_after(0, Fault::Full);
    for _ in 0..3 {
        assert_eq!(store.commit(put("a", "2")).await, Err(WriteError::Full));
    }
    assert_eq!(content(&store), [("a".into(), "1".into())]);
    assert_eq!((store.revision(), store.stats().full), (Revision(2), Some(Full::Disk)));
    files.heal();
    assert_eq!(store.commit(put("b", "3")).await.unwrap().revision, Revision(3));
    assert_eq!(store.stats().full, None);
    store.close().await;
    let store = open(&files, Options::default());
    assert_eq!(content(&store), [("a".into(), "1".into()), ("b".into(), "3".into())]);
}

#[tokio::test]
async fn on_a_full_disk_deletes_revokes_and_compactions_go_on() {
    let files = Faulty::default();
    let store = open(&files, Options::default());
    let id = store.grant_lease(LeaseId::NONE, Duration::from_secs(60)).await.unwrap().id;
    store.commit(put("a", "1")).await.unwrap();
    store.commit(Txn::new().then(Op::put_leased("b", "1", id))).await.unwrap();
    store.commit(put("c", "1")).await.unwrap();
    files.fail_after(0, Fault::Full);
    let both = put("a", "2").otherwise(Op::delete("a"));
    assert_eq!(store.commit(both).await, Err(WriteError::Full), "either branch counts");
    store.commit(delete("a")).await.unwrap();
    store.revoke_lease(id).await.unwrap();
    store.compact(store.revision()).await.unwrap();
    let granted = store.grant_lease(LeaseId::NONE, Duration::from_secs(60)).await;
    assert_eq!(granted, Err(WriteError::Full));
    store.put_record("r", None).await.unwrap();
    assert_eq!(store.put_record("r", Some("1".into())).await, Err(WriteError::Full));
    assert_eq!(content(&store), [("c".into(), "1".into())]);
    store.close().await;
    let store = open(&files.after_crash(0), Options::default());
    assert_eq!(content(&store), [("c".into(), "1".into())]);
}

#[tokio::test]
async fn one_group_may_have_its_puts_refused_and_its_deletes_applied() {
    let files = Faulty::default();
    let store = open(&files, Options::default());
    for n in 0..40 {
        store.commit(put(format!("old{n:02}"), "1")).await.unwrap();
    }
    files.fail_after(0, Fault::Full);
    let write = |n: usize| {
        let store = store.clone();
        let txn = if n.is_multiple_of(2) {
            put(format!("new{n}"), "1")
        } else {
            delete(&format!("old{n:02}"))
        };
        tokio::spawn(async move { (n, store.commit(txn).await.map(drop)) })
    };
    let writes: Vec<_> = (0..40).map(write).collect();
    for write in writes {
        let (n, result) = write.await.unwrap();
        assert_eq!(result, if n.is_multiple_of(2) { Err(WriteError::Full) } else { Ok(()) }, "{n}");
    }
    assert_eq!(store.stats().keys, 20);
}

#[tokio::test]
async fn a_full_disk_recovers_without_any_write() {
    let files = Faulty::default();
    let store = open(&files, Options::default());
    files.fail_after(0, Fault::Full);
    store.commit(put("a", "1")).await.unwrap_err();
    files.heal();
    until("puts are let in", || store.stats().full.is_none()).await;
}

#[tokio::test]
async fn a_store_on_a_full_disk_opens_and_refuses_puts() {
    let files = Faulty::default();
    let store = open(&files, Options::default());
    store.commit(put("a", "1")).await.unwrap();
    store.close().await;
    files.fail_after(0, Fault::Full);
    let store = open(&files, Options::default());
    assert_eq!(store.stats().full, Some(Full::Disk));
    assert_eq!(content(&store), [("a".into(), "1".into())]);
    assert_eq!(store.commit(put("a", "2")).await, Err(WriteError::Full));
}

#[tokio::test]
async fn a_full_disk_at_rotation_refuses_and_recovers() {
    let files = Faulty::default();
    let store = open(&files, small());
    files.fail_after(7, Fault::Full);
    let mut refused = 0;
    for n in 0..20 {
        match store.commit(put(format!("k{n:03}"), "x".repeat(200))).await {
            Ok(_) => {}
            Err(WriteError::Full) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 10);
    files.heal();
    let before = content(&store).len();
    store.commit(put("z", "1")).await.unwrap();
    store.close().await;
    assert_eq!(content(&open(&files.after_crash(0), small())).len(), before + 1);
}

#[tokio::test]
async fn a_failed_sync_ends_writing_until_the_store_is_opened_again() {
    let files = Faulty::default();
    let store = open(&files, Options::default());
    store.commit(put("a", "1")).await.unwrap();
    files.fail_after(0, Fault::Sync);
    assert_eq!(store.commit(put("a", "2")).await, Err(WriteError::Failed));
    files.heal();
    assert_eq!(store.commit(put("a", "3")).await, Err(WriteError::Failed));
    let failed = WriteError::Failed.to_string();
    assert_eq!(failed, "the store's log failed; open the store again");
    assert_eq!(store.get(b"a").unwrap().value, "1", "reads go on and see durable state only");
    assert!(store.stats().failed);
    assert_eq!(store.keep_alive(LeaseId(7)).await, Err(WriteError::Failed));
    store.close().await;
    let store = open(&files.after_crash(0), Options::default());
    assert_eq!(content(&store), [("a".into(), "1".into())]);
    store.commit(put("a", "4")).await.unwrap();
    assert!(!store.stats().failed);
}

#[tokio::test]
async fn when_the_writer_panics_watchers_and_writers_are_told() {
    let files = Faulty::default();
    let store = open(&files, Options::default());
    store.commit(put("a", "1")).await.unwrap();
    let mut watcher = store.watch(Range::all(), Revision::NONE).unwrap();
    files.fail_after(0, Fault::Panic);
    let write = store.commit(put("a", "2"));
    let (write, watch) = tokio::join!(soon(write), soon(watcher.next()));
    assert_eq!(write, Err(WriteError::Failed));
    assert_eq!(watch, Err(WatchError::Closed));
    assert_eq!(store.commit(put("a", "3")).await, Err(WriteError::Failed));
    assert_eq!(store.watch(Range::all(), Revision::NONE).map(drop), Err(WatchError::Closed));
    assert_eq!(store.get(b"a").unwrap().value, "1", "reads go on");
    until("it is said to have failed", || store.stats().failed).await;
    soon(store.close()).await;
}

#[tokio::test]
async fn no_acknowledged_write_is_lost_wherever_the_disk_fails() {
    for fault in [Fault::All, Fault::Sync, Fault::Full] {
        for good in 0..150 {
            let files = Faulty::default();
            let store = open(&files, small());
            files.fail_after(good, fault);
            let mut acknowledged = Vec::new();
            for n in 0..60 {
                let (key, value) = (format!("k{n:03}"), "x".repeat(n));
                if store.commit(put(key.clone(), value.clone())).await.is_ok() {
                    acknowledged.push((key, value));
                }
            }
            store.close().await;
            for (kept, names) in [(0, Names::Lost), (5, Names::Kept), (usize::MAX / 2, Names::Lost)]
            {
                let store = open(&files.after_crash_with(kept, names), small());
                let found = content(&store);
                let lost = acknowledged.iter().find(|entry| !found.contains(entry));
                assert_eq!(lost, None, "{fault:?} after {good}, {kept} bytes and names {names:?}");
                store.close().await;
            }
        }
    }
}

/// Without revisions segments are begun again in place: their names do not change.
#[tokio::test]
async fn no_acknowledged_record_is_lost_wherever_the_disk_fails() {
    for fault in [Fault::All, Fault::Sync, Fault::Full] {
        for good in 0..120 {
            let files = Faulty::default();
            let store = open(&files, small());
            files.fail_after(good, fault);
            let mut acknowledged = 0;
            for n in 1..40 {
                let content = format!("{n:060}").into();
                if store.put_record("position", Some(content)).await.is_ok() {
                    acknowledged = n;
                }
            }
            store.close().await;
            for (kept, names) in [(0, Names::Lost), (0, Names::Kept), (usize::MAX / 2, Names::Lost)]
            {
                let store = open(&files.after_crash_with(kept, names), small());
                let found = store.record("position").map_or(0, |content| {
                    String::from_utf8(content.to_vec()).unwrap().parse().unwrap()
                });
                assert!(found >= acknowledged, "{found} of {acknowledged}: {fault:?} after {good}");
                store.close().await;
            }
        }
    }
}

/// Flips every bit of the last records, with and without the note of how far the log was
/// acknowledged: nothing that was acknowledged may be gone without a word.
#[tokio::test]
async fn every_flipped_bit_in_the_last_records_is_refused() {
    let files = Faulty::default();
    let store = open(&files, Options::default());
    for n in 0..3 {
        store.commit(put(format!("k{n}"), "value")).await.unwrap();
    }
    store.close().await;
    let name = format!("{:020}.log", 2);
    let mut log = Vec::new();
    files.read(&name).unwrap().read_to_end(&mut log).unwrap();
    let last_records = 2 * 60;
    for bit in (log.len() - last_records) * 8..log.len() * 8 {
        for has_note in [true, false] {
            let files = files.after_crash(0);
            let mut log = log.clone();
            log[bit / 8] ^= 1 << (bit % 8);
            files.create(&name).unwrap().append(&log).unwrap();
            if !has_note {
                files.remove("tail").unwrap();
            }
            let opened = Store::open_on(Arc::new(files), Options::default()).map(drop);
            assert!(matches!(opened, Err(OpenError::Damaged { .. })), "bit {bit}: {opened:?}");
        }
    }
}
