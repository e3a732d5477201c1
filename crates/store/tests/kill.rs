//! `kill -9` under load: nothing that was acknowledged is lost, nothing is half applied.
//!
//! The writers run in a child process, which is this test again with a variable set. It prints
//! each write when it is acknowledged; what was printed must be there afterwards, and of each
//! writer at most the one write after it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use sampan_store::{LeaseId, Op, Options, Range, Revision, Store, Txn, WriteError};

const DIR: &str = "SAMPAN_STORE_KILL_DIR";
const WRITERS: usize = 64;
const KILLS: usize = 100;

/// How many writes are acknowledged before a kill, at least; more by a prime each round, so that
/// kills fall into rotations and snapshots too.
const WRITES_MIN: usize = 64;
const WRITES_SPREAD: usize = 397;

/// Every so many writes a writer changes its lease.
const WRITES_PER_LEASE: u64 = 4;
const TTL: Duration = Duration::from_secs(3_600);

fn options() -> Options {
    Options {
        history_revisions_max: 200,
        segment_bytes: 16 << 10,
        snapshot_after_bytes: 64 << 10,
        ..Options::default()
    }
}

/// What a writer has written when it has written `number`, all of it in one transaction: two keys
/// that say so, and one named after it in place of the one before.
fn transaction(writer: usize, number: u64) -> Txn {
    let text = format!("{number:040}");
    Txn::new()
        .then(Op::put(format!("first/{writer}"), text.clone()))
        .then(Op::delete(format!("named/{writer}/{}", number - 1)))
        .then(Op::put(format!("named/{writer}/{number}"), ""))
        .then(Op::put(format!("second/{writer}"), text))
}

fn lease_of(writer: usize, number: u64) -> LeaseId {
    LeaseId((writer as i64 + 1) << 32 | number as i64)
}

fn acknowledge(line: String) {
    std::io::stdout().write_all(line.as_bytes()).expect("the parent reads");
}

async fn write_once(store: &Store, writer: usize, number: u64) {
    let reply = store.commit(transaction(writer, number)).await.expect("a write");
    acknowledge(format!("write {writer} {number} {}\n", reply.revision));
    if !number.is_multiple_of(WRITES_PER_LEASE) {
        return;
    }
    match store.revoke_lease(lease_of(writer, number - WRITES_PER_LEASE)).await {
        Ok(_) | Err(WriteError::LeaseNotFound) => {}
        Err(error) => panic!("{error}"),
    }
    acknowledge(format!("revoke {writer} {number} 0\n"));
    let id = lease_of(writer, number);
    store.grant_lease(id, TTL).await.expect("a grant");
    let txn = Txn::new().then(Op::put_leased(format!("leased/{writer}"), "", id));
    store.commit(txn).await.expect("a write");
    acknowledge(format!("lease {writer} {number} 0\n"));
}

async fn write_forever(dir: &Path) {
    let store = Store::open(dir, options()).expect("the store opens");
    // The test harness has begun a line.
    acknowledge("\n".into());
    let writer = |writer: usize| {
        let store = store.clone();
        async move {
            // Of a lease that a kill came between, a new one must be granted.
            let old = store.leases().into_iter().filter(|id| id.0 >> 32 == writer as i64 + 1);
            for id in old {
                store.revoke_lease(id).await.expect("a revoke");
            }
            for number in found(&store, &format!("first/{writer}")) + 1.. {
                write_once(&store, writer, number).await;
            }
        }
    };
    let writers: Vec<_> = (0..WRITERS).map(|n| tokio::spawn(writer(n))).collect();
    for writer in writers {
        writer.await.expect("a writer ends only with the process");
    }
}

fn found(store: &Store, key: &str) -> u64 {
    let Some(kv) = store.get(key.as_bytes()) else { return 0 };
    std::str::from_utf8(&kv.value).expect("text").parse().expect("a number")
}

/// What the child acknowledged to one writer.
#[derive(Clone, Copy, Default)]
struct Acknowledged {
    write: u64,
    /// Revoked were all leases before the one of this write.
    revoke: u64,
    lease: u64,
}

/// Runs the child until it has written enough, kills it, and returns what it acknowledged.
fn kill_under_load(dir: &Path, writes: usize) -> (Vec<Acknowledged>, Revision) {
    let mut child = Command::new(std::env::current_exe().expect("this test has a path"))
        .args(["--exact", "no_acknowledged_write_is_lost", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test starts again");
    let mut acknowledged = vec![Acknowledged::default(); WRITERS];
    let mut revision = Revision::NONE;
    let mut seen = 0;
    let output = BufReader::new(child.stdout.take().expect("it is piped"));
    for line in output.lines() {
        let line = line.expect("the child writes text");
        let (kind, rest) = line.split_once(' ').unwrap_or_default();
        let numbers: Vec<u64> = rest.split(' ').map_while(|word| word.parse().ok()).collect();
        // The test harness says something too, and the last line may be cut.
        let &[writer, number, at] = &numbers[..] else { continue };
        let writer = &mut acknowledged[writer as usize];
        match kind {
            "write" => writer.write = number,
            "revoke" => writer.revoke = number,
            "lease" => writer.lease = number,
            _ => continue,
        }
        revision = revision.max(Revision(at));
        seen += 1;
        if seen == writes {
            child.kill().expect("the child is ours");
        }
    }
    child.wait().expect("the child ends");
    assert!(seen >= writes, "the child ended by itself after {seen} writes");
    (acknowledged, revision)
}

fn check_writer(store: &Store, writer: usize, before: u64, acknowledged: Acknowledged) -> u64 {
    let number = found(store, &format!("first/{writer}"));
    let least = acknowledged.write.max(before);
    assert!((least..=least + 1).contains(&number), "writer {writer}: {number}, not {least}");
    assert_eq!(found(store, &format!("second/{writer}")), number, "half of a transaction");
    let named = store.range(&Range::prefix(format!("named/{writer}/")), None, 0);
    let named: Vec<_> = named.expect("the head reads").entries;
    let expected = format!("named/{writer}/{number}");
    assert!(named.iter().map(|kv| &kv.key[..]).eq((number > 0).then_some(expected.as_bytes())));

    let lease = lease_of(writer, acknowledged.lease);
    let may_be_revoked = number >= acknowledged.lease + WRITES_PER_LEASE;
    if acknowledged.lease > 0 && !may_be_revoked {
        assert!(store.lease(lease).is_some(), "writer {writer}: {lease} is lost");
        assert_eq!(store.lease_keys(lease), [format!("leased/{writer}")]);
    }
    if acknowledged.revoke >= WRITES_PER_LEASE {
        let revoked = lease_of(writer, acknowledged.revoke - WRITES_PER_LEASE);
        assert_eq!(store.lease(revoked), None, "writer {writer}: {revoked} is there again");
    }
    number
}

/// A key that is attached to a lease goes with it: at once, or not at all.
fn check_leases(store: &Store) {
    let leases: BTreeSet<_> = store.leases().into_iter().collect();
    let leased = store.range(&Range::prefix("leased/"), None, 0).expect("the head reads");
    for kv in leased.entries {
        assert!(leases.contains(&kv.lease), "{kv:?} has outlived its lease");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost() {
    if let Some(dir) = std::env::var_os(DIR) {
        return write_forever(Path::new(&dir)).await;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut numbers = vec![0; WRITERS];
    for round in 0..KILLS {
        let writes = WRITES_MIN + round * 101 % WRITES_SPREAD;
        let (acknowledged, revision) = kill_under_load(dir.path(), writes);
        let store = Store::open(dir.path(), options()).expect("the store opens after a kill");
        assert!(store.revision() >= revision);
        for (writer, acknowledged) in acknowledged.into_iter().enumerate() {
            numbers[writer] = check_writer(&store, writer, numbers[writer], acknowledged);
        }
        check_leases(&store);
        store.close().await;
    }
}
