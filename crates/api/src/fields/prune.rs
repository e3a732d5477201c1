//! Taking unknown fields away.

use serde_json::Value;

use crate::schema::{Shape, TypeSchema};

/// Drops the fields that the schema does not know, at every depth. Values of the wrong type stay.
pub fn prune(value: &mut Value, schema: &TypeSchema) {
    match (&schema.shape, value) {
        (Shape::Object(object), Value::Object(fields)) => {
            if !object.preserve_unknown {
                fields.retain(|name, _| object.fields.contains_key(name.as_str()));
            }
            for (name, value) in fields {
                if let Some(schema) = object.fields.get(name.as_str()) {
                    prune(value, schema);
                }
            }
        }
        (Shape::Map { values, .. }, Value::Object(entries)) => {
            entries.values_mut().for_each(|value| prune(value, values));
        }
        (Shape::List(list), Value::Array(items)) => {
            items.iter_mut().for_each(|item| prune(item, &list.items));
        }
        _ => {}
    }
}
