//! Values that may be missing.

use std::sync::Arc;

use super::operators;
use crate::budget::Budget;
use crate::error::EvalError;
use crate::value::Value;

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

pub(super) fn of<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    args.first().cloned().map(Value::some).ok_or_else(EvalError::no_overload)
}

pub(super) fn of_non_zero<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    let value = args.first().ok_or_else(EvalError::no_overload)?;
    Ok(if is_zero(value) { Value::Optional(None) } else { Value::some(value.clone()) })
}

fn is_zero(value: &Value<'_>) -> bool {
    match value {
        Value::Null | Value::Bool(false) | Value::Int(0) | Value::Uint(0) | Value::Duration(0) => {
            true
        }
        Value::Double(value) => *value == 0.0,
        Value::String(text) => text.as_str().is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::List(list) => list.is_empty(),
        Value::Map(map) => map.is_empty(),
        Value::Optional(value) => value.is_none(),
        _ => false,
    }
}

pub(super) fn none<'a>(_: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    Ok(Value::Optional(None))
}

pub(super) fn has_value<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match args {
        [Value::Optional(value)] => Ok(Value::Bool(value.is_some())),
        _ => Err(EvalError::no_overload()),
    }
}

pub(super) fn value<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match args {
        [Value::Optional(Some(value))] => Ok(Value::clone(value)),
        [Value::Optional(None)] => Err(EvalError::new("optional.none() dereference")),
        _ => Err(EvalError::no_overload()),
    }
}

pub(super) fn or<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match args {
        [first @ Value::Optional(Some(_)), _] => Ok(first.clone()),
        [Value::Optional(None), other] => Ok(other.clone()),
        _ => Err(EvalError::no_overload()),
    }
}

pub(super) fn or_value<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match args {
        [Value::Optional(Some(value)), _] => Ok(Value::clone(value)),
        [Value::Optional(None), other] => Ok(other.clone()),
        _ => Err(EvalError::no_overload()),
    }
}

/// `a[?i]` and `a.?b`.
pub(super) fn index<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    let found = match args {
        [Value::Optional(None), _] => None,
        [Value::Optional(Some(operand)), index] => operators::find(operand, index)?,
        [operand, index] => operators::find(operand, index)?,
        _ => return Err(EvalError::no_overload()),
    };
    Ok(Value::Optional(found.map(Arc::new)))
}
