//! The way back: an object as a message of the table.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::ProtobufError;
use super::table::{Field, Kind, MessageId, Presence, Repeat, Table};

/// A value that does not have the type that its field is of. Objects are held against their
/// schemas before they are stored.
fn unfit(kind: Kind) -> ProtobufError {
    ProtobufError::Unfit(format!("a value is no {kind:?}"))
}

/// One message.
pub(super) fn message(id: MessageId, object: &Value) -> Result<Vec<u8>, ProtobufError> {
    let mut out = Vec::new();
    for field in &Table::get().message(id).fields {
        if let (Presence::Inlined, Kind::Message(inner)) = (field.presence, field.kind) {
            delimited(&mut out, field.number, &message(inner, object)?);
        } else if let Some(value) = object.get(field.name).filter(|value| !value.is_null()) {
            self::field(&mut out, field, value)?;
        }
    }
    Ok(out)
}

fn field(out: &mut Vec<u8>, field: &Field, value: &Value) -> Result<(), ProtobufError> {
    let unfit = || unfit(field.kind);
    match field.repeat {
        Repeat::Once => single(out, field.number, field.kind, value),
        Repeat::List => {
            let items = value.as_array().ok_or_else(unfit)?;
            items.iter().try_for_each(|item| single(out, field.number, field.kind, item))
        }
        Repeat::Map => {
            for (key, value) in value.as_object().ok_or_else(unfit)? {
                let mut entry = Vec::new();
                delimited(&mut entry, 1, key.as_bytes());
                single(&mut entry, 2, field.kind, value)?;
                delimited(out, field.number, &entry);
            }
            Ok(())
        }
    }
}

fn single(out: &mut Vec<u8>, number: u32, kind: Kind, value: &Value) -> Result<(), ProtobufError> {
    let unfit = || unfit(kind);
    match kind {
        Kind::Integer => varint_field(out, number, value.as_i64().ok_or_else(unfit)? as u64),
        Kind::Boolean => varint_field(out, number, value.as_bool().ok_or_else(unfit)?.into()),
        Kind::Double => {
            varint(out, u64::from(number) << 3 | 1);
            out.extend(value.as_f64().ok_or_else(unfit)?.to_le_bytes());
        }
        _ => delimited(out, number, &bytes(kind, value)?),
    }
    Ok(())
}

/// What stands behind a length.
fn bytes(kind: Kind, value: &Value) -> Result<Vec<u8>, ProtobufError> {
    let text = || value.as_str().ok_or_else(|| unfit(kind));
    Ok(match kind {
        Kind::Text => text()?.into(),
        Kind::Bytes => STANDARD.decode(text()?).map_err(|_| unfit(kind))?,
        Kind::Time | Kind::MicroTime => time(text()?).ok_or_else(|| unfit(kind))?,
        Kind::Quantity => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            wrapped(text.as_bytes())
        }
        Kind::IntOrString => int_or_string(value).ok_or_else(|| unfit(kind))?,
        Kind::RawExtension | Kind::Json => wrapped(value.to_string().as_bytes()),
        Kind::Strings => strings(1, value).ok_or_else(|| unfit(kind))?,
        Kind::SchemaOrBool | Kind::SchemaOrList | Kind::SchemaOrStrings => schema_or(kind, value)?,
        Kind::Message(id) => message(id, value)?,
        Kind::Integer | Kind::Boolean | Kind::Double => unreachable!("they have no length"),
    })
}

/// A schema, or what else may stand in its place.
fn schema_or(kind: Kind, value: &Value) -> Result<Vec<u8>, ProtobufError> {
    let id = Table::get().schema();
    let mut out = Vec::new();
    match (kind, value) {
        (Kind::SchemaOrBool, Value::Bool(allows)) => varint_field(&mut out, 1, (*allows).into()),
        (Kind::SchemaOrBool, schema) => {
            varint_field(&mut out, 1, 1);
            delimited(&mut out, 2, &message(id, schema)?);
        }
        (Kind::SchemaOrList, Value::Array(schemas)) => {
            for schema in schemas {
                delimited(&mut out, 2, &message(id, schema)?);
            }
        }
        (Kind::SchemaOrStrings, Value::Array(_)) => {
            return strings(2, value).ok_or_else(|| unfit(kind));
        }
        (_, schema) => delimited(&mut out, 1, &message(id, schema)?),
    }
    Ok(out)
}

fn time(text: &str) -> Option<Vec<u8>> {
    let time: Timestamp = text.parse().ok()?;
    let mut out = Vec::new();
    varint_field(&mut out, 1, time.as_second() as u64);
    varint_field(&mut out, 2, time.subsec_nanosecond() as u64);
    Some(out)
}

fn int_or_string(value: &Value) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match value.as_i64() {
        Some(number) => {
            varint_field(&mut out, 1, 0);
            varint_field(&mut out, 2, number as u64);
        }
        None => {
            varint_field(&mut out, 1, 1);
            delimited(&mut out, 3, value.as_str()?.as_bytes());
        }
    }
    Some(out)
}

fn strings(number: u32, list: &Value) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for text in list.as_array()? {
        delimited(&mut out, number, text.as_str()?.as_bytes());
    }
    Some(out)
}

/// A message of nothing but field 1.
pub(super) fn wrapped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    delimited(&mut out, 1, bytes);
    out
}

pub(super) fn delimited(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    varint(out, u64::from(number) << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    varint(out, u64::from(number) << 3);
    varint(out, value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
