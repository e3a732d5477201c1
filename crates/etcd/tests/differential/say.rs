//! Short words for requests.

use std::time::Duration;

use etcd::pb::authpb::permission::Type;
use etcd::pb::authpb::{Permission, UserAddOptions};
use etcd::pb::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use etcd::pb::etcdserverpb::request_op::Request;
use etcd::pb::etcdserverpb::watch_request::RequestUnion;
use etcd::pb::etcdserverpb::*;

use crate::asks::Ask;
use crate::talk::{Difference, Step};

pub use CompareResult::{Equal, Greater, Less, NotEqual};

/// The end of a range that is all from its key on.
pub const ALL: &str = "\0";

pub fn get(key: &str) -> RangeRequest {
    RangeRequest { key: key.to_owned().into(), ..RangeRequest::default() }
}

pub fn range(from: &str, to: &str) -> RangeRequest {
    RangeRequest { range_end: to.to_owned().into(), ..get(from) }
}

pub fn everything() -> RangeRequest {
    range(ALL, ALL)
}

pub fn put(key: &str, value: &str) -> PutRequest {
    let (key, value) = (key.to_owned().into(), value.to_owned().into());
    PutRequest { key, value, ..PutRequest::default() }
}

pub fn put_leased(key: &str, value: &str, lease: i64) -> PutRequest {
    PutRequest { lease, ..put(key, value) }
}

pub fn delete(key: &str) -> DeleteRangeRequest {
    DeleteRangeRequest { key: key.to_owned().into(), ..DeleteRangeRequest::default() }
}

pub fn delete_range(from: &str, to: &str) -> DeleteRangeRequest {
    DeleteRangeRequest { range_end: to.to_owned().into(), ..delete(from) }
}

pub fn compact(revision: i64) -> CompactionRequest {
    CompactionRequest { revision, physical: true }
}

/// Something that can be part of a transaction.
pub trait Part {
    fn part(self) -> RequestOp;
}

macro_rules! parts {
    ($($request:ty => $kind:ident),+) => {$(
        impl Part for $request {
            fn part(self) -> RequestOp {
                RequestOp { request: Some(Request::$kind(self)) }
            }
        }
    )+};
}

parts! {
    RangeRequest => RequestRange, PutRequest => RequestPut,
    DeleteRangeRequest => RequestDeleteRange, TxnRequest => RequestTxn
}

impl Part for RequestOp {
    fn part(self) -> RequestOp {
        self
    }
}

/// The parts of one branch of a transaction.
#[macro_export]
macro_rules! parts {
    ($($part:expr),* $(,)?) => { vec![$($crate::say::Part::part($part)),*] };
}

pub fn txn(compare: Vec<Compare>, success: Vec<RequestOp>, failure: Vec<RequestOp>) -> TxnRequest {
    TxnRequest { compare, success, failure }
}

/// A compare; `over` makes it one of a range.
pub fn when(key: &str, result: CompareResult, to: TargetUnion) -> Compare {
    let target = match &to {
        TargetUnion::Version(_) => CompareTarget::Version,
        TargetUnion::CreateRevision(_) => CompareTarget::Create,
        TargetUnion::ModRevision(_) => CompareTarget::Mod,
        TargetUnion::Value(_) => CompareTarget::Value,
        TargetUnion::Lease(_) => CompareTarget::Lease,
    };
    Compare {
        result: result.into(),
        target: target.into(),
        key: key.to_owned().into(),
        range_end: bytes::Bytes::new(),
        target_union: Some(to),
    }
}

pub fn over(compare: Compare, end: &str) -> Compare {
    Compare { range_end: end.to_owned().into(), ..compare }
}

pub fn version(version: i64) -> TargetUnion {
    TargetUnion::Version(version)
}

pub fn created(revision: i64) -> TargetUnion {
    TargetUnion::CreateRevision(revision)
}

pub fn modified(revision: i64) -> TargetUnion {
    TargetUnion::ModRevision(revision)
}

pub fn value(value: &str) -> TargetUnion {
    TargetUnion::Value(value.to_owned().into())
}

pub fn lease(lease: i64) -> TargetUnion {
    TargetUnion::Lease(lease)
}

pub fn grant(id: i64, ttl: i64) -> LeaseGrantRequest {
    LeaseGrantRequest { id, ttl }
}

pub fn revoke(id: i64) -> LeaseRevokeRequest {
    LeaseRevokeRequest { id }
}

pub fn time_to_live(id: i64, keys: bool) -> LeaseTimeToLiveRequest {
    LeaseTimeToLiveRequest { id, keys }
}

pub fn watch(from: &str, to: &str) -> WatchCreateRequest {
    let (key, range_end) = (from.to_owned().into(), to.to_owned().into());
    WatchCreateRequest { key, range_end, ..WatchCreateRequest::default() }
}

/// Creates a watch on a stream.
pub fn create(stream: u8, request: WatchCreateRequest) -> Step {
    Step::Watch(stream, RequestUnion::CreateRequest(request))
}

pub fn cancel(stream: u8, watch_id: i64) -> Step {
    Step::Watch(stream, RequestUnion::CancelRequest(WatchCancelRequest { watch_id }))
}

pub fn ask_progress(stream: u8) -> Step {
    Step::Watch(stream, RequestUnion::ProgressRequest(WatchProgressRequest {}))
}

pub fn pause(millis: u64) -> Step {
    Step::Pause(Duration::from_millis(millis))
}

/// A step that is answered differently, and why. Both answers must hold what is named.
pub fn differs(
    step: impl Into<Step>,
    because: &'static str,
    etcd: &'static str,
    ours: &'static str,
) -> Step {
    Step::Differs(Box::new(step.into()), Difference { because, etcd, ours })
}

pub fn begin(number: u8, ask: impl Into<Ask>) -> Step {
    Step::Begin(number, ask.into())
}

pub fn user(name: &str, password: &str) -> AuthUserAddRequest {
    AuthUserAddRequest {
        name: name.into(),
        password: password.into(),
        options: Some(UserAddOptions { no_password: false }),
        ..AuthUserAddRequest::default()
    }
}

pub fn role(name: &str) -> AuthRoleAddRequest {
    AuthRoleAddRequest { name: name.into() }
}

pub fn user_grant(user: &str, role: &str) -> AuthUserGrantRoleRequest {
    AuthUserGrantRoleRequest { user: user.into(), role: role.into() }
}

pub fn role_grant(
    name: &str,
    perm_type: Type,
    from: &str,
    to: &str,
) -> AuthRoleGrantPermissionRequest {
    let (key, range_end) = (from.to_owned().into(), to.to_owned().into());
    let perm = Permission { perm_type: perm_type.into(), key, range_end };
    AuthRoleGrantPermissionRequest { name: name.into(), perm: Some(perm) }
}
