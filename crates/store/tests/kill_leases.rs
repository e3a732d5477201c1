//! Leases when the process is killed: those that are kept alive go on, others end.
//!
//! The store is opened in a child process, which is this test again with a variable set.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sampan_store::{LeaseId, Op, Options, Store, Txn};

const DIR: &str = "SAMPAN_STORE_KILL_LEASES_DIR";
const READY: &str = "the leases are granted";
const LONG: LeaseId = LeaseId(1);
const SHORT: LeaseId = LeaseId(2);
const LONG_TTL: Duration = Duration::from_secs(60);
const SHORT_TTL: Duration = Duration::from_secs(1);

fn open(dir: &Path) -> Store {
    Store::open(dir, Options::default()).expect("the store opens")
}

/// Grants two leases with a key each, and keeps them alive until killed.
async fn keep_alive_forever(dir: &Path) {
    let store = open(dir);
    for (id, ttl) in [(LONG, LONG_TTL), (SHORT, SHORT_TTL)] {
        store.grant_lease(id, ttl).await.expect("a lease");
        let put = Op::put_leased(format!("of/{id}"), "x", id);
        store.commit(Txn::new().then(put)).await.expect("a write");
    }
    println!("\n{READY}");
    loop {
        for id in [LONG, SHORT] {
            store.keep_alive(id).await.expect("it is kept alive in time");
        }
        tokio::time::sleep(SHORT_TTL / 10).await;
    }
}

fn kill_when_ready(dir: &Path) {
    let mut child = Command::new(std::env::current_exe().expect("this test has a path"))
        .args(["--exact", "leases_outlive_a_kill_and_end_when_nobody_keeps_them_alive"])
        .args(["--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test starts again");
    let output = BufReader::new(child.stdout.take().expect("it is piped"));
    let is_ready = |line: std::io::Result<String>| line.expect("text") == READY;
    let ready = output.lines().any(is_ready);
    child.kill().expect("the child is ours");
    child.wait().expect("the child ends");
    assert!(ready, "the child ended by itself");
}

#[tokio::test]
async fn leases_outlive_a_kill_and_end_when_nobody_keeps_them_alive() {
    if let Some(dir) = std::env::var_os(DIR) {
        return keep_alive_forever(Path::new(&dir)).await;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    kill_when_ready(dir.path());
    let store = open(dir.path());
    let opened = Instant::now();
    assert!(store.get(b"of/2").is_some(), "its client has time to come back");
    while store.get(b"of/2").is_some() {
        assert!(opened.elapsed() < Duration::from_secs(20), "nobody keeps it alive");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(store.lease(SHORT), None);
    let lease = store.lease(LONG).expect("it has not ended");
    assert!(lease.ttl == LONG_TTL && lease.remaining > LONG_TTL / 2, "{lease:?}");
    assert_eq!(store.lease_keys(LONG), ["of/1"]);
    store.close().await;
}
