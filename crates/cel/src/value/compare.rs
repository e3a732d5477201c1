//! Equality and order.

use std::cmp::Ordering;

use super::{List, Map, Value};
use crate::budget::Budget;
use crate::declared::ListKind;
use crate::error::EvalError;

/// Values are compared so deep; JSON is bounded by its reader, and made values by the program.
const DEPTH_MAX: usize = 1_000;

impl<'a> Value<'a> {
    /// Are two values the same? Numbers are compared by value, and lists by their kind.
    pub fn equals(&self, other: &Value<'a>, budget: &mut Budget) -> Result<bool, EvalError> {
        self.equals_at(other, budget, 0)
    }

    fn equals_at(
        &self,
        other: &Value<'a>,
        budget: &mut Budget,
        depth: usize,
    ) -> Result<bool, EvalError> {
        if depth > DEPTH_MAX {
            return Err(EvalError::new("value is too deep to be compared"));
        }
        budget.work(1)?;
        Ok(match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::String(a), Self::String(b)) => {
                budget.work(a.as_str().len().min(b.as_str().len()) as u64)?;
                a.as_str() == b.as_str()
            }
            (Self::Bytes(a), Self::Bytes(b)) => {
                budget.work(a.len().min(b.len()) as u64)?;
                a == b
            }
            (Self::Timestamp(a), Self::Timestamp(b)) => a == b,
            (Self::Duration(a), Self::Duration(b)) => a == b,
            (Self::Kind(a), Self::Kind(b)) => a == b,
            (Self::Opaque(a), Self::Opaque(b)) => a.kind() == b.kind() && a.equals(&**b),
            (Self::Optional(a), Self::Optional(b)) => match (a, b) {
                (Some(a), Some(b)) => a.equals_at(b, budget, depth + 1)?,
                (a, b) => a.is_none() && b.is_none(),
            },
            (Self::List(a), Self::List(b)) => lists(a, b, budget, depth)?,
            (Self::Map(a), Self::Map(b)) => maps(a, b, budget, depth)?,
            (a, b) => numbers(a, b) == Some(Ordering::Equal),
        })
    }

    /// Which of two values comes first; nothing where they have no order.
    pub fn order(&self, other: &Value<'a>) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::String(a), Self::String(b)) => Some(a.as_str().cmp(b.as_str())),
            (Self::Bytes(a), Self::Bytes(b)) => Some(a.cmp(b)),
            (Self::Timestamp(a), Self::Timestamp(b)) => Some(a.cmp(b)),
            (Self::Duration(a), Self::Duration(b)) => Some(a.cmp(b)),
            _ => numbers(self, other),
        }
    }
}

/// The order of numbers of whatever types.
fn numbers(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    let whole = |value: &Value<'_>| match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        _ => None,
    };
    let float = |value: &Value<'_>| match value {
        Value::Double(value) => Some(*value),
        _ => None,
    };
    match (whole(a), whole(b), float(a), float(b)) {
        (Some(a), Some(b), ..) => Some(a.cmp(&b)),
        (_, _, Some(a), Some(b)) => a.partial_cmp(&b),
        (Some(a), _, _, Some(b)) => whole_and_float(a, b),
        (_, Some(b), Some(a), _) => whole_and_float(b, a).map(Ordering::reverse),
        _ => None,
    }
}

/// Exactly: a float that is out of reach is not rounded to a neighbour.
fn whole_and_float(a: i128, b: f64) -> Option<Ordering> {
    if b.is_nan() {
        return None;
    }
    let (floor, fract) = (b.floor(), b - b.floor());
    // Saturates; no whole number here is that large.
    Some(a.cmp(&(floor as i128)).then(if fract > 0.0 { Ordering::Less } else { Ordering::Equal }))
}

type Same = Result<bool, EvalError>;

fn lists<'a>(a: &List<'a>, b: &List<'a>, budget: &mut Budget, depth: usize) -> Same {
    if a.len() != b.len() {
        return Ok(false);
    }
    // A list that was made is compared as the declared one is.
    let kind = match a.list_kind() {
        ListKind::Atomic => b.list_kind(),
        kind => kind,
    };
    if *kind == ListKind::Atomic {
        for (a, b) in a.iter().zip(b.iter()) {
            if !a.equals_at(&b, budget, depth + 1)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    for item in a.iter() {
        let mut found = false;
        for other in b.iter() {
            if item.equals_at(&other, budget, depth + 1)? {
                found = true;
                break;
            }
        }
        if !found {
            return Ok(false);
        }
    }
    Ok(true)
}

fn maps<'a>(a: &Map<'a>, b: &Map<'a>, budget: &mut Budget, depth: usize) -> Same {
    let keys = a.keys();
    if keys.len() != b.keys().len() {
        return Ok(false);
    }
    budget.work(2 * keys.len() as u64)?;
    for key in keys {
        let (Some(a), Some(b)) = (a.get(&key), b.get(&key)) else { return Ok(false) };
        if !a.equals_at(&b, budget, depth + 1)? {
            return Ok(false);
        }
    }
    Ok(true)
}
