//! Single values: does a field of this shape take them, and in which form.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Number, Value};

use crate::Quantity;
use crate::schema::{Shape, TypeSchema};

/// Why a value was not taken.
pub(super) enum Refusal {
    /// Another type; this is how Go names what was found.
    Mismatch(String),
    /// The right type, the wrong text.
    Format(String),
}

pub(super) fn boolean(schema: &TypeSchema, value: bool) -> Result<Value, Refusal> {
    match schema.shape {
        Shape::Boolean | Shape::Any => Ok(value.into()),
        _ => Err(Refusal::Mismatch("bool".to_owned())),
    }
}

pub(super) fn number(schema: &TypeSchema, value: Number) -> Result<Value, Refusal> {
    match &schema.shape {
        Shape::Any | Shape::Number => Ok(Value::Number(value)),
        Shape::Integer { format } => {
            let fits = value
                .as_i64()
                .is_some_and(|n| format.as_deref() != Some("int32") || i32::try_from(n).is_ok());
            if fits { Ok(Value::Number(value)) } else { Err(refused(&value)) }
        }
        Shape::IntOrString => match value.as_i64().map(i32::try_from) {
            Some(Ok(_)) => Ok(Value::Number(value)),
            _ => Err(refused(&value)),
        },
        Shape::Quantity => quantity(&value.to_string()),
        _ => Err(Refusal::Mismatch("number".to_owned())),
    }
}

fn refused(value: &Number) -> Refusal {
    Refusal::Mismatch(format!("number {value}"))
}

pub(super) fn text(schema: &TypeSchema, value: &str) -> Result<Value, Refusal> {
    match &schema.shape {
        Shape::Any | Shape::IntOrString => Ok(value.into()),
        Shape::Quantity => quantity(value.trim()),
        Shape::String { format } => match format.as_deref() {
            Some("byte") => bytes(value),
            Some("date-time") => time(value),
            _ => Ok(value.into()),
        },
        _ => Err(Refusal::Mismatch("string".to_owned())),
    }
}

fn quantity(text: &str) -> Result<Value, Refusal> {
    if text.is_empty() {
        return Ok("0".into());
    }
    let quantity: Quantity =
        text.parse().map_err(|e: crate::quantity::QuantityError| Refusal::Format(e.to_string()))?;
    Ok(quantity.to_string().into())
}

fn bytes(text: &str) -> Result<Value, Refusal> {
    // Go's decoder skips line breaks.
    let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    match STANDARD.decode(&text) {
        Ok(_) => Ok(text.into()),
        Err(base64::DecodeError::InvalidByte(at, _)) => Err(illegal_base64(at)),
        Err(_) => Err(illegal_base64(text.len())),
    }
}

fn illegal_base64(at: usize) -> Refusal {
    Refusal::Format(format!("illegal base64 data at input byte {at}"))
}

fn time(text: &str) -> Result<Value, Refusal> {
    match text.parse::<jiff::Timestamp>() {
        Ok(_) => Ok(text.into()),
        Err(_) => Err(Refusal::Format(format!(
            "parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \
             \"2006\""
        ))),
    }
}

/// What Go makes of a null among a list's items or a map's values.
pub(super) fn zero(shape: &Shape) -> Value {
    match shape {
        Shape::Any => Value::Null,
        Shape::String { format } if format.as_deref() == Some("date-time") => Value::Null,
        Shape::String { .. } => "".into(),
        Shape::Integer { .. } | Shape::Number | Shape::IntOrString => 0.into(),
        Shape::Boolean => false.into(),
        Shape::Quantity => "0".into(),
        Shape::Object(_) | Shape::Map { .. } => Value::Object(Default::default()),
        Shape::List(_) => Value::Array(Vec::new()),
    }
}

/// Go's name of the type, as far as the schema tells.
pub(super) fn go_type(schema: &TypeSchema) -> String {
    match &schema.shape {
        Shape::Any => "interface {}".to_owned(),
        Shape::String { format } if format.as_deref() == Some("byte") => "[]uint8".to_owned(),
        Shape::String { .. } => "string".to_owned(),
        Shape::Integer { format } => format.as_deref().unwrap_or("int64").to_owned(),
        Shape::Number => "float64".to_owned(),
        Shape::Boolean => "bool".to_owned(),
        Shape::IntOrString => "int32".to_owned(),
        Shape::Quantity => "resource.Quantity".to_owned(),
        Shape::Map { values, .. } => format!("map[string]{}", go_type(values)),
        Shape::List(list) => format!("[]{}", go_type(&list.items)),
        Shape::Object(object) => match object.definition.as_deref() {
            Some(definition) => package_and_name(definition),
            None => "map[string]interface {}".to_owned(),
        },
    }
}

/// `v1.PodSpec` of `io.k8s.api.core.v1.PodSpec`.
fn package_and_name(definition: &str) -> String {
    let mut parts = definition.rsplit('.');
    let (name, package) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{package}.{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_zero(format: Option<&str>, expected: Value) {
        let shape = Shape::String { format: format.map(Into::into) };
        let schema = TypeSchema { shape: shape.clone(), description: None, nullable: false };
        assert_eq!(zero(&shape), expected);
        let Some(text) = expected.as_str().map(str::to_owned) else { return };
        assert_eq!(super::text(&schema, &text).ok(), Some(expected), "it can be read again");
    }

    #[test]
    fn what_null_becomes_can_be_read_again() {
        check_zero(None, "".into());
        check_zero(Some("byte"), "".into());
        check_zero(Some("date-time"), Value::Null);
    }
}
