//! Strategic merge patch.

use serde_json::Value;

use crate::schema::TypeSchema;

/// Why a strategic merge patch was not applied; the texts are apimachinery's. 400 Bad Request,
/// or 422 where upstream answers so.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct StrategicError(pub String);

/// Merges `patch` into `document`, which is of the type `schema`.
pub fn apply(schema: &TypeSchema, document: Value, patch: Value) -> Result<Value, StrategicError> {
    let _ = (schema, document, patch);
    Err(StrategicError("being written".into()))
}
