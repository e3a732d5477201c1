//! For fuzzers: any text is an expression or refused, and evaluation ends within its budget.

use serde_json::json;

use crate::{Budget, Declared, Environment, Variables};

/// What expressions are made of; texts of them alone are rarely understood.
pub const WORDS: [&str; 95] = [
    ".spec",
    ".list",
    ".name",
    ".missing",
    "[0]",
    "['a']",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    " + ",
    " - ",
    " * ",
    " / ",
    " % ",
    " == ",
    " != ",
    " < ",
    " >= ",
    " && ",
    " || ",
    "!",
    " ? ",
    " : ",
    " in ",
    "1",
    "-1",
    "0",
    "9223372036854775807",
    "1u",
    "1.5",
    "'a'",
    "\"b\"",
    "b'c'",
    "true",
    "false",
    "null",
    "x",
    ".all(x, ",
    ".exists(x, ",
    ".map(x, ",
    ".filter(x, ",
    "size(",
    ".size()",
    "has(",
    ".matches('a+')",
    ".contains('a')",
    ".startsWith(",
    ".split(',')",
    ".join()",
    ".replace('a', 'b')",
    "int(",
    "string(",
    "double(",
    "timestamp('2026-01-01T00:00:00Z')",
    "duration('1h')",
    "type(",
    "quantity('1Gi')",
    ".orValue(1)",
    "cel.bind(y, 1, ",
    "self",
    ".",
    "a",
    "b",
    "?",
    ":",
    "2.5",
    "'x'",
    "\"é\"",
    "b'\\xff'",
    "r'('",
    "-",
    ".map(x, true, ",
    ".transformMap(k, v, ",
    ".optMap(x, ",
    "k",
    "v",
    ".?a",
    "[?0]",
    "timestamp(",
    ".matches(",
    ".split(",
    ".substring(",
    ".indexOf(",
    ".replace('', ",
    ".format(",
    ".join(",
    "dyn(",
    "optional.of(",
    "cidr('::/0')",
    "url(",
    ".getHours(",
];
/// What an evaluation may cost here.
const COST: u64 = 20_000;

/// Bytes as an expression: as text, and as words.
pub fn expressions(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        expression(text);
    }
    let words = bytes.iter().map(|byte| WORDS[usize::from(*byte) % WORDS.len()]);
    expression(&words.collect::<String>());
}

fn expression(text: &str) {
    let environment = Environment::new().with_variable("self", Declared::anything());
    let Ok(program) = environment.compile(text) else { return };
    program.estimate();
    let object =
        json!({"spec": {"replicas": 3}, "list": [1, "a", null, {"a": 1.5}], "name": "aaa"});
    let mut variables = Variables::new();
    variables.json("self", &object);
    let mut once = Budget::new(COST);
    let first = program.evaluate(&variables, &mut once).is_ok();
    let mut again = Budget::new(COST);
    let second = program.evaluate(&variables, &mut again).is_ok();
    assert_eq!(first, second, "it is the same the next time: {text}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_words_are_an_expression_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..24)
        ) {
            super::expressions(&bytes);
        }

        #[test]
        fn any_text_is_an_expression_or_refused(text in "[a-c0-9x.()\\[\\]{}'\",?:!&|<>=+*/%\\\\ -]{0,60}") {
            super::expressions(text.as_bytes());
        }
    }
}
