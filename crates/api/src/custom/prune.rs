//! Taking away what a schema does not know.

use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::Schema;
use crate::fields::{self, REPORTS_MAX};
use crate::schema::TypeSchema;
use crate::{Gvk, schema};

/// What every resource has, whatever its schema says.
const OF_RESOURCES: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// ObjectMeta: the same for every kind.
pub(super) static METADATA: LazyLock<Arc<TypeSchema>> = LazyLock::new(|| {
    let object = schema::of(&Gvk::core("ConfigMap")).expect("ConfigMaps are built in");
    object.field("metadata").expect("every kind has metadata").clone()
});

impl Schema {
    /// Drops the fields that the schema does not know and returns their paths
    /// (`spec.ports[0].nam`), at most [`REPORTS_MAX`] of them. The metadata of the object itself is
    /// not looked at.
    pub fn prune(&self, object: &mut Value) -> Vec<String> {
        let mut pruner = Pruner { path: Vec::new(), unknown: Vec::new() };
        pruner.object(object, self, true);
        pruner.unknown
    }

    /// The same for a value that is not a whole object.
    pub fn prune_value(&self, value: &mut Value) -> Vec<String> {
        let mut pruner = Pruner { path: Vec::new(), unknown: Vec::new() };
        pruner.value(value, Some(self));
        pruner.unknown
    }
}

struct Pruner {
    path: Vec<String>,
    unknown: Vec<String>,
}

impl Pruner {
    fn report(&mut self, field: &str) {
        if self.unknown.len() >= REPORTS_MAX {
            return;
        }
        let mut text = self.path.concat();
        text.push('.');
        text.push_str(field);
        self.unknown.push(text.trim_start_matches('.').to_owned());
    }

    fn value(&mut self, value: &mut Value, schema: Option<&Schema>) {
        match (value, schema) {
            (value @ Value::Object(_), Some(schema)) => self.object(value, schema, false),
            (Value::Object(fields), None) => {
                for name in std::mem::take(fields).keys() {
                    self.report(name);
                }
            }
            (Value::Array(items), schema) => {
                let below = schema.and_then(|schema| schema.items.as_deref());
                for (index, item) in items.iter_mut().enumerate() {
                    // What preserves unknown fields and says nothing of its items keeps them.
                    if below.is_some() || !schema.is_some_and(|s| s.preserve_unknown) {
                        self.below(format!("[{index}]"), item, below);
                    }
                }
            }
            _ => {}
        }
    }

    fn below(&mut self, step: String, value: &mut Value, schema: Option<&Schema>) {
        self.path.push(step);
        self.value(value, schema);
        self.path.pop();
    }

    fn object(&mut self, value: &mut Value, schema: &Schema, root: bool) {
        let Value::Object(fields) = value else { return };
        let resource = root || schema.embedded;
        let names: Vec<String> = fields.keys().cloned().collect();
        for name in names {
            if resource && OF_RESOURCES.contains(&name.as_str()) {
                if name == "metadata" && !root {
                    self.metadata(&mut fields[&name]);
                }
                continue;
            }
            let step = format!(".{name}");
            if let Some(below) = schema.properties.get(&name) {
                self.below(step, &mut fields[&name], Some(below));
            } else if schema.additional_properties.is_some() {
                self.below(step, &mut fields[&name], schema.additional());
            } else if !schema.preserve_unknown {
                self.report(&name);
                fields.remove(&name);
            }
        }
    }

    /// The metadata of an embedded resource.
    fn metadata(&mut self, metadata: &mut Value) {
        let Ok(decoded) = fields::decode_value(metadata, &METADATA) else { return };
        self.path.push(".metadata".to_owned());
        for path in decoded.unknown() {
            self.report(path);
        }
        self.path.pop();
        fields::prune(metadata, &METADATA);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(schema: Value, object: Value, expected: Value, unknown: &[&str]) {
        let schema = Schema::read(&schema).unwrap();
        let mut pruned = object;
        let found = schema.prune(&mut pruned);
        assert_eq!(pruned, expected);
        assert_eq!(found, unknown);
    }

    #[test]
    fn unknown_fields_go_and_are_named() {
        check(
            json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
                "a": {"type": "string"},
                "list": {"type": "array", "items": {"type": "object", "properties": {"b": {}}}},
                "map": {"type": "object", "additionalProperties": {"type": "object"}},
            }}}}),
            json!({"apiVersion": "v1", "kind": "X", "metadata": {"x": 1}, "other": 1,
                "spec": {"a": 1, "c": 2, "list": [{"b": 1, "d": 2}], "map": {"k": {"z": 1}}}}),
            json!({"apiVersion": "v1", "kind": "X", "metadata": {"x": 1},
                "spec": {"a": 1, "list": [{"b": 1}], "map": {"k": {}}}}),
            &["other", "spec.c", "spec.list[0].d", "spec.map.k.z"],
        );
    }

    #[test]
    fn what_is_preserved_is_kept_but_for_what_is_specified_below() {
        check(
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                "properties": {"spec": {"type": "object", "properties": {"a": {}}}}}),
            json!({"any": {"thing": [{"goes": 1}]}, "spec": {"a": 1, "b": 2}}),
            json!({"any": {"thing": [{"goes": 1}]}, "spec": {"a": 1}}),
            &["spec.b"],
        );
    }

    #[test]
    fn embedded_resources_have_metadata() {
        check(
            json!({"type": "object", "properties": {"t": {"type": "object",
                "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}}}}),
            json!({"t": {"apiVersion": "v1", "kind": "P", "metadata": {"name": "a", "what": 1},
                "spec": {}, "more": 1}}),
            json!({"t": {"apiVersion": "v1", "kind": "P", "metadata": {"name": "a"}, "spec": {}}}),
            &["t.metadata.what", "t.more"],
        );
    }
}
