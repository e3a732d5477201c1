//! What can go wrong in authentication and authorization, with etcd's codes and texts.

use tonic::{Code, Status};

/// Why a request about users, roles or tokens, or one without the right, was refused.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub(crate) enum AuthError {
    #[error("etcdserver: root user does not exist")]
    RootUserNotExist,
    #[error("etcdserver: root user does not have root role")]
    RootRoleNotExist,
    #[error("etcdserver: user name already exists")]
    UserAlreadyExist,
    #[error("etcdserver: user name is empty")]
    UserEmpty,
    #[error("etcdserver: user name not found")]
    UserNotFound,
    #[error("etcdserver: role name already exists")]
    RoleAlreadyExist,
    #[error("etcdserver: role name not found")]
    RoleNotFound,
    #[error("etcdserver: role name is empty")]
    RoleEmpty,
    #[error("etcdserver: permission not given")]
    PermissionNotGiven,
    #[error("etcdserver: authentication failed, invalid user ID or password")]
    AuthFailed,
    /// etcd knows no code for this one and lets the text through as it is.
    #[error("auth: authentication failed, password was given for no password user")]
    NoPasswordUser,
    #[error("etcdserver: permission denied")]
    PermissionDenied,
    #[error("etcdserver: role is not granted to the user")]
    RoleNotGranted,
    #[error("etcdserver: permission is not granted to the role")]
    PermissionNotGranted,
    #[error("etcdserver: authentication is not enabled")]
    AuthNotEnabled,
    #[error("etcdserver: revision of auth store is old")]
    AuthOldRevision,
    #[error("etcdserver: invalid auth token")]
    InvalidAuthToken,
    #[error("etcdserver: invalid auth management")]
    InvalidAuthMgmt,
    /// bcrypt reads 72 bytes; what is longer would be cut in silence.
    #[error("bcrypt: password length exceeds 72 bytes")]
    PasswordTooLong,
    /// More passwords are waiting to be hashed than we let wait.
    #[error("etcdserver: too many requests")]
    TooManyRequests,
    /// Users and roles together are larger than a record may be.
    #[error("etcdserver: too many users and roles")]
    TooMuch,
    /// The hash function itself refused.
    #[error("bcrypt: {0}")]
    Hash(String),
    /// The store refused to keep the change.
    #[error(transparent)]
    Write(#[from] store::WriteError),
}

impl AuthError {
    fn code(&self) -> Code {
        match self {
            AuthError::RootUserNotExist
            | AuthError::RootRoleNotExist
            | AuthError::UserAlreadyExist
            | AuthError::UserNotFound
            | AuthError::RoleAlreadyExist
            | AuthError::RoleNotFound
            | AuthError::RoleNotGranted
            | AuthError::PermissionNotGranted
            | AuthError::AuthNotEnabled => Code::FailedPrecondition,
            AuthError::UserEmpty
            | AuthError::RoleEmpty
            | AuthError::PermissionNotGiven
            | AuthError::AuthFailed
            | AuthError::AuthOldRevision
            | AuthError::InvalidAuthMgmt => Code::InvalidArgument,
            AuthError::PermissionDenied => Code::PermissionDenied,
            AuthError::InvalidAuthToken => Code::Unauthenticated,
            AuthError::TooManyRequests | AuthError::TooMuch => Code::ResourceExhausted,
            AuthError::NoPasswordUser
            | AuthError::PasswordTooLong
            | AuthError::Hash(_)
            | AuthError::Write(_) => Code::Unknown,
        }
    }
}

impl From<AuthError> for Status {
    fn from(error: AuthError) -> Status {
        match error {
            AuthError::Write(error) => crate::error::write(error),
            other => Status::new(other.code(), other.to_string()),
        }
    }
}
