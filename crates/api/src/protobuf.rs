//! Kubernetes' protobuf bodies, to JSON objects and back.
//!
//! kubectl's typed creates and new client-go send them and do not fall back to JSON, and ask for
//! them in replies. A body is four magic bytes and an envelope (`runtime.Unknown`) that names the
//! type and holds the message. What comes out of one, and goes into one, is the object that a JSON
//! body would have held, so that nothing else knows the difference.

mod decode;
mod encode;
mod leaf;
mod table;
#[cfg(test)]
mod tests;
mod wire;
mod write;

use serde_json::Value;

use crate::gvk::Gvk;
use crate::patch::depth::{self, depth};
use decode::Decoder;
use table::Table;
use wire::{Reader, Wire};
pub use write::{from_json, is_known, watch_event};

/// What every protobuf body begins with.
pub const MAGIC: &[u8; 4] = b"k8s\0";

/// How deep messages may nest.
pub const DEPTH_MAX: usize = 100;

/// How many values (fields, list items, map entries) one body may hold: a byte pair makes a
/// value of some tens of bytes, so the body's own size bound is not enough.
pub const VALUES_MAX: usize = 1_000_000;

/// Why a body could not be read, which is 400 Bad Request, or written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProtobufError {
    /// It does not begin with [`MAGIC`].
    #[error(
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
    )]
    Magic,
    /// The bytes are no message, or not this one.
    #[error("proto: {0}")]
    Malformed(String),
    /// Nothing is known of this type.
    #[error("no kind \"{}\" is registered for version \"{}\"", .0.kind, .0.api_version())]
    UnknownType(Gvk),
    /// An object cannot be written as the message of its type.
    #[error("the object does not fit its protobuf message: {0}")]
    Unfit(String),
}

/// Is this a protobuf body, whatever its Content-Type says?
pub fn is_protobuf(body: &[u8]) -> bool {
    body.starts_with(MAGIC)
}

/// Reads a body: its type, as its envelope names it, and the object.
pub fn decode(body: &[u8]) -> Result<(Gvk, Value), ProtobufError> {
    let envelope = Envelope::read(body)?;
    let gvk = envelope.gvk()?;
    let object = envelope.object(&gvk)?;
    Ok((gvk, object))
}

/// Reads a body whose envelope may leave the type out, it being known from the request's path.
pub fn decode_as(body: &[u8], expected: &Gvk) -> Result<Value, ProtobufError> {
    let envelope = Envelope::read(body)?;
    let gvk = if envelope.kind.is_empty() { expected.clone() } else { envelope.gvk()? };
    envelope.object(&gvk)
}

/// `runtime.Unknown`.
#[derive(Default)]
struct Envelope<'a> {
    api_version: &'a str,
    kind: &'a str,
    raw: &'a [u8],
    content_encoding: &'a str,
    content_type: &'a str,
}

impl<'a> Envelope<'a> {
    fn read(body: &'a [u8]) -> Result<Self, ProtobufError> {
        let message = body.strip_prefix(MAGIC).ok_or(ProtobufError::Magic)?;
        let mut envelope = Self::default();
        for field in Reader::new(message) {
            match field? {
                (1, Wire::Bytes(type_meta)) => envelope.read_type(type_meta)?,
                (2, Wire::Bytes(raw)) => envelope.raw = raw,
                (3, Wire::Bytes(text)) => envelope.content_encoding = wire::text(text)?,
                (4, Wire::Bytes(text)) => envelope.content_type = wire::text(text)?,
                _ => {}
            }
        }
        Ok(envelope)
    }

    fn read_type(&mut self, type_meta: &'a [u8]) -> Result<(), ProtobufError> {
        for field in Reader::new(type_meta) {
            match field? {
                (1, Wire::Bytes(text)) => self.api_version = wire::text(text)?,
                (2, Wire::Bytes(text)) => self.kind = wire::text(text)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn gvk(&self) -> Result<Gvk, ProtobufError> {
        Gvk::from_api_version(self.api_version, self.kind)
            .map_err(|error| ProtobufError::Malformed(error.to_string()))
    }

    fn object(&self, gvk: &Gvk) -> Result<Value, ProtobufError> {
        if !self.content_encoding.is_empty() {
            let why = format!("unsupported content encoding {:?}", self.content_encoding);
            return Err(ProtobufError::Malformed(why));
        }
        if self.content_type == "application/json" {
            return leaf::json(self.raw);
        }
        let table = Table::get();
        let message = table.root(gvk).ok_or_else(|| ProtobufError::UnknownType(gvk.clone()))?;
        let mut object = Decoder::new(table).message(message, self.raw)?;
        object.insert("apiVersion".to_owned(), gvk.api_version().into());
        object.insert("kind".to_owned(), gvk.kind.clone().into());
        let object = Value::Object(object);
        if depth(&object) > depth::DEPTH_MAX {
            return Err(wire::malformed("exceeded maximum recursion depth"));
        }
        Ok(object)
    }
}
