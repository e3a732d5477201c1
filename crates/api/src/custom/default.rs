//! Filling in what an object does not say.

use serde_json::Value;

use super::Schema;

impl Schema {
    /// Fills in the defaults, and drops nulls of fields that may not be null.
    pub fn fill(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, schema) in &self.properties {
                    let Some(default) = &schema.default else { continue };
                    if fields.get(name).is_none_or(|value| value.is_null() && !schema.nullable) {
                        fields.insert(name.clone(), default.clone());
                    }
                }
                fields.retain(|name, value| match self.field(name) {
                    Some(schema) => schema.fill_entry(value),
                    None => true,
                });
            }
            Value::Array(items) => {
                let Some(schema) = &self.items else { return };
                for item in items {
                    schema.fill_entry(item);
                }
            }
            _ => {}
        }
    }

    /// `false`: a null that nothing stands for.
    fn fill_entry(&self, value: &mut Value) -> bool {
        if value.is_null() && !self.nullable {
            match &self.default {
                Some(default) => *value = default.clone(),
                // Without a schema there is nothing that says it may not be null.
                None => return self.preserve_unknown && self.kind.is_empty(),
            }
        }
        self.fill(value);
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(schema: Value, object: Value, expected: Value) {
        let mut filled = object;
        Schema::read(&schema).unwrap().fill(&mut filled);
        assert_eq!(filled, expected);
    }

    #[test]
    fn defaults_are_filled_in_at_every_depth() {
        let schema = json!({"type": "object", "properties": {
            "a": {"type": "string", "default": "A"},
            "o": {"type": "object", "default": {}, "properties": {"n": {"default": 1}}},
            "l": {"type": "array", "items": {"type": "object", "properties": {"p": {"default": "TCP"}}}},
        }});
        check(
            schema.clone(),
            json!({"l": [{}, {"p": "UDP"}]}),
            json!({"a": "A", "o": {"n": 1}, "l": [{"p": "TCP"}, {"p": "UDP"}]}),
        );
        check(schema, json!({"a": "x", "o": {"n": 2}}), json!({"a": "x", "o": {"n": 2}}));
    }

    #[test]
    fn nulls_are_defaulted_or_dropped_unless_they_are_allowed() {
        check(
            json!({"type": "object", "properties": {
                "a": {"type": "string", "default": "A"},
                "b": {"type": "string"},
                "c": {"type": "string", "nullable": true},
                "d": {"type": "string", "nullable": true, "default": "D"},
            }}),
            json!({"a": null, "b": null, "c": null, "d": null, "unknown": null}),
            json!({"a": "A", "c": null, "d": null, "unknown": null}),
        );
    }
}
