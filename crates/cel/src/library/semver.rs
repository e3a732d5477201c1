//! Versions by the rules of semver.org.

use std::any::Any;
use std::cmp::Ordering;

use super::network::opaque;
use crate::budget::Budget;
use crate::error::EvalError;
use crate::value::{Opaque, Value};

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

#[derive(Debug, Clone)]
struct Version {
    numbers: [u64; 3],
    pre: Vec<String>,
    text: String,
}

/// What comes after a plus is no part of the order.
impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.order(other).is_eq()
    }
}

opaque!(Version, "kubernetes.Semver", |version| version.text.len() as u64);

impl Version {
    fn order(&self, other: &Self) -> Ordering {
        let release = |version: &Self| version.pre.is_empty();
        self.numbers
            .cmp(&other.numbers)
            // A version that is no release comes before it.
            .then_with(|| release(self).cmp(&release(other)))
            .then_with(|| parts(&self.pre, &other.pre))
    }
}

fn parts(a: &[String], b: &[String]) -> Ordering {
    for (a, b) in a.iter().zip(b) {
        let order = match (a.parse::<u64>(), b.parse::<u64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => a.cmp(b),
        };
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// With `normalize`, a leading `v`, missing parts and leading zeros are made good.
fn parse(text: &str, normalize: bool) -> Option<Version> {
    let stripped = if normalize { text.strip_prefix('v').unwrap_or(text) } else { text };
    let (main, build) = match stripped.split_once('+') {
        Some((main, build)) => (main, Some(build)),
        None => (stripped, None),
    };
    let (core, pre) = match main.split_once('-') {
        Some((core, pre)) => (core, Some(pre)),
        None => (main, None),
    };
    let mut numbers = [0; 3];
    let all: Vec<&str> = core.split('.').collect();
    if all.len() > 3 || all.len() < 3 && !normalize {
        return None;
    }
    for (number, text) in numbers.iter_mut().zip(&all) {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let leading = text.len() > 1 && text.starts_with('0') && !normalize;
        *number = text.parse().ok().filter(|_| digits && !leading)?;
    }
    let identifiers = |text: &str| -> Option<Vec<String>> {
        let valid = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        text.split('.').map(|part| valid(part).then(|| part.to_owned())).collect()
    };
    let pre = pre.map_or(Some(Vec::new()), identifiers)?;
    let zeros = |part: &String| {
        part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit())
    };
    if pre.iter().any(zeros) {
        return None;
    }
    if let Some(build) = build {
        identifiers(build)?;
    }
    Some(Version { numbers, pre, text: stripped.to_owned() })
}

fn read(
    args: &[Value<'_>],
    budget: &mut Budget,
) -> std::result::Result<Option<Version>, EvalError> {
    let (text, normalize) = match args {
        [Value::String(text)] => (text.as_str(), false),
        [Value::String(text), Value::Bool(normalize)] => (text.as_str(), *normalize),
        _ => return Err(EvalError::no_overload()),
    };
    budget.work(text.len() as u64)?;
    Ok(parse(text, normalize))
}

pub(super) fn text(value: &Value<'_>) -> Option<String> {
    value.as_opaque::<Version>().map(|version| version.text.clone())
}

pub(super) fn semver<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    match read(args, budget)? {
        Some(version) => Ok(Value::opaque(version)),
        None => Err(EvalError::new("Semver parse error during conversion from string")),
    }
}

pub(super) fn is_semver<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    read(args, budget).map(|version| Value::Bool(version.is_some()))
}

fn number<'a>(args: &[Value<'a>], index: usize) -> Result<'a> {
    let version = args.first().and_then(|value| value.as_opaque::<Version>());
    let number =
        version.map(|version| version.numbers[index]).ok_or_else(EvalError::no_overload)?;
    i64::try_from(number).map(Value::Int).map_err(|_| EvalError::new("integer overflow"))
}

pub(super) fn major<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    number(args, 0)
}

pub(super) fn minor<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    number(args, 1)
}

pub(super) fn patch<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    number(args, 2)
}

fn order(args: &[Value<'_>]) -> std::result::Result<Ordering, EvalError> {
    let [a, b] = args else { return Err(EvalError::no_overload()) };
    match (a.as_opaque::<Version>(), b.as_opaque::<Version>()) {
        (Some(a), Some(b)) => Ok(a.order(b)),
        _ => Err(EvalError::no_overload()),
    }
}

pub(super) fn is_greater<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    order(args).map(|order| Value::Bool(order.is_gt()))
}

pub(super) fn is_less<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    order(args).map(|order| Value::Bool(order.is_lt()))
}

pub(super) fn compare<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    order(args).map(|order| Value::Int(order as i64))
}
