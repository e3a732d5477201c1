//! The KV service over a socket. What is expected here was seen of etcd 3.4.

mod support;

use etcd::pb::etcdserverpb::compare::TargetUnion;
use etcd::pb::etcdserverpb::request_op::Request;
use etcd::pb::etcdserverpb::response_op::Response;
use etcd::pb::etcdserverpb::{
    CompactionRequest, Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp,
    TxnRequest, TxnResponse,
};
use support::{Client, Fixture};
use tonic::{Code, Status};

fn put(key: &'static str, value: &'static str) -> PutRequest {
    PutRequest { key: key.into(), value: value.into(), ..Default::default() }
}

fn get(key: &'static str) -> RangeRequest {
    RangeRequest { key: key.into(), ..Default::default() }
}

fn all() -> RangeRequest {
    RangeRequest { range_end: "\0".into(), ..get("\0") }
}

fn delete(key: &'static str) -> DeleteRangeRequest {
    DeleteRangeRequest { key: key.into(), ..Default::default() }
}

fn op(request: Request) -> RequestOp {
    RequestOp { request: Some(request) }
}

fn txn(success: impl IntoIterator<Item = Request>) -> TxnRequest {
    TxnRequest { success: success.into_iter().map(op).collect(), ..Default::default() }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, text: &str) {
    let status = answer.expect_err("to be refused");
    assert_eq!((status.code(), status.message()), (code, text));
}

/// A client of a new server, with these keys put.
async fn with_keys(keys: &[&'static str]) -> (Fixture, Client) {
    let fixture = Fixture::start().await;
    let mut client = fixture.client().await;
    for key in keys {
        client.put(put(key, key)).await.expect("a put");
    }
    (fixture, client)
}

#[tokio::test]
async fn revisions_begin_at_one_and_every_write_takes_the_next() {
    let (_fixture, mut client) = with_keys(&[]).await;
    let fresh = client.range(get("x")).await.expect("a range").into_inner();
    let header = fresh.header.expect("a header");
    assert_eq!((header.revision, fresh.count), (1, 0));
    assert!(header.cluster_id != 0 && header.member_id != 0 && header.raft_term > 0);
    let reply = client.put(put("a", "1")).await.expect("a put").into_inner();
    assert_eq!(reply.header.expect("a header"), etcd_header(&header, 2));
    let nothing = client.delete_range(delete("zz")).await.expect("a delete").into_inner();
    assert_eq!((nothing.deleted, nothing.header), (0, Some(etcd_header(&header, 2))));
}

fn etcd_header(
    like: &etcd::pb::etcdserverpb::ResponseHeader,
    revision: i64,
) -> etcd::pb::etcdserverpb::ResponseHeader {
    etcd::pb::etcdserverpb::ResponseHeader { revision, ..*like }
}

#[tokio::test]
async fn a_put_tells_what_was_there_before_and_keeps_what_it_is_told_to() {
    let (_fixture, mut client) = with_keys(&["a"]).await;
    let request = PutRequest { prev_kv: true, ..put("a", "2") };
    let prev = client.put(request).await.expect("a put").into_inner().prev_kv.expect("a prev_kv");
    assert_eq!((prev.value.as_ref(), prev.version, prev.mod_revision), (&b"a"[..], 1, 2));
    let request = PutRequest { ignore_value: true, ..put("a", "") };
    client.put(request).await.expect("a put");
    let kept = client.range(get("a")).await.expect("a range").into_inner().kvs.remove(0);
    assert_eq!((kept.value.as_ref(), kept.version, kept.mod_revision), (&b"2"[..], 3, 4));

    let request = PutRequest { ignore_value: true, ..put("absent", "") };
    refused(client.put(request).await, Code::InvalidArgument, "etcdserver: key not found");
    let request = PutRequest { ignore_value: true, ..put("a", "v") };
    refused(client.put(request).await, Code::InvalidArgument, "etcdserver: value is provided");
    let request = PutRequest { ignore_lease: true, lease: 4, ..put("a", "v") };
    refused(client.put(request).await, Code::InvalidArgument, "etcdserver: lease is provided");
    let request = PutRequest { lease: 4, ..put("a", "v") };
    refused(client.put(request).await, Code::NotFound, "etcdserver: requested lease not found");
    let refusal = client.put(put("", "v")).await;
    refused(refusal, Code::InvalidArgument, "etcdserver: key is not provided");
}

#[tokio::test]
async fn ranges_are_limited_counted_and_read_at_old_revisions() {
    let (_fixture, mut client) = with_keys(&["a", "b", "c"]).await;
    let limited = RangeRequest { limit: 2, keys_only: true, ..all() };
    let reply = client.range(limited).await.expect("a range").into_inner();
    assert_eq!((reply.kvs.len(), reply.more, reply.count), (2, true, 3));
    assert!(reply.kvs.iter().all(|kv| kv.value.is_empty()));
    let counted = RangeRequest { count_only: true, limit: 2, ..all() };
    let reply = client.range(counted).await.expect("a range").into_inner();
    assert_eq!((reply.kvs.len(), reply.more, reply.count), (0, false, 3));
    let old = RangeRequest { revision: 3, serializable: true, ..all() };
    let reply = client.range(old).await.expect("a range").into_inner();
    assert_eq!((reply.count, reply.header.expect("a header").revision), (2, 4));
    let future = RangeRequest { revision: 5, ..all() };
    let text = "etcdserver: mvcc: required revision is a future revision";
    refused(client.range(future).await, Code::OutOfRange, text);
}

#[tokio::test]
async fn compaction_forgets_what_is_older() {
    let (_fixture, mut client) = with_keys(&["a", "b", "c"]).await;
    let compact = |revision| CompactionRequest { revision, physical: true };
    let reply = client.compact(compact(3)).await.expect("a compaction").into_inner();
    assert_eq!(reply.header.expect("a header").revision, 4);
    let at = |revision| RangeRequest { revision, ..all() };
    assert_eq!(client.range(at(3)).await.expect("a range").into_inner().count, 2);
    let compacted = "etcdserver: mvcc: required revision has been compacted";
    refused(client.range(at(2)).await, Code::OutOfRange, compacted);
    refused(client.compact(compact(3)).await, Code::OutOfRange, compacted);
    refused(client.compact(compact(-1)).await, Code::OutOfRange, compacted);
    let future = "etcdserver: mvcc: required revision is a future revision";
    refused(client.compact(compact(5)).await, Code::OutOfRange, future);
}

#[tokio::test]
async fn deletes_tell_how_many_and_what() {
    let (_fixture, mut client) = with_keys(&["a", "b", "c"]).await;
    let request = DeleteRangeRequest { range_end: "c".into(), prev_kv: true, ..delete("a") };
    let reply = client.delete_range(request).await.expect("a delete").into_inner();
    let keys: Vec<_> = reply.prev_kvs.iter().map(|kv| kv.key.as_ref()).collect();
    assert_eq!((reply.deleted, keys), (2, vec![&b"a"[..], b"b"]));
    assert_eq!(reply.header.expect("a header").revision, 5);
}

/// The revisions in the headers of a transaction's responses.
fn revisions(reply: &TxnResponse) -> Vec<i64> {
    let header = |header: &Option<etcd::pb::etcdserverpb::ResponseHeader>| {
        header.expect("every response has a header").revision
    };
    let of = |response: &etcd::pb::etcdserverpb::ResponseOp| match &response.response {
        Some(Response::ResponseRange(response)) => vec![header(&response.header)],
        Some(Response::ResponsePut(response)) => vec![header(&response.header)],
        Some(Response::ResponseDeleteRange(response)) => vec![header(&response.header)],
        Some(Response::ResponseTxn(response)) => {
            [vec![header(&response.header)], revisions(response)].concat()
        }
        None => panic!("a response of no kind"),
    };
    reply.responses.iter().flat_map(of).collect()
}

#[tokio::test]
async fn responses_in_a_transaction_say_the_revision_that_they_saw() {
    let (_fixture, mut client) = with_keys(&["a", "f"]).await;
    let request = txn([
        Request::RequestRange(get("a")),
        Request::RequestDeleteRange(delete("zz")),
        Request::RequestPut(put("n", "1")),
        Request::RequestDeleteRange(delete("zz")),
        Request::RequestTxn(txn([
            Request::RequestRange(get("n")),
            Request::RequestDeleteRange(delete("f")),
        ])),
    ]);
    let reply = client.txn(request).await.expect("a transaction").into_inner();
    assert_eq!(reply.header.expect("a header").revision, 4);
    assert_eq!(revisions(&reply), [3, 3, 4, 4, 0, 4, 4]);
    let request = txn([Request::RequestDeleteRange(delete("zz")), Request::RequestRange(get("n"))]);
    let reply = client.txn(request).await.expect("a transaction").into_inner();
    assert_eq!(reply.header.expect("a header").revision, 4);
    assert_eq!(revisions(&reply), [4, 4]);
}

#[tokio::test]
async fn compares_decide_on_the_branch() {
    let (_fixture, mut client) = with_keys(&["a", "b"]).await;
    let compare = |version, range_end: &'static str| Compare {
        key: "a".into(),
        range_end: range_end.into(),
        target_union: Some(TargetUnion::Version(version)),
        ..Default::default()
    };
    for (version, range_end, expected) in
        [(1, "", true), (2, "", false), (1, "\0", true), (0, "\0", false)]
    {
        let request = TxnRequest {
            compare: vec![compare(version, range_end)],
            success: vec![op(Request::RequestRange(get("a")))],
            failure: vec![],
        };
        let reply = client.txn(request).await.expect("a transaction").into_inner();
        assert_eq!((reply.succeeded, reply.responses.len()), (expected, usize::from(expected)));
    }
}

#[tokio::test]
async fn a_transaction_is_refused_whole() {
    let (_fixture, mut client) = with_keys(&["a"]).await;
    let mut check = async |request: TxnRequest, code, text: &str| {
        refused(client.txn(request).await, code, text);
        assert_eq!(client.range(all()).await.expect("a range").into_inner().count, 1, "{text}");
    };
    let new = || Request::RequestPut(put("new", "1"));
    let duplicate = "etcdserver: duplicate key given in txn request";
    check(txn([new(), new()]), Code::InvalidArgument, duplicate).await;
    let deleted = Request::RequestDeleteRange(delete("new"));
    check(txn([Request::RequestTxn(txn([new()])), deleted]), Code::InvalidArgument, duplicate)
        .await;
    let many = txn(std::iter::repeat_n(Request::RequestRange(get("a")), 129));
    let text = "etcdserver: too many operations in txn request";
    check(many, Code::InvalidArgument, text).await;
    let kept = Request::RequestPut(PutRequest { ignore_value: true, ..put("b", "") });
    check(txn([new(), kept]), Code::InvalidArgument, "etcdserver: key not found").await;
    let leased = Request::RequestPut(PutRequest { lease: 77, ..put("b", "") });
    check(txn([new(), leased]), Code::NotFound, "etcdserver: requested lease not found").await;
    let future = Request::RequestRange(RangeRequest { revision: 500, ..get("a") });
    let text = "etcdserver: mvcc: required revision is a future revision";
    check(txn([new(), future]), Code::OutOfRange, text).await;
}

#[tokio::test]
async fn a_request_of_a_mebibyte_and_a_half_is_the_largest() {
    let (_fixture, mut client) = with_keys(&[]).await;
    let sized =
        |bytes| PutRequest { key: "L".into(), value: vec![7; bytes].into(), ..put("L", "") };
    client.put(sized(1_572_840)).await.expect("the largest put that etcd takes");
    let kept = client.range(get("L")).await.expect("a range").into_inner();
    assert_eq!(kept.kvs[0].value.len(), 1_572_840);
    let refusal = client.put(sized(1_572_841)).await;
    refused(refusal, Code::InvalidArgument, "etcdserver: request is too large");
    let refusal = client.put(sized(2_097_152)).await;
    let text = "grpc: received message larger than max (2097160 vs. 2097152)";
    refused(refusal, Code::ResourceExhausted, text);
    client.put(put("a", "1")).await.expect("the connection is as good as before");
}
