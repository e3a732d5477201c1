//! What can be told to fail without being evaluated: durations, times and patterns as literals.

use crate::ast::{Call, Expr, Kind, Literal};
use crate::library::is_regex;
use crate::source::Issue;
use crate::value::time;

pub(super) fn check(expr: &Expr, issues: &mut Vec<Issue>) {
    if let Kind::Call(call) = &expr.kind
        && let Some((offset, text)) = last_literal(call)
    {
        let wrong = match (&*call.function, call.args.len()) {
            ("duration", 1) => time::parse_duration(text).is_none(),
            ("timestamp", 1) => time::parse_timestamp(text).is_none(),
            ("matches", _) => !is_regex(text),
            _ => false,
        };
        if wrong {
            issues.push(Issue { offset, message: format!("invalid {} argument", call.function) });
        }
    }
    for below in expr.children() {
        check(below, issues);
    }
}

fn last_literal(call: &Call) -> Option<(usize, &str)> {
    let last = call.args.last()?;
    match &last.kind {
        Kind::Literal(Literal::String(text)) => Some((last.offset, text)),
        _ => None,
    }
}
