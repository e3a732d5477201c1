//! No text and no value makes the language panic, overflow the stack, or run on.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sampan_cel::{Budget, Declared, Environment, Variables};
use serde_json::{Value as Json, json};

/// Half of what threads of the server have, and this is a build without optimizations.
const STACK: usize = 1 << 20;
/// No evaluation takes longer, even so.
const TIME_MAX: Duration = Duration::from_secs(20);

/// Compiles and evaluates; true if there was a value.
fn run(text: &str, object: &Json) -> bool {
    let environment = Environment::new().with_variable("self", Declared::anything());
    let Ok(program) = environment.compile(text) else { return false };
    let _ = program.estimate();
    let mut variables = Variables::new();
    variables.json("self", object);
    let begun = Instant::now();
    let value = program.evaluate(&variables, &mut Budget::new(1_000_000));
    assert!(begun.elapsed() < TIME_MAX, "{text} took {:?}", begun.elapsed());
    value.is_ok_and(|value| value.to_json().is_some())
}

fn on_small_stack(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap();
}

#[test]
fn the_deepest_expressions_fit_on_a_small_stack() {
    on_small_stack(|| {
        for (open, middle, close) in [
            ("(", "1", ")"),
            ("[", "1", "]"),
            ("", "1", "+1"),
            ("-(", "1", ")"),
            ("{1: ", "1", "}"),
            ("true ? 1 : ", "1", ""),
            ("self.map(x, ", "1", ")"),
            ("[1].map(x, ", "1", ")"),
            ("[1].all(x, ", "true", ")"),
            ("[1].exists(x, x > 0 && ", "true", ")"),
            ("optional.of(1).optMap(x, ", "1", ")"),
            ("size('a' + string(", "1", "))"),
            ("", "self", ".a"),
            ("", "self", "[0]"),
            ("", "'a'", ".trim()"),
        ] {
            let mut deepest = 0;
            for depth in (1..400).step_by(9) {
                let text = format!("{}{middle}{}", open.repeat(depth), close.repeat(depth));
                let environment = Environment::new().with_variable("self", Declared::anything());
                if environment.compile(&text).is_ok() {
                    deepest = depth;
                }
            }
            assert!((15..399).contains(&deepest), "{open}: {deepest}");
            let text = format!("{}{middle}{}", open.repeat(deepest), close.repeat(deepest));
            run(&text, &json!([1]));
        }
    });
}

#[test]
fn a_deep_object_is_compared_and_shown_on_a_small_stack() {
    on_small_stack(|| {
        let mut deep = json!(1);
        for _ in 0..120 {
            deep = json!([{"a": deep}]);
        }
        for text in ["self == self", "'%s'.format([self])", "self in [self]"] {
            run(text, &deep);
        }
    });
}

#[test]
fn what_is_cheap_by_cost_is_bounded_all_the_same() {
    let list: Vec<Json> = (0..20_000).map(|n| json!(n)).collect();
    let text = "ab".repeat(500_000);
    let object = json!({"list": list, "text": text});
    for text in [
        "self.list.map(x, self.list + self.list)",
        "self.list.all(x, self.list == self.list)",
        "self.list.all(x, self == self)",
        "self.text.matches('(a{0,500}){0,500}b{0,500}c')",
        "self.text.split('').map(x, self.text)",
        "self.text.replace('', self.text)",
        "self.list.map(x, self.text.size())",
        "self.list.map(x, '%s'.format([self]))",
        "self.list.map(x, self.list.map(y, [x, y]))",
        "sets.equivalent(self.list, self.list)",
        "self.list.map(x, {x: self.list}).map(y, y == y)",
    ] {
        assert!(!run(text, &object), "{text}");
    }
}

/// Pieces that are likely to mean something together.
const PIECES: [&str; 72] = [
    "self",
    ".",
    "a",
    "b",
    "?",
    ":",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    "1",
    "0",
    "-1",
    "1u",
    "2.5",
    "'x'",
    "\"é\"",
    "b'\\xff'",
    "r'('",
    "true",
    "false",
    "null",
    " && ",
    " || ",
    " == ",
    " != ",
    " < ",
    " >= ",
    " in ",
    " + ",
    " - ",
    " * ",
    " / ",
    " % ",
    "!",
    "-",
    "has(",
    ".all(x, ",
    ".exists(x, ",
    ".map(x, ",
    ".filter(x, ",
    ".map(x, true, ",
    ".transformMap(k, v, ",
    ".optMap(x, ",
    "x",
    "k",
    "v",
    ".?a",
    "[?0]",
    "size(",
    ".size()",
    "string(",
    "int(",
    "timestamp(",
    "duration('1h')",
    ".matches(",
    ".split(",
    ".substring(",
    ".indexOf(",
    ".replace('', ",
    ".format(",
    ".join(",
    "type(",
    "dyn(",
    "9223372036854775807",
    "optional.of(",
    "cidr('::/0')",
    "url(",
    ".getHours(",
];

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        ".{0,8}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map("[ab]", inner, 0..3)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_text_panics(text in ".{0,60}", object in any_json()) {
        run(&text, &object);
    }

    #[test]
    fn no_row_of_pieces_panics(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 1..16),
        object in any_json(),
    ) {
        run(&pieces.concat(), &object);
    }

    #[test]
    fn no_value_makes_a_known_expression_panic(object in any_json()) {
        for text in [
            "self.a.map(x, x + x)",
            "self.all(k, self[k] == self[k])",
            "'%s %d'.format([self, self])",
            "self.substring(1, 2).indexOf(self, 1) > 0 || self.split('', 2) == [self]",
            "timestamp(self).getHours(self) + duration(self).getHours()",
            "int(self) / int(self) % int(self) - int(self) * int(self)",
            "self.replace(self, self, self) + self.charAt(self) + self.lastIndexOf(self, self)",
            "url(self).getQuery() == {} || ip(self).family() == 4 || cidr(self).masked() == null",
            "semver(self, true).major() + self.sum() + self.max() + [self].indexOf(self)",
            "self.?a.?b.orValue(self[?0].orValue(self))",
        ] {
            run(text, &object);
        }
    }
}
