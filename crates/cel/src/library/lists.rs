//! Lists, and lists as sets.

use std::cmp::Ordering;

use super::{numbers, texts};
use crate::budget::Budget;
use crate::declared::Shape;
use crate::error::EvalError;
use crate::types::Type;
use crate::value::{List, Value};

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

fn list<'v, 'a>(args: &'v [Value<'a>]) -> std::result::Result<&'v List<'a>, EvalError> {
    match args.first() {
        Some(Value::List(list)) => Ok(list),
        _ => Err(EvalError::no_overload()),
    }
}

pub(super) fn is_sorted<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let mut last: Option<Value<'a>> = None;
    for item in list(args)?.iter() {
        budget.work(item.size())?;
        if let Some(last) = &last {
            match last.order(&item) {
                Some(Ordering::Greater) => return Ok(Value::Bool(false)),
                Some(_) => {}
                None => return Err(EvalError::no_overload()),
            }
        }
        last = Some(item);
    }
    Ok(Value::Bool(true))
}

pub(super) fn sum<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let mut sum: Option<Value<'a>> = None;
    for item in list(args)?.iter() {
        budget.work(1)?;
        sum = Some(match sum {
            Some(sum) => numbers::add(&[sum, item])?,
            None => item,
        });
    }
    Ok(sum.unwrap_or_else(|| nothing(args)))
}

/// The sum of an empty list: of the type of its items, where that is known. Numbers are equal
/// whatever their type.
fn nothing<'a>(args: &[Value<'a>]) -> Value<'a> {
    let item = match args.first() {
        Some(Value::List(List::Json(_, Some((item, _))))) => &item.shape,
        _ => return Value::Int(0),
    };
    match item {
        Shape::Plain(Type::Duration) => Value::Duration(0),
        Shape::Plain(Type::Double) => Value::Double(0.0),
        _ => Value::Int(0),
    }
}

fn extreme<'a>(
    args: &[Value<'a>],
    budget: &mut Budget,
    wanted: Ordering,
    name: &str,
) -> Result<'a> {
    let mut found: Option<Value<'a>> = None;
    for item in list(args)?.iter() {
        budget.work(item.size())?;
        let better = match &found {
            Some(found) => item.order(found).ok_or_else(EvalError::no_overload)? == wanted,
            None => true,
        };
        if better {
            found = Some(item);
        }
    }
    found.ok_or_else(|| EvalError::new(format!("{name} called on empty list")))
}

pub(super) fn min<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    extreme(args, budget, Ordering::Less, "min")
}

pub(super) fn max<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    extreme(args, budget, Ordering::Greater, "max")
}

fn place<'a>(args: &[Value<'a>], budget: &mut Budget, last: bool) -> Result<'a> {
    let [Value::List(list), wanted] = args else { return text_place(args, budget, last) };
    let mut found = -1;
    for (index, item) in list.iter().enumerate() {
        if item.equals(wanted, budget)? {
            found = index as i64;
            if !last {
                break;
            }
        }
    }
    Ok(Value::Int(found))
}

/// The place of a text in a text, in characters.
fn text_place<'a>(args: &[Value<'a>], budget: &mut Budget, last: bool) -> Result<'a> {
    let (text, rest) = texts::target(args, budget)?;
    let (part, offset) = match rest {
        [Value::String(part)] => (part.as_str(), None),
        [Value::String(part), Value::Int(offset)] => (part.as_str(), Some(*offset)),
        _ => return Err(EvalError::no_overload()),
    };
    budget.work(part.len() as u64)?;
    let len = text.chars().count();
    let in_range = |offset: i64| usize::try_from(offset).ok().filter(|offset| *offset < len.max(1));
    let offset = match offset.map(|offset| (offset, in_range(offset))) {
        Some((_, Some(at))) => Some(at),
        // Nothing is found where nothing is.
        Some((offset, None)) if offset >= 0 && part.is_empty() => return Ok(Value::Int(offset)),
        Some((offset, None)) => {
            return Err(EvalError::new(format!("index out of range: {offset}")));
        }
        None => None,
    };
    let byte = |chars: usize| text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at);
    let found = match (last, offset) {
        (false, offset) => {
            let start = byte(offset.unwrap_or(0));
            text[start..].find(part).map(|at| start + at)
        }
        (true, None) => text.rfind(part),
        (true, Some(offset)) => {
            // The last one that starts at the offset or before it.
            let end = byte(offset.saturating_add(part.chars().count()).min(len));
            text[..end].rfind(part)
        }
    };
    Ok(Value::Int(found.map_or(-1, |at| text[..at].chars().count() as i64)))
}

pub(super) fn index_of<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    place(args, budget, false)
}

pub(super) fn last_index_of<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    place(args, budget, true)
}

fn holds<'a>(
    list: &List<'a>,
    wanted: &Value<'a>,
    budget: &mut Budget,
) -> std::result::Result<bool, EvalError> {
    for item in list.iter() {
        if item.equals(wanted, budget)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn holds_all<'a>(
    list: &List<'a>,
    wanted: &List<'a>,
    budget: &mut Budget,
) -> std::result::Result<bool, EvalError> {
    for item in wanted.iter() {
        if !holds(list, &item, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn set_contains<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let [Value::List(a), Value::List(b)] = args else { return Err(EvalError::no_overload()) };
    holds_all(a, b, budget).map(Value::Bool)
}

pub(super) fn set_equivalent<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let [Value::List(a), Value::List(b)] = args else { return Err(EvalError::no_overload()) };
    Ok(Value::Bool(holds_all(a, b, budget)? && holds_all(b, a, budget)?))
}

pub(super) fn set_intersects<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let [Value::List(a), Value::List(b)] = args else { return Err(EvalError::no_overload()) };
    for item in b.iter() {
        if holds(a, &item, budget)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}
