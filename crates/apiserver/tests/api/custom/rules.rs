//! Rules in CEL, from the definition to the status of its objects.

use serde_json::{Value, json};

use super::{DEFINITIONS, TABS, server_with, spec_of, tab, tabs};
use crate::support::Server;

/// The schema of a spec with these properties and one rule.
fn ruled(properties: Value, rule: Value) -> Value {
    let mut schema = spec_of(properties);
    schema["properties"]["spec"]["x-kubernetes-validations"] = json!([rule]);
    schema
}

/// A definition with this rule is refused, with a text that holds the expected one.
async fn check_refused(server: &Server, properties: Value, rule: &str, expected: &str) {
    let schema = ruled(properties, json!({ "rule": rule }));
    let answer = server.ask(&format!("POST {DEFINITIONS}"), tabs(schema)).await;
    assert_eq!(answer.code, 422, "{rule}: {}", answer.body);
    let message = answer.body["message"].as_str().unwrap();
    assert!(message.contains(expected), "{rule}: {message}");
}

#[tokio::test]
async fn definitions_with_rules_that_cannot_be_used_are_refused() {
    let server = Server::start().await;
    let number = || json!({"a": {"type": "integer"}});
    check_refused(&server, number(), "self.nope == 1", "undefined field 'nope'").await;
    check_refused(&server, number(), "self = 42", "Syntax error").await;
    check_refused(&server, number(), "self.a + 1", "cel expression must evaluate to a bool").await;
    check_refused(&server, number(), "self.a == 'x'", "found no matching overload").await;
    let lists = json!({"x": {"type": "array", "items": {"type": "string"}},
        "y": {"type": "array", "items": {"type": "string"}}});
    let rule = "self.x.all(s, self.y.exists(t, s == t))";
    check_refused(&server, lists, rule, "estimated rule cost exceeds budget by factor").await;
}

#[tokio::test]
async fn objects_are_held_to_their_rules_however_they_are_written() {
    let properties = json!({"a": {"type": "integer"}, "b": {"type": "integer"}});
    let rule = json!({"rule": "self.a <= self.b", "messageExpression":
        "'%d is more than %d'.format([self.a, self.b])", "fieldPath": ".a",
        "reason": "FieldValueForbidden"});
    let server = server_with(tabs(ruled(properties, rule))).await;
    let wrong = json!({"reason": "Invalid", "details": {"causes": [{"field": "spec.a",
        "reason": "FieldValueForbidden", "message": "Forbidden: 3 is more than 2"}]}});
    let create = format!("POST {TABS}");
    server.check(&create, tab("one", json!({"a": 3, "b": 2})), 422, wrong.clone()).await;
    let mut made = server.check(&create, tab("one", json!({"a": 1, "b": 2})), 201, json!({})).await;
    let patch = format!("PATCH {TABS}/one");
    server.check(&patch, json!({"spec": {"a": 3}}), 422, wrong.clone()).await;
    made["spec"]["a"] = 3.into();
    server.check(&format!("PUT {TABS}/one"), made, 422, wrong.clone()).await;
    let headers = [("content-type", "application/apply-patch+yaml")];
    let apply = format!("PATCH {TABS}/two?fieldManager=m");
    let object = tab("two", json!({"a": 3, "b": 2})).to_string();
    let answer = server.ask_as(crate::support::admin(), &apply, &headers, object).await;
    assert_eq!((answer.code, &answer.body["reason"]), (422, &json!("Invalid")));
}

#[tokio::test]
async fn a_rule_about_what_was_is_for_updates() {
    let properties = json!({"a": {"type": "integer"}});
    let rule = json!({"rule": "self.a >= oldSelf.a", "message": "a must not shrink"});
    let server = server_with(tabs(ruled(properties, rule))).await;
    server.check(&format!("POST {TABS}"), tab("one", json!({"a": 2})), 201, json!({})).await;
    let patch = format!("PATCH {TABS}/one");
    server.check(&patch, json!({"spec": {"a": 3}}), 200, json!({})).await;
    let wrong = json!({"details": {"causes": [{"field": "spec",
        "message": "Invalid value: a must not shrink"}]}});
    server.check(&patch, json!({"spec": {"a": 1}}), 422, wrong).await;
}

#[tokio::test]
async fn rules_wait_until_the_object_fits_its_schema() {
    let properties = json!({"a": {"type": "integer"}});
    let server = server_with(tabs(ruled(properties, json!({"rule": "self.a > 1"})))).await;
    let answer = server.ask(&format!("POST {TABS}"), tab("one", json!({"a": "x"}))).await;
    let message = answer.body["message"].as_str().unwrap();
    assert!(message.contains("some validation rules were not checked"), "{message}");
    assert!(!message.contains("failed rule"), "{message}");
}

#[tokio::test]
async fn what_was_wrong_before_is_a_warning_while_it_is_untouched() {
    let properties = || json!({"a": {"type": "integer"}});
    let server = server_with(tabs(spec_of(properties()))).await;
    server.check(&format!("POST {TABS}"), tab("one", json!({"a": 1})), 201, json!({})).await;
    let path = format!("{DEFINITIONS}/tabs.example.com");
    let mut definition = server.check(&format!("GET {path}"), json!(null), 200, json!({})).await;
    let schema = ruled(properties(), json!({"rule": "self.a > 5"}));
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema;
    server.check(&format!("PUT {path}"), definition, 200, json!({})).await;
    let patch = format!("PATCH {TABS}/one");
    let answer = server.ask(&patch, json!({"metadata": {"labels": {"a": "b"}}})).await;
    assert_eq!(answer.code, 200, "{}", answer.body);
    let warning = answer.headers.get("warning").unwrap().to_str().unwrap();
    assert!(warning.contains("failed rule: self.a > 5"), "{warning}");
    server.check(&patch, json!({"spec": {"a": 2}}), 422, json!({})).await;
}

#[tokio::test]
async fn an_object_that_costs_too_much_is_refused() {
    let properties = json!({"l": {"type": "array", "maxItems": 700, "items": {"type": "integer"}}});
    let rule = json!({"rule": "self.l.all(x, self.l.all(y, x + y >= 0))"});
    let server = server_with(tabs(ruled(properties, rule))).await;
    let large: Vec<u32> = (0..700).collect();
    let answer = server.ask(&format!("POST {TABS}"), tab("one", json!({"l": large}))).await;
    let message = answer.body["message"].as_str().unwrap();
    assert!(message.contains("call cost exceeds limit for rule"), "{message}");
    let small: Vec<u32> = (0..100).collect();
    server.check(&format!("POST {TABS}"), tab("one", json!({"l": small})), 201, json!({})).await;
}
