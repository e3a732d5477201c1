//! What of a request can be refused without looking at the store. The order is etcd's.

use crate::error::{self, ClientError};
use crate::pb::etcdserverpb::range_request::{SortOrder, SortTarget};
use crate::pb::etcdserverpb::request_op::Request;
use crate::pb::etcdserverpb::{
    DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};

/// Operations, and compares, in a transaction; those in nested ones count too.
const TXN_OPS_MAX: usize = 128;

pub(super) fn range(request: &RangeRequest) -> Result<(), ClientError> {
    if request.key.is_empty() {
        return Err(error::EMPTY_KEY);
    }
    let known = SortOrder::try_from(request.sort_order).is_ok()
        && SortTarget::try_from(request.sort_target).is_ok();
    if known { Ok(()) } else { Err(error::INVALID_SORT_OPTION) }
}

pub(super) fn put(request: &PutRequest) -> Result<(), ClientError> {
    if request.key.is_empty() {
        return Err(error::EMPTY_KEY);
    }
    if request.ignore_value && !request.value.is_empty() {
        return Err(error::VALUE_PROVIDED);
    }
    if request.ignore_lease && request.lease != 0 {
        return Err(error::LEASE_PROVIDED);
    }
    Ok(())
}

pub(super) fn delete(request: &DeleteRangeRequest) -> Result<(), ClientError> {
    if request.key.is_empty() { Err(error::EMPTY_KEY) } else { Ok(()) }
}

/// The store sees for itself that no key is written twice.
pub(super) fn txn(request: &TxnRequest) -> Result<(), ClientError> {
    txn_of(request, TXN_OPS_MAX)
}

/// `room`: what the transactions around this one leave it.
fn txn_of(request: &TxnRequest, room: usize) -> Result<(), ClientError> {
    let ops = request.compare.len().max(request.success.len()).max(request.failure.len());
    let room = room.checked_sub(ops).ok_or(error::TOO_MANY_OPS)?;
    if request.compare.iter().any(|compare| compare.key.is_empty()) {
        return Err(error::EMPTY_KEY);
    }
    request.success.iter().chain(&request.failure).try_for_each(|op| op_of(op, room))
}

fn op_of(op: &RequestOp, room: usize) -> Result<(), ClientError> {
    match &op.request {
        Some(Request::RequestRange(request)) => range(request),
        Some(Request::RequestPut(request)) => put(request),
        Some(Request::RequestDeleteRange(request)) => delete(request),
        Some(Request::RequestTxn(request)) => txn_of(request, room),
        None => Err(error::KEY_NOT_FOUND),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::etcdserverpb::Compare;

    fn op(request: Request) -> RequestOp {
        RequestOp { request: Some(request) }
    }

    fn put_of(key: &'static str) -> RequestOp {
        op(Request::RequestPut(PutRequest { key: key.into(), ..Default::default() }))
    }

    fn nested(success: Vec<RequestOp>) -> RequestOp {
        op(Request::RequestTxn(TxnRequest { success, ..Default::default() }))
    }

    #[track_caller]
    fn check(request: &TxnRequest, expected: Result<(), ClientError>) {
        assert_eq!(txn(request), expected);
    }

    #[test]
    fn operations_are_counted_through_nested_transactions() {
        let many = |count| vec![put_of("k"); count];
        let of = |success| TxnRequest { success, ..Default::default() };
        check(&of(many(128)), Ok(()));
        check(&of(many(129)), Err(error::TOO_MANY_OPS));
        check(&of(vec![nested(many(127))]), Ok(()));
        check(&of(vec![nested(many(128))]), Err(error::TOO_MANY_OPS));
        let compare = vec![Compare { key: "k".into(), ..Default::default() }; 129];
        check(&TxnRequest { compare, ..Default::default() }, Err(error::TOO_MANY_OPS));
    }

    #[test]
    fn every_key_must_be_there() {
        let empty = |failure| TxnRequest { failure, ..Default::default() };
        check(&empty(vec![put_of("")]), Err(error::EMPTY_KEY));
        check(&empty(vec![nested(vec![put_of("")])]), Err(error::EMPTY_KEY));
        check(
            &empty(vec![op(Request::RequestRange(RangeRequest::default()))]),
            Err(error::EMPTY_KEY),
        );
        check(
            &empty(vec![op(Request::RequestDeleteRange(Default::default()))]),
            Err(error::EMPTY_KEY),
        );
        check(&empty(vec![RequestOp { request: None }]), Err(error::KEY_NOT_FOUND));
        let compare = vec![Compare::default()];
        check(&TxnRequest { compare, ..Default::default() }, Err(error::EMPTY_KEY));
    }

    #[test]
    fn a_put_keeps_what_it_does_not_give() {
        let put_of = |change: fn(&mut PutRequest)| {
            let mut request = PutRequest { key: "k".into(), ..Default::default() };
            change(&mut request);
            put(&request)
        };
        assert_eq!(put_of(|put| (put.ignore_value, put.lease) = (true, 3)), Ok(()));
        let both = put_of(|put| (put.ignore_value, put.value) = (true, "v".into()));
        assert_eq!(both, Err(error::VALUE_PROVIDED));
        let both = put_of(|put| (put.ignore_lease, put.lease) = (true, 3));
        assert_eq!(both, Err(error::LEASE_PROVIDED));
    }

    #[test]
    fn an_order_that_is_none_is_refused() {
        let of = |sort_order, sort_target| {
            range(&RangeRequest { key: "k".into(), sort_order, sort_target, ..Default::default() })
        };
        assert_eq!(of(2, 4), Ok(()));
        assert_eq!(of(3, 0), Err(error::INVALID_SORT_OPTION));
        assert_eq!(of(0, -1), Err(error::INVALID_SORT_OPTION));
    }
}
