//! What of a configuration is replaced as a whole.

use serde_json::Value;

use crate::schema::{ListType, Shape, TypeSchema};

/// The paths of all lists, maps and objects in `config` that are atomic.
pub(super) fn paths(schema: &TypeSchema, config: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(schema, config, "", &mut found);
    found
}

fn collect(schema: &TypeSchema, config: &Value, path: &str, found: &mut Vec<String>) {
    let mut note = |atomic: bool| {
        if atomic {
            found.push(path.to_owned());
        }
    };
    match (&schema.shape, config) {
        (Shape::Object(shape), Value::Object(fields)) => {
            note(shape.atomic);
            for (name, value) in fields {
                if let Some(below) = shape.fields.get(name.as_str()) {
                    collect(below, value, &format!("{path}.{name}"), found);
                }
            }
        }
        (Shape::Map { values, atomic }, Value::Object(fields)) => {
            note(*atomic);
            for (name, value) in fields {
                collect(values, value, &format!("{path}.{name}"), found);
            }
        }
        (Shape::List(shape), Value::Array(items)) => {
            note(shape.apply == ListType::Atomic);
            for (index, item) in items.iter().enumerate() {
                collect(&shape.items, item, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::merge;
    use crate::Gvk;
    use crate::schema;

    #[test]
    fn a_merge_adds_and_replaces_and_refuses_what_is_replaced_as_a_whole() {
        let schema = schema::of(&Gvk::new("apps", "v1", "Deployment")).unwrap();
        let live = json!({"metadata": {"name": "d", "labels": {"a": "1"}}, "spec": {
            "replicas": 1, "template": {"spec": {"containers": [{"name": "x", "image": "i"}]}}}});
        let container = json!({"name": "x", "env": [{"name": "E", "value": "v"}]});
        let config = json!({"metadata": {"labels": {"b": "2"}},
            "spec": {"template": {"spec": {"containers": [container]}}}});
        let merged = merge(&schema, &live, &config).unwrap();
        let expected = json!({"metadata": {"name": "d", "labels": {"a": "1", "b": "2"}}, "spec": {
            "replicas": 1, "template": {"spec": {"containers": [
                {"name": "x", "image": "i", "env": [{"name": "E", "value": "v"}]}]}}}});
        assert_eq!(merged, expected);
        let container = json!({"name": "x", "args": ["a"]});
        let config = json!({"spec": {"template": {"spec": {"containers": [container]}}}});
        let why = "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.template.spec.containers[0].args";
        assert_eq!(merge(&schema, &live, &config).unwrap_err(), why);
    }
}
