//! Transactions of the store as etcd's, and the answers back.
//!
//! Each is wrapped in one that holds only while we are the leader: a server that was deposed
//! cannot write, whatever it believes.

use bytes::Bytes;
use store::{
    Compare, LeaseId, Op, OpReply, RangeReply, Relation, Revision, Target, Txn, TxnReply,
    WriteError,
};

use super::keys::{Keys, revision, signed};
use crate::pb::etcdserverpb as pb;
use crate::pb::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use crate::pb::etcdserverpb::request_op::Request;
use crate::pb::etcdserverpb::response_op::Response;

/// What became of a fenced transaction.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// It was worked out.
    Reply(TxnReply),
    /// We are not the leader; this is who is, if anybody.
    Fenced(Option<crate::pb::mvccpb::KeyValue>),
}

/// etcd's answer does not fit the question.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer to a transaction has another shape than the transaction")]
pub(super) struct Mismatch;

/// The transaction, to be applied only while the leader key is the one created by `term`.
///
/// # Errors
/// When it needs leases, which live in the other etcd's world.
pub(super) fn fenced(keys: &Keys, term: i64, txn: &Txn) -> Result<pb::TxnRequest, WriteError> {
    let inner = encode(keys, txn)?;
    Ok(fence(keys, term, Request::RequestTxn(inner)))
}

/// One operation, to be applied only while we are the leader.
pub(super) fn fence(keys: &Keys, term: i64, request: Request) -> pb::TxnRequest {
    let range = pb::RangeRequest { key: keys.leader.clone(), ..Default::default() };
    pb::TxnRequest {
        compare: vec![created_by(&keys.leader, term)],
        success: vec![operation(request)],
        failure: vec![operation(Request::RequestRange(range))],
    }
}

/// The key was created by that revision; 0: it is not there.
pub(super) fn created_by(key: &Bytes, revision: i64) -> pb::Compare {
    pb::Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        key: key.clone(),
        target_union: Some(TargetUnion::CreateRevision(revision)),
        range_end: Bytes::new(),
    }
}

pub(super) fn operation(request: Request) -> pb::RequestOp {
    pb::RequestOp { request: Some(request) }
}

fn encode(keys: &Keys, txn: &Txn) -> Result<pb::TxnRequest, WriteError> {
    let ops = |ops: &[Op]| ops.iter().map(|op| encode_op(keys, op)).collect::<Result<_, _>>();
    Ok(pb::TxnRequest {
        compare: txn.compares.iter().map(|compare| encode_compare(keys, compare)).collect(),
        success: ops(&txn.success)?,
        failure: ops(&txn.failure)?,
    })
}

fn encode_compare(keys: &Keys, compare: &Compare) -> pb::Compare {
    let (target, union) = match &compare.target {
        Target::Version(version) => {
            (CompareTarget::Version, TargetUnion::Version(signed(*version)))
        }
        Target::CreateRevision(at) => {
            (CompareTarget::Create, TargetUnion::CreateRevision(signed(at.0)))
        }
        Target::ModRevision(at) => (CompareTarget::Mod, TargetUnion::ModRevision(signed(at.0))),
        Target::Value(value) => (CompareTarget::Value, TargetUnion::Value(value.clone())),
        Target::Lease(lease) => (CompareTarget::Lease, TargetUnion::Lease(lease.0)),
    };
    let result = match compare.relation {
        Relation::Equal => CompareResult::Equal,
        Relation::NotEqual => CompareResult::NotEqual,
        Relation::Greater => CompareResult::Greater,
        Relation::Less => CompareResult::Less,
    };
    let span = keys.span(&compare.range);
    pb::Compare {
        result: result.into(),
        target: target.into(),
        key: span.key,
        target_union: Some(union),
        range_end: span.range_end,
    }
}

fn encode_op(keys: &Keys, op: &Op) -> Result<pb::RequestOp, WriteError> {
    let request = match op {
        Op::Put { key, value, lease } => {
            if lease.is_some_and(|lease| lease != LeaseId::NONE) {
                return Err(WriteError::Unsupported);
            }
            Request::RequestPut(pb::PutRequest {
                key: keys.outside(key),
                value: value.clone().unwrap_or_default(),
                lease: 0,
                prev_kv: true,
                ignore_value: value.is_none(),
                ignore_lease: lease.is_none(),
            })
        }
        Op::Delete { range } => {
            let span = keys.span(range);
            let (key, range_end) = (span.key, span.range_end);
            Request::RequestDeleteRange(pb::DeleteRangeRequest { key, range_end, prev_kv: true })
        }
        Op::Range { range, limit, at } => {
            let span = keys.span(range);
            Request::RequestRange(pb::RangeRequest {
                key: span.key,
                range_end: span.range_end,
                limit: i64::try_from(*limit).unwrap_or(i64::MAX),
                revision: at.map_or(0, |at| signed(at.0)),
                ..Default::default()
            })
        }
        Op::Txn(txn) => Request::RequestTxn(encode(keys, txn)?),
    };
    Ok(operation(request))
}

/// Reads the answer to what [`fenced`] made.
pub(super) fn decode(
    keys: &Keys,
    txn: &Txn,
    mut answer: pb::TxnResponse,
) -> Result<Outcome, Mismatch> {
    let head = answer.header.take().map_or(0, |header| header.revision);
    let response = answer.responses.pop().and_then(|op| op.response).ok_or(Mismatch)?;
    match response {
        Response::ResponseTxn(inner) if answer.succeeded => {
            decode_txn(keys, revision(head), txn, inner).map(Outcome::Reply)
        }
        Response::ResponseRange(mut range) if !answer.succeeded => {
            Ok(Outcome::Fenced(range.kvs.pop()))
        }
        _ => Err(Mismatch),
    }
}

fn decode_txn(
    keys: &Keys,
    head: Revision,
    txn: &Txn,
    answer: pb::TxnResponse,
) -> Result<TxnReply, Mismatch> {
    let ops = if answer.succeeded { &txn.success } else { &txn.failure };
    if ops.len() != answer.responses.len() {
        return Err(Mismatch);
    }
    let results = ops.iter().zip(answer.responses).map(|(op, response)| {
        let response = response.response.ok_or(Mismatch)?;
        decode_op(keys, head, op, response)
    });
    let results = results.collect::<Result<_, _>>()?;
    Ok(TxnReply { succeeded: answer.succeeded, revision: head, results })
}

fn decode_op(
    keys: &Keys,
    head: Revision,
    op: &Op,
    response: Response,
) -> Result<OpReply, Mismatch> {
    let entries = |kvs: Vec<_>| kvs.iter().filter_map(|kv| keys.key_value(kv)).collect();
    match (op, response) {
        (Op::Put { key, value, lease }, Response::ResponsePut(put)) => {
            let prev = put.prev_kv.and_then(|kv| keys.key_value(&kv));
            let kv = written(head, key, value.as_ref(), *lease, prev.as_ref());
            Ok(OpReply::Put { kv, prev })
        }
        (Op::Delete { .. }, Response::ResponseDeleteRange(delete)) => {
            Ok(OpReply::Delete { deleted: entries(delete.prev_kvs) })
        }
        (Op::Range { .. }, Response::ResponseRange(range)) => Ok(OpReply::Range(RangeReply {
            entries: entries(range.kvs),
            revision: head,
            more: range.more,
            count: usize::try_from(range.count).unwrap_or(0),
        })),
        (Op::Txn(txn), Response::ResponseTxn(answer)) => {
            decode_txn(keys, head, txn, answer).map(OpReply::Txn)
        }
        _ => Err(Mismatch),
    }
}

/// What a key is after a put; etcd only says what it was before.
fn written(
    head: Revision,
    key: &Bytes,
    value: Option<&Bytes>,
    lease: Option<LeaseId>,
    prev: Option<&store::KeyValue>,
) -> store::KeyValue {
    store::KeyValue {
        key: key.clone(),
        value: value.or(prev.map(|prev| &prev.value)).cloned().unwrap_or_default(),
        create_revision: prev.map_or(head, |prev| prev.create_revision),
        mod_revision: head,
        version: prev.map_or(1, |prev| prev.version + 1),
        lease: lease.or(prev.map(|prev| prev.lease)).unwrap_or(LeaseId::NONE),
    }
}

#[cfg(test)]
mod tests;
