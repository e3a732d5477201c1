//! Two servers on one prefix.

use std::sync::{Arc, Mutex};

use etcd::remote::{self, Progress, RemoteConfig, RemoteError};
use store::WriteError;

use crate::etcd_process::{is_missing, start, urls};
use crate::proxy::Proxy;
use crate::support::{commit_again, open, put, soon, until, value};

/// A configuration that notes for whom it had to wait.
fn noting(endpoints: Vec<String>) -> (RemoteConfig, Arc<Mutex<Option<String>>>) {
    let noted = Arc::new(Mutex::new(None));
    let mut config = RemoteConfig::new(endpoints);
    let note = noted.clone();
    config.on_progress = Some(Arc::new(move |progress| {
        if let Progress::Waiting { holder } = progress {
            *note.lock().unwrap() = Some(holder.to_owned());
        }
    }));
    (config, noted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_waits_and_goes_on_at_once_when_the_first_is_closed() {
    if is_missing("a_second_server_waits_and_goes_on_at_once_when_the_first_is_closed") {
        return;
    }
    let members = start(1).await;
    let first = open(urls(&members)).await;
    first.store.commit(put("a", "1")).await.unwrap();
    let (config, noted) = noting(urls(&members));
    let second = tokio::spawn(remote::open(config));
    until("the second waits", async || noted.lock().unwrap().is_some()).await;
    let holder = noted.lock().unwrap().clone().unwrap();
    assert!(holder.contains(&format!("process {}", std::process::id())), "{holder}");
    first.store.commit(put("a", "2")).await.unwrap();
    assert!(!second.is_finished());
    let closed = std::time::Instant::now();
    soon(first.store.close()).await;
    let second = soon(second).await.unwrap().unwrap();
    assert!(closed.elapsed().as_secs() < 5, "the lease was given back");
    assert_eq!(value(&second.store, "a"), Some("2".into()));
    second.store.commit(put("a", "3")).await.unwrap();
    assert!(matches!(soon(first.ended).await, RemoteError::Closed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_prefixes_are_other_stores() {
    if is_missing("other_prefixes_are_other_stores") {
        return;
    }
    let members = start(1).await;
    let mut config = RemoteConfig::new(urls(&members));
    config.prefix = "/sampan-2".into();
    let (one, other) =
        (open(urls(&members)).await.store, crate::support::open_as(config).await.store);
    one.commit(put("a", "1")).await.unwrap();
    other.commit(put("a", "2")).await.unwrap();
    assert_eq!((value(&one, "a"), value(&other, "a")), (Some("1".into()), Some("2".into())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_cut_off_cannot_write_after_another_took_over() {
    if is_missing("a_server_that_was_cut_off_cannot_write_after_another_took_over") {
        return;
    }
    let members = start(1).await;
    let proxy = Proxy::to(&members[0].url).await;
    let first = open([proxy.url.clone()]).await;
    first.store.commit(put("a", "1")).await.unwrap();
    let (config, noted) = noting(urls(&members));
    let second = tokio::spawn(remote::open(config));
    until("the second waits", async || noted.lock().unwrap().is_some()).await;
    proxy.cut();
    let second = soon(second).await.unwrap().unwrap();
    second.store.commit(put("a", "2")).await.unwrap();
    // It still believes to be the leader when the network is back.
    proxy.heal();
    let refused = async {
        loop {
            match first.store.commit(put("a", "of the first")).await {
                Err(WriteError::Unavailable) => {}
                other => return other,
            }
        }
    };
    assert_eq!(soon(refused).await, Err(WriteError::Deposed));
    let RemoteError::Deposed { by } = soon(first.ended).await else { panic!("not deposed") };
    assert!(by.contains("process"), "{by}");
    until("reads go on", async || value(&first.store, "a") == Some("2".into())).await;
    commit_again(&second.store, &put("b", "2")).await;
    assert_eq!(value(&second.store, "a"), Some("2".into()));
}
