//! What the functions cost at worst, and how large their results are.

use super::size::{Estimate, scaled};
use super::{CHECK, PATTERN, TRAVERSAL};
use crate::library::Overload;
use crate::types::Type;

pub(super) struct CallEstimate {
    pub cost: Estimate,
    pub result: Option<Estimate>,
}

const ONE: Estimate = Estimate { min: 1, max: 1 };

/// Of a call, by the sizes of the arguments (the target first), and of the items of the first.
pub(super) fn estimate(overload: &Overload, sizes: &[Estimate], items: Estimate) -> CallEstimate {
    let size = |index: usize| sizes.get(index).copied().unwrap_or(ONE);
    let (first, second) = (size(0), size(1));
    let plain = |cost: Estimate| CallEstimate { cost, result: None };
    let sized = |cost: Estimate, result: Estimate| CallEstimate { cost, result: Some(result) };
    let is_text = matches!(overload.params.first(), Some(Type::String));
    match &*overload.function {
        "check" => plain(Estimate::fixed(CHECK)),
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => match &overload.params[0]
        {
            Type::List(of) => {
                let text = matches!(&**of, Type::String | Type::Bytes | Type::Param(_));
                let more = if text { items.by(TRAVERSAL) } else { Estimate::ZERO };
                plain(first.times(ONE.plus(more)))
            }
            _ => plain(first.by(TRAVERSAL)),
        },
        "lowerAscii" | "upperAscii" | "substring" | "trim" => sized(first.by(TRAVERSAL), first),
        "url" | "cidr" | "isIP" | "isCIDR" | "quantity" | "isQuantity" | "validate" | "semver"
        | "isSemver" => plain(first.by(TRAVERSAL)),
        "startsWith" | "endsWith" => plain(second.by(TRAVERSAL)),
        "ip" if is_text => plain(first.by(TRAVERSAL)),
        "ip.isCanonical" => plain(first.by(2.0 * TRAVERSAL)),
        "strings.quote" => {
            let result = first.times(Estimate { min: 1, max: 2 }).plus(Estimate::fixed(2));
            sized(first.by(TRAVERSAL), result)
        }
        "format" => sized(first.by(TRAVERSAL), first.plus(second)),
        "bytes" if is_text => {
            sized(first.by(TRAVERSAL), Estimate { max: first.max.saturating_mul(4), ..first })
        }
        "string" if matches!(overload.params[0], Type::Bytes) => {
            sized(first.by(TRAVERSAL), Estimate { min: first.min / 4, ..first })
        }
        "replace" => sized(first.by(2.0 * TRAVERSAL), replaced(first, second, size(2))),
        "split" => sized(first.by(2.0 * TRAVERSAL), Estimate { min: 0, max: first.max }),
        "join" => {
            let less = |value: u64| value.saturating_sub(1);
            let gaps = Estimate { min: less(first.min), max: less(first.max) };
            let gaps = if sizes.len() > 1 { second.times(gaps) } else { Estimate::ZERO };
            let result = first.times(items).plus(gaps);
            sized(result.by(TRAVERSAL), result)
        }
        "find" | "findAll" => {
            let result = Estimate { min: 0, max: first.max };
            sized(first.plus(ONE).by(TRAVERSAL).times(second.by(PATTERN)), result)
        }
        "matches" => plain(first.plus(ONE).by(TRAVERSAL).times(second.by(PATTERN))),
        "contains" => plain(first.by(TRAVERSAL).times(second.by(TRAVERSAL))),
        "containsIP" | "containsCIDR" => plain(contains(overload, second)),
        "sets.contains" | "sets.intersects" => plain(first.times(second).plus(ONE)),
        "sets.equivalent" => plain(first.times(second).plus(first.times(second)).plus(ONE)),
        "@in" if matches!(overload.params[1], Type::List(_)) => plain(second),
        "_+_" => match overload.params[0] {
            Type::String | Type::Bytes => {
                sized(first.plus(second).by(TRAVERSAL), first.plus(second))
            }
            Type::List(_) => sized(ONE, first.plus(second)),
            _ => plain(ONE),
        },
        "_==_" | "_!=_" => plain(compared(first, second)),
        "_<_" | "_<=_" | "_>_" | "_>=_" if is_text || overload.params[0] == Type::Bytes => {
            plain(compared(first, second))
        }
        _ => plain(ONE),
    }
}

fn compared(first: Estimate, second: Estimate) -> Estimate {
    let max = first.max.min(second.max);
    Estimate { min: u64::from(max > 0), max }.by(TRAVERSAL)
}

fn contains(overload: &Overload, other: Estimate) -> Estimate {
    let size = Estimate { min: 4, max: 16 };
    let mut cost = size.plus(size).by(TRAVERSAL);
    if overload.function == "containsCIDR" {
        cost = cost.plus(size.by(TRAVERSAL)).plus(ONE);
    }
    match overload.params[1] {
        Type::String => cost.plus(other.by(TRAVERSAL)),
        _ => cost,
    }
}

/// The size of a text after replacements.
fn replaced(text: Estimate, old: Estimate, new: Estimate) -> Estimate {
    let (mut count, mut kept) = (Estimate::ZERO, Estimate::ZERO);
    if old.min == 0 {
        // An empty one is found around every character.
        count.max = text.max.saturating_add(1);
        kept.max = text.max;
    } else if new.max <= old.min {
        kept.max = text.max;
    } else {
        count.max = scaled(text.max, 1.0 / old.min as f64);
    }
    if old.max == 0 {
        count.min = text.min.saturating_add(1);
        kept.min = text.min;
    } else if old.max <= new.min {
        kept.min = text.min;
    } else {
        count.min = scaled(text.min, 1.0 / old.max as f64);
    }
    count.times(new).plus(kept)
}
