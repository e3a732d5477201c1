//! The KV service: ranges, puts, deletes, transactions, compaction.
//!
//! - `check`: what of a request can be refused without looking at the store
//! - `convert`: between what the API says and what the store says
//! - `range`: sorting and filtering; `txn`: transactions and the responses in them

mod check;
mod convert;
mod range;
mod txn;

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use prost::Message;
use store::{LeaseId, Op, OpReply, Range, Revision, Txn, WriteError};
use tonic::body::Body;
use tonic::{Request, Status};

pub(crate) use self::convert::{key_range, key_value};
use crate::auth::Caller;
use crate::error;
use crate::member::Member;
use crate::pb::etcdserverpb::{
    CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse, PutRequest,
    PutResponse, RangeRequest, RangeResponse, TxnRequest, TxnResponse,
};
use crate::services::unknown;
use crate::unary::unary;

/// The largest request that writes, as in etcd.
const REQUEST_BYTES_MAX: usize = (1 << 20) + (512 << 10);
/// What etcd's envelope adds to a request before it is measured.
const ENVELOPE_BYTES: usize = 17;

/// The KV service of a member.
pub(crate) struct Kv {
    member: Arc<Member>,
}

impl Kv {
    pub(crate) fn new(member: Arc<Member>) -> Kv {
        Kv { member }
    }

    /// Answers a call of one of its methods.
    pub(crate) async fn respond(&self, request: http::Request<Incoming>) -> http::Response<Body> {
        match request.uri().path().rsplit('/').next() {
            Some("Range") => unary(request, |request| self.range(request)).await,
            Some("Put") => unary(request, |request| self.put(request)).await,
            Some("DeleteRange") => unary(request, |request| self.delete_range(request)).await,
            Some("Txn") => unary(request, |request| self.txn(request)).await,
            Some("Compact") => unary(request, |request| self.compact(request)).await,
            _ => unknown(&request),
        }
    }

    /// Reads a range. Not waiting for anything, it is both linearizable and serializable.
    pub(crate) async fn range(
        &self,
        request: Request<RangeRequest>,
    ) -> Result<RangeResponse, Status> {
        check::range(request.get_ref())?;
        let caller = self.member.auth.caller(&request)?;
        let request = request.into_inner();
        let range = key_range(request.key.clone(), &request.range_end);
        self.member.auth.may_read(&caller, &range)?;
        let read = range::Read::of(&request);
        let found = self.member.store.range(&range, read.at, read.limit).map_err(error::read)?;
        let header = self.member.header_at(found.revision);
        Ok(range::response(&request, found, header))
    }

    /// Sets a key.
    pub(crate) async fn put(&self, request: Request<PutRequest>) -> Result<PutResponse, Status> {
        check::put(request.get_ref())?;
        let caller = self.member.auth.caller(&request)?;
        let request = request.into_inner();
        refuse_large(&request)?;
        self.may_put(&caller, &request)?;
        let (prev_kv, lease) = (request.prev_kv, LeaseId(request.lease));
        let txn = Txn { success: vec![convert::put(request)], ..Txn::default() };
        let reply = self.member.store.commit(txn).await;
        let reply = reply.map_err(|refused| self.put_refused(refused, lease))?;
        let prev = match reply.results.into_iter().next() {
            Some(OpReply::Put { prev, .. }) if prev_kv => prev,
            _ => None,
        };
        Ok(PutResponse {
            header: Some(self.member.header_at(reply.revision)),
            prev_kv: prev.map(key_value),
        })
    }

    /// Of a lease and a key that are both missing etcd misses the lease first, but the key first
    /// inside of a transaction.
    fn put_refused(&self, refused: WriteError, lease: LeaseId) -> Status {
        let no_lease = lease != LeaseId::NONE && self.member.store.lease(lease).is_none();
        match refused {
            WriteError::KeyNotFound if no_lease => error::write(WriteError::LeaseNotFound),
            _ => error::write(refused),
        }
    }

    /// Deletes a range.
    pub(crate) async fn delete_range(
        &self,
        request: Request<DeleteRangeRequest>,
    ) -> Result<DeleteRangeResponse, Status> {
        check::delete(request.get_ref())?;
        let caller = self.member.auth.caller(&request)?;
        let request = request.into_inner();
        refuse_large(&request)?;
        let range = key_range(request.key, &request.range_end);
        self.may_delete(&caller, &range, request.prev_kv)?;
        let txn = Txn { success: vec![Op::Delete { range }], ..Txn::default() };
        let reply = self.member.store.commit(txn).await.map_err(error::write)?;
        let deleted = match reply.results.into_iter().next() {
            Some(OpReply::Delete { deleted }) => deleted,
            _ => Vec::new(),
        };
        let header = self.member.header_at(reply.revision);
        Ok(convert::deleted(deleted, request.prev_kv, header))
    }

    /// Applies a transaction.
    pub(crate) async fn txn(&self, request: Request<TxnRequest>) -> Result<TxnResponse, Status> {
        check::txn(request.get_ref())?;
        let caller = self.member.auth.caller(&request)?;
        let request = request.into_inner();
        refuse_large(&request)?;
        txn::permit(self, &caller, &request)?;
        let (ops, wanted) = txn::translate(request);
        let reply = self.member.store.commit(ops).await.map_err(error::write)?;
        let header = self.member.header_at(reply.revision);
        Ok(txn::response(reply, wanted, header))
    }

    /// Forgets history. Nothing of it can be read once this returns, `physical` or not.
    pub(crate) async fn compact(
        &self,
        request: Request<CompactionRequest>,
    ) -> Result<CompactionResponse, Status> {
        self.member.auth.caller(&request)?;
        let revision = u64::try_from(request.get_ref().revision).map_err(|_| error::COMPACTED)?;
        // What has never been compacted may be compacted up to nothing.
        let nothing = revision == 0 && self.member.store.compacted() == Revision::NONE;
        if !nothing {
            self.member.store.compact(Revision(revision)).await.map_err(error::compact)?;
        }
        Ok(CompactionResponse { header: Some(self.member.header()) })
    }

    /// A key may be put with a lease by who may write all that goes with that lease.
    fn may_put(&self, caller: &Caller, request: &PutRequest) -> Result<(), Status> {
        if let Caller::Anyone = caller {
            return Ok(());
        }
        let auth = &self.member.auth;
        auth.may_write(caller, &Range::key(request.key.clone()))?;
        if request.lease != 0 {
            for key in self.member.store.lease_keys(LeaseId(request.lease)) {
                auth.may_write(caller, &Range::key(key))?;
            }
        }
        if request.prev_kv {
            auth.may_read(caller, &Range::key(request.key.clone()))?;
        }
        Ok(())
    }

    fn may_delete(&self, caller: &Caller, range: &Range, prev_kv: bool) -> Result<(), Status> {
        self.member.auth.may_write(caller, range)?;
        if prev_kv { self.member.auth.may_read(caller, range) } else { Ok(()) }
    }
}

fn refuse_large(request: &impl Message) -> Result<(), Status> {
    if request.encoded_len() + ENVELOPE_BYTES > REQUEST_BYTES_MAX {
        return Err(error::REQUEST_TOO_LARGE.into());
    }
    Ok(())
}

/// Bytes that keep nothing else alive: a request's lie in a buffer of its connection, which must
/// not stay as long as a small key in it does.
fn own(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
