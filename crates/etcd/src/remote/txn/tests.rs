use store::{KeyValue, Range};

use super::*;
use crate::pb::mvccpb;

fn keys() -> Keys {
    Keys::new("/s/")
}

fn stored(key: &'static str, value: &'static str, at: i64) -> mvccpb::KeyValue {
    mvccpb::KeyValue {
        key: keys().outside(key.as_bytes()),
        value: value.into(),
        create_revision: 3,
        mod_revision: at,
        version: 2,
        lease: 0,
    }
}

fn response(response: Response) -> pb::ResponseOp {
    pb::ResponseOp { response: Some(response) }
}

/// etcd's answer to a fenced transaction at revision 9.
fn answer(succeeded: bool, first: Response) -> pb::TxnResponse {
    let header = Some(pb::ResponseHeader { revision: 9, ..Default::default() });
    pb::TxnResponse { header, succeeded, responses: vec![response(first)] }
}

#[test]
fn every_transaction_holds_only_in_its_term() {
    let txn = Txn::new().when(Compare::absent("a")).then(Op::put("a", "1"));
    let request = fenced(&keys(), 7, &txn).expect("no lease");
    assert_eq!(request.compare, [created_by(&"/s/leader".into(), 7)]);
    let Some(Request::RequestTxn(inner)) = &request.success[0].request else { panic!("no txn") };
    assert_eq!(inner.compare, [created_by(&"/s/data/a".into(), 0)]);
    let Some(Request::RequestPut(put)) = &inner.success[0].request else { panic!("no put") };
    assert_eq!((&put.key[..], &put.value[..]), (&b"/s/data/a"[..], &b"1"[..]));
    assert!(!put.ignore_value && !put.ignore_lease);
}

#[test]
fn puts_may_keep_value_and_lease_but_not_have_one() {
    let keep = Op::Put { key: "a".into(), value: None, lease: None };
    let request = encode_op(&keys(), &keep).expect("no lease");
    let Some(Request::RequestPut(put)) = request.request else { panic!("no put") };
    assert!(put.ignore_value && put.ignore_lease);
    let leased = Txn::new().then(Op::txn(Txn::new().then(Op::put_leased("a", "1", LeaseId(5)))));
    assert_eq!(fenced(&keys(), 7, &leased), Err(WriteError::Unsupported));
}

#[test]
fn deletes_and_ranges_that_are_open_end_where_the_store_does() {
    let open = Op::delete_range(Range::starting_at("b"));
    let request = encode_op(&keys(), &open).expect("no lease");
    let Some(Request::RequestDeleteRange(delete)) = request.request else { panic!("no delete") };
    assert_eq!((&delete.key[..], &delete.range_end[..]), (&b"/s/data/b"[..], &b"/s/data0"[..]));
    let range = Op::Range { range: Range::key("b"), limit: 3, at: Some(Revision(5)) };
    let request = encode_op(&keys(), &range).expect("no lease");
    let Some(Request::RequestRange(range)) = request.request else { panic!("no range") };
    assert_eq!((range.limit, range.revision, range.range_end.len()), (3, 5, 0));
}

#[test]
fn an_answer_is_what_our_own_store_would_have_said() {
    let txn = Txn::new()
        .then(Op::put("a", "2"))
        .then(Op::put("b", "1"))
        .then(Op::delete("c"))
        .then(Op::range(Range::all(), 0));
    let put = |prev_kv| Response::ResponsePut(pb::PutResponse { prev_kv, ..Default::default() });
    let delete =
        pb::DeleteRangeResponse { prev_kvs: vec![stored("c", "x", 4)], ..Default::default() };
    let range =
        pb::RangeResponse { kvs: vec![stored("d", "y", 5)], count: 1, ..Default::default() };
    let responses = [
        put(Some(stored("a", "1", 6))),
        put(None),
        Response::ResponseDeleteRange(delete),
        Response::ResponseRange(range),
    ];
    let responses = responses.into_iter().map(response).collect();
    let inner = pb::TxnResponse { succeeded: true, responses, ..Default::default() };
    let outcome = decode(&keys(), &txn, answer(true, Response::ResponseTxn(inner)));
    let Ok(Outcome::Reply(reply)) = outcome else { panic!("{outcome:?}") };
    assert_eq!((reply.succeeded, reply.revision), (true, Revision(9)));
    let [OpReply::Put { kv, prev: Some(prev) }, OpReply::Put { kv: new, prev: None }, rest @ ..] =
        &reply.results[..]
    else {
        panic!("{reply:?}")
    };
    let seen = |kv: &KeyValue| (kv.create_revision.0, kv.mod_revision.0, kv.version);
    assert_eq!((seen(kv), seen(prev), seen(new)), ((3, 9, 3), (3, 6, 2), (9, 9, 1)));
    assert_eq!((&kv.key[..], &kv.value[..]), (&b"a"[..], &b"2"[..]));
    let [OpReply::Delete { deleted }, OpReply::Range(found)] = rest else { panic!("{rest:?}") };
    assert_eq!((&deleted[0].key[..], &found.entries[0].key[..]), (&b"c"[..], &b"d"[..]));
}

#[test]
fn a_fence_that_does_not_hold_says_who_is_the_leader() {
    let leader = mvccpb::KeyValue { value: "other".into(), ..Default::default() };
    let range = pb::RangeResponse { kvs: vec![leader.clone()], ..Default::default() };
    let outcome = decode(&keys(), &Txn::new(), answer(false, Response::ResponseRange(range)));
    assert_eq!(outcome, Ok(Outcome::Fenced(Some(leader))));
}

#[test]
fn an_answer_of_another_shape_is_not_taken() {
    let txn = Txn::new().then(Op::put("a", "1"));
    let empty = pb::TxnResponse { succeeded: true, ..Default::default() };
    let check = |answer| assert_eq!(decode(&keys(), &txn, answer), Err(Mismatch));
    check(pb::TxnResponse::default());
    check(answer(true, Response::ResponseTxn(empty.clone())));
    check(answer(false, Response::ResponseTxn(empty.clone())));
    let wrong = vec![response(Response::ResponseRange(pb::RangeResponse::default()))];
    let inner = pb::TxnResponse { responses: wrong, ..empty };
    check(answer(true, Response::ResponseTxn(inner)));
}
