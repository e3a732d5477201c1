//! Lists that are sets or maps hold nothing twice.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Schema;
use super::value::{error, join};
use crate::validation::{ErrorKind, FieldError};

impl Schema {
    pub(super) fn check_lists(&self, path: &str, value: &Value, errors: &mut Vec<FieldError>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if let Some(schema) = self.field(name) {
                        schema.check_lists(&join(path, name), value, errors);
                    }
                }
            }
            Value::Array(items) => {
                self.check_uniqueness(path, items, errors);
                for (index, item) in items.iter().enumerate() {
                    if let Some(schema) = &self.items {
                        schema.check_lists(&format!("{path}[{index}]"), item, errors);
                    }
                }
            }
            _ => {}
        }
    }

    fn check_uniqueness(&self, path: &str, items: &[Value], errors: &mut Vec<FieldError>) {
        let key = |item: &Value| match self.list_type.as_deref() {
            Some("set") => Some(item.clone()),
            Some("map") => Some(self.key(item)),
            _ => None,
        };
        let mut seen = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            let Some(key) = key(item) else { return };
            if !seen.insert(key.to_string()) {
                let at = format!("{path}[{index}]");
                errors.push(error(&at, ErrorKind::Duplicate, key, String::new()));
            }
        }
    }

    /// What tells an item of a map from the others.
    fn key(&self, item: &Value) -> Value {
        let keys = self.list_map_keys.iter();
        let present = keys.filter_map(|key| Some((key.clone(), item.get(key)?.clone())));
        Value::Object(present.collect::<Map<_, _>>())
    }
}
