//! No text and no value makes the language panic, overflow the stack, or run on.

use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use sampan_cel::fuzzing::WORDS;
use sampan_cel::{Budget, Declared, Environment, Program, Variables, WORK_MAX};
use serde_json::{Value as Json, json};

/// Half of what threads of the server have, and this is a build without optimizations.
const STACK: usize = 1 << 20;
/// No evaluation takes more CPU time, even so.
const TIME_MAX: Duration = Duration::from_secs(2);

/// What an evaluation may cost, and how much work it may be: a tenth of what the server allows, so
/// that those that end by it end soon.
const COST: u64 = 100_000;
const WORK: u64 = WORK_MAX / 10;

static ENVIRONMENT: LazyLock<Environment> =
    LazyLock::new(|| Environment::new().with_variable("self", Declared::anything()));

/// Compiles and evaluates; true if there was a value.
fn run(text: &str, object: &Json) -> bool {
    ENVIRONMENT.compile(text).is_ok_and(|program| evaluate(text, &program, object))
}

fn evaluate(text: &str, program: &Program, object: &Json) -> bool {
    let _ = program.estimate();
    let mut variables = Variables::new();
    variables.json("self", object);
    let mut budget = Budget::new(COST);
    budget.work(WORK_MAX - WORK).unwrap();
    let begun = cpu_time();
    let value = program.evaluate(&variables, &mut budget);
    let took = cpu_time() - begun;
    assert!(took < TIME_MAX, "{text} took {took:?}");
    value.is_ok_and(|value| value.to_json().is_some())
}

/// What this thread has run, however busy the machine is.
fn cpu_time() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(told.split(' ').next().unwrap().parse().unwrap())
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
            let text = |depth| format!("{}{middle}{}", open.repeat(depth), close.repeat(depth));
            let fits = |depth| ENVIRONMENT.compile(&text(depth)).is_ok();
            // The depth that is still taken, by halves; one that is not taken is read to its bound.
            let (mut taken, mut refused) = (1, 400);
            assert!(fits(taken) && !fits(refused), "{open}");
            while refused - taken > 1 {
                let middle = (taken + refused) / 2;
                *(if fits(middle) { &mut taken } else { &mut refused }) = middle;
            }
            assert!(taken >= 15, "{open}: {taken}");
            run(&text(taken), &json!([1]));
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
        pieces in prop::collection::vec(prop::sample::select(&WORDS[..]), 1..16),
        object in any_json(),
    ) {
        run(&pieces.concat(), &object);
    }

    #[test]
    fn no_value_makes_a_known_expression_panic(object in any_json()) {
        for (text, program) in KNOWN.iter() {
            evaluate(text, program, &object);
        }
    }
}

/// Expressions that take values of all sorts, those that the language knows.
static KNOWN: LazyLock<Vec<(&str, Program)>> = LazyLock::new(|| {
    let texts = [
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
    ];
    let compiled = texts.into_iter().map(|text| Some((text, ENVIRONMENT.compile(text).ok()?)));
    compiled.flatten().collect()
});
