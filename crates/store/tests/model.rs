//! The store against a plain map that remembers every revision.
//!
//! Thousands of random steps: transactions with compares, reads at old revisions, compactions,
//! snapshots, reopening, and watches from random revisions. Set `SAMPAN_MODEL_SEED` to repeat one.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use sampan_store::{
    Batch, Compare, EventKind, Op, OpReply, Options, Range, ReadError, Revision, Store, Txn,
    WatchError,
};

const SEEDS: u64 = 6;
const STEPS: usize = 1_500;

type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

/// A small generator (splitmix64): a failing seed fails again.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn key(&mut self) -> Vec<u8> {
        format!("{}/{}", ["a", "b", "ab"][self.below(3) as usize], self.below(6)).into_bytes()
    }

    fn range(&mut self) -> Range {
        match self.below(4) {
            0 => Range::all(),
            1 => Range::key(self.key()),
            2 => Range::prefix(["a", "b/", "ab"][self.below(3) as usize]),
            _ => Range::new(self.key(), self.key()),
        }
    }

    fn op(&mut self) -> Op {
        match self.below(6) {
            0 => Op::delete(self.key()),
            1 => Op::delete_range(self.range()),
            2 => Op::range(self.range(), self.below(4) as usize),
            _ => {
                let value = vec![b'v'; self.below(60) as usize];
                Op::put(self.key(), value)
            }
        }
    }
}

/// What every revision looked like; the index is the revision.
struct Model(Vec<Contents>);

impl Model {
    fn head(&self) -> Revision {
        Revision(self.0.len() as u64 - 1)
    }

    fn now(&self) -> &Contents {
        self.0.last().expect("there is always one")
    }

    fn apply(&mut self, ops: &[Op]) {
        let mut contents = self.now().clone();
        let mut writes = false;
        for op in ops {
            match op {
                Op::Put { key, value } => {
                    contents.insert(key.to_vec(), value.to_vec());
                    writes = true;
                }
                Op::Delete { range } => {
                    let before = contents.len();
                    contents.retain(|key, _| !range.contains(key));
                    writes |= contents.len() < before;
                }
                Op::Range { .. } => {}
            }
        }
        if writes {
            self.0.push(contents);
        }
    }

    /// What of a range is different at a revision from the one before it.
    fn changed_keys(&self, revision: Revision, range: &Range) -> Vec<Vec<u8>> {
        let index = revision.0 as usize;
        let (before, after) = (&self.0[index - 1], &self.0[index]);
        let keys = before.keys().chain(after.keys()).filter(|key| range.contains(key));
        let mut keys: Vec<_> =
            keys.filter(|key| before.get(*key) != after.get(*key)).cloned().collect();
        keys.sort();
        keys.dedup();
        keys
    }
}

fn options(random: &mut Random) -> Options {
    Options {
        history_revisions_max: 20 + random.below(200) as usize,
        history_bytes_max: 1 << (8 + random.below(8)),
        segment_bytes: 256 << random.below(5),
        snapshot_after_bytes: 1 << (9 + random.below(5)),
    }
}

fn check_range(store: &Store, model: &Model, range: &Range, at: Revision, limit: usize) {
    let found = store.range(range, Some(at), limit);
    if at > model.head() {
        assert_eq!(found, Err(ReadError::Future { head: model.head() }));
        return;
    }
    let Ok(found) = found else {
        assert!(at < store.compacted(), "{at} should be readable: {found:?}");
        return;
    };
    let contents = &model.0[at.0 as usize];
    let expected: Vec<_> = contents.iter().filter(|(key, _)| range.contains(key)).collect();
    assert_eq!(found.count, expected.len(), "count of {range:?} at {at}");
    let limit = if limit == 0 { expected.len() } else { limit };
    assert_eq!(found.more, expected.len() > limit);
    let found: Vec<_> =
        found.entries.iter().map(|kv| (kv.key.to_vec(), kv.value.to_vec())).collect();
    let expected: Vec<_> =
        expected.into_iter().take(limit).map(|(k, v)| (k.clone(), v.clone())).collect();
    assert_eq!(found, expected, "{range:?} at {at}");
}

async fn check_txn(store: &Store, model: &mut Model, random: &mut Random) {
    let mut txn = Txn::new();
    let holds = random.below(4) > 0;
    if random.below(2) == 0 || !holds {
        let key = random.key();
        let there = model.now().contains_key(&key);
        let compare = if there == holds { Compare::exists(key) } else { Compare::absent(key) };
        txn = txn.when(compare);
    }
    for _ in 0..=random.below(3) {
        txn = txn.then(random.op()).otherwise(random.op());
    }
    let ops = if holds { txn.success.clone() } else { txn.failure.clone() };
    let Ok(reply) = store.commit(txn).await else { return };
    assert_eq!(reply.succeeded, holds);
    model.apply(&ops);
    assert_eq!(reply.revision, model.head());
    for result in reply.results {
        if let OpReply::Put { kv, prev } = result {
            assert_eq!(kv.version, prev.map_or(0, |prev| prev.version) + 1);
        }
    }
}

/// Follows a watch over the past and says whether the events are the model's.
async fn check_watch(store: &Store, model: &Model, range: Range, from: Revision) {
    let mut watcher = match store.watch(range.clone(), from) {
        Ok(watcher) => watcher,
        Err(WatchError::Compacted { compacted }) => {
            assert!(from <= compacted);
            return;
        }
        Err(error) => panic!("{error}"),
    };
    for revision in (from.0..=model.head().0).map(Revision) {
        let expected = model.changed_keys(revision, &range);
        if expected.is_empty() {
            continue; // A put of the same value is an event too: it is skipped below.
        }
        let batch = loop {
            let batch = tokio::time::timeout(Duration::from_secs(10), watcher.next()).await;
            let batch = batch.expect("the event should be there").expect("nothing was compacted");
            if batch.revision == revision {
                break batch;
            }
            assert!(batch.revision < revision, "{revision} was lost");
            assert!(model.changed_keys(batch.revision, &range).is_empty());
        };
        check_batch(&batch, model, &range, &expected);
    }
}

fn check_batch(batch: &Batch, model: &Model, range: &Range, expected: &[Vec<u8>]) {
    let after = &model.0[batch.revision.0 as usize];
    let before = &model.0[batch.revision.0 as usize - 1];
    for event in &batch.events {
        let key = event.kv.key.to_vec();
        assert!(range.contains(&key));
        assert_eq!(event.kv.mod_revision, batch.revision);
        let value = (event.kind == EventKind::Put).then(|| event.kv.value.to_vec());
        assert_eq!(after.get(&key), value.as_ref());
        assert_eq!(before.get(&key), event.prev.as_ref().map(|prev| prev.value.to_vec()).as_ref());
    }
    for key in expected {
        assert!(batch.events.iter().any(|event| event.kv.key == *key), "{key:?} was lost");
    }
}

async fn run(dir: &Path, seed: u64) {
    let mut random = Random(seed);
    let mut options = options(&mut random);
    let mut store = Store::open(dir, options.clone()).expect("a new directory opens");
    let mut model = Model(vec![Contents::new(), Contents::new()]);
    for _ in 0..STEPS {
        let old = Revision(1 + random.below(model.head().0 + 1));
        match random.below(40) {
            0 => {
                store.close().await;
                options.history_revisions_max += random.below(3) as usize;
                store = Store::open(dir, options.clone()).expect("what was closed opens");
                assert_eq!(store.revision(), model.head());
            }
            1 => drop(store.compact(old).await),
            2..=8 => {
                let limit = random.below(5) as usize;
                check_range(&store, &model, &random.range(), old, limit);
            }
            9..=12 => {
                let back = random.below(30);
                let from = Revision(model.head().0.saturating_sub(back).max(2));
                check_watch(&store, &model, random.range(), from).await;
            }
            _ => check_txn(&store, &mut model, &mut random).await,
        }
    }
    for revision in 1..=model.head().0 {
        check_range(&store, &model, &Range::all(), Revision(revision), 0);
    }
    store.close().await;
}

#[tokio::test]
async fn the_store_does_what_a_map_with_a_memory_does() {
    let seeds: Vec<u64> = match std::env::var("SAMPAN_MODEL_SEED") {
        Ok(seed) => vec![seed.parse().expect("a seed is a number")],
        Err(_) => (0..SEEDS).collect(),
    };
    for seed in seeds {
        println!("seed {seed}");
        let dir = tempfile::tempdir().expect("a temporary directory");
        run(dir.path(), seed).await;
    }
}
