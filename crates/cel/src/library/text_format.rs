//! `'%s is %d'.format([a, b])`.

use super::convert;
use crate::budget::Budget;
use crate::error::EvalError;
use crate::value::{List, Value};

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

/// More digits after the point are refused.
const PRECISION_MAX: usize = 100;
/// Values are shown so deep.
const DEPTH_MAX: usize = 100;

pub(super) fn format<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let [Value::String(template), Value::List(list)] = args else {
        return Err(EvalError::no_overload());
    };
    let mut out = String::new();
    let mut rest = template.as_str();
    budget.work(rest.len() as u64)?;
    let mut next = 0;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let (precision, verb, after) = clause(rest)?;
        rest = after;
        let value =
            list.get(next).ok_or_else(|| EvalError::new(format!("index {next} out of range")))?;
        next += 1;
        let before = out.len();
        one(&mut out, verb, precision, &value, budget)?;
        budget.work((out.len() - before) as u64)?;
    }
    out.push_str(rest);
    Ok(Value::text(out))
}

/// `.3f`: precision, verb, and what comes after.
fn clause(text: &str) -> std::result::Result<(Option<usize>, char, &str), EvalError> {
    let (precision, text) = match text.strip_prefix('.') {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let digits = rest[..end].parse::<usize>().ok().filter(|n| *n <= PRECISION_MAX);
            let bad = || EvalError::new("error while parsing precision");
            (Some(digits.ok_or_else(bad)?), &rest[end..])
        }
        None => (None, text),
    };
    let missing = || EvalError::new("unexpected end of string");
    let verb = text.chars().next().ok_or_else(missing)?;
    Ok((precision, verb, &text[verb.len_utf8()..]))
}

fn one(
    out: &mut String,
    verb: char,
    precision: Option<usize>,
    value: &Value<'_>,
    budget: &mut Budget,
) -> std::result::Result<(), EvalError> {
    let wrong = |what: &str| {
        let kind = value.kind_name();
        EvalError::new(format!("error during formatting: {what}, was given {kind}"))
    };
    let digits = precision.unwrap_or(6);
    match (verb, value) {
        ('s', value) => show(out, value, budget, 0)?,
        ('d', Value::Int(_) | Value::Uint(_)) => {
            out.push_str(&convert::plain(value).unwrap_or_default())
        }
        ('d', _) => return Err(wrong("decimal clause can only be used on integers")),
        ('f', Value::Double(number)) => out.push_str(&format!("{number:.digits$}")),
        ('f', Value::Int(number)) => out.push_str(&format!("{:.digits$}", *number as f64)),
        ('f', Value::Uint(number)) => out.push_str(&format!("{:.digits$}", *number as f64)),
        ('f', _) => return Err(wrong("fixed-point clause can only be used on doubles")),
        ('e', Value::Double(number)) => out.push_str(&scientific(*number, digits)),
        ('e', Value::Int(number)) => out.push_str(&scientific(*number as f64, digits)),
        ('e', _) => return Err(wrong("scientific clause can only be used on doubles")),
        ('b', Value::Int(number)) => out.push_str(&signed(*number, |n| format!("{n:b}"))),
        ('b', Value::Uint(number)) => out.push_str(&format!("{number:b}")),
        ('b', Value::Bool(value)) => out.push_str(if *value { "1" } else { "0" }),
        ('b', _) => return Err(wrong("only integers and bools can be formatted as binary")),
        ('o', Value::Int(number)) => out.push_str(&signed(*number, |n| format!("{n:o}"))),
        ('o', Value::Uint(number)) => out.push_str(&format!("{number:o}")),
        ('o', _) => return Err(wrong("octal clause can only be used on integers")),
        ('x' | 'X', value) => {
            let hex = hexadecimal(value).ok_or_else(|| {
                wrong("only integers, byte buffers, and strings can be formatted as hex")
            })?;
            out.push_str(&if verb == 'X' { hex.to_uppercase() } else { hex });
        }
        (other, _) => {
            let message = format!(
                "could not parse formatting clause: unrecognized formatting \
                                   clause \"{other}\""
            );
            return Err(EvalError::new(message));
        }
    }
    Ok(())
}

fn signed(number: i64, show: fn(u64) -> String) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", show(number.unsigned_abs()))
}

fn scientific(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(exponent) => ('-', exponent),
                None => ('+', exponent),
            };
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => text,
    }
}

fn hexadecimal(value: &Value<'_>) -> Option<String> {
    let bytes = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(match value {
        Value::Int(number) => signed(*number, |n| format!("{n:x}")),
        Value::Uint(number) => format!("{number:x}"),
        Value::String(text) => bytes(text.as_str().as_bytes()),
        Value::Bytes(value) => bytes(value),
        _ => return None,
    })
}

/// A value as text, whatever it is.
fn show(
    out: &mut String,
    value: &Value<'_>,
    budget: &mut Budget,
    depth: usize,
) -> std::result::Result<(), EvalError> {
    if depth > DEPTH_MAX {
        return Err(EvalError::new("value is too deep to be shown"));
    }
    budget.work(1)?;
    match value {
        Value::Null => out.push_str("null"),
        Value::String(text) => {
            budget.work(text.as_str().len() as u64)?;
            out.push_str(text.as_str());
        }
        Value::Bytes(bytes) => out.push_str(&String::from_utf8_lossy(bytes)),
        Value::Kind(name) => out.push_str(name),
        Value::List(list) => show_list(out, list, budget, depth)?,
        Value::Map(map) => {
            out.push('{');
            for (index, key) in map.keys().into_iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                show(out, &key.to_value(), budget, depth + 1)?;
                out.push_str(": ");
                show(out, &map.get(&key).unwrap_or(Value::Null), budget, depth + 1)?;
            }
            out.push('}');
        }
        Value::Optional(Some(value)) => show(out, value, budget, depth + 1)?,
        other => match convert::plain(other) {
            Some(text) => out.push_str(&text),
            None => {
                let kind = other.kind_name();
                let message = format!(
                    "error during formatting: string clause can only be used on strings, bools, \
                     bytes, ints, doubles, maps, lists, types, durations, and timestamps, was \
                     given {kind}"
                );
                return Err(EvalError::new(message));
            }
        },
    }
    Ok(())
}

fn show_list(
    out: &mut String,
    list: &List<'_>,
    budget: &mut Budget,
    depth: usize,
) -> std::result::Result<(), EvalError> {
    out.push('[');
    for (index, item) in list.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        show(out, &item, budget, depth + 1)?;
    }
    out.push(']');
    Ok(())
}
