//! Entries, there and back.

use proptest::prelude::*;

use super::*;
use crate::space::Space;
use crate::stage::{Stage, Staged};
use crate::{Compare, Target, Txn};

const LEASE_ID: LeaseId = LeaseId(-7);

fn any_bytes() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from)
}

fn any_key() -> impl Strategy<Value = Bytes> {
    (0u8..12).prop_map(|n| Bytes::from(vec![b'a' + n / 4, n % 4]))
}

fn any_range() -> impl Strategy<Value = Range> {
    prop_oneof![
        any_key().prop_map(Range::key),
        (any_key(), any_key()).prop_map(|(a, b)| Range::new(a, b)),
        any_key().prop_map(Range::starting_at),
    ]
}

fn any_compare() -> impl Strategy<Value = Compare> {
    let target = prop_oneof![
        (0u64..3).prop_map(Target::Version),
        any_bytes().prop_map(Target::Value),
        Just(Target::Lease(LEASE_ID)),
    ];
    (any_range(), target, prop_oneof![Just(crate::Relation::Equal), Just(crate::Relation::Greater)])
        .prop_map(|(range, target, relation)| Compare::over(range, target, relation))
}

fn any_op() -> impl Strategy<Value = Op> {
    let value = proptest::option::weighted(0.8, any_bytes());
    let lease = prop_oneof![Just(None), Just(Some(LeaseId::NONE)), Just(Some(LEASE_ID))];
    let put = (any_key(), value, lease);
    let flat = prop_oneof![
        4 => put.prop_map(|(key, value, lease)| Op::Put { key, value, lease }),
        1 => any_range().prop_map(Op::delete_range),
        1 => any_range().prop_map(|range| Op::range(range, 0)),
    ];
    flat.prop_recursive(3, 24, 4, |op| {
        let ops = || proptest::collection::vec(op.clone(), 0..4);
        (proptest::collection::vec(any_compare(), 0..2), ops(), ops())
            .prop_map(|(compares, success, failure)| Op::txn(Txn { compares, success, failure }))
    })
}

/// A key space with some keys, half of them with a lease.
fn space() -> Space {
    let mut space = Space::new();
    let mut stage = Stage::new(&space);
    stage.grant(LEASE_ID, std::time::Duration::from_secs(60)).unwrap();
    for n in 0..6u8 {
        let lease = if n % 2 == 0 { LEASE_ID } else { LeaseId::NONE };
        let put = Op::put_leased(vec![b'a' + n / 4, n % 4], vec![n], lease);
        stage.run(&Txn::new().then(put)).unwrap();
    }
    let Staged { batches, settings } = stage.finish();
    batches.into_iter().for_each(|batch| space.apply(batch));
    settings.into_iter().for_each(|setting| space.set(setting));
    space
}

proptest! {
    #[test]
    fn what_is_logged_does_the_same_when_it_is_replayed(
        ops in proptest::collection::vec(any_op(), 0..6),
    ) {
        let space = space();
        let txn = Txn { success: ops, ..Txn::new() };
        prop_assume!(!txn.writes_a_key_twice());
        let mut stage = Stage::new(&space);
        let Ok(reply) = stage.run(&txn) else { return Ok(()) };
        let mut out = Vec::new();
        Entry::encode_write(&mut out, &txn.success, &reply);
        let entries = Entry::decode_all(&out);
        let Some([Entry::Write(revision, logged)]) = entries.as_deref() else {
            panic!("{entries:?}");
        };
        prop_assert_eq!(*revision, reply.revision);
        let mut replayed = Stage::new(&space);
        replayed.replay(logged);
        prop_assert_eq!(replayed.finish().batches, stage.finish().batches);
    }

    #[test]
    fn other_entries_read_back_as_written(
        id: i64, ttl_ms: u64, deadline_ms: u64, revision: u64, name in ".{0,9}",
        content in any_bytes(),
    ) {
        let lease = LoggedLease { id: LeaseId(id), ttl_ms, deadline_ms };
        let revision = Revision(revision);
        let settings =
            Settings { leases: vec![lease], records: vec![(name.clone(), content.clone())] };
        let mut out = Vec::new();
        Entry::encode_checkpoint(&mut out, revision, &settings);
        Entry::encode_lease_ended(&mut out, lease.id, Some(Revision(7)));
        Entry::encode_lease_ended(&mut out, lease.id, None);
        Entry::encode_record(&mut out, &name, None);
        let expected = vec![
            Entry::ClearSettings,
            Entry::Compact(revision),
            Entry::Lease(lease),
            Entry::Record(name.clone(), Some(content)),
            Entry::LeaseEnded(lease.id, Some(Revision(7))),
            Entry::LeaseEnded(lease.id, None),
            Entry::Record(name, None),
        ];
        prop_assert_eq!(Entry::decode_all(&out), Some(expected));
    }

    #[test]
    fn keys_of_a_snapshot_read_back_as_written(
        key in any_bytes(), value in any_bytes(), numbers: (u64, u64, u64), lease: i64,
    ) {
        let (create, modified, version) = numbers;
        let (create_revision, mod_revision) = (Revision(create), Revision(modified));
        let lease = LeaseId(lease);
        let kv = KeyValue { key, value, create_revision, mod_revision, version, lease };
        let mut out = Vec::new();
        encode_key_value(&mut out, &kv);
        encode_key_value(&mut out, &kv);
        let read = decode_key_values(&out, KeyFormat::Leased);
        prop_assert_eq!(read, Some(vec![kv.clone(), kv]));
    }

    #[test]
    fn any_other_bytes_are_refused_or_read_but_never_panic(
        payload in proptest::collection::vec(0u8..9, 0..64),
    ) {
        let _ = Entry::decode_all(&payload);
        let _ = decode_key_values(&payload, KeyFormat::Leased);
        let _ = decode_key_values(&payload, KeyFormat::Plain);
    }
}
