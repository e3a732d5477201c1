//! Why something about users, roles and tokens was refused.

use tonic::{Code, Status};

use crate::error::{self, ClientError};

/// Why a request about users, roles or tokens, or one without the right, was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum AuthError {
    /// As etcd refuses it, with its code and text.
    #[error("{}", .0.text)]
    Known(ClientError),
    /// etcd has no code for this one and lets the text through as it is.
    #[error("auth: authentication failed, password was given for no password user")]
    NoPasswordUser,
    /// bcrypt reads 72 bytes; what is longer would be cut in silence. The text is etcd's.
    #[error("bcrypt: password length exceeds 72 bytes")]
    PasswordTooLong,
    /// Users and roles together, or a name alone, are larger than what is kept may be.
    #[error("etcdserver: users and roles take more than {max} bytes")]
    TooMuch {
        /// The bound.
        max: usize,
    },
    /// No hash could be made of a password.
    #[error("make a hash of a password: {0}")]
    Hash(String),
    /// The store refused to keep the change.
    #[error("keep users and roles in the store")]
    Write(#[source] store::WriteError),
}

impl From<ClientError> for AuthError {
    fn from(error: ClientError) -> AuthError {
        AuthError::Known(error)
    }
}

impl From<AuthError> for Status {
    fn from(refused: AuthError) -> Status {
        let code = match refused {
            AuthError::Known(known) => return known.into(),
            AuthError::Write(write) => return error::write(write),
            AuthError::TooMuch { .. } => Code::ResourceExhausted,
            AuthError::NoPasswordUser | AuthError::PasswordTooLong | AuthError::Hash(_) => {
                Code::Unknown
            }
        };
        Status::new(code, refused.to_string())
    }
}
