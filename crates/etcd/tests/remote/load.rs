//! Writers that go on whatever happens, and what a watcher must have seen of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use store::{Batch, EventKind, Revision, Store, WatchError, Watcher, WriteError};

use crate::support::{put, soon, until};

const WRITERS: usize = 12;

pub struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    writers: Vec<tokio::task::JoinHandle<u64>>,
}

/// Each writer puts rising numbers under its own key, one at a time.
pub fn load(store: &Store) -> Load {
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
    pub async fn goes_on(&self, more: u64) -> Duration {
        let (begun, before) = (Instant::now(), self.acknowledged.load(Ordering::Relaxed));
        until("writes go on", async || self.acknowledged.load(Ordering::Relaxed) >= before + more)
            .await;
        begun.elapsed()
    }

    /// The last acknowledged number of each writer.
    pub async fn end(self) -> Vec<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let mut last = Vec::new();
        for writer in self.writers {
            last.push(soon(writer).await.unwrap());
        }
        last
    }
}

/// Everything a watcher hands out up to the store's close.
pub async fn collect(mut watcher: Watcher) -> Vec<Batch> {
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
pub fn check_history(batches: &[Batch]) {
    let mut versions = HashMap::new();
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
