//! Transactions: what the store is to do, and the responses in a response.

use store::{Op, OpReply, Range, Txn, TxnReply};
use tonic::Status;

use super::{Kv, convert, key_range, key_value, range};
use crate::auth::Caller;
use crate::pb::etcdserverpb::request_op::Request;
use crate::pb::etcdserverpb::response_op::Response;
use crate::pb::etcdserverpb::{
    PutResponse, RangeRequest, RequestOp, ResponseHeader, ResponseOp, TxnRequest, TxnResponse,
};

/// What of an operation's outcome is to be told.
pub(super) enum Wanted {
    Range(RangeRequest),
    Put { prev_kv: bool },
    Delete { prev_kv: bool },
    Txn(Branches),
}

/// The same for a transaction, whichever branch it takes.
pub(super) struct Branches {
    success: Vec<Wanted>,
    failure: Vec<Wanted>,
}

/// Whether the caller may do all that the transaction may come to do.
pub(super) fn permit(kv: &Kv, caller: &Caller, request: &TxnRequest) -> Result<(), Status> {
    if let Caller::Anyone = caller {
        return Ok(());
    }
    let auth = &kv.member.auth;
    for compare in &request.compare {
        auth.may_read(caller, &key_range(compare.key.clone(), &compare.range_end))?;
    }
    request.success.iter().chain(&request.failure).try_for_each(|op| permit_op(kv, caller, op))
}

fn permit_op(kv: &Kv, caller: &Caller, op: &RequestOp) -> Result<(), Status> {
    match &op.request {
        Some(Request::RequestRange(request)) => {
            let range = key_range(request.key.clone(), &request.range_end);
            kv.member.auth.may_read(caller, &range)
        }
        Some(Request::RequestPut(request)) => kv.may_put(caller, request),
        Some(Request::RequestDeleteRange(request)) => {
            let range = key_range(request.key.clone(), &request.range_end);
            kv.may_delete(caller, &range, request.prev_kv)
        }
        Some(Request::RequestTxn(request)) => permit(kv, caller, request),
        None => Ok(()),
    }
}

/// What the store is to do, and what is to be told of it.
pub(super) fn translate(request: TxnRequest) -> (Txn, Branches) {
    let compares = request.compare.into_iter().map(convert::compare).collect();
    let (success, wanted_then) = request.success.into_iter().filter_map(translate_op).unzip();
    let (failure, wanted_else) = request.failure.into_iter().filter_map(translate_op).unzip();
    let wanted = Branches { success: wanted_then, failure: wanted_else };
    (Txn { compares, success, failure }, wanted)
}

/// `None` for an operation that is none; the checks have refused those.
fn translate_op(op: RequestOp) -> Option<(Op, Wanted)> {
    Some(match op.request? {
        Request::RequestRange(request) => {
            let range = key_range(request.key.clone(), &request.range_end);
            let range::Read { at, limit } = range::Read::of(&request);
            (Op::Range { range, limit, at }, Wanted::Range(request))
        }
        Request::RequestPut(request) => {
            let prev_kv = request.prev_kv;
            (convert::put(request), Wanted::Put { prev_kv })
        }
        Request::RequestDeleteRange(request) => {
            let range: Range = key_range(request.key, &request.range_end);
            (Op::Delete { range }, Wanted::Delete { prev_kv: request.prev_kv })
        }
        Request::RequestTxn(request) => {
            let (txn, wanted) = translate(request);
            (Op::Txn(Box::new(txn)), Wanted::Txn(wanted))
        }
    })
}

/// The response to a transaction.
pub(super) fn response(reply: TxnReply, wanted: Branches, header: ResponseHeader) -> TxnResponse {
    let mut telling = Telling::new(&reply, header.revision);
    telling.branch(reply, wanted, header)
}

/// Responses within a response have headers with nothing but a revision: the one before the
/// transaction until an operation of it has written something, then its own.
struct Telling {
    revision: i64,
    written: bool,
}

impl Telling {
    fn new(reply: &TxnReply, revision: i64) -> Telling {
        let before = if wrote(reply) { revision - 1 } else { revision };
        Telling { revision: before, written: false }
    }

    fn branch(&mut self, reply: TxnReply, wanted: Branches, header: ResponseHeader) -> TxnResponse {
        let wanted = if reply.succeeded { wanted.success } else { wanted.failure };
        let responses = reply.results.into_iter().zip(wanted);
        let responses =
            responses.map(|(result, wanted)| ResponseOp { response: self.op(result, wanted) });
        let responses = responses.collect();
        TxnResponse { header: Some(header), succeeded: reply.succeeded, responses }
    }

    fn op(&mut self, result: OpReply, wanted: Wanted) -> Option<Response> {
        Some(match (result, wanted) {
            (OpReply::Range(found), Wanted::Range(request)) => {
                Response::ResponseRange(range::response(&request, found, self.header(false)))
            }
            (OpReply::Put { prev, .. }, Wanted::Put { prev_kv }) => {
                let header = Some(self.header(true));
                let prev_kv = prev.filter(|_| prev_kv).map(key_value);
                Response::ResponsePut(PutResponse { header, prev_kv })
            }
            (OpReply::Delete { deleted }, Wanted::Delete { prev_kv }) => {
                let header = self.header(!deleted.is_empty());
                Response::ResponseDeleteRange(convert::deleted(deleted, prev_kv, header))
            }
            (OpReply::Txn(reply), Wanted::Txn(wanted)) => {
                Response::ResponseTxn(self.branch(reply, wanted, ResponseHeader::default()))
            }
            _ => return None,
        })
    }

    fn header(&mut self, writes: bool) -> ResponseHeader {
        self.written |= writes;
        let revision = self.revision + i64::from(self.written);
        ResponseHeader { revision, ..Default::default() }
    }
}

/// Whether a transaction changed anything.
fn wrote(reply: &TxnReply) -> bool {
    reply.results.iter().any(|result| match result {
        OpReply::Put { .. } => true,
        OpReply::Delete { deleted } => !deleted.is_empty(),
        OpReply::Range(_) => false,
        OpReply::Txn(reply) => wrote(reply),
    })
}
