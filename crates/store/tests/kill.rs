//! `kill -9` under load: no acknowledged write is lost.
//!
//! The writers run in a child process, which is this test again with a variable set. It prints
//! each write when it is acknowledged; what was printed must be there afterwards.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use sampan_store::{Op, Options, Revision, Store, Txn};

const DIR: &str = "SAMPAN_STORE_KILL_DIR";
const WRITERS: usize = 24;
const ROUNDS: usize = 5;
const WRITES_PER_ROUND: usize = 1_500;

fn options() -> Options {
    Options {
        history_revisions_max: 200,
        segment_bytes: 16 << 10,
        snapshot_after_bytes: 64 << 10,
        ..Options::default()
    }
}

/// Writes until killed: each writer its own key, with a rising number as the value.
async fn write_forever(dir: &Path) {
    let store = Store::open(dir, options()).expect("the store opens");
    let writer = |writer: usize| {
        let store = store.clone();
        async move {
            let key = format!("writer/{writer}");
            let start = store.get(key.as_bytes()).map_or(0, |kv| number(&kv.value));
            for number in start + 1.. {
                let txn = Txn::new().then(Op::put(key.clone(), format!("{number:0100}")));
                let reply = store.commit(txn).await.expect("a write");
                let line = format!("{writer} {number} {}\n", reply.revision);
                std::io::stdout().write_all(line.as_bytes()).expect("the parent reads");
            }
        }
    };
    let writers: Vec<_> = (0..WRITERS).map(|n| tokio::spawn(writer(n))).collect();
    for writer in writers {
        writer.await.expect("a writer ends only with the process");
    }
}

fn number(value: &[u8]) -> u64 {
    std::str::from_utf8(value).expect("text").parse().expect("a number")
}

/// Runs the child until it has written enough, kills it, and returns what it acknowledged.
fn kill_under_load(dir: &Path, writes: usize) -> (Vec<u64>, Revision) {
    let mut child = Command::new(std::env::current_exe().expect("this test has a path"))
        .args(["--exact", "no_acknowledged_write_is_lost", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test starts again");
    let mut acknowledged = vec![0; WRITERS];
    let mut revision = Revision::NONE;
    let mut seen = 0;
    let output = BufReader::new(child.stdout.take().expect("it is piped"));
    for line in output.lines() {
        let line = line.expect("the child writes text");
        let mut words = line.split(' ').map(str::parse::<u64>);
        let (Some(Ok(writer)), Some(Ok(number)), Some(Ok(at))) =
            (words.next(), words.next(), words.next())
        else {
            continue; // The test harness says something too.
        };
        acknowledged[writer as usize] = number;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost() {
    if let Some(dir) = std::env::var_os(DIR) {
        return write_forever(Path::new(&dir)).await;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    for round in 0..ROUNDS {
        let (acknowledged, revision) = kill_under_load(dir.path(), WRITES_PER_ROUND + round * 37);
        let store = Store::open(dir.path(), options()).expect("the store opens after a kill");
        assert!(store.revision() >= revision);
        for (writer, number) in acknowledged.iter().enumerate() {
            let kv = store.get(format!("writer/{writer}").as_bytes());
            let found = kv.map_or(0, |kv| self::number(&kv.value));
            assert!(found >= *number, "writer {writer}: {found} found, {number} acknowledged");
        }
        store.close().await;
    }
}
