//! Who may do what: users, roles and tokens.

use store::Range;
use tonic::{Request, Status};

/// Who sent a request, as far as permissions go.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// Authentication is off: everybody may do everything.
    Anyone,
}

/// The users and roles, and whether they are asked for.
#[derive(Debug, Default)]
pub(crate) struct Auth {}

impl Auth {
    /// Who sent this request: by its token, or by the certificate of its connection.
    pub(crate) fn caller<T>(&self, _request: &Request<T>) -> Result<Caller, Status> {
        Ok(Caller::Anyone)
    }

    /// Whether the caller may read every key in the range.
    pub(crate) fn may_read(&self, caller: &Caller, _range: &Range) -> Result<(), Status> {
        match caller {
            Caller::Anyone => Ok(()),
        }
    }

    /// Whether the caller may write every key in the range.
    pub(crate) fn may_write(&self, caller: &Caller, _range: &Range) -> Result<(), Status> {
        match caller {
            Caller::Anyone => Ok(()),
        }
    }

    /// Whether the caller has the root role.
    pub(crate) fn is_admin(&self, caller: &Caller) -> Result<(), Status> {
        match caller {
            Caller::Anyone => Ok(()),
        }
    }
}
