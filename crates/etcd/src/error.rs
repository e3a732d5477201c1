//! etcd's errors: the same codes and texts, since clients tell them apart by these.
//!
//! The table is whole, whether a service needs an entry today or not.
#![allow(dead_code)]

use store::{CompactError, ReadError, WriteError};
use tonic::{Code, Status};

/// An error that clients of etcd know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientError {
    /// The gRPC code.
    pub(crate) code: Code,
    /// The message, which clients compare.
    pub(crate) text: &'static str,
}

impl From<ClientError> for Status {
    fn from(error: ClientError) -> Status {
        Status::new(error.code, error.text)
    }
}

const fn error(code: Code, text: &'static str) -> ClientError {
    ClientError { code, text }
}

pub(crate) const EMPTY_KEY: ClientError =
    error(Code::InvalidArgument, "etcdserver: key is not provided");
pub(crate) const KEY_NOT_FOUND: ClientError =
    error(Code::InvalidArgument, "etcdserver: key not found");
pub(crate) const VALUE_PROVIDED: ClientError =
    error(Code::InvalidArgument, "etcdserver: value is provided");
pub(crate) const LEASE_PROVIDED: ClientError =
    error(Code::InvalidArgument, "etcdserver: lease is provided");
pub(crate) const TOO_MANY_OPS: ClientError =
    error(Code::InvalidArgument, "etcdserver: too many operations in txn request");
pub(crate) const DUPLICATE_KEY: ClientError =
    error(Code::InvalidArgument, "etcdserver: duplicate key given in txn request");
pub(crate) const INVALID_CLIENT_API_VERSION: ClientError =
    error(Code::InvalidArgument, "etcdserver: invalid client api version");
pub(crate) const INVALID_SORT_OPTION: ClientError =
    error(Code::InvalidArgument, "etcdserver: invalid sort option");
pub(crate) const COMPACTED: ClientError =
    error(Code::OutOfRange, "etcdserver: mvcc: required revision has been compacted");
pub(crate) const FUTURE_REVISION: ClientError =
    error(Code::OutOfRange, "etcdserver: mvcc: required revision is a future revision");
pub(crate) const NO_SPACE: ClientError =
    error(Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded");
pub(crate) const LEASE_NOT_FOUND: ClientError =
    error(Code::NotFound, "etcdserver: requested lease not found");
pub(crate) const LEASE_EXISTS: ClientError =
    error(Code::FailedPrecondition, "etcdserver: lease already exists");
pub(crate) const LEASE_TTL_TOO_LARGE: ClientError =
    error(Code::OutOfRange, "etcdserver: too large lease TTL");
pub(crate) const WATCH_CANCELED: ClientError = error(Code::Cancelled, "etcdserver: watch canceled");
pub(crate) const MEMBER_EXISTS: ClientError =
    error(Code::FailedPrecondition, "etcdserver: member ID already exist");
pub(crate) const PEER_URL_EXISTS: ClientError =
    error(Code::FailedPrecondition, "etcdserver: Peer URLs already exists");
pub(crate) const MEMBER_NOT_ENOUGH_STARTED: ClientError = error(
    Code::FailedPrecondition,
    "etcdserver: re-configuration failed due to not enough started members",
);
pub(crate) const MEMBER_BAD_URLS: ClientError =
    error(Code::InvalidArgument, "etcdserver: given member URLs are invalid");
pub(crate) const MEMBER_NOT_FOUND: ClientError =
    error(Code::NotFound, "etcdserver: member not found");
pub(crate) const MEMBER_NOT_LEARNER: ClientError =
    error(Code::FailedPrecondition, "etcdserver: can only promote a learner member");
pub(crate) const UNHEALTHY: ClientError = error(Code::Unavailable, "etcdserver: unhealthy cluster");
pub(crate) const REQUEST_TOO_LARGE: ClientError =
    error(Code::InvalidArgument, "etcdserver: request is too large");
pub(crate) const TOO_MANY_REQUESTS: ClientError =
    error(Code::ResourceExhausted, "etcdserver: too many requests");
pub(crate) const ROOT_USER_NOT_EXIST: ClientError =
    error(Code::FailedPrecondition, "etcdserver: root user does not exist");
pub(crate) const ROOT_ROLE_NOT_EXIST: ClientError =
    error(Code::FailedPrecondition, "etcdserver: root user does not have root role");
pub(crate) const USER_EXISTS: ClientError =
    error(Code::FailedPrecondition, "etcdserver: user name already exists");
pub(crate) const USER_EMPTY: ClientError =
    error(Code::InvalidArgument, "etcdserver: user name is empty");
pub(crate) const USER_NOT_FOUND: ClientError =
    error(Code::FailedPrecondition, "etcdserver: user name not found");
pub(crate) const ROLE_EXISTS: ClientError =
    error(Code::FailedPrecondition, "etcdserver: role name already exists");
pub(crate) const ROLE_NOT_FOUND: ClientError =
    error(Code::FailedPrecondition, "etcdserver: role name not found");
pub(crate) const ROLE_EMPTY: ClientError =
    error(Code::InvalidArgument, "etcdserver: role name is empty");
pub(crate) const AUTH_FAILED: ClientError =
    error(Code::InvalidArgument, "etcdserver: authentication failed, invalid user ID or password");
pub(crate) const PERMISSION_NOT_GIVEN: ClientError =
    error(Code::InvalidArgument, "etcdserver: permission not given");
pub(crate) const PERMISSION_DENIED: ClientError =
    error(Code::PermissionDenied, "etcdserver: permission denied");
pub(crate) const ROLE_NOT_GRANTED: ClientError =
    error(Code::FailedPrecondition, "etcdserver: role is not granted to the user");
pub(crate) const PERMISSION_NOT_GRANTED: ClientError =
    error(Code::FailedPrecondition, "etcdserver: permission is not granted to the role");
pub(crate) const AUTH_NOT_ENABLED: ClientError =
    error(Code::FailedPrecondition, "etcdserver: authentication is not enabled");
pub(crate) const INVALID_AUTH_TOKEN: ClientError =
    error(Code::Unauthenticated, "etcdserver: invalid auth token");
pub(crate) const INVALID_AUTH_MANAGEMENT: ClientError =
    error(Code::InvalidArgument, "etcdserver: invalid auth management");
pub(crate) const AUTH_OLD_REVISION: ClientError =
    error(Code::InvalidArgument, "etcdserver: revision of auth store is old");
pub(crate) const NO_LEADER: ClientError = error(Code::Unavailable, "etcdserver: no leader");
pub(crate) const NOT_LEADER: ClientError =
    error(Code::FailedPrecondition, "etcdserver: not leader");
pub(crate) const NOT_CAPABLE: ClientError =
    error(Code::FailedPrecondition, "etcdserver: not capable");
pub(crate) const STOPPED: ClientError = error(Code::Unavailable, "etcdserver: server stopped");
pub(crate) const TIMEOUT: ClientError = error(Code::Unavailable, "etcdserver: request timed out");
pub(crate) const CORRUPT: ClientError = error(Code::DataLoss, "etcdserver: corrupt cluster");
pub(crate) const BAD_LEADER_TRANSFEREE: ClientError =
    error(Code::FailedPrecondition, "etcdserver: bad leader transferee");
pub(crate) const WRONG_DOWNGRADE_VERSION_FORMAT: ClientError =
    error(Code::InvalidArgument, "etcdserver: wrong downgrade target version format");
pub(crate) const INVALID_DOWNGRADE_TARGET_VERSION: ClientError =
    error(Code::InvalidArgument, "etcdserver: invalid downgrade target version");
pub(crate) const NO_INFLIGHT_DOWNGRADE: ClientError =
    error(Code::FailedPrecondition, "etcdserver: no inflight downgrade job");

/// The error for a write that the store refused.
pub(crate) fn write(refused: WriteError) -> Status {
    match refused {
        WriteError::Full | WriteError::Quota => NO_SPACE.into(),
        WriteError::TooLarge => REQUEST_TOO_LARGE.into(),
        WriteError::DuplicateKey => DUPLICATE_KEY.into(),
        WriteError::KeyNotFound => KEY_NOT_FOUND.into(),
        WriteError::LeaseNotFound => LEASE_NOT_FOUND.into(),
        WriteError::LeaseExists => LEASE_EXISTS.into(),
        WriteError::Read(refused) => read(refused),
        WriteError::Closed => STOPPED.into(),
        WriteError::Unavailable => TIMEOUT.into(),
        WriteError::Deposed => NOT_LEADER.into(),
        other => Status::unavailable(format!("etcdserver: {other}")),
    }
}

/// The error for a read that the store refused.
pub(crate) fn read(refused: ReadError) -> Status {
    match refused {
        ReadError::Compacted { .. } => COMPACTED.into(),
        ReadError::Future { .. } => FUTURE_REVISION.into(),
    }
}

/// The error for a compaction that the store refused.
pub(crate) fn compact(refused: CompactError) -> Status {
    match refused {
        CompactError::Compacted { .. } => COMPACTED.into(),
        CompactError::Future { .. } => FUTURE_REVISION.into(),
        CompactError::Write(refused) => write(refused),
    }
}
