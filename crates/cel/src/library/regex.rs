//! Patterns. Matching takes time in proportion to pattern and text, whatever they are.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use regex_lite::{Regex, RegexBuilder};

use super::texts;
use crate::budget::Budget;
use crate::error::EvalError;
use crate::eval::ELEMENT;
use crate::value::Value;

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

/// A compiled pattern is no larger, in bytes.
const COMPILED_MAX: usize = 1 << 20;
/// So many compiled patterns are kept.
const KEPT_MAX: usize = 256;
/// Longer patterns are not kept.
const KEPT_LEN_MAX: usize = 1_000;
/// Matching a byte of text takes about the pattern's length in steps, and no less than these.
const STEPS_MIN: u64 = 4;

/// Can it be compiled?
pub(crate) fn is_regex(pattern: &str) -> bool {
    compile(pattern).is_some()
}

fn compile(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern).size_limit(COMPILED_MAX).build().ok()
}

/// The compiled pattern, from those that are kept if it is there.
fn compiled(pattern: &str) -> std::result::Result<Arc<Regex>, EvalError> {
    static KEPT: LazyLock<Mutex<HashMap<String, Arc<Regex>>>> = LazyLock::new(Mutex::default);
    let lock = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = lock().get(pattern) {
        return Ok(regex.clone());
    }
    let failed = || EvalError::new(format!("error parsing regexp: {pattern:?}"));
    let regex = Arc::new(compile(pattern).ok_or_else(failed)?);
    if pattern.len() <= KEPT_LEN_MAX {
        let mut kept = lock();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(pattern.to_owned(), regex.clone());
    }
    Ok(regex)
}

/// The text, the pattern, and what else there is.
fn prepared<'v, 'a>(
    args: &'v [Value<'a>],
    budget: &mut Budget,
) -> std::result::Result<(&'v str, Arc<Regex>, &'v [Value<'a>]), EvalError> {
    let (text, rest) = texts::target(args, budget)?;
    let Some((Value::String(pattern), rest)) = rest.split_first() else {
        return Err(EvalError::no_overload());
    };
    let pattern = pattern.as_str();
    // Work that is unlike the cost only where a pattern repeats by number.
    let steps = (pattern.len() as u64).max(STEPS_MIN);
    budget.work(steps.saturating_mul(text.len() as u64 + 1) / STEPS_MIN)?;
    Ok((text, compiled(pattern)?, rest))
}

pub(super) fn matches<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    prepared(args, budget).map(|(text, regex, _)| Value::Bool(regex.is_match(text)))
}

pub(super) fn find<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let (text, regex, _) = prepared(args, budget)?;
    Ok(Value::text(regex.find(text).map_or("", |found| found.as_str())))
}

pub(super) fn find_all<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let (text, regex, rest) = prepared(args, budget)?;
    let count = match rest {
        [] => usize::MAX,
        [Value::Int(count)] => usize::try_from(*count).unwrap_or(usize::MAX),
        _ => return Err(EvalError::no_overload()),
    };
    let mut all = Vec::new();
    for found in regex.find_iter(text).take(count) {
        budget.work(2 * ELEMENT)?;
        all.push(Value::text(found.as_str()));
    }
    Ok(Value::list(all))
}
