//! The types whose JSON is not the JSON of their message: times, quantities, raw JSON, …

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::ProtobufError;
use super::wire::{self, Reader, Wire, malformed};

/// JSON text; nothing at all is null.
pub(super) fn json(bytes: &[u8]) -> Result<Value, ProtobufError> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(bytes).map_err(|error| malformed(&format!("embedded JSON: {error}")))
}

/// A message whose field 1 is JSON text.
pub(super) fn wrapped_json(message: &[u8]) -> Result<Value, ProtobufError> {
    json(first(message)?)
}

/// The bytes of field 1, the only one of many wrapper messages.
pub(super) fn first(message: &[u8]) -> Result<&[u8], ProtobufError> {
    let mut found: &[u8] = &[];
    for field in Reader::new(message) {
        if let (1, Wire::Bytes(bytes)) = field? {
            found = bytes;
        }
    }
    Ok(found)
}

/// `[]byte`: base64.
pub(super) fn bytes(bytes: &[u8]) -> Value {
    STANDARD.encode(bytes).into()
}

/// A repeated string in field `number`.
pub(super) fn strings(message: &[u8], number: u32) -> Result<Vec<Value>, ProtobufError> {
    let mut strings = Vec::new();
    for field in Reader::new(message) {
        let (found, value) = field?;
        if let Wire::Bytes(bytes) = value
            && found == number
        {
            strings.push(wire::text(bytes)?.into());
        }
    }
    Ok(strings)
}

/// `resource.Quantity`: its text.
pub(super) fn quantity(message: &[u8]) -> Result<Value, ProtobufError> {
    let text = wire::text(first(message)?)?;
    Ok(if text.is_empty() { "0".into() } else { text.into() })
}

/// `intstr.IntOrString`: type (0 a number, 1 a string), the number, the string.
pub(super) fn int_or_string(message: &[u8]) -> Result<Value, ProtobufError> {
    let (mut is_text, mut number, mut text) = (false, 0, "");
    for field in Reader::new(message) {
        match field? {
            (1, Wire::Varint(kind)) => is_text = kind == 1,
            (2, Wire::Varint(value)) => number = value as i64,
            (3, Wire::Bytes(value)) => text = wire::text(value)?,
            _ => {}
        }
    }
    Ok(if is_text { text.into() } else { number.into() })
}

/// `meta.v1.Time`: whole seconds; the zero time is null.
pub(super) fn time(message: &[u8]) -> Result<Value, ProtobufError> {
    let (seconds, nanos) = seconds_and_nanos(message)?;
    if seconds == 0 && nanos == 0 {
        return Ok(Value::Null);
    }
    Ok(timestamp(seconds, 0)?.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into())
}

/// `meta.v1.MicroTime`: six digits of a second, always.
pub(super) fn micro_time(message: &[u8]) -> Result<Value, ProtobufError> {
    let (seconds, nanos) = seconds_and_nanos(message)?;
    if seconds == 0 && nanos == 0 {
        return Ok(Value::Null);
    }
    let micros = nanos / 1000;
    let whole = timestamp(seconds, 0)?.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    Ok(format!("{whole}.{micros:06}Z").into())
}

fn seconds_and_nanos(message: &[u8]) -> Result<(i64, u32), ProtobufError> {
    let (mut seconds, mut nanos) = (0, 0);
    for field in Reader::new(message) {
        match field? {
            (1, Wire::Varint(value)) => seconds = value as i64,
            (2, Wire::Varint(value)) => nanos = value,
            _ => {}
        }
    }
    match u32::try_from(nanos) {
        Ok(nanos) if nanos < 1_000_000_000 => Ok((seconds, nanos)),
        _ => Err(malformed("a time's nanoseconds are out of range")),
    }
}

fn timestamp(seconds: i64, nanos: i32) -> Result<Timestamp, ProtobufError> {
    Timestamp::new(seconds, nanos).map_err(|_| malformed("a time is out of range"))
}
