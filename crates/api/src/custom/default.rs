//! Filling in what an object does not say.

use serde_json::Value;

use super::Schema;

impl Schema {
    /// Drops nulls of fields that may not be null, as whoever reads a body does, and fills in the
    /// defaults.
    pub fn fill(&self, value: &mut Value) {
        self.drop_nulls(value);
        self.set_defaults(value);
    }

    /// Fills in the defaults. A null that nothing stands for is left: that an apply has set a field
    /// to null is for validation to refuse.
    pub fn set_defaults(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, schema) in &self.properties {
                    let Some(default) = &schema.default else { continue };
                    if fields.get(name).is_none_or(|value| value.is_null() && !schema.nullable) {
                        fields.insert(name.clone(), default.clone());
                    }
                }
                for (name, value) in fields.iter_mut() {
                    if let Some(schema) = self.field(name) {
                        schema.set_default(value);
                    }
                }
            }
            Value::Array(items) => {
                let Some(schema) = &self.items else { return };
                items.iter_mut().for_each(|item| schema.set_default(item));
            }
            _ => {}
        }
    }

    fn set_default(&self, value: &mut Value) {
        if let Some(default) = self.default.as_ref().filter(|_| value.is_null() && !self.nullable) {
            *value = default.clone();
        }
        self.set_defaults(value);
    }

    fn drop_nulls(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => fields.retain(|name, value| {
                let Some(schema) = self.field(name) else { return true };
                schema.drop_nulls(value);
                !(value.is_null() && schema.is_never_null())
            }),
            Value::Array(items) => {
                let Some(schema) = &self.items else { return };
                items.iter_mut().for_each(|item| schema.drop_nulls(item));
            }
            _ => {}
        }
    }

    /// May it not be null, and is there no default to stand for that? Without a schema there is
    /// nothing that says so.
    fn is_never_null(&self) -> bool {
        !self.nullable && self.default.is_none() && !(self.preserve_unknown && self.kind.is_empty())
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
