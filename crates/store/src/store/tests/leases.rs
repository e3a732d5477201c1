//! Leases and records, through crashes.

use std::io::Read;

use super::*;
use crate::{LeaseId, Options, RECORDS_BYTES_MAX};

const TEN: Duration = Duration::from_secs(10);
const ID: LeaseId = LeaseId(7);

fn leased(key: &'static str, id: LeaseId) -> Txn {
    Txn::new().then(Op::put_leased(key, "x", id))
}

fn keys(store: &Store) -> Vec<String> {
    content(store).into_iter().map(|(key, _)| key).collect()
}

/// Moves the clock of leases forward.
fn advance(store: &Store, by: Duration) {
    store.shared.read().leases().clock().advance(by);
    store.shared.expiry_clock_moved();
}

fn log_bytes(files: &Faulty) -> usize {
    let names = files.list().unwrap().into_iter().filter(|name| name.ends_with(".log"));
    let sizes = names.map(|name| {
        let mut content = Vec::new();
        // It may be replaced meanwhile.
        files.read(&name).map_or(0, |mut file| file.read_to_end(&mut content).unwrap())
    });
    sizes.sum()
}

async fn gone(store: &Store, id: LeaseId) {
    until("the lease ends", || store.lease(id).is_none()).await;
}

#[tokio::test]
async fn revoking_deletes_the_keys_of_a_lease_in_order_at_one_revision() {
    let store = Store::in_memory();
    let lease = store.grant_lease(LeaseId::NONE, TEN).await.unwrap();
    assert_ne!(lease.id, LeaseId::NONE);
    for key in ["b", "a", "c"] {
        store.commit(leased(key, lease.id)).await.unwrap();
    }
    store.commit(put("c", "detached")).await.unwrap();
    assert_eq!(store.lease_keys(lease.id), ["a", "b"]);
    let mut watcher = store.watch(Range::all(), Revision::NONE).unwrap();
    assert_eq!(store.revoke_lease(lease.id).await, Ok(Revision(6)));
    let batch = soon(watcher.next()).await.unwrap();
    let deleted: Vec<_> = batch.events.iter().map(|event| event.kv.key.clone()).collect();
    assert_eq!((batch.revision, deleted), (Revision(6), vec!["a".into(), "b".into()]));
    assert_eq!(keys(&store), ["c"]);
    assert_eq!(store.revoke_lease(lease.id).await, Err(WriteError::LeaseNotFound));
}

#[tokio::test]
async fn a_lease_without_keys_ends_without_a_revision() {
    let store = Store::in_memory();
    store.grant_lease(ID, TEN).await.unwrap();
    assert_eq!(store.revoke_lease(ID).await, Ok(Revision::FIRST));
    assert_eq!(store.revision(), Revision::FIRST);
}

#[tokio::test]
async fn a_lease_is_granted_once_and_puts_need_one_that_is_there() {
    let store = Store::in_memory();
    assert_eq!(store.commit(leased("a", ID)).await, Err(WriteError::LeaseNotFound));
    store.grant_lease(ID, TEN).await.unwrap();
    assert_eq!(store.grant_lease(ID, TEN).await, Err(WriteError::LeaseExists));
    store.commit(leased("a", ID)).await.unwrap();
    assert_eq!(store.get(b"a").unwrap().lease, ID);
    assert_eq!(store.keep_alive(LeaseId(8)).await, Err(WriteError::LeaseNotFound));
    assert_eq!(store.leases(), [ID]);
}

#[tokio::test]
async fn a_lease_ends_when_its_time_is_up_and_not_before() {
    let store = Store::in_memory();
    store.grant_lease(ID, TEN).await.unwrap();
    store.commit(leased("a", ID)).await.unwrap();
    advance(&store, TEN - Duration::from_secs(1));
    store.keep_alive(ID).await.unwrap();
    advance(&store, TEN - Duration::from_secs(1));
    store.commit(put("b", "1")).await.unwrap();
    assert!(store.lease(ID).unwrap().remaining <= Duration::from_secs(1));
    advance(&store, Duration::from_secs(1));
    gone(&store, ID).await;
    assert_eq!(keys(&store), ["b"]);
    assert_eq!(store.keep_alive(ID).await, Err(WriteError::LeaseNotFound));
}

#[tokio::test]
async fn a_short_lease_ends_by_itself_in_time() {
    let store = Store::in_memory();
    let begun = std::time::Instant::now();
    store.grant_lease(ID, Duration::from_millis(50)).await.unwrap();
    store.commit(leased("a", ID)).await.unwrap();
    gone(&store, ID).await;
    assert!(begun.elapsed() >= Duration::from_millis(50));
    assert_eq!(keys(&store), [""; 0]);
}

#[tokio::test]
async fn leases_and_their_keys_survive_a_crash_with_what_was_left() {
    let files = Faulty::default();
    let store = open(&files, Options::default());
    store.grant_lease(ID, Duration::from_secs(100)).await.unwrap();
    store.grant_lease(LeaseId(8), TEN).await.unwrap();
    store.commit(leased("a", ID)).await.unwrap();
    store.revoke_lease(LeaseId(8)).await.unwrap();
    let store = open(&files.after_crash(0), Options::default());
    assert_eq!(store.leases(), [ID]);
    assert_eq!(store.lease_keys(ID), ["a"]);
    let lease = store.lease(ID).unwrap();
    assert_eq!(lease.ttl, Duration::from_secs(100));
    assert!(lease.remaining > Duration::from_secs(90), "{lease:?}");
    advance(&store, Duration::from_secs(101));
    gone(&store, ID).await;
    assert_eq!(keys(&store), [""; 0]);
}

#[tokio::test]
async fn a_keep_alive_gets_to_the_disk_by_itself() {
    let files = Faulty::default();
    let store = open(&files, Options::default());
    store.grant_lease(ID, Duration::from_secs(100)).await.unwrap();
    advance(&store, Duration::from_secs(60));
    let before = log_bytes(&files);
    store.keep_alive(ID).await.unwrap();
    until("it is logged", || log_bytes(&files) > before).await;
    assert_eq!(open(&files.after_crash(0), Options::default()).leases(), [ID]);
}

#[tokio::test]
async fn a_lease_that_cannot_be_ended_ends_when_there_is_room_again() {
    let files = Faulty::default();
    let store = open(&files, Options::default());
    store.grant_lease(ID, TEN).await.unwrap();
    store.commit(leased("a", ID)).await.unwrap();
    files.fail_after(0, Fault::Full);
    advance(&store, TEN);
    assert!(matches!(store.commit(put("b", "1")).await, Err(WriteError::Full) | Ok(_)));
    files.heal();
    advance(&store, TEN);
    gone(&store, ID).await;
    assert_eq!(store.get(b"a"), None);
}

#[tokio::test]
async fn records_are_kept_beside_the_keys() {
    let files = Faulty::default();
    let store = open(&files, Options::default());
    store.put_record("auth/user/a", Some("1".into())).await.unwrap();
    store.put_record("auth/user/b", Some("2".into())).await.unwrap();
    store.put_record("auth/user/a", None).await.unwrap();
    assert_eq!(store.revision(), Revision::FIRST);
    let store = open(&files.after_crash(0), Options::default());
    assert_eq!(store.record("auth/user/b"), Some("2".into()));
    assert_eq!(store.records("auth/"), [("auth/user/b".to_owned(), "2".into())]);
    let large = vec![0; RECORDS_BYTES_MAX].into();
    assert_eq!(store.put_record("c", Some(large)).await, Err(WriteError::TooLarge));
}

#[tokio::test]
async fn leases_and_records_outlive_the_segments_they_were_logged_in() {
    let files = Faulty::default();
    let store = open(&files, small());
    store.grant_lease(ID, Duration::from_secs(100)).await.unwrap();
    store.put_record("id", Some("1".into())).await.unwrap();
    store.commit(leased("a", ID)).await.unwrap();
    let has_first = || files.list().unwrap().contains(&format!("{:020}.log", 2));
    let mut n = 0;
    while has_first() {
        store.commit(put(format!("k{}", n % 10), "x".repeat(50))).await.unwrap();
        n += 1;
        assert!(n < 10_000, "the first segment was never replaced");
    }
    let store = open(&files.after_crash(0), small());
    assert_eq!((store.leases(), store.record("id")), (vec![ID], Some("1".into())));
    assert_eq!(store.lease_keys(ID), ["a"]);
}

#[tokio::test]
async fn a_log_of_nothing_but_leases_and_records_stays_bounded() {
    let files = Faulty::default();
    let store = open(&files, small());
    store.put_record("id", Some("1".into())).await.unwrap();
    for n in 1..=300 {
        store.grant_lease(LeaseId(n), TEN).await.unwrap();
        store.revoke_lease(LeaseId(n)).await.unwrap();
    }
    store.grant_lease(ID, TEN).await.unwrap();
    assert_eq!(store.revision(), Revision::FIRST);
    assert!(log_bytes(&files) < 2_000, "{}", log_bytes(&files));
    let store = open(&files.after_crash(0), small());
    assert_eq!((store.leases(), store.record("id")), (vec![ID], Some("1".into())));
}
