//! The store against a plain model that remembers every revision.
//!
//! Random steps, thousands of seeds: bursts of transactions (nested ones too), leases, records and
//! compactions that are committed as one group; reads at old revisions, watches from random ones,
//! leases that end by themselves, snapshots, reopening. Every reply is compared as a whole.
//! `SAMPAN_MODEL_SEED` repeats one seed, `SAMPAN_MODEL_SEEDS` says how many there are.

mod plain;
mod random;

use std::future::poll_fn;
use std::path::Path;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use plain::Model;
use random::Random;
use sampan_store::{
    CompactError, LeaseId, Op, Range, ReadError, Revision, Store, Txn, TxnReply, WatchError,
    WriteError,
};

const SEEDS: u64 = 1_500;
const STEPS_MAX: u64 = 60;
const BURST_MAX: u64 = 5;
/// Longer than any run.
const TTL_S: u64 = 10_000;
/// The lease that ends by itself.
const SHORT: LeaseId = LeaseId(99);

#[derive(Debug, Clone)]
enum Act {
    Commit(Txn),
    Grant(LeaseId),
    Revoke(LeaseId),
    Compact(Revision),
    Record(String, Option<Bytes>),
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Committed(Result<TxnReply, WriteError>),
    Granted(Result<(), WriteError>),
    Revoked(Result<Revision, WriteError>),
    Compacted(Result<(), CompactError>),
    Recorded(Result<(), WriteError>),
}

impl Act {
    fn random(random: &mut Random, head: Revision) -> Act {
        match random.below(20) {
            0 => Act::Grant(random.lease()),
            1 => Act::Revoke(random.lease()),
            2 => Act::Compact(random.revision(head)),
            3 => {
                let content = (!random.one_in(3)).then(|| random.key());
                Act::Record(format!("r{}", random.below(3)), content)
            }
            _ => Act::Commit(random.txn(2, head)),
        }
    }

    async fn run(self, store: Store) -> Outcome {
        let ttl = Duration::from_secs(TTL_S);
        match self {
            Act::Commit(txn) => Outcome::Committed(store.commit(txn).await),
            Act::Grant(id) => Outcome::Granted(store.grant_lease(id, ttl).await.map(|lease| {
                assert_eq!((lease.id, lease.ttl, lease.remaining), (id, ttl, ttl));
            })),
            Act::Revoke(id) => Outcome::Revoked(store.revoke_lease(id).await),
            Act::Compact(revision) => Outcome::Compacted(store.compact(revision).await),
            Act::Record(name, content) => Outcome::Recorded(store.put_record(&name, content).await),
        }
    }
}

/// Applies to the model what the store did, and says what it should have answered.
///
/// How far the store has compacted by itself is its own affair: that much is taken from its answer.
fn expected(model: &mut Model, act: &Act, found: &Outcome) -> Outcome {
    match act {
        Act::Commit(txn) => {
            let compacted = match found {
                Outcome::Committed(Err(WriteError::Read(ReadError::Compacted { compacted }))) => {
                    *compacted
                }
                _ => model.compacted,
            };
            assert!(compacted >= model.compacted);
            Outcome::Committed(model.txn(txn, compacted))
        }
        Act::Grant(id) => Outcome::Granted(model.grant(*id, TTL_S)),
        Act::Revoke(id) => Outcome::Revoked(model.revoke(*id)),
        Act::Record(name, content) => {
            match content {
                Some(content) => drop(model.records.insert(name.clone(), content.clone())),
                None => drop(model.records.remove(name)),
            }
            Outcome::Recorded(Ok(()))
        }
        Act::Compact(revision) => Outcome::Compacted(compact(model, *revision, found)),
    }
}

fn compact(model: &mut Model, revision: Revision, found: &Outcome) -> Result<(), CompactError> {
    let compacted = match found {
        Outcome::Compacted(Err(CompactError::Compacted { compacted })) => *compacted,
        _ => model.compacted,
    };
    assert!(compacted >= model.compacted);
    if revision > model.head() {
        return Err(CompactError::Future { head: model.head() });
    }
    if revision <= compacted {
        return Err(CompactError::Compacted { compacted });
    }
    model.compacted = revision;
    Ok(())
}

/// Starts all acts in order before the first can be answered, so that the store takes them as one
/// group, or a few.
async fn burst(store: &Store, model: &mut Model, random: &mut Random) {
    let head = model.head();
    let acts: Vec<_> = (0..=random.below(BURST_MAX)).map(|_| Act::random(random, head)).collect();
    let mut running: Vec<Pin<Box<dyn Future<Output = Outcome>>>> = Vec::new();
    for act in &acts {
        running.push(Box::pin(act.clone().run(store.clone())));
    }
    let mut outcomes: Vec<Option<Outcome>> = acts.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, outcome) in running.iter_mut().zip(&mut outcomes) {
            if outcome.is_none()
                && let Poll::Ready(found) = future.as_mut().poll(context)
            {
                *outcome = Some(found);
            }
        }
        if outcomes.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    for (act, found) in acts.iter().zip(outcomes) {
        let found = found.expect("all have ended");
        assert_eq!(expected(model, act, &found), found, "{act:?} of {acts:?}");
    }
    assert_eq!(store.revision(), model.head());
}

fn check_range(store: &Store, model: &Model, range: &Range, at: Revision, limit: usize) {
    let found = store.range(range, Some(at), limit);
    let compacted = match found {
        Err(ReadError::Compacted { compacted }) => compacted,
        _ => model.compacted,
    };
    assert_eq!(found, model.range(range, at, limit, compacted), "{range:?} at {at}");
    let count = found.map(|found| found.count);
    assert!(count.is_err() || store.count(range, Some(at)) == count, "count of {range:?} at {at}");
}

/// Follows a watch over the past and says whether the events are the model's.
async fn check_watch(store: &Store, model: &Model, range: Range, from: Revision) {
    let mut watcher = match store.watch(range.clone(), from) {
        Ok(watcher) => watcher,
        Err(WatchError::Compacted { compacted }) => return assert!(from <= compacted.next()),
        Err(error) => panic!("{error}"),
    };
    for expected in model.watched(&range, from) {
        let batch = tokio::time::timeout(Duration::from_secs(10), watcher.next()).await;
        let batch = batch.expect("the event should be there").expect("nothing was compacted");
        assert_eq!(batch, expected, "{range:?} from {from}");
    }
    if from <= model.head() {
        let _ = tokio::time::timeout(Duration::ZERO, watcher.next()).await;
        assert_eq!(watcher.progress(), model.head());
    }
}

fn check_settings(store: &Store, model: &Model) {
    let leases: Vec<_> = model.leases.keys().copied().collect();
    assert_eq!(store.leases(), leases);
    for (id, ttl_s) in &model.leases {
        assert_eq!(store.lease_keys(*id), model.lease_keys(*id));
        let lease = store.lease(*id).expect("it is listed");
        assert_eq!(lease.ttl, Duration::from_secs(*ttl_s));
        assert!(lease.remaining.as_secs() > ttl_s / 2, "{lease:?}");
    }
    let records: Vec<_> = model.records.clone().into_iter().collect();
    assert_eq!(store.records(""), records);
}

/// A lease with a key or two ends by itself.
async fn check_expiry(store: &Store, model: &mut Model, random: &mut Random) {
    let (begun, ttl) = (Instant::now(), Duration::from_millis(2));
    store.grant_lease(SHORT, ttl).await.expect("it is granted");
    model.grant(SHORT, 0).expect("it is not there");
    for _ in 0..random.below(3) {
        let txn = Txn::new().then(Op::put_leased(random.key(), "short", SHORT));
        match store.commit(txn.clone()).await {
            Err(WriteError::LeaseNotFound) => break,
            found => assert_eq!(model.txn(&txn, Revision::NONE), found),
        }
    }
    while store.lease(SHORT).is_some() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it should have ended");
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    assert!(begun.elapsed() >= ttl, "it ended early");
    model.revoke(SHORT).expect("it was there");
    assert_eq!(store.revision(), model.head());
}

async fn run(dir: &Path, seed: u64) {
    let mut random = Random(seed);
    let mut options = random.options();
    let mut store = Store::open(dir, options.clone()).expect("a new directory opens");
    let mut model = Model::new();
    for _ in 0..random.below(STEPS_MAX) {
        let old = random.revision(model.head());
        match random.below(40) {
            0..=1 => {
                store.close().await;
                options.history_revisions_max += random.below(3) as usize;
                store = Store::open(dir, options.clone()).expect("what was closed opens");
                check_settings(&store, &model);
            }
            2 => check_expiry(&store, &mut model, &mut random).await,
            3 => {
                let id = random.lease();
                assert_eq!(store.keep_alive(id).await.is_ok(), model.leases.contains_key(&id));
            }
            4..=10 => {
                let limit = random.below(5) as usize;
                check_range(&store, &model, &random.range(), old, limit);
            }
            11..=14 => {
                let from = Revision(model.head().0.saturating_sub(random.below(30)).max(2));
                check_watch(&store, &model, random.range(), from).await;
            }
            _ => burst(&store, &mut model, &mut random).await,
        }
    }
    for revision in 1..=model.head().0 {
        check_range(&store, &model, &Range::all(), Revision(revision), 0);
    }
    check_settings(&store, &model);
    store.close().await;
}

/// In memory if there is such a file system: this is not about the disk.
fn directory() -> tempfile::TempDir {
    let in_memory = tempfile::tempdir_in("/dev/shm");
    in_memory.or_else(|_| tempfile::tempdir()).expect("a temporary directory")
}

#[tokio::test]
async fn the_store_does_what_maps_with_a_memory_do() {
    let number = |name| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().expect("it is a number"))
    };
    let seeds = match number("SAMPAN_MODEL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SAMPAN_MODEL_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        println!("seed {seed}");
        run(directory().path(), seed).await;
    }
}
