//! What the tests say in few words.

use std::time::Duration;

use etcd::remote::{self, RemoteConfig, RemoteStore};
use store::{EventKind, Op, Revision, Store, Txn, Watcher};

/// Whatever is waited for comes within this time, or the test fails.
pub const SOON: Duration = Duration::from_secs(40);

pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.expect("this should not take so long")
}

/// Waits for a condition that others bring about.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

pub async fn open(endpoints: impl IntoIterator<Item = String>) -> RemoteStore {
    open_as(RemoteConfig::new(endpoints)).await
}

pub async fn open_as(config: RemoteConfig) -> RemoteStore {
    soon(remote::open(config)).await.expect("the store opens")
}

pub fn put(key: impl Into<String>, value: impl Into<String>) -> Txn {
    Txn::new().then(Op::put(key.into(), value.into()))
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn value(store: &Store, key: &str) -> Option<String> {
    store.get(key.as_bytes()).map(|kv| text(&kv.value))
}

/// The next changes, as `a=1 -b`, and their revision.
pub async fn next(watcher: &mut Watcher) -> (Revision, String) {
    let batch = soon(watcher.next()).await.expect("the watcher goes on");
    let events = batch.events.iter().map(|event| match event.kind {
        EventKind::Put => format!("{}={}", text(&event.kv.key), text(&event.kv.value)),
        EventKind::Delete => format!("-{}", text(&event.kv.key)),
    });
    (batch.revision, events.collect::<Vec<_>>().join(" "))
}

/// Commits until it works, as a caller does whose write was answered as unknown.
pub async fn commit_again(store: &Store, txn: &Txn) -> Revision {
    let again = async {
        loop {
            match store.commit(txn.clone()).await {
                Ok(reply) => return reply.revision,
                Err(store::WriteError::Unavailable) => {}
                Err(other) => panic!("{other}"),
            }
        }
    };
    soon(again).await
}
