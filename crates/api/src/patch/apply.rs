//! Server-side apply and the managed fields that every write leaves behind.

use serde_json::Value;

use crate::gvk::Gvk;
use crate::schema::TypeSchema;

/// One write, as managed fields see it.
#[derive(Debug, Clone, Copy)]
pub struct Write<'a> {
    /// The type of the object.
    pub schema: &'a TypeSchema,
    /// Its group, version and kind: those of the request's path.
    pub gvk: &'a Gvk,
    /// The field manager's name.
    pub manager: &'a str,
    /// `status`, `scale`, …; empty for the object itself.
    pub subresource: &'a str,
    /// The time of the write: RFC 3339, whole seconds, UTC.
    pub now: &'a str,
}

/// Why an apply was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ApplyError {
    /// 400 Bad Request.
    #[error("{0}")]
    BadRequest(String),
    /// The configuration does not fit the type: 500 upstream, better 400.
    #[error("{0}")]
    Typed(String),
    /// Others own fields that this would change: 409 Conflict.
    #[error("{0}")]
    Conflicts(Conflicts),
}

/// Fields that others own, and whom they belong to. Displays as the Status message.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflicts {
    /// One for each field and manager.
    pub causes: Vec<ConflictCause>,
}

/// One entry of `Status.details.causes`, of reason `FieldManagerConflict`.
#[derive(Debug, Clone, PartialEq)]
pub struct ConflictCause {
    /// `conflict with "kubectl-client-side-apply" using apps/v1`
    pub message: String,
    /// `.spec.replicas`
    pub field: String,
}

impl std::fmt::Display for Conflicts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Apply failed with {} conflicts", self.causes.len())
    }
}

/// Server-side apply of `config` over `live` (`None`: it does not exist yet). Gives the object
/// to store, managedFields included; it equals `live` where nothing changed.
pub fn apply(
    write: &Write<'_>,
    live: Option<&Value>,
    config: &Value,
    force: bool,
) -> Result<Value, ApplyError> {
    let _ = (write, live, config, force);
    Err(ApplyError::BadRequest("being written".into()))
}

/// Managed fields after any other write: `new` is the object about to be stored in place of
/// `live` (`None`: a create). Sets `new`'s managedFields. Call it after defaulting and mutation.
pub fn update(write: &Write<'_>, live: Option<&Value>, new: &mut Value) {
    let _ = (write, live, new);
}
