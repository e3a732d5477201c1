//! Arithmetic: what does not fit is an error.

use crate::budget::Budget;
use crate::error::EvalError;
use crate::value::{Timestamp, Value, time};

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

/// Overflow, in cel-go's words.
fn checked<'a, T>(value: Option<T>, make: fn(T) -> Value<'a>, kind: &str) -> Result<'a> {
    value.map(make).ok_or_else(|| EvalError::new(format!("{kind} overflow")))
}

pub(super) fn add<'a>(args: &[Value<'a>]) -> Result<'a> {
    match args {
        [Value::Int(a), Value::Int(b)] => checked(a.checked_add(*b), Value::Int, "integer"),
        [Value::Uint(a), Value::Uint(b)] => {
            checked(a.checked_add(*b), Value::Uint, "unsigned integer")
        }
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a + b)),
        [Value::Duration(a), Value::Duration(b)] => {
            checked(a.checked_add(*b), Value::Duration, "duration")
        }
        [Value::Timestamp(at), Value::Duration(by)]
        | [Value::Duration(by), Value::Timestamp(at)] => moved(at, i128::from(*by)),
        _ => Err(EvalError::no_overload()),
    }
}

fn moved<'a>(at: &Timestamp, by: i128) -> Result<'a> {
    let moved = at.as_nanosecond().checked_add(by).and_then(|n| Timestamp::from_nanosecond(n).ok());
    checked(moved.filter(time::in_range), Value::Timestamp, "timestamp")
}

pub(super) fn subtract<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match args {
        [Value::Int(a), Value::Int(b)] => checked(a.checked_sub(*b), Value::Int, "integer"),
        [Value::Uint(a), Value::Uint(b)] => {
            checked(a.checked_sub(*b), Value::Uint, "unsigned integer")
        }
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a - b)),
        [Value::Duration(a), Value::Duration(b)] => {
            checked(a.checked_sub(*b), Value::Duration, "duration")
        }
        [Value::Timestamp(at), Value::Duration(by)] => moved(at, -i128::from(*by)),
        [Value::Timestamp(a), Value::Timestamp(b)] => {
            let nanos = a.as_nanosecond() - b.as_nanosecond();
            checked(i64::try_from(nanos).ok(), Value::Duration, "duration")
        }
        _ => Err(EvalError::no_overload()),
    }
}

pub(super) fn multiply<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match args {
        [Value::Int(a), Value::Int(b)] => checked(a.checked_mul(*b), Value::Int, "integer"),
        [Value::Uint(a), Value::Uint(b)] => {
            checked(a.checked_mul(*b), Value::Uint, "unsigned integer")
        }
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a * b)),
        _ => Err(EvalError::no_overload()),
    }
}

pub(super) fn divide<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match args {
        [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => {
            Err(EvalError::new("division by zero"))
        }
        [Value::Int(a), Value::Int(b)] => checked(a.checked_div(*b), Value::Int, "integer"),
        [Value::Uint(a), Value::Uint(b)] => Ok(Value::Uint(a / b)),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a / b)),
        _ => Err(EvalError::no_overload()),
    }
}

pub(super) fn modulo<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match args {
        [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => {
            Err(EvalError::new("modulus by zero"))
        }
        [Value::Int(a), Value::Int(b)] => checked(a.checked_rem(*b), Value::Int, "integer"),
        [Value::Uint(a), Value::Uint(b)] => Ok(Value::Uint(a % b)),
        _ => Err(EvalError::no_overload()),
    }
}

pub(super) fn negate<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match args {
        [Value::Int(value)] => checked(value.checked_neg(), Value::Int, "integer"),
        [Value::Double(value)] => Ok(Value::Double(-value)),
        _ => Err(EvalError::no_overload()),
    }
}
