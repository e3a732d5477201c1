//! Operations as requests of the etcd API, and replies back.

use etcd::pb::etcdserverpb::kv_client::KvClient;
use etcd::pb::etcdserverpb::request_op::Request;
use etcd::pb::etcdserverpb::response_op::Response;
use etcd::pb::etcdserverpb::{
    Compare, DeleteRangeRequest, DeleteRangeResponse, PutRequest, PutResponse, RangeRequest,
    RangeResponse, RequestOp, ResponseHeader, ResponseOp, TxnRequest, compare,
};
use etcd::pb::mvccpb::KeyValue;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use super::model::{Action, Answer, Entry, Expect, Keys, Operation, Reply, Value};

/// The least and the greatest number of bytes of a value.
const VALUE_BYTES: (usize, usize) = (16, 512);

/// A connection that is made when it is needed, and again when it broke.
pub fn channel(endpoint: &str) -> Channel {
    Endpoint::from_shared(endpoint.to_owned()).expect("an address").connect_lazy()
}

/// A value on the wire: its number, and filling that depends on it.
pub fn bytes_of(value: Value) -> Vec<u8> {
    let (least, most) = VALUE_BYTES;
    let spread = usize::try_from(value.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40).expect("24 bits");
    let filling = ".".repeat(least + spread % (most - least));
    format!("{value}:{filling}").into_bytes()
}

fn value_of(bytes: &[u8]) -> Value {
    let text = std::str::from_utf8(bytes).expect("a value of ours");
    let number = text.split(':').next().expect("a first part").parse().expect("its number");
    assert_eq!(bytes_of(number), bytes, "a value comes back as it was written");
    number
}

/// What is stored, as the model has it.
pub fn entry(stored: &KeyValue) -> (String, Entry) {
    let key = String::from_utf8(stored.key.to_vec()).expect("a key of ours");
    let entry = Entry {
        value: value_of(&stored.value),
        created: stored.create_revision,
        modified: stored.mod_revision,
        version: stored.version,
        lease: stored.lease,
    };
    (key, entry)
}

/// The end of the range of all keys with a prefix.
pub fn prefix_end(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    match end.last_mut() {
        Some(last) => *last += 1,
        None => end.push(0),
    }
    end
}

fn range_of(keys: &Keys) -> (Vec<u8>, Vec<u8>) {
    match keys {
        Keys::One(key) => (key.clone().into_bytes(), Vec::new()),
        Keys::Prefix(prefix) if prefix.is_empty() => (vec![0], vec![0]),
        Keys::Prefix(prefix) => (prefix.clone().into_bytes(), prefix_end(prefix)),
    }
}

fn range(keys: &Keys) -> RangeRequest {
    let (key, end) = range_of(keys);
    RangeRequest { key: key.into(), range_end: end.into(), ..RangeRequest::default() }
}

fn put(key: &str, value: Value, lease: i64) -> PutRequest {
    PutRequest {
        key: key.to_owned().into(),
        value: bytes_of(value).into(),
        lease,
        prev_kv: true,
        ..PutRequest::default()
    }
}

fn delete(keys: &Keys) -> DeleteRangeRequest {
    let (key, end) = range_of(keys);
    DeleteRangeRequest { key: key.into(), range_end: end.into(), prev_kv: true }
}

fn request(action: &Action) -> RequestOp {
    let request = match action {
        Action::Put { key, value, lease } => Request::RequestPut(put(key, *value, *lease)),
        Action::Delete(keys) => Request::RequestDeleteRange(delete(keys)),
        Action::Get(keys) => Request::RequestRange(range(keys)),
    };
    RequestOp { request: Some(request) }
}

fn compare((key, expect): &(String, Expect)) -> Compare {
    use compare::{CompareResult, CompareTarget, TargetUnion};
    let (target, value) = match expect {
        Expect::Absent => (CompareTarget::Create, TargetUnion::CreateRevision(0)),
        Expect::Value(value) => (CompareTarget::Value, TargetUnion::Value(bytes_of(*value).into())),
        Expect::Modified(revision) => (CompareTarget::Mod, TargetUnion::ModRevision(*revision)),
    };
    Compare {
        result: CompareResult::Equal.into(),
        target: target.into(),
        key: key.clone().into(),
        target_union: Some(value),
        ..Compare::default()
    }
}

fn revision(header: Option<ResponseHeader>) -> i64 {
    header.expect("every answer has a header").revision
}

fn put_answer(response: PutResponse) -> Answer {
    Answer::Put(response.prev_kv.as_ref().map(|stored| entry(stored).1))
}

fn delete_answer(response: &DeleteRangeResponse) -> Answer {
    let gone: Vec<_> = response.prev_kvs.iter().map(entry).collect();
    assert_eq!(i64::try_from(gone.len()), Ok(response.deleted), "all that was deleted is told");
    Answer::Deleted(gone)
}

fn range_answer(response: &RangeResponse) -> Answer {
    let found: Vec<_> = response.kvs.iter().map(entry).collect();
    assert_eq!(i64::try_from(found.len()), Ok(response.count), "all is counted");
    Answer::Got(found)
}

fn answer(response: ResponseOp) -> Answer {
    match response.response.expect("an answer to each part") {
        Response::ResponsePut(put) => put_answer(put),
        Response::ResponseDeleteRange(delete) => delete_answer(&delete),
        Response::ResponseRange(range) => range_answer(&range),
        Response::ResponseTxn(_) => panic!("an answer to what was not asked"),
    }
}

/// Carries out one operation, by the plain request where there is one.
pub async fn carry_out(
    client: &mut KvClient<Channel>,
    operation: &Operation,
) -> Result<Reply, Status> {
    let plain = |header, answer| Reply {
        revision: revision(header),
        succeeded: true,
        answers: vec![answer],
    };
    if let (true, [action]) = (operation.compares.is_empty(), operation.then.as_slice()) {
        return Ok(match action {
            Action::Put { key, value, lease } => {
                let response = client.put(put(key, *value, *lease)).await?.into_inner();
                plain(response.header, put_answer(response))
            }
            Action::Delete(keys) => {
                let response = client.delete_range(delete(keys)).await?.into_inner();
                plain(response.header, delete_answer(&response))
            }
            Action::Get(keys) => {
                let response = client.range(range(keys)).await?.into_inner();
                plain(response.header, range_answer(&response))
            }
        });
    }
    let txn = TxnRequest {
        compare: operation.compares.iter().map(compare).collect(),
        success: operation.then.iter().map(request).collect(),
        failure: operation.otherwise.iter().map(request).collect(),
    };
    let response = client.txn(txn).await?.into_inner();
    let (revision, succeeded) = (revision(response.header), response.succeeded);
    Ok(Reply { revision, succeeded, answers: response.responses.into_iter().map(answer).collect() })
}

/// Whether the error leaves open what became of the request.
pub fn is_unknown(status: &Status) -> bool {
    use tonic::Code;
    let codes = [Code::Unavailable, Code::Unknown, Code::Cancelled, Code::Internal];
    codes.contains(&status.code())
}
