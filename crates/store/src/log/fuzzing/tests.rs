//! The same with random and with mutated bytes, as far as a test has time for.

use proptest::prelude::*;

use super::*;
use crate::log::Entry;
use crate::stage::Stage;
use crate::{Op, Txn};

const TARGETS: [fn(&[u8]); 6] =
    [log_frames, log_entries, log_segment, log_segment_of_frames, snapshot, snapshot_of_frames];

fn any_txn() -> impl Strategy<Value = Txn> {
    let key = || (0u8..6).prop_map(|n| format!("k{n}"));
    let value = proptest::collection::vec(any::<u8>(), 0..80);
    let op = prop_oneof![
        3 => (key(), value).prop_map(|(key, value)| Op::put(key, value)),
        1 => key().prop_map(Op::delete),
    ];
    op.prop_map(|op| Txn::new().then(op))
}

/// A segment of one frame for each transaction, and what the store held after each.
fn segment_of(txns: &[Txn]) -> (Vec<u8>, Vec<Vec<KeyValue>>) {
    let (mut file, mut space) = (begun(), Space::new());
    let keys = |space: &Space| space.entries(&Range::all()).cloned().collect();
    let mut all = vec![keys(&space)];
    for txn in txns {
        let mut stage = Stage::new(&space);
        let reply = stage.run(txn).expect("nothing refuses it");
        let batches = stage.finish().batches;
        if batches.is_empty() {
            continue;
        }
        frame::write(&mut file, |out| Entry::encode_write(out, &txn.success, &reply));
        batches.into_iter().for_each(|batch| space.apply(batch));
        all.push(keys(&space));
    }
    (file, all)
}

/// What may happen to a file.
#[derive(Debug, Clone)]
enum Mutation {
    Flip(usize),
    Cut(usize),
    Zero(usize),
    Repeat(usize),
}

fn any_mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        any::<usize>().prop_map(Mutation::Flip),
        any::<usize>().prop_map(Mutation::Cut),
        any::<usize>().prop_map(Mutation::Zero),
        any::<usize>().prop_map(Mutation::Repeat),
    ]
}

fn mutate(file: &mut Vec<u8>, mutation: &Mutation) {
    let len = file.len().max(1);
    match *mutation {
        Mutation::Flip(at) => {
            if let Some(byte) = file.get_mut(at % len) {
                *byte ^= 1 << (at % 8);
            }
        }
        Mutation::Cut(at) => file.truncate(at % len),
        Mutation::Zero(at) => file.iter_mut().skip(at % len).take(512).for_each(|byte| *byte = 0),
        Mutation::Repeat(at) => file.extend_from_within(at % len..),
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        TARGETS.iter().for_each(|target| target(&data));
    }

    #[test]
    fn bytes_of_few_kinds_get_further(data in proptest::collection::vec(0u8..9, 0..120)) {
        TARGETS.iter().for_each(|target| target(&data));
    }

    #[test]
    fn a_mutated_log_reads_as_it_was_up_to_some_revision_or_is_refused(
        txns in proptest::collection::vec(any_txn(), 0..12),
        mutations in proptest::collection::vec(any_mutation(), 0..3),
    ) {
        let (mut file, all) = segment_of(&txns);
        mutations.iter().for_each(|mutation| mutate(&mut file, mutation));
        open_twice(&file);
        let files = Memory::default();
        lay(&files, &segment::name(FIRST), &file).expect("memory writes");
        let manifest = Manifest { snapshot: Revision::NONE, segment: FIRST };
        manifest.write(&files).expect("memory writes");
        match open(&files) {
            Ok(found) => {
                let writes = usize::try_from(found.head.0 - 1).expect("few");
                prop_assert_eq!(Some(&found.keys), all.get(writes));
            }
            Err(error) => prop_assert!(!mutations.is_empty(), "{}", error),
        }
    }

    #[test]
    fn a_mutated_snapshot_reads_as_it_was_or_is_refused(
        txns in proptest::collection::vec(any_txn(), 0..12),
        mutations in proptest::collection::vec(any_mutation(), 0..3),
    ) {
        let (_, all) = segment_of(&txns);
        let keys = all.last().expect("there is always one");
        let mut file = Vec::new();
        snapshot::encode_head(&mut file, FIRST);
        if !keys.is_empty() {
            snapshot::encode_keys(&mut file, keys);
        }
        snapshot::encode_end(&mut file);
        mutations.iter().for_each(|mutation| mutate(&mut file, mutation));
        read_twice(&file);
        match snapshot::read(&file[..], Some(FIRST)) {
            Ok(found) => prop_assert!(found.entries.values().eq(keys)),
            Err(error) => prop_assert!(!mutations.is_empty(), "{:?}", error),
        }
    }
}
