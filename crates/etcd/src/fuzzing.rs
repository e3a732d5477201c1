//! For fuzzers: whatever bytes a client sends, the server answers and goes on.

use prost::Message;
use tonic::{Request, Status};

use crate::kv::Kv;
use crate::member::Member;
use crate::pb::etcdserverpb::{self as api, ResponseHeader};
use crate::pb::{authpb, v3electionpb, v3lockpb};
use crate::server::Config;

/// Reads the bytes as each of the API's requests; has those of KV answered, over a store that has
/// a little in it.
///
/// # Panics
/// When the server would, or answers what cannot be.
pub fn requests(bytes: &[u8]) {
    decode_others(bytes);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime without drivers").block_on(kv(bytes));
}

/// Reads bytes as a message and writes what was understood; that must be understood again.
fn decode<M: Message + Default + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Option<M> {
    let message = M::decode(bytes).ok()?;
    let again = M::decode(message.encode_to_vec().as_slice()).expect("what was written by us");
    assert_eq!(message, again, "written and read again");
    Some(message)
}

fn decode_others(bytes: &[u8]) {
    decode::<api::WatchRequest>(bytes);
    decode::<api::LeaseGrantRequest>(bytes);
    decode::<api::LeaseRevokeRequest>(bytes);
    decode::<api::LeaseKeepAliveRequest>(bytes);
    decode::<api::LeaseTimeToLiveRequest>(bytes);
    decode::<api::MemberAddRequest>(bytes);
    decode::<api::MemberUpdateRequest>(bytes);
    decode::<api::AlarmRequest>(bytes);
    decode::<api::HashKvRequest>(bytes);
    decode::<api::DowngradeRequest>(bytes);
    decode::<api::AuthenticateRequest>(bytes);
    decode::<api::AuthUserAddRequest>(bytes);
    decode::<api::AuthRoleGrantPermissionRequest>(bytes);
    decode::<api::AuthRoleRevokePermissionRequest>(bytes);
    decode::<authpb::Permission>(bytes);
    decode::<v3lockpb::LockRequest>(bytes);
    decode::<v3electionpb::CampaignRequest>(bytes);
    decode::<v3electionpb::ProclaimRequest>(bytes);
}

async fn kv(bytes: &[u8]) {
    let config = Config {
        store: store::Store::in_memory(),
        name: "fuzzed".into(),
        client_urls: Vec::new(),
        quota_bytes: 0,
        client_cert_auth: false,
    };
    let member = Member::start(config).await.expect("memory takes all");
    let kv = Kv::new(std::sync::Arc::new(member));
    for (key, value) in [("a", "1"), ("b", "2"), ("a", "3")] {
        let put = api::PutRequest { key: key.into(), value: value.into(), ..Default::default() };
        kv.put(Request::new(put)).await.expect("a plain put");
    }
    let mut head = 4;
    if let Some(request) = decode::<api::RangeRequest>(bytes) {
        let (limit, count_only) = (request.limit, request.count_only);
        if let Ok(reply) = checked(kv.range(Request::new(request)).await) {
            assert!(limit <= 0 || reply.kvs.len() as i64 <= limit, "a limit is kept");
            assert!(reply.kvs.len() as i64 <= reply.count, "the count counts all");
            assert!(!count_only || reply.kvs.is_empty(), "nothing but a count");
            follows(&mut head, reply.header, false);
        }
    }
    if let Some(request) = decode::<api::PutRequest>(bytes)
        && let Ok(reply) = checked(kv.put(Request::new(request)).await)
    {
        follows(&mut head, reply.header, true);
    }
    if let Some(request) = decode::<api::TxnRequest>(bytes) {
        let branches = (request.success.len(), request.failure.len());
        if let Ok(reply) = checked(kv.txn(Request::new(request)).await) {
            let expected = if reply.succeeded { branches.0 } else { branches.1 };
            assert_eq!(reply.responses.len(), expected, "one response for each operation");
            let told = reply.responses.iter().all(|response| response.response.is_some());
            assert!(told, "each response is of some kind");
            let revision = reply.header.map_or(0, |header| header.revision);
            let wrote = revision > head;
            follows(&mut head, reply.header, wrote);
        }
    }
    if let Some(request) = decode::<api::DeleteRangeRequest>(bytes)
        && let Ok(reply) = checked(kv.delete_range(Request::new(request)).await)
    {
        follows(&mut head, reply.header, reply.deleted > 0);
    }
    if let Some(request) = decode::<api::CompactionRequest>(bytes)
        && let Ok(reply) = checked(kv.compact(Request::new(request)).await)
    {
        follows(&mut head, reply.header, false);
    }
}

/// What is refused is refused with an error that clients know.
fn checked<T>(answer: Result<T, Status>) -> Result<T, Status> {
    if let Err(status) = &answer {
        assert!(status.message().starts_with("etcdserver: "), "{status:?}");
        assert_ne!(status.code(), tonic::Code::Unavailable, "{status:?}");
    }
    answer
}

/// A revision is the last one, or the next one when something was written.
fn follows(head: &mut i64, header: Option<ResponseHeader>, wrote: bool) {
    *head += i64::from(wrote);
    assert_eq!(header.map(|header| header.revision), Some(*head), "revisions leave no gaps");
}

#[cfg(test)]
mod tests {
    use api::compare::TargetUnion;
    use api::request_op::Request as Kind;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = bytes::Bytes> {
        prop_oneof![Just(""), Just("a"), Just("b"), Just("c"), Just("\0")].prop_map(Into::into)
    }

    fn number() -> impl Strategy<Value = i64> {
        prop_oneof![8 => -1_i64..7, 1 => any::<i64>()]
    }

    fn range() -> impl Strategy<Value = api::RangeRequest> {
        let numbers = (number(), number(), number(), number());
        let flags = (any::<bool>(), any::<bool>(), -1_i32..4, -1_i32..6);
        (key(), key(), numbers, flags).prop_map(|(key, range_end, numbers, flags)| {
            api::RangeRequest {
                key,
                range_end,
                limit: numbers.0,
                revision: numbers.1,
                min_mod_revision: numbers.2,
                max_create_revision: numbers.3,
                keys_only: flags.0,
                count_only: flags.1,
                sort_order: flags.2,
                sort_target: flags.3,
                ..Default::default()
            }
        })
    }

    fn put() -> impl Strategy<Value = api::PutRequest> {
        (key(), key(), 0_i64..2, any::<(bool, bool, bool)>()).prop_map(
            |(key, value, lease, keep)| {
                let (prev_kv, ignore_value, ignore_lease) = keep;
                api::PutRequest { key, value, lease, prev_kv, ignore_value, ignore_lease }
            },
        )
    }

    fn delete() -> impl Strategy<Value = api::DeleteRangeRequest> {
        (key(), key(), any::<bool>()).prop_map(|(key, range_end, prev_kv)| {
            api::DeleteRangeRequest { key, range_end, prev_kv }
        })
    }

    fn compare() -> impl Strategy<Value = api::Compare> {
        let given = prop_oneof![
            number().prop_map(TargetUnion::Version),
            number().prop_map(TargetUnion::ModRevision),
            key().prop_map(TargetUnion::Value),
        ];
        (-1_i32..5, -1_i32..6, key(), key(), proptest::option::of(given)).prop_map(
            |(result, target, key, range_end, target_union)| api::Compare {
                result,
                target,
                key,
                range_end,
                target_union,
            },
        )
    }

    fn txn() -> impl Strategy<Value = api::TxnRequest> {
        let op = prop_oneof![
            range().prop_map(Kind::RequestRange),
            put().prop_map(Kind::RequestPut),
            delete().prop_map(Kind::RequestDeleteRange),
        ];
        op.prop_recursive(3, 12, 3, |op| txn_of(op).prop_map(Kind::RequestTxn))
            .prop_flat_map(|op| txn_of(Just(op)))
    }

    fn txn_of(op: impl Strategy<Value = Kind> + 'static) -> impl Strategy<Value = api::TxnRequest> {
        let op =
            proptest::option::weighted(0.98, op).prop_map(|request| api::RequestOp { request });
        let op = op.boxed();
        (vec(compare(), 0..3), vec(op.clone(), 0..3), vec(op, 0..3))
            .prop_map(|(compare, success, failure)| api::TxnRequest { compare, success, failure })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..64)) {
            requests(&bytes);
        }

        #[test]
        fn any_range_is_answered(request in range()) {
            requests(&request.encode_to_vec());
        }

        #[test]
        fn any_put_is_answered(request in put()) {
            requests(&request.encode_to_vec());
        }

        #[test]
        fn any_transaction_is_answered(request in txn()) {
            requests(&request.encode_to_vec());
        }

        #[test]
        fn a_transaction_cut_short_or_spoiled_is_answered(
            request in txn(),
            cut in any::<prop::sample::Index>(),
            spoiled in any::<(prop::sample::Index, u8)>(),
        ) {
            let mut bytes = request.encode_to_vec();
            if !bytes.is_empty() {
                let at = spoiled.0.index(bytes.len());
                bytes[at] = spoiled.1;
                bytes.truncate(cut.index(bytes.len()) + 1);
            }
            requests(&bytes);
        }
    }
}
