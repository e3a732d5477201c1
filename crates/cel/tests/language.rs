//! The language from outside: an expression, and its value or what is wrong with it.

use sampan_cel::{Budget, Declared, Environment, EvalError, Key, List, Map, Value, Variables};
use serde_json::{Value as Json, json};

/// A value as the language writes it, as far as the tests need it.
fn show(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => format!("{value}u"),
        Value::Double(value) => format!("{value:?}"),
        Value::String(text) => format!("{:?}", text.as_str()),
        Value::Bytes(bytes) => format!("b{bytes:?}"),
        Value::Timestamp(at) => at.to_string(),
        Value::Duration(nanos) => format!("{nanos}ns"),
        Value::List(list) => {
            let items: Vec<String> = List::iter(list).map(|item| show(&item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let entry = |key: Key| {
                format!("{}: {}", show(&key.to_value()), show(&Map::get(map, &key).unwrap()))
            };
            format!("{{{}}}", map.keys().into_iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::Kind(name) => name.to_string(),
        Value::Optional(Some(value)) => format!("some({})", show(value)),
        Value::Optional(None) => "none".to_owned(),
        Value::Opaque(value) => value.kind().to_owned(),
    }
}

fn run(text: &str, object: &Json) -> String {
    let environment = Environment::new().with_variable("object", Declared::anything());
    let program = match environment.compile(text) {
        Ok(program) => program,
        Err(error) => return error.issues[0].message.clone(),
    };
    let mut variables = Variables::new();
    variables.json("object", object);
    match program.evaluate(&variables, &mut Budget::new(1_000_000)) {
        Ok(value) => show(&value),
        Err(error) => format!("error: {error}"),
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let object = json!({"spec": {"replicas": 3, "names": ["a", "b"], "none": null},
        "labels": {"app": "web", "tier": "x"}, "list": [{"n": 1}, {"n": 2}, {}], "ratio": 0.5});
    assert_eq!(run(text, &object), expected, "{text}");
}

#[test]
fn arithmetic_refuses_what_does_not_fit() {
    check("1 + 2 * 3 - 7 / 2 % 2", "6");
    check("9223372036854775807 + 1", "error: integer overflow");
    check("-9223372036854775808 / -1", "error: integer overflow");
    check("-(-9223372036854775808)", "error: integer overflow");
    check("1 / 0", "error: division by zero");
    check("1 % 0", "error: modulus by zero");
    check("0u - 1u", "error: unsigned integer overflow");
    check("1.0 / 0.0", "inf");
    check("1 + 1.0", "found no matching overload for '_+_' applied to '(int, double)'");
}

#[test]
fn numbers_are_compared_whatever_their_types() {
    check("dyn(1) == dyn(1.0)", "true");
    check("1 < 1.5 && 2u > 1 && 1u <= 1.0", "true");
    check("9223372036854775807 < 9223372036854775808.0", "true");
    check("1 == 1.0", "found no matching overload for '_==_' applied to '(int, double)'");
    check("'a' < 'b' && b'a' < b'b' && !false", "true");
}

#[test]
fn fields_items_and_presence() {
    check("object.spec.replicas", "3");
    check("object.spec.names[1]", "\"b\"");
    check("object['labels'].app", "\"web\"");
    check("has(object.spec.x) || has(object.spec.replicas)", "true");
    check("has(object.spec.none) && object.spec.none == null", "true");
    check("object.spec.x", "error: no such key: x");
    check("object.spec.names[2]", "error: index out of bounds: 2");
    check("object.spec.names[-1]", "error: index out of bounds: -1");
    check("object.ratio", "0.5");
    check("nope", "undeclared reference to 'nope' (in container '')");
    check("object.nope()", "undeclared reference to 'nope' (in container '')");
    check("'a'.b", "type 'string' does not support field selection");
}

#[test]
fn logic_takes_what_decides() {
    check("true || 1 / 0 == 1", "true");
    check("1 / 0 == 1 || true", "true");
    check("1 / 0 == 1 && false", "false");
    check("1 / 0 == 1 || false", "error: division by zero");
    check("true ? 1 : 2", "1");
    check("1 && true", "found no matching overload for '_&&_' applied to '(int, bool)'");
}

#[test]
fn loops_over_lists_and_maps() {
    check("[1, 2, 3].all(x, x > 0)", "true");
    check("[1, 0].all(x, 1 / x > 0)", "error: division by zero");
    check("[1, 0].exists(x, 1 / x > 0)", "true");
    check("[0, 1].exists(x, 1 / x > 0)", "true");
    check("[1, 2, 2].exists_one(x, x == 2)", "false");
    check("[1, 2, 3].map(x, x * 2)", "[2, 4, 6]");
    check("[1, 2, 3].map(x, x > 1, [x, x])", "[[2, 2], [3, 3]]");
    check("[1, 2, 3].filter(x, x != 2)", "[1, 3]");
    check("object.labels.map(k, k)", "[\"app\", \"tier\"]");
    check("object.list.filter(x, has(x.n)).map(x, x.n)", "[1, 2]");
    check("[[1], [2]].map(x, x.map(y, y + x[0]))", "[[2], [4]]");
    check(
        "1.all(x, true)",
        "expression of type 'int' cannot be range of a comprehension (must be list, map, or \
         dynamic)",
    );
    check("[1].all(x, 1)", "found no matching overload for '_&&_' applied to '(bool, int)'");
}

#[test]
fn loops_with_two_variables() {
    check("[5, 6].all(i, v, v == i + 5)", "true");
    check("object.labels.exists(k, v, k == 'app' && v == 'web')", "true");
    check("{'a': 1, 'b': 2}.existsOne(k, v, v > 1)", "true");
    check("[5, 6].transformList(i, v, i > 0, v * i)", "[6]");
    check("{'a': 1}.transformMap(k, v, v + 1)", "{\"a\": 2}");
    check("{'a': 1}.transformMapEntry(k, v, {v: k})", "{1: \"a\"}");
    check(
        "{'a': 1, 'b': 1}.transformMapEntry(k, v, {v: k})",
        "error: insert failed: key already exists",
    );
}

#[test]
fn optional_values() {
    check("object.?spec.?replicas.orValue(0)", "3");
    check("object.?nope.?replicas.orValue(7)", "7");
    check("object.spec.names[?5].hasValue()", "false");
    check("optional.of(2).optMap(x, x + 1)", "some(3)");
    check("optional.none().or(optional.of(1)).value()", "1");
    check("optional.of(2).optFlatMap(x, optional.none())", "none");
    check("optional.none().value()", "error: optional.none() dereference");
    check("[?object.?nope, ?optional.of(1)]", "[1]");
    check("{?'a': object.?nope, 'b': 1}", "{\"b\": 1}");
    check("optional.ofNonZeroValue('').hasValue()", "false");
}

#[test]
fn lists_and_maps_are_of_one_type() {
    check("[1, 'a']", "expected type 'int' but found 'string'");
    check("{'a': 1, 'b': 'c'}", "expected type 'int' but found 'string'");
    check("[1, dyn('a')].size()", "2");
    check("{'a': 1, 'a': 2}", "error: Failed with repeated key");
    check("1 in [1, 2] && 'a' in {'a': 1} && !(3 in [1])", "true");
    check("[1] + [2, 3] == [1, 2, 3]", "true");
}

#[test]
fn conversions() {
    check("int('12') + int(3.9) + int(2u)", "17");
    check("int('x')", "error: type conversion error from 'string' to 'int': \"x\"");
    check("double('1.5') + double(1)", "2.5");
    check("string(1.5) + string(true) + string(b'a') + string(3u)", "\"1.5truea3\"");
    check("string(1e21) + string(0.00001)", "\"1e+211e-05\"");
    check("int(9.3e18)", "error: integer overflow");
    check("type(1) == int && type('a') == string && type([]) == list", "true");
    check("type(ip('1.2.3.4')) == net.IP", "true");
    check("bytes('é').size()", "2");
    check("size('éa') + 'abc'.size()", "5");
}

#[test]
fn times_and_durations() {
    check("timestamp('2024-02-29T12:30:00Z').getDayOfYear()", "59");
    check("timestamp('2024-02-29T12:30:00Z').getHours('+02:00')", "14");
    check("timestamp('2024-02-29T12:30:00Z').getMinutes('-00:40')", "50");
    check("timestamp('2024-02-29T12:30:00Z') - duration('1h')", "2024-02-29T11:30:00Z");
    check("duration('90m').getHours()", "1");
    check("duration('1h') > duration('59m')", "true");
    check("duration('x')", "invalid duration argument");
    check("timestamp('x')", "invalid timestamp argument");
    check("string(duration('1h30m'))", "\"5400s\"");
    check("timestamp('9999-12-30T00:00:00Z') + duration('48h')", "error: timestamp overflow");
    check(
        "timestamp('2024-01-01T00:00:00Z').getHours('Nowhere')",
        "error: unknown time zone Nowhere",
    );
}

#[test]
fn texts() {
    check("'héllo'.charAt(1) + 'abc'.substring(1, 2) + 'abc'.substring(2)", "\"ébc\"");
    check("'abc'.substring(2, 1)", "error: invalid substring range. start: 2, end: 1");
    check("'tacocat'.indexOf('c') + 'tacocat'.lastIndexOf('c')", "6");
    check("'tacocat'.indexOf('c', 3) + 'tacocat'.lastIndexOf('c', 3)", "6");
    check("'a-b-c'.replace('-', '+', 1)", "\"a+b-c\"");
    check("'abc'.replace('', '-')", "\"-a-b-c-\"");
    check("'a,b,c'.split(',', 2)", "[\"a\", \"b,c\"]");
    check("'abc'.split('', 2)", "[\"a\", \"bc\"]");
    check("['a', 'b'].join('-') + ' x '.trim() + 'aB'.upperAscii()", "\"a-bxAB\"");
    check("strings.quote('a\"\\n')", r#""\"a\\\"\\n\"""#);
    check("'%s is %d or %.1f, %x %%'.format([dyn('a'), 1, 2.25, 255])", "\"a is 1 or 2.2, ff %\"");
    check("'%s'.format([[dyn(1), {'a': null}]])", "\"[1, {a: null}]\"");
    check("'%d'.format([])", "error: index 0 out of range");
}

#[test]
fn patterns() {
    check("'abc123'.matches('^[a-z]+\\\\d+$')", "true");
    check("'a1b22'.find('[0-9]+') + string('a1b22'.findAll('[0-9]+').size())", "\"12\"");
    check("'a1b22'.findAll('[0-9]+', 1)", "[\"1\"]");
    check("'a'.matches('(')", "invalid matches argument");
    check("'a'.matches(object.labels.app + '(')", "error: error parsing regexp: \"web(\"");
}

#[test]
fn lists_as_lists_and_sets() {
    check("[1, 2].isSorted() && ![2, 1].isSorted()", "true");
    check("[1, 2].sum() + [3, 4].max() + [1].min()", "8");
    check("[1, 2, 1].indexOf(1) + [1, 2, 1].lastIndexOf(1)", "2");
    check("[].max()", "error: max called on empty list");
    check("sets.contains([1, 2], [1]) && sets.intersects([1], [1, 2])", "true");
    check("sets.equivalent([1, 1, 2], [2, 1])", "true");
    check("['a'].sum()", "found no matching overload for 'sum' applied to 'list(string).()'");
}

#[test]
fn addresses_urls_and_versions() {
    check("ip('10.0.0.1').family() == 4 && !isIP('10.0.0') && ip('::1').isLoopback()", "true");
    check("ip.isCanonical('2001:DB8::1')", "false");
    check("cidr('10.0.0.0/8').containsIP('10.1.2.3')", "true");
    check("cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')", "true");
    check("cidr('0.0.0.0/0').containsIP(ip('1.2.3.4'))", "true");
    check("string(cidr('10.1.2.3/8').masked())", "\"10.0.0.0/8\"");
    check("cidr('10.1.2.3/8').prefixLength() + (isCIDR('10.0.0.0/33') ? 1 : 0)", "8");
    check("url('https://a.com:80/p%20q?k=1&k=2').getHost()", "\"a.com:80\"");
    check("url('https://[::1]:80/p').getHostname() + url('https://a:1/').getPort()", "\"::11\"");
    check("url('https://a.com/?k=1&k=%32').getQuery()", "{\"k\": [\"1\", \"2\"]}");
    check("isURL('/path') && !isURL('path') && !isURL('https://a b')", "true");
    check("semver('1.2.3').isLessThan(semver('1.10.0'))", "true");
    check("semver('1.0.0-rc.1').compareTo(semver('1.0.0'))", "-1");
    check("isSemver('v1.2') || !isSemver('v1.2', true)", "false");
}

#[test]
fn values_of_other_programs_are_evaluated_when_asked_for() {
    let object = json!({"a": 2});
    let environment = Environment::new().with_variable("object", Declared::anything());
    let with_variables = environment.clone().with_variable("variables", Declared::anything());
    let double = environment.compile("object.a * 2").unwrap();
    let bad = environment.compile("object.b").unwrap();
    let more = with_variables.compile("variables.double + 1").unwrap();
    let failed = "composited variable \"bad\" fails to evaluate: no such key: b";
    for (text, expected) in [
        ("variables.more", "5"),
        ("variables.bad", failed),
        ("has(variables.more) && !has(variables.nope)", "true"),
    ] {
        let program = with_variables.compile(text).unwrap();
        let mut variables = Variables::new();
        variables.json("object", &object);
        variables.programs("variables", [("double", &double), ("more", &more), ("bad", &bad)]);
        let value = program.evaluate(&variables, &mut Budget::new(1_000));
        assert_eq!(value.map_or_else(|error| error.to_string(), |value| show(&value)), expected);
    }
}

#[test]
fn declared_values_are_of_their_types() {
    use sampan_cel::{ListKind, Shape, Type};
    let list = |item: Type| Declared {
        shape: Shape::List(Declared::plain(item).into(), ListKind::Atomic),
        ..Declared::anything()
    };
    for (item, json, text) in [
        (Type::Duration, json!([]), "self.sum() == duration('0s')"),
        (Type::Duration, json!(["1h", "30m"]), "self.sum() == duration('90m')"),
        (Type::Double, json!([1, 2]), "self.sum() == 3.0 && self[0] / 2.0 == 0.5"),
        (Type::Timestamp, json!(["2024-01-01"]), "self.max().getFullYear() == 2024"),
        (Type::Bytes, json!(["aGk="]), "string(self[0]) == 'hi' && type(self[0]) == bytes"),
        (Type::String, json!(["b", "a"]), "!self.isSorted() && self.join() == 'ba'"),
    ] {
        let environment = Environment::new().with_variable("self", list(item));
        let program = environment.compile(text).unwrap();
        let mut variables = Variables::new();
        variables.json("self", &json);
        let value = program.evaluate(&variables, &mut Budget::new(1_000)).unwrap();
        assert_eq!(show(&value), "true", "{text}");
    }
}

#[test]
fn cost_and_work_are_bounded() {
    let big: Vec<Json> = (0..2_000).map(|n| json!(n)).collect();
    let object = json!({"list": big});
    let expensive = "object.list.all(x, object.list.all(y, x + y >= 0))";
    assert_eq!(run(expensive, &object), format!("error: {}", EvalError::CostLimit));
    let large = "object.list.map(x, object.list + object.list).size() > 0";
    assert_eq!(run(large, &object), format!("error: {}", EvalError::WorkLimit));
}
