//! From one type to another.

use std::sync::Arc;

use super::{network, semver, urls};
use crate::budget::Budget;
use crate::error::EvalError;
use crate::value::{Timestamp, Value, time};

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

fn range<'a>(kind: &str) -> Result<'a> {
    Err(EvalError::new(format!("{kind} overflow")))
}

pub(super) fn kind<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match args {
        [value] => Ok(Value::Kind(Arc::from(value.kind_name()))),
        _ => Err(EvalError::no_overload()),
    }
}

pub(super) fn same<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    args.first().cloned().ok_or_else(EvalError::no_overload)
}

fn conversion(value: &str, to: &str) -> EvalError {
    EvalError::new(format!("type conversion error from 'string' to '{to}': {value:?}"))
}

pub(super) fn to_bool<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match args {
        [Value::Bool(value)] => Ok(Value::Bool(*value)),
        [Value::String(text)] => match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            other => Err(conversion(other, "bool")),
        },
        _ => Err(EvalError::no_overload()),
    }
}

pub(super) fn to_int<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match args {
        [Value::Int(value)] => Ok(Value::Int(*value)),
        [Value::Uint(value)] => i64::try_from(*value).map(Value::Int).or_else(|_| range("integer")),
        // The bounds themselves are no whole numbers a double can tell from their neighbours.
        [Value::Double(value)] => match *value > i64::MIN as f64 && *value < i64::MAX as f64 {
            true => Ok(Value::Int(*value as i64)),
            false => range("integer"),
        },
        [Value::String(text)] => {
            text.as_str().parse().map(Value::Int).map_err(|_| conversion(text.as_str(), "int"))
        }
        [Value::Timestamp(at)] => {
            Ok(Value::Int(at.as_nanosecond().div_euclid(1_000_000_000) as i64))
        }
        [Value::Duration(nanos)] => Ok(Value::Int(*nanos)),
        _ => Err(EvalError::no_overload()),
    }
}

pub(super) fn to_uint<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match args {
        [Value::Uint(value)] => Ok(Value::Uint(*value)),
        [Value::Int(value)] => {
            u64::try_from(*value).map(Value::Uint).or_else(|_| range("unsigned integer"))
        }
        [Value::Double(value)] => match *value >= 0.0 && *value < u64::MAX as f64 {
            true => Ok(Value::Uint(*value as u64)),
            false => range("unsigned integer"),
        },
        [Value::String(text)] => {
            text.as_str().parse().map(Value::Uint).map_err(|_| conversion(text.as_str(), "uint"))
        }
        _ => Err(EvalError::no_overload()),
    }
}

pub(super) fn to_double<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match args {
        [Value::Double(value)] => Ok(Value::Double(*value)),
        [Value::Int(value)] => Ok(Value::Double(*value as f64)),
        [Value::Uint(value)] => Ok(Value::Double(*value as f64)),
        [Value::String(text)] => text
            .as_str()
            .parse()
            .map(Value::Double)
            .map_err(|_| conversion(text.as_str(), "double")),
        _ => Err(EvalError::no_overload()),
    }
}

pub(super) fn to_string<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let [value] = args else { return Err(EvalError::no_overload()) };
    let text = match value {
        Value::String(_) => return Ok(value.clone()),
        Value::Bytes(bytes) => {
            budget.work(bytes.len() as u64)?;
            let text = std::str::from_utf8(bytes);
            let invalid = |_| EvalError::new("invalid UTF-8 in bytes, cannot convert to string");
            text.map_err(invalid)?.to_owned()
        }
        value => match plain(value) {
            Some(text) => text,
            None => opaque(value).ok_or_else(EvalError::no_overload)?,
        },
    };
    Ok(Value::text(text))
}

/// The text of a number, truth, or time.
pub(super) fn plain(value: &Value<'_>) -> Option<String> {
    Some(match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => double(*value),
        Value::Timestamp(at) => at.to_string(),
        Value::Duration(nanos) => time::show_duration(*nanos),
        _ => return None,
    })
}

/// As Go's `%g`: very large and very small ones with an exponent.
fn double(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    value.to_string()
}

fn opaque(value: &Value<'_>) -> Option<String> {
    network::text(value).or_else(|| urls::text(value)).or_else(|| semver::text(value))
}

pub(super) fn to_bytes<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    match args {
        [Value::Bytes(_)] => Ok(args[0].clone()),
        [Value::String(text)] => {
            budget.work(text.as_str().len() as u64)?;
            Ok(Value::Bytes(text.as_str().as_bytes().into()))
        }
        _ => Err(EvalError::no_overload()),
    }
}

pub(super) fn to_timestamp<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match args {
        [Value::Timestamp(_)] => Ok(args[0].clone()),
        [Value::Int(seconds)] => match Timestamp::from_second(*seconds) {
            Ok(at) if time::in_range(&at) => Ok(Value::Timestamp(at)),
            _ => range("timestamp"),
        },
        [Value::String(text)] => time::parse_timestamp(text.as_str())
            .map(Value::Timestamp)
            .ok_or_else(|| conversion(text.as_str(), "google.protobuf.Timestamp")),
        _ => Err(EvalError::no_overload()),
    }
}

pub(super) fn to_duration<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match args {
        [Value::Duration(_)] => Ok(args[0].clone()),
        [Value::Int(nanos)] => Ok(Value::Duration(*nanos)),
        [Value::String(text)] => time::parse_duration(text.as_str())
            .map(Value::Duration)
            .ok_or_else(|| conversion(text.as_str(), "google.protobuf.Duration")),
        _ => Err(EvalError::no_overload()),
    }
}
