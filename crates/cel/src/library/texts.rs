//! Texts. Places and lengths are in characters.

use crate::budget::Budget;
use crate::error::EvalError;
use crate::eval::ELEMENT;
use crate::value::Value;

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

/// The text that a function is called on, paid for, and the other arguments.
pub(super) fn target<'v, 'a>(
    args: &'v [Value<'a>],
    budget: &mut Budget,
) -> std::result::Result<(&'v str, &'v [Value<'a>]), EvalError> {
    match args.split_first() {
        Some((Value::String(text), rest)) => {
            budget.work(text.as_str().len() as u64)?;
            Ok((text.as_str(), rest))
        }
        _ => Err(EvalError::no_overload()),
    }
}

fn pair<'a>(args: &[Value<'a>], budget: &mut Budget, test: fn(&str, &str) -> bool) -> Result<'a> {
    let (text, rest) = target(args, budget)?;
    match rest {
        [Value::String(other)] => Ok(Value::Bool(test(text, other.as_str()))),
        _ => Err(EvalError::no_overload()),
    }
}

pub(super) fn contains<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    pair(args, budget, |text, part| text.contains(part))
}

pub(super) fn starts_with<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    pair(args, budget, |text, part| text.starts_with(part))
}

pub(super) fn ends_with<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    pair(args, budget, |text, part| text.ends_with(part))
}

fn out_of_range(index: i64) -> EvalError {
    EvalError::new(format!("index out of range: {index}"))
}

/// The place in bytes of a character's, where the end is one too.
fn place(text: &str, index: i64) -> std::result::Result<usize, EvalError> {
    let wanted = usize::try_from(index).map_err(|_| out_of_range(index))?;
    let places = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    places.into_iter().nth(wanted).ok_or_else(|| out_of_range(index))
}

pub(super) fn char_at<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let (text, rest) = target(args, budget)?;
    let [Value::Int(index)] = rest else { return Err(EvalError::no_overload()) };
    let at = place(text, *index)?;
    Ok(Value::text(text[at..].chars().next().map(String::from).unwrap_or_default()))
}

pub(super) fn substring<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let (text, rest) = target(args, budget)?;
    let (from, to) = match rest {
        [Value::Int(from)] => (*from, None),
        [Value::Int(from), Value::Int(to)] => (*from, Some(*to)),
        _ => return Err(EvalError::no_overload()),
    };
    if let Some(to) = to.filter(|to| from > *to) {
        let message = format!("invalid substring range. start: {from}, end: {to}");
        return Err(EvalError::new(message));
    }
    let end = to.map_or(Ok(text.len()), |to| place(text, to))?;
    Ok(Value::text(&text[place(text, from)?..end]))
}

pub(super) fn lower<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    target(args, budget).map(|(text, _)| Value::text(text.to_ascii_lowercase()))
}

pub(super) fn upper<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    target(args, budget).map(|(text, _)| Value::text(text.to_ascii_uppercase()))
}

pub(super) fn trim<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    target(args, budget).map(|(text, _)| Value::text(text.trim()))
}

pub(super) fn replace<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let (text, rest) = target(args, budget)?;
    let (old, new, count) = match rest {
        [Value::String(old), Value::String(new)] => (old, new, usize::MAX),
        // As in Go, a negative count is none.
        [Value::String(old), Value::String(new), Value::Int(count)] => {
            (old, new, usize::try_from(*count).unwrap_or(usize::MAX))
        }
        _ => return Err(EvalError::no_overload()),
    };
    let (old, new) = (old.as_str(), new.as_str());
    let found = text.matches(old).count().min(count);
    budget.work((found as u64).saturating_mul(new.len() as u64))?;
    Ok(Value::text(text.replacen(old, new, count)))
}

pub(super) fn split<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let (text, rest) = target(args, budget)?;
    let (separator, count) = match rest {
        [Value::String(separator)] => (separator.as_str(), -1),
        [Value::String(separator), Value::Int(count)] => (separator.as_str(), *count),
        _ => return Err(EvalError::no_overload()),
    };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let parts = if separator.is_empty() { text.len() } else { text.matches(separator).count() + 1 };
    budget.work(parts.min(count) as u64 * 2 * ELEMENT)?;
    let parts: Vec<Value<'a>> = match (separator.is_empty(), count) {
        (_, 0) => Vec::new(),
        (true, count) => {
            let cut = place(text, (count - 1).min(text.len()) as i64).unwrap_or(text.len());
            let (single, rest) = text.split_at(cut);
            let singles = single.chars().map(|c| Value::text(String::from(c)));
            singles.chain((!rest.is_empty()).then(|| Value::text(rest))).collect()
        }
        (false, count) => text.splitn(count, separator).map(Value::text).collect(),
    };
    Ok(Value::list(parts))
}

pub(super) fn join<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let (list, separator) = match args {
        [Value::List(list)] => (list, ""),
        [Value::List(list), Value::String(separator)] => (list, separator.as_str()),
        _ => return Err(EvalError::no_overload()),
    };
    let mut joined = String::new();
    for (index, item) in list.iter().enumerate() {
        let text = item.as_str().ok_or_else(EvalError::no_overload)?;
        budget.work((text.len() + separator.len()) as u64 + 1)?;
        if index > 0 {
            joined.push_str(separator);
        }
        joined.push_str(text);
    }
    Ok(Value::text(joined))
}

/// In quotes, with what cannot be seen escaped.
pub(super) fn quote<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let (text, _) = target(args, budget)?;
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    budget.work(quoted.len() as u64)?;
    Ok(Value::text(quoted))
}
