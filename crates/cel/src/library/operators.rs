//! Comparing, adding, looking into lists and maps.

use std::cmp::Ordering;
use std::sync::Arc;

use super::numbers;
use crate::budget::Budget;
use crate::declared::ListKind;
use crate::error::EvalError;
use crate::eval::ELEMENT;
use crate::value::{Key, List, Map, Value};

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

pub(super) fn not<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match args {
        [Value::Bool(value)] => Ok(Value::Bool(!value)),
        _ => Err(EvalError::no_overload()),
    }
}

pub(super) fn equal<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let [a, b] = args else { return Err(EvalError::no_overload()) };
    a.equals(b, budget).map(Value::Bool)
}

pub(super) fn not_equal<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let [a, b] = args else { return Err(EvalError::no_overload()) };
    a.equals(b, budget).map(|same| Value::Bool(!same))
}

fn ordered<'a>(
    args: &[Value<'a>],
    budget: &mut Budget,
    wanted: fn(Ordering) -> bool,
) -> Result<'a> {
    let [a, b] = args else { return Err(EvalError::no_overload()) };
    if let (Some(a), Some(b)) = (a.as_str(), b.as_str()) {
        budget.work(a.len().min(b.len()) as u64)?;
    }
    match a.order(b) {
        Some(order) => Ok(Value::Bool(wanted(order))),
        None if matches!((a, b), (Value::Double(_), _) | (_, Value::Double(_))) => {
            Err(EvalError::new("NaN values cannot be ordered"))
        }
        None => Err(EvalError::no_overload()),
    }
}

pub(super) fn less<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    ordered(args, budget, Ordering::is_lt)
}

pub(super) fn less_or_equal<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    ordered(args, budget, Ordering::is_le)
}

pub(super) fn greater<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    ordered(args, budget, Ordering::is_gt)
}

pub(super) fn greater_or_equal<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    ordered(args, budget, Ordering::is_ge)
}

pub(super) fn add<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    match args {
        [Value::String(a), Value::String(b)] => {
            let (a, b) = (a.as_str(), b.as_str());
            budget.work((a.len() + b.len()) as u64)?;
            Ok(Value::text([a, b].concat()))
        }
        [Value::Bytes(a), Value::Bytes(b)] => {
            budget.work((a.len() + b.len()) as u64)?;
            Ok(Value::Bytes([&**a, &**b].concat().into()))
        }
        [Value::List(a), Value::List(b)] => join(a, b, budget),
        args => numbers::add(args),
    }
}

/// Lists by the kind of the first one: sets make a union, maps replace what has the same keys.
fn join<'a>(a: &List<'a>, b: &List<'a>, budget: &mut Budget) -> Result<'a> {
    budget.work((a.len() + b.len()) as u64 * ELEMENT)?;
    let mut items: Vec<Value<'a>> = a.iter().collect();
    for item in b.iter() {
        let same = match a.list_kind() {
            ListKind::Atomic => None,
            kind => place(&items, &item, kind, budget)?,
        };
        match (same, a.list_kind()) {
            (Some(index), ListKind::Map(_)) => items[index] = item,
            (Some(_), _) => {}
            (None, _) => items.push(item),
        }
    }
    Ok(match a.list_kind() {
        ListKind::Atomic => Value::list(items),
        kind => Value::List(List::Joined(Arc::new(items), kind)),
    })
}

/// Where the item is that is the same, by the kind of the list.
fn place<'a>(
    items: &[Value<'a>],
    wanted: &Value<'a>,
    kind: &ListKind,
    budget: &mut Budget,
) -> std::result::Result<Option<usize>, EvalError> {
    for (index, item) in items.iter().enumerate() {
        let same = match (kind, item, wanted) {
            (ListKind::Map(keys), Value::Map(item), Value::Map(wanted)) => {
                same_keys(keys, item, wanted, budget)?
            }
            _ => item.equals(wanted, budget)?,
        };
        if same {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

fn same_keys<'a>(
    keys: &[String],
    a: &Map<'a>,
    b: &Map<'a>,
    budget: &mut Budget,
) -> std::result::Result<bool, EvalError> {
    for key in keys {
        let same = match (a.field(key), b.field(key)) {
            (Some(a), Some(b)) => a.equals(&b, budget)?,
            (a, b) => a.is_none() && b.is_none(),
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is at an index, if anything; and an error where the index is none.
pub(super) fn find<'a>(
    operand: &Value<'a>,
    index: &Value<'a>,
) -> std::result::Result<Option<Value<'a>>, EvalError> {
    match (operand, index) {
        (Value::List(list), index) => {
            let index = match index {
                Value::Int(index) => usize::try_from(*index).ok(),
                Value::Uint(index) => usize::try_from(*index).ok(),
                Value::Double(index) if index.fract() == 0.0 && *index >= 0.0 => {
                    Some(*index as usize)
                }
                other => {
                    let kind = other.kind_name();
                    return Err(EvalError::new(format!("unsupported index type '{kind}' in list")));
                }
            };
            Ok(index.and_then(|index| list.get(index)))
        }
        (Value::Map(map), index) => {
            let Some(key) = Key::of(index) else {
                let kind = index.kind_name();
                return Err(EvalError::new(format!("unsupported key type: {kind}")));
            };
            Ok(map.get(&key))
        }
        _ => Err(EvalError::no_overload()),
    }
}

pub(super) fn index<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    let [operand, index] = args else { return Err(EvalError::no_overload()) };
    if let Value::Optional(inner) = operand {
        let found = match inner {
            Some(inner) => find(inner, index)?,
            None => None,
        };
        return Ok(Value::Optional(found.map(Arc::new)));
    }
    find(operand, index)?.ok_or_else(|| match (operand, index) {
        (Value::List(_), index) => EvalError::new(format!("index out of bounds: {}", shown(index))),
        (_, index) => EvalError::new(format!("no such key: {}", shown(index))),
    })
}

fn shown(index: &Value<'_>) -> String {
    match index {
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::Bool(value) => value.to_string(),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

pub(super) fn is_in<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    match args {
        [item, Value::List(list)] => {
            for other in list.iter() {
                if item.equals(&other, budget)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        [key, Value::Map(map)] => {
            Ok(Value::Bool(Key::of(key).is_some_and(|key| map.get(&key).is_some())))
        }
        _ => Err(EvalError::no_overload()),
    }
}

/// Loops add to their maps themselves.
pub(super) fn map_insert<'a>(_: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    Err(EvalError::no_overload())
}

pub(super) fn size<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let size = match args {
        [Value::String(text)] => {
            budget.work(text.as_str().len() as u64)?;
            text.as_str().chars().count()
        }
        [Value::Bytes(bytes)] => bytes.len(),
        [Value::List(list)] => list.len(),
        [Value::Map(map)] => map.len(),
        _ => return Err(EvalError::no_overload()),
    };
    Ok(Value::Int(size as i64))
}
