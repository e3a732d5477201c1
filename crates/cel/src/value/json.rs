//! From JSON to values and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Number, Value as Json};

use super::{Key, List, Map, Text, Value, time};
use crate::Declared;
use crate::declared::Shape;
use crate::types::Type;

impl<'a> Value<'a> {
    /// JSON as a value. What does not fit its declaration is taken as it is.
    pub fn of_json(json: &'a Json, declared: Option<&'a Declared>) -> Self {
        let shape = declared.map(|declared| &declared.shape);
        match (json, shape) {
            (Json::Null, _) => Self::Null,
            (Json::Bool(value), _) => Self::Bool(*value),
            (Json::Number(number), shape) => {
                number_of(number, matches!(shape, Some(Shape::Plain(Type::Double))))
            }
            (Json::String(text), Some(Shape::Plain(kind))) => text_of(text, kind),
            (Json::String(text), _) => Self::String(Text::Borrowed(text)),
            (Json::Array(items), Some(Shape::List(item, kind))) => {
                Self::List(List::Json(items, Some((item, kind))))
            }
            (Json::Array(items), _) => Self::List(List::Json(items, None)),
            (Json::Object(map), Some(Shape::Map(_) | Shape::Object(_))) => {
                Self::Map(Map::Json(map, declared))
            }
            (Json::Object(map), _) => Self::Map(Map::Json(map, None)),
        }
    }

    /// A copy in JSON; nothing where a part has no form there.
    pub fn to_json(&self) -> Option<Json> {
        Some(match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int(value) => Json::from(*value),
            Self::Uint(value) => Json::from(*value),
            Self::Double(value) => Json::Number(Number::from_f64(*value)?),
            Self::String(text) => Json::from(text.as_str()),
            Self::Bytes(bytes) => Json::from(STANDARD.encode(bytes)),
            Self::Timestamp(at) => Json::from(at.to_string()),
            Self::Duration(nanos) => Json::from(time::show_duration(*nanos)),
            Self::List(List::Json(items, _)) => Json::Array(items.to_vec()),
            Self::List(List::Made(items) | List::Joined(items, _)) => {
                Json::Array(items.iter().map(Value::to_json).collect::<Option<_>>()?)
            }
            Self::Map(Map::Json(map, _)) => Json::Object((*map).clone()),
            Self::Map(Map::Made(map)) => Json::Object(object(map)?),
            Self::Map(Map::Composed) | Self::Kind(_) | Self::Opaque(_) => return None,
            Self::Optional(value) => value.as_ref().map_or(Some(Json::Null), |v| v.to_json())?,
        })
    }
}

fn object(map: &BTreeMap<Key, Value<'_>>) -> Option<serde_json::Map<String, Json>> {
    let entry = |(key, value): (&Key, &Value<'_>)| {
        let name = match key {
            Key::String(name) => name.to_string(),
            Key::Bool(value) => value.to_string(),
            Key::Int(value) => value.to_string(),
            Key::Uint(value) => value.to_string(),
        };
        Some((name, value.to_json()?))
    };
    map.iter().map(entry).collect()
}

fn number_of<'a>(number: &Number, is_double: bool) -> Value<'a> {
    let float = number.as_f64().unwrap_or(f64::NAN);
    match (number.as_i64(), number.as_u64()) {
        _ if is_double => Value::Double(float),
        (Some(value), _) => Value::Int(value),
        (_, Some(value)) => Value::Uint(value),
        _ => Value::Double(float),
    }
}

fn text_of<'a>(text: &'a str, kind: &Type) -> Value<'a> {
    let special = match kind {
        Type::Timestamp => time::parse_timestamp(text).map(Value::Timestamp),
        Type::Duration => time::parse_duration(text).map(Value::Duration),
        Type::Bytes => STANDARD.decode(text).ok().map(|bytes| Value::Bytes(Arc::from(bytes))),
        _ => None,
    };
    special.unwrap_or(Value::String(Text::Borrowed(text)))
}
