//! Three members under load, killed and brought back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use store::{Batch, EventKind, Range, Revision, Store, WatchError, Watcher, WriteError};

use crate::etcd_process::{Member, is_missing, start, urls};
use crate::support::{commit_again, open, put, soon, text, until};

const WRITERS: usize = 12;

/// What a kill may cost: an election, and the time until the next member is asked.
const OUTAGE_MAX: Duration = Duration::from_secs(8);

struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    writers: Vec<tokio::task::JoinHandle<u64>>,
}

/// Each writer puts rising numbers under its own key, one at a time.
fn load(store: &Store) -> Load {
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers = (0..WRITERS)
        .map(|writer| {
            let (store, stop, acknowledged) = (store.clone(), stop.clone(), acknowledged.clone());
            tokio::spawn(async move {
                let mut last = 0;
                for number in 1.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    match store.commit(put(format!("w{writer}"), number.to_string())).await {
                        Ok(_) => {
                            last = number;
                            acknowledged.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(WriteError::Unavailable) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
                last
            })
        })
        .collect();
    Load { stop, acknowledged, writers }
}

impl Load {
    /// Waits for more acknowledged writes; says how long that took.
    async fn goes_on(&self, more: u64) -> Duration {
        let (begun, before) = (Instant::now(), self.acknowledged.load(Ordering::Relaxed));
        until("writes go on", async || self.acknowledged.load(Ordering::Relaxed) >= before + more)
            .await;
        begun.elapsed()
    }

    /// The last acknowledged number of each writer.
    async fn end(self) -> Vec<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let mut last = Vec::new();
        for writer in self.writers {
            last.push(soon(writer).await.unwrap());
        }
        last
    }
}

/// Everything a watcher hands out up to the store's close.
async fn collect(mut watcher: Watcher) -> Vec<Batch> {
    let mut batches = Vec::new();
    loop {
        match watcher.next().await {
            Ok(batch) => batches.push(batch),
            Err(WatchError::Closed) => return batches,
            Err(other) => panic!("{other}"),
        }
    }
}

/// Each revision once and in order; each key's versions without a gap.
fn check_history(batches: &[Batch]) {
    let mut versions = std::collections::HashMap::new();
    let mut last = Revision::NONE;
    for batch in batches {
        assert!(batch.revision > last, "{} after {last}", batch.revision);
        last = batch.revision;
        for event in &batch.events {
            assert_eq!(event.kind, EventKind::Put);
            assert_eq!(event.kv.mod_revision, batch.revision);
            let before = versions.insert(event.kv.key.clone(), event.kv.version).unwrap_or(0);
            assert_eq!(event.kv.version, before + 1, "{:?} at {last}", event.kv.key);
        }
    }
}

async fn kill_and_bring_back(members: &mut [Member], which: usize, load: &Load) {
    members[which].kill();
    let outage = load.goes_on(20).await;
    println!("member {which} killed: 20 more writes took {outage:?}");
    assert!(outage < OUTAGE_MAX, "{outage:?}");
    members[which].run();
    members[which].ready().await;
    load.goes_on(50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_when_members_are_killed_one_by_one() {
    if is_missing("no_acknowledged_write_is_lost_when_members_are_killed_one_by_one") {
        return;
    }
    let mut members = start(3).await;
    let store = open(urls(&members)).await.store;
    let watching = tokio::spawn(collect(store.watch(Range::all(), Revision::NONE).unwrap()));
    let load = load(&store);
    load.goes_on(50).await;
    for which in [0, 1, 2, 0] {
        kill_and_bring_back(&mut members, which, &load).await;
    }
    let last = load.end().await;
    commit_again(&store, &put("end", "1")).await;
    let content = store.range(&Range::all(), None, 0).unwrap().entries;
    soon(store.close()).await;
    for (writer, last) in last.iter().enumerate() {
        let kv = content.iter().find(|kv| text(&kv.key) == format!("w{writer}")).unwrap();
        let found: u64 = text(&kv.value).parse().unwrap();
        assert!(found >= *last, "writer {writer}: {found} found, {last} acknowledged");
    }
    check_history(&soon(watching).await.unwrap());
    let again = open(urls(&members)).await.store;
    assert_eq!(again.range(&Range::all(), None, 0).unwrap().entries, content, "as etcd has it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_is_not_there_is_passed_over() {
    if is_missing("an_endpoint_that_is_not_there_is_passed_over") {
        return;
    }
    let mut members = start(3).await;
    members[0].kill();
    let begun = Instant::now();
    let store = open(urls(&members)).await.store;
    store.commit(put("a", "1")).await.unwrap();
    assert!(begun.elapsed() < OUTAGE_MAX, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_stops_under_load_is_passed_over() {
    if is_missing("a_member_that_stops_under_load_is_passed_over") {
        return;
    }
    let members = start(3).await;
    let store = open(urls(&members)).await.store;
    let watching = tokio::spawn(collect(store.watch(Range::all(), Revision::NONE).unwrap()));
    let load = load(&store);
    load.goes_on(50).await;
    // The first is the one that is asked and watched, and may be the leader of the three.
    members[0].signal("-STOP");
    let outage = load.goes_on(20).await;
    println!("member 0 stopped: 20 more writes took {outage:?}");
    assert!(outage < OUTAGE_MAX, "{outage:?}");
    load.goes_on(200).await;
    members[0].signal("-CONT");
    load.goes_on(200).await;
    load.end().await;
    soon(store.close()).await;
    check_history(&soon(watching).await.unwrap());
}
