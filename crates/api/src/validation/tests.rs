//! Objects and what is said of them, each a line of a table.

use serde_json::{Value, json};

use super::{create, update};
use crate::{Gvk, defaults};

mod admission;
mod budgets;
mod changes;
mod config;
mod devices;
mod kinds;
mod metadata;
mod network;
mod pod;
mod pod_fields;
mod pod_parts;
mod pod_volumes;
mod policy;
mod priority_class;
mod workload;

fn gvk(kind: &str) -> Gvk {
    kind.parse().unwrap()
}

/// What is wrong with a new object, after defaulting.
#[track_caller]
fn check(kind: &str, mut object: Value, expected: &[&str]) {
    defaults::apply(&gvk(kind), &mut object);
    let errors: Vec<_> = create(&gvk(kind), &object).iter().map(ToString::to_string).collect();
    assert_eq!(errors, expected);
    if expected.is_empty() {
        assert_eq!(update(&gvk(kind), &object, &object), [], "written back unchanged");
    }
}

/// What is wrong with a change, after defaulting.
#[track_caller]
fn check_update(kind: &str, mut new: Value, mut old: Value, expected: &[&str]) {
    defaults::apply(&gvk(kind), &mut old);
    defaults::apply(&gvk(kind), &mut new);
    let errors: Vec<_> = update(&gvk(kind), &new, &old).iter().map(ToString::to_string).collect();
    assert_eq!(errors, expected);
}

/// The same object but for one field, given by its JSON pointer; null takes it away.
fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = object.pointer_mut(parent).expect(pointer);
    match (parent, value) {
        (Value::Object(fields), Value::Null) => drop(fields.remove(field)),
        (Value::Object(fields), value) => drop(fields.insert(field.to_owned(), value)),
        (Value::Array(items), value) if field == "-" => items.push(value),
        (other, _) => panic!("{pointer} is in {other}"),
    }
    object
}

#[test]
fn nonsense_is_answered_without_a_panic() {
    let objects = [
        json!(null),
        json!([]),
        json!({"metadata": 5, "spec": [], "data": 3}),
        json!({"spec": {"containers": 1, "template": 2, "ports": {"a": 1}}}),
        json!({"spec": {"containers": [1, null, {"env": [1], "ports": [null]}], "rules": [1]}}),
    ];
    for kind in crate::schema::kinds() {
        for object in &objects {
            assert!(!create(&kind, object).is_empty());
            update(&kind, object, &objects[0]);
        }
    }
}
