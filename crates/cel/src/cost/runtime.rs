//! What a call did cost.

use super::size::scaled;
use super::{CHECK, PATTERN, TRAVERSAL};
use crate::value::Value;

/// The cost of a call with these arguments, the target first.
pub(crate) fn of_call(function: &str, args: &[Value<'_>], result: &Value<'_>) -> u64 {
    let first = || args.first().map_or(1, Value::size);
    let second = || args.get(1).map_or(1, Value::size);
    let read = |size: u64| scaled(size, TRAVERSAL);
    match function {
        "check" => CHECK,
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => {
            args.first().map_or(1, traversal)
        }
        "url" | "lowerAscii" | "upperAscii" | "substring" | "trim" | "cidr" | "isIP" | "isCIDR"
        | "quantity" | "isQuantity" | "validate" | "semver" | "isSemver" | "startsWith"
        | "endsWith" | "strings.quote" | "format" => read(first()),
        "bytes" if matches!(args, [Value::String(_)]) => read(first()),
        "string" if matches!(args, [Value::Bytes(_)]) => read(first()),
        "ip" if matches!(args, [Value::String(_)]) => read(first()),
        "replace" | "split" => scaled(first(), 2.0 * TRAVERSAL),
        "ip.isCanonical" => scaled(first(), 2.0 * TRAVERSAL),
        "join" => scaled(result.size(), 2.0 * TRAVERSAL),
        "find" | "findAll" | "matches" => {
            read(first().saturating_add(1)).saturating_mul(scaled(second(), PATTERN))
        }
        "contains" => read(first()).saturating_mul(read(second())),
        "containsIP" | "containsCIDR" => contains(function, args),
        "sets.contains" | "sets.intersects" => first().saturating_mul(second()).saturating_add(1),
        "sets.equivalent" => {
            2u64.saturating_mul(first().saturating_mul(second())).saturating_add(1)
        }
        "@in" if matches!(args, [_, Value::List(_)]) => second(),
        "_+_" if matches!(args, [Value::String(_) | Value::Bytes(_), _]) => {
            read(first().saturating_add(second()))
        }
        "_<_" | "_<=_" | "_>_" | "_>=_" => match args {
            [Value::String(_) | Value::Bytes(_), _] => read(first().min(second())),
            _ => 1,
        },
        "_==_" | "_!=_" => read(first().min(second())),
        _ => 1,
    }
}

fn contains(function: &str, args: &[Value<'_>]) -> u64 {
    let range = args.first().map_or(1, Value::size);
    let mut cost = scaled(range.saturating_mul(2), TRAVERSAL);
    if function == "containsCIDR" {
        cost += scaled(range, TRAVERSAL) + 1;
    }
    match args.get(1) {
        Some(text @ Value::String(_)) => cost.saturating_add(scaled(text.size(), TRAVERSAL)),
        _ => cost,
    }
}

/// Of going through a value and what is in it.
fn traversal(value: &Value<'_>) -> u64 {
    match value {
        Value::String(_) | Value::Bytes(_) => scaled(value.size(), TRAVERSAL),
        Value::List(list) => list.iter().map(|item| traversal(&item)).sum(),
        Value::Map(map) => map.len() as u64,
        _ => 1,
    }
}
