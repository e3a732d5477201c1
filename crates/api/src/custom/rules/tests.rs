use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[track_caller]
fn check(schema: Value, object: Value, old: Option<Value>, expected: &[&str]) {
    let verdict = verdict(schema, &object, old.as_ref());
    let texts: Vec<String> = verdict.errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts, expected);
}

fn verdict(schema: Value, object: &Value, old: Option<&Value>) -> Verdict {
    let schema = json!({"type": "object", "properties": {"spec": schema}});
    Rules::compile(&Schema::read(&schema).unwrap()).check(object, old)
}

fn rule(text: &str) -> Value {
    json!([{ "rule": text }])
}

fn spec(value: Value) -> Value {
    json!({ "spec": value })
}

#[test]
fn a_rule_that_does_not_hold_is_told_with_its_place() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"},
        "b": {"type": "integer"}}, "x-kubernetes-validations": rule("self.a <= self.b")});
    check(schema.clone(), spec(json!({"a": 1, "b": 2})), None, &[]);
    check(
        schema.clone(),
        spec(json!({"a": 3, "b": 2})),
        None,
        &[r#"spec: Invalid value: failed rule: self.a <= self.b"#],
    );
    check(
        schema,
        spec(json!({"a": 3})),
        None,
        &[r#"spec: Invalid value: "object": no such key: b evaluating rule: self.a <= self.b"#],
    );
}

#[test]
fn messages_reasons_and_paths_are_the_rules_own() {
    let schema = |rule: Value| {
        json!({"type": "object", "properties": {"n": {"type": "object", "properties":
            {"x": {"type": "integer"}}}}, "x-kubernetes-validations": [rule]})
    };
    let object = spec(json!({"n": {"x": 7}}));
    check(
        schema(json!({"rule": "self.n.x < 5", "message": " too much "})),
        object.clone(),
        None,
        &[r#"spec: Invalid value: too much"#],
    );
    check(
        schema(json!({"rule": "self.n.x < 5", "messageExpression": "'is ' + string(self.n.x)",
            "fieldPath": ".n.x", "reason": "FieldValueForbidden"})),
        object.clone(),
        None,
        &["spec.n.x: Forbidden: is 7"],
    );
    check(
        schema(json!({"rule": "self.n.x < 5", "messageExpression": "''", "message": "plain",
            "reason": "FieldValueRequired"})),
        object.clone(),
        None,
        &["spec: Required value: plain"],
    );
    check(
        schema(json!({"rule": "self.n.x < 5", "reason": "FieldValueDuplicate"})),
        object,
        None,
        &[r#"spec: Duplicate value"#],
    );
}

#[test]
fn transitions_are_judged_where_there_was_something() {
    let schema = json!({"type": "object", "properties": {
        "fixed": {"type": "string", "x-kubernetes-validations": rule("self == oldSelf")},
        "list": {"type": "array", "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"], "items": {"type": "object",
            "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
            "x-kubernetes-validations": rule("self.n >= oldSelf.n")}}}});
    let object = |fixed: &str, a: i64, b: i64| {
        spec(json!({"fixed": fixed, "list": [{"name": "b", "n": b}, {"name": "a", "n": a}]}))
    };
    let old = spec(json!({"fixed": "x", "list": [{"name": "a", "n": 2}]}));
    check(schema.clone(), object("x", 1, 1), None, &[]);
    check(schema.clone(), object("x", 3, 0), Some(old.clone()), &[]);
    check(
        schema,
        object("y", 1, 0),
        Some(old),
        &[
            r#"spec.fixed: Invalid value: "y": failed rule: self == oldSelf"#,
            r#"spec.list[1]: Invalid value: failed rule: self.n >= oldSelf.n"#,
        ],
    );
}

#[test]
fn an_optional_old_value_is_there_for_new_objects_too() {
    let schema = json!({"type": "string", "x-kubernetes-validations": [{
        "rule": "oldSelf.hasValue() ? oldSelf.value() == self : self == 'first'",
        "optionalOldSelf": true}]});
    check(schema.clone(), spec(json!("first")), None, &[]);
    check(schema.clone(), spec(json!("b")), Some(spec(json!("b"))), &[]);
    let text = r#"spec: Invalid value: "c": failed rule: oldSelf.hasValue() ? oldSelf.value() == self : self == 'first'"#;
    check(schema, spec(json!("c")), None, &[text]);
}

#[test]
fn what_was_wrong_and_is_untouched_is_a_warning() {
    let schema = json!({"type": "object", "properties": {
        "a": {"type": "integer", "x-kubernetes-validations": rule("self < 5")},
        "b": {"type": "integer"},
        "list": {"type": "array", "items":
            {"type": "integer", "x-kubernetes-validations": rule("self < 5")}}}});
    let old = spec(json!({"a": 7, "b": 1, "list": [7]}));
    let new = spec(json!({"a": 7, "b": 2, "list": [7]}));
    let found = verdict(schema.clone(), &new, Some(&old));
    assert_eq!((found.errors.len(), found.warnings.len()), (0, 2), "{found:?}");
    let new = spec(json!({"a": 8, "b": 1, "list": [7, 8]}));
    check(
        schema,
        new,
        Some(old),
        &[
            r#"spec.a: Invalid value: 8: failed rule: self < 5"#,
            r#"spec.list[0]: Invalid value: 7: failed rule: self < 5"#,
            r#"spec.list[1]: Invalid value: 8: failed rule: self < 5"#,
        ],
    );
}

#[test]
fn formats_and_names_are_seen_as_upstream_has_them() {
    let schema = json!({"type": "object", "properties": {
    "when": {"type": "string", "format": "date-time"},
    "long": {"type": "string", "format": "duration"},
    "data": {"type": "string", "format": "byte"},
    "port": {"x-kubernetes-int-or-string": true},
    "number": {"type": "number"},
    "a-b": {"type": "string"}, "namespace": {"type": "string"},
    "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
    "inner": {"type": "object", "x-kubernetes-embedded-resource": true,
        "x-kubernetes-preserve-unknown-fields": true}},
    "x-kubernetes-validations": [
        {"rule": "self.when.getFullYear() == 2024 && self.long > duration('59m')"},
        {"rule": "self.data == b'hi' && self.number == 2.0"},
        {"rule": "type(self.port) == string ? self.port == '80%' : self.port < 100"},
        {"rule": "self.a__dash__b == self.__namespace__"},
        {"rule": "self.set == ['b', 'a'] && self.set + ['a', 'c'] == ['c', 'b', 'a']"},
        {"rule": "self.inner.metadata.name == 'x' && self.inner.kind == 'Pod'"},
        {"rule": "quantity('1Ki').asInteger() == 1024"},
    ]});
    check(
        schema,
        spec(json!({"when": "2024-05-01T00:00:00Z", "long": "1h", "data": "aGk=", "port": "80%",
            "number": 2, "a-b": "x", "namespace": "x", "open": {"z": 1}, "set": ["a", "b"],
            "inner": {"kind": "Pod", "metadata": {"name": "x"}}})),
        None,
        &[],
    );
}

#[test]
fn an_object_cannot_cost_more_than_it_may() {
    let schema = json!({"type": "array", "items": {"type": "integer"},
        "x-kubernetes-validations": rule("self.all(x, self.all(y, x + y >= 0))")});
    let large: Vec<i64> = (0..2_000).collect();
    check(
        schema,
        spec(json!(large)),
        None,
        &["spec: Invalid value: \"array\": 'operation cancelled: actual cost limit exceeded': no \
           further validation rules will be run due to call cost exceeds limit for rule: \
           self.all(x, self.all(y, x + y >= 0))"],
    );
    let schema = json!({"type": "array", "items": {"type": "object", "properties":
        {"l": {"type": "array", "items": {"type": "integer"}}},
        "x-kubernetes-validations": rule("self.l.all(x, self.l.all(y, x + y >= 0))")}});
    let item = json!({"l": (0..280).collect::<Vec<i64>>()});
    let many = vec![item; 30];
    let found = verdict(schema, &spec(json!(many)), None).errors;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].detail.starts_with("validation failed due to running out of cost budget"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9:.TZ-]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// What does not fit its schema does not come here, and would do no harm.
    #[test]
    fn no_object_panics(new in any_json(), old in any_json()) {
        let schema = json!({"type": "object", "properties": {
            "a": {"type": "array", "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["a"], "items": {"type": "object",
                "properties": {"a": {"type": "string"}},
                "x-kubernetes-validations": rule("self.a == oldSelf.a")}},
            "b": {"type": "string", "format": "date-time",
                "x-kubernetes-validations": rule("self.getHours() > 1 && self == oldSelf")},
            "c": {"type": "object", "additionalProperties": {"type": "integer"},
                "x-kubernetes-validations": rule("self.all(k, self[k] > 0)")},
            "d": {"x-kubernetes-int-or-string": true, "x-kubernetes-validations": [
                {"rule": "self + 1 > 0", "messageExpression": "string(self)"}]}},
            "x-kubernetes-validations": rule("self == oldSelf || self.a.size() > self.c.size()")});
        verdict(schema, &json!({"spec": new}), Some(&json!({"spec": old})));
    }
}
