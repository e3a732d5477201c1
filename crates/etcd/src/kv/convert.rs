//! Between what the API says and what the store says.

use bytes::Bytes;
use store::{Compare, LeaseId, Op, Range, Relation, Revision, Target};

use super::own;
use crate::member::int64;
use crate::pb::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use crate::pb::etcdserverpb::{self as api, DeleteRangeResponse, PutRequest, ResponseHeader};
use crate::pb::mvccpb;

/// Greater than anything that is counted from 1 ever gets.
const NEVER_REACHED: u64 = u64::MAX;

/// The range a request means: one key without an end, and no end at all when the end is a zero byte.
pub(crate) fn key_range(key: Bytes, end: &Bytes) -> Range {
    match end.as_ref() {
        [] => Range::key(key),
        [0] => Range::starting_at(key),
        _ => Range::new(key, end.clone()),
    }
}

/// A key with its value as the API has it.
pub(crate) fn key_value(kv: store::KeyValue) -> mvccpb::KeyValue {
    mvccpb::KeyValue {
        key: kv.key,
        value: kv.value,
        create_revision: int64(kv.create_revision),
        mod_revision: int64(kv.mod_revision),
        version: i64::try_from(kv.version).unwrap_or(i64::MAX),
        lease: kv.lease.0,
    }
}

/// What the store is to do for a put.
pub(super) fn put(request: PutRequest) -> Op {
    Op::Put {
        key: own(&request.key),
        value: (!request.ignore_value).then(|| own(&request.value)),
        lease: (!request.ignore_lease).then_some(LeaseId(request.lease)),
    }
}

/// The response to a delete.
pub(super) fn deleted(
    deleted: Vec<store::KeyValue>,
    prev_kv: bool,
    header: ResponseHeader,
) -> DeleteRangeResponse {
    DeleteRangeResponse {
        header: Some(header),
        deleted: i64::try_from(deleted.len()).unwrap_or(i64::MAX),
        prev_kvs: if prev_kv { deleted.into_iter().map(key_value).collect() } else { Vec::new() },
    }
}

/// What the store is to compare. As in etcd a compare that names one target and gives another is
/// one with 0; a target we do not know is equal to everything, and a relation we do not know holds.
pub(super) fn compare(compare: api::Compare) -> Compare {
    let range = key_range(compare.key, &compare.range_end);
    let Ok(target) = CompareTarget::try_from(compare.target) else {
        let holds = CompareResult::try_from(compare.result)
            .map_or(true, |result| result == CompareResult::Equal);
        return constant(range, holds);
    };
    let Some(relation) = relation(compare.result) else {
        return match target {
            CompareTarget::Value => present(range),
            _ => constant(range, true),
        };
    };
    let given = compare.target_union;
    match (target, given) {
        (CompareTarget::Value, Some(TargetUnion::Value(value))) => {
            Compare::over(range, Target::Value(value), relation)
        }
        (CompareTarget::Value, _) => Compare::over(range, Target::Value(Bytes::new()), relation),
        (CompareTarget::Lease, Some(TargetUnion::Lease(id))) => {
            Compare::over(range, Target::Lease(LeaseId(id)), relation)
        }
        (CompareTarget::Lease, _) => Compare::over(range, Target::Lease(LeaseId::NONE), relation),
        (CompareTarget::Version, Some(TargetUnion::Version(given))) => {
            counted(range, Target::Version, given, relation)
        }
        (CompareTarget::Version, _) => counted(range, Target::Version, 0, relation),
        (CompareTarget::Create, Some(TargetUnion::CreateRevision(given))) => {
            counted(range, created, given, relation)
        }
        (CompareTarget::Create, _) => counted(range, created, 0, relation),
        (CompareTarget::Mod, Some(TargetUnion::ModRevision(given))) => {
            counted(range, modified, given, relation)
        }
        (CompareTarget::Mod, _) => counted(range, modified, 0, relation),
    }
}

fn created(revision: u64) -> Target {
    Target::CreateRevision(Revision(revision))
}

fn modified(revision: u64) -> Target {
    Target::ModRevision(Revision(revision))
}

fn relation(result: i32) -> Option<Relation> {
    Some(match CompareResult::try_from(result).ok()? {
        CompareResult::Equal => Relation::Equal,
        CompareResult::Greater => Relation::Greater,
        CompareResult::Less => Relation::Less,
        CompareResult::NotEqual => Relation::NotEqual,
    })
}

/// Compares a count; everything stored is greater than one below 0.
fn counted(range: Range, target: fn(u64) -> Target, given: i64, relation: Relation) -> Compare {
    match (u64::try_from(given), relation) {
        (Ok(given), relation) => Compare::over(range, target(given), relation),
        (Err(_), Relation::NotEqual | Relation::Greater) => constant(range, true),
        (Err(_), Relation::Equal | Relation::Less) => constant(range, false),
    }
}

/// Holds always, or never.
fn constant(range: Range, holds: bool) -> Compare {
    let relation = if holds { Relation::NotEqual } else { Relation::Equal };
    Compare::over(range, Target::Version(NEVER_REACHED), relation)
}

/// Holds when there is a key in the range.
fn present(range: Range) -> Compare {
    Compare::over(range, Target::Version(0), Relation::Greater)
}

#[cfg(test)]
mod tests {
    use store::{Store, Txn};

    use super::*;

    #[test]
    fn ends_have_their_own_words() {
        assert_eq!(key_range("a".into(), &"".into()), Range::key("a"));
        assert_eq!(key_range("a".into(), &"\0".into()), Range::starting_at("a"));
        assert_eq!(key_range("a".into(), &"b".into()), Range::new("a", "b"));
        assert_eq!(key_range("\0".into(), &"\0".into()), Range::starting_at("\0"));
    }

    /// Whether a compare holds for a key that was put twice, with the value "m", and for none.
    async fn check(target: i32, given: Option<TargetUnion>, result: i32, expected: (bool, bool)) {
        let store = Store::in_memory();
        for value in ["l", "m"] {
            store.commit(Txn::new().then(Op::put("k", value))).await.expect("a put");
        }
        let mut found = Vec::new();
        for key in ["k", "absent"] {
            let given = given.clone();
            let (key, range_end) = (Bytes::from(key), Bytes::new());
            let asked = api::Compare { result, target, key, range_end, target_union: given };
            let reply = store.commit(Txn::new().when(compare(asked))).await.expect("a compare");
            found.push(reply.succeeded);
        }
        assert_eq!((found[0], found[1]), expected, "{target} {given:?} {result}");
    }

    #[tokio::test]
    async fn numbers_are_compared_and_what_is_below_zero_is_less_than_all() {
        use TargetUnion::{CreateRevision, ModRevision, Version};
        let (equal, greater, less, not_equal) = (0, 1, 2, 3);
        check(0, Some(Version(2)), equal, (true, false)).await;
        check(0, Some(Version(-2)), equal, (false, false)).await;
        check(0, Some(Version(-2)), greater, (true, true)).await;
        check(0, Some(Version(-2)), less, (false, false)).await;
        check(0, Some(Version(-2)), not_equal, (true, true)).await;
        check(1, Some(CreateRevision(0)), greater, (true, false)).await;
        check(2, Some(ModRevision(3)), equal, (true, false)).await;
    }

    #[tokio::test]
    async fn values_are_compared_only_where_there_is_one() {
        use TargetUnion::Value;
        check(3, Some(Value("m".into())), 0, (true, false)).await;
        check(3, Some(Value("x".into())), 3, (true, false)).await;
        check(3, None, 1, (true, false)).await;
    }

    #[tokio::test]
    async fn what_is_not_known_compares_as_in_etcd() {
        use TargetUnion::{Lease, Version};
        check(0, Some(Lease(7)), 0, (false, true)).await;
        check(9, Some(Version(7)), 0, (true, true)).await;
        check(9, Some(Version(7)), 1, (false, false)).await;
        check(0, Some(Version(7)), 9, (true, true)).await;
        check(3, None, 9, (true, false)).await;
    }
}
