//! The way back, for tests alone: an object of a known type as a protobuf message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::super::MAGIC;
use super::super::table::{Field, Kind, MessageId, Presence, Repeat, Table};
use crate::gvk::Gvk;

/// A whole body.
pub fn body(gvk: &Gvk, object: &Value) -> Vec<u8> {
    envelope(gvk, &encode(Table::get().root(gvk).unwrap(), object))
}

/// A body around a message.
pub fn envelope(gvk: &Gvk, raw: &[u8]) -> Vec<u8> {
    let types =
        [delimited(1, gvk.api_version().as_bytes()), delimited(2, gvk.kind.as_bytes())].concat();
    [MAGIC.to_vec(), delimited(1, &types), delimited(2, raw)].concat()
}

/// One message.
pub fn encode(id: MessageId, object: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for field in &Table::get().message(id).fields {
        match (field.presence, field.kind) {
            (Presence::Inlined, Kind::Message(inner)) => {
                out.extend(delimited(field.number, &encode(inner, object)));
            }
            _ => {
                if let Some(value) = object.get(field.name) {
                    out.extend(encode_field(field, value));
                }
            }
        }
    }
    out
}

fn encode_field(field: &Field, value: &Value) -> Vec<u8> {
    let one = |value| encode_value(field.number, field.kind, value);
    match field.repeat {
        Repeat::Once => one(value),
        Repeat::List => value.as_array().unwrap().iter().flat_map(one).collect(),
        Repeat::Map => value
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(key, value)| {
                let value = encode_value(2, field.kind, value);
                delimited(field.number, &[delimited(1, key.as_bytes()), value].concat())
            })
            .collect(),
    }
}

fn encode_value(number: u32, kind: Kind, value: &Value) -> Vec<u8> {
    match kind {
        Kind::Integer => varint_field(number, value.as_i64().unwrap() as u64),
        Kind::Boolean => varint_field(number, value.as_bool().unwrap().into()),
        Kind::Double => {
            let bits = value.as_f64().unwrap().to_bits().to_le_bytes();
            [varint(u64::from(number) << 3 | 1), bits.to_vec()].concat()
        }
        _ => delimited(number, &encode_delimited(kind, value)),
    }
}

fn encode_delimited(kind: Kind, value: &Value) -> Vec<u8> {
    let text = || value.as_str().unwrap();
    let schema =
        |value| encode(Table::get().named("apiextensions.v1.JSONSchemaProps").unwrap(), value);
    match kind {
        Kind::Text => text().into(),
        Kind::Bytes => STANDARD.decode(text()).unwrap(),
        Kind::Time | Kind::MicroTime => {
            let time: Timestamp = text().parse().unwrap();
            let nanos = time.subsec_nanosecond() as u64;
            [varint_field(1, time.as_second() as u64), varint_field(2, nanos)].concat()
        }
        Kind::Quantity => delimited(1, text().as_bytes()),
        Kind::IntOrString => match value.as_i64() {
            Some(number) => [varint_field(1, 0), varint_field(2, number as u64)].concat(),
            None => [varint_field(1, 1), delimited(3, text().as_bytes())].concat(),
        },
        Kind::RawExtension | Kind::Json => delimited(1, value.to_string().as_bytes()),
        Kind::Strings => strings(1, value),
        Kind::SchemaOrBool => match value {
            Value::Bool(allows) => varint_field(1, (*allows).into()),
            value => [varint_field(1, 1), delimited(2, &schema(value))].concat(),
        },
        Kind::SchemaOrList => match value {
            Value::Array(list) => list.iter().flat_map(|v| delimited(2, &schema(v))).collect(),
            value => delimited(1, &schema(value)),
        },
        Kind::SchemaOrStrings => match value {
            Value::Array(_) => strings(2, value),
            value => delimited(1, &schema(value)),
        },
        Kind::Message(id) => encode(id, value),
        Kind::Integer | Kind::Boolean | Kind::Double => unreachable!("not delimited"),
    }
}

fn strings(number: u32, list: &Value) -> Vec<u8> {
    let list = list.as_array().unwrap();
    list.iter().flat_map(|text| delimited(number, text.as_str().unwrap().as_bytes())).collect()
}

pub fn delimited(number: u32, bytes: &[u8]) -> Vec<u8> {
    [varint(u64::from(number) << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

pub fn varint_field(number: u32, value: u64) -> Vec<u8> {
    [varint(u64::from(number) << 3), varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}
