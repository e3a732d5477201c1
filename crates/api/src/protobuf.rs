//! Kubernetes' protobuf request bodies, as JSON objects.

use serde_json::Value;

use crate::gvk::Gvk;

/// What every protobuf body begins with.
pub const MAGIC: &[u8; 4] = b"k8s\0";

/// Why a body could not be read: 400 Bad Request.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProtobufError {
    /// It does not begin with [`MAGIC`].
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    Magic,
    /// The bytes are no message, or not this one.
    #[error("proto: {0}")]
    Malformed(String),
    /// Nothing is known of this type.
    #[error("no kind \"{}\" is registered for version \"{}\" in protobuf", .0.kind, .0.api_version())]
    UnknownType(Gvk),
}

/// Reads a body with its envelope: its type and the object, exactly as JSON would have it.
pub fn decode(body: &[u8]) -> Result<(Gvk, Value), ProtobufError> {
    let _ = body;
    Err(ProtobufError::Magic)
}

/// Reads a body of a type that is known from elsewhere (the request's path), its envelope
/// naming no type.
pub fn decode_as(body: &[u8], gvk: &Gvk) -> Result<Value, ProtobufError> {
    let _ = (body, gvk);
    Err(ProtobufError::Magic)
}
