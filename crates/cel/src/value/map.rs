//! Maps and objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Key, Value};
use crate::Declared;
use crate::declared::Shape;

/// A map or an object.
#[derive(Debug, Clone)]
pub enum Map<'a> {
    /// In JSON.
    Json(&'a serde_json::Map<String, serde_json::Value>, Option<&'a Declared>),
    /// Made on the way.
    Made(Arc<BTreeMap<Key, Value<'a>>>),
    /// Values of programs, which are evaluated when they are asked for.
    Composed,
}

impl<'a> Map<'a> {
    /// How many entries.
    pub fn len(&self) -> usize {
        match self {
            Self::Json(map, _) => map.len(),
            Self::Made(map) => map.len(),
            Self::Composed => 0,
        }
    }

    /// None at all?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a text.
    pub fn field(&self, name: &str) -> Option<Value<'a>> {
        match self {
            Self::Json(map, Some(declared)) => match &declared.shape {
                Shape::Object(object) => {
                    let Some(field) = object.fields.get(name) else {
                        // Of an open object anything may be asked for.
                        let value = map.get(name).filter(|_| object.open)?;
                        return Some(Value::of_json(value, None));
                    };
                    Some(Value::of_json(map.get(&field.json_name)?, Some(&field.declared)))
                }
                Shape::Map(value) => Some(Value::of_json(map.get(name)?, Some(value))),
                _ => Some(Value::of_json(map.get(name)?, None)),
            },
            Self::Json(map, None) => Some(Value::of_json(map.get(name)?, None)),
            Self::Made(map) => map.get(&Key::String(name.into())).cloned(),
            Self::Composed => None,
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &Key) -> Option<Value<'a>> {
        match (self, key) {
            (Self::Made(map), key) => map.get(key).cloned(),
            (_, Key::String(name)) => self.field(name),
            _ => None,
        }
    }

    /// All keys; of objects the names that expressions use.
    pub fn keys(&self) -> Vec<Key> {
        let text = |name: &String| Key::String(name.as_str().into());
        match self {
            Self::Json(map, Some(Declared { shape: Shape::Object(object), .. }))
                if !object.open =>
            {
                let there = object.fields.iter().filter(|(_, f)| map.contains_key(&f.json_name));
                there.map(|(name, _)| text(name)).collect()
            }
            Self::Json(map, _) => map.keys().map(text).collect(),
            Self::Made(map) => map.keys().cloned().collect(),
            Self::Composed => Vec::new(),
        }
    }
}
