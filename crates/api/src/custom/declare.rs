//! A schema as expressions see it: which fields there are, of which types, and how large they can
//! be. What has no type (unknown fields that are kept) is not seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::cel::{Declared, Field, ListKind, Object, Shape, Type};

use super::Schema;
use super::rules::REQUEST_BYTES_MAX;

/// The shortest text, truth, number, duration, date, and time in JSON.
const TEXT_MIN: u64 = 2;
const BOOLEAN_MIN: u64 = 4;
const NUMBER_MIN: u64 = 1;
const DURATION_MIN: u64 = 3;
const DATE_LEN: u64 = 12;
const TIME_MIN: u64 = 21;
/// The longest duration and time.
const TIME_MAX: u64 = 32;
/// A character has so many bytes at most.
const CHARACTER_MAX: u64 = 4;

impl Schema {
    /// The schema as a declaration; `root` is that of a resource, whose names are always seen.
    pub(super) fn declared(&self, root: bool) -> Option<Declared> {
        self.declare("selfType", root)
    }

    fn declare(&self, name: &str, root: bool) -> Option<Declared> {
        if self.int_or_string {
            let max = self.max_length.map_or(REQUEST_BYTES_MAX - 2, in_bytes);
            return Some(plain(Type::Dyn, 1, max));
        }
        match self.kind.as_str() {
            "array" => self.declare_list(name),
            "object" if self.additional().is_some() => self.declare_map(name),
            "object" => Some(self.declare_object(name, root)),
            "string" => Some(self.declare_text()),
            "boolean" => Some(plain(Type::Bool, BOOLEAN_MIN, u64::MAX)),
            "number" => Some(plain(Type::Double, NUMBER_MIN, u64::MAX)),
            "integer" => Some(plain(Type::Int, NUMBER_MIN, u64::MAX)),
            _ => None,
        }
    }

    fn declare_list(&self, name: &str) -> Option<Declared> {
        let items = self.items.as_deref()?;
        let item = items.declare(&format!("{name}.@idx"), items.embedded)?;
        let most = (REQUEST_BYTES_MAX - 2) / (item.min_size + 1);
        let kind = match self.list_type.as_deref() {
            Some("set") => ListKind::Set,
            Some("map") => {
                ListKind::Map(self.list_map_keys.iter().map(|key| escaped_or_same(key)).collect())
            }
            _ => ListKind::Atomic,
        };
        Some(Declared {
            shape: Shape::List(Arc::new(item), kind),
            max_elements: self.max_items.unwrap_or(most),
            min_size: 2,
        })
    }

    fn declare_map(&self, name: &str) -> Option<Declared> {
        let values = self.additional()?;
        let value = values.declare(&format!("{name}.@elem"), values.embedded)?;
        // The key's quotes, the colon, the comma, and a key.
        let most = (REQUEST_BYTES_MAX - 2) / (value.min_size + 6);
        Some(Declared {
            shape: Shape::Map(Arc::new(value)),
            max_elements: self.max_properties.unwrap_or(most),
            min_size: 2,
        })
    }

    fn declare_object(&self, name: &str, root: bool) -> Declared {
        let mut min_size = 2;
        let mut fields = BTreeMap::new();
        for (field, schema) in &self.properties {
            let Some(declared) = schema.declare(&format!("{name}.{field}"), schema.embedded) else {
                continue;
            };
            if self.required.contains(field) && schema.default.is_none() {
                min_size += field.len() as u64 + declared.min_size + 4;
            }
            insert(&mut fields, field, declared);
        }
        if root {
            for name in ["apiVersion", "kind"] {
                insert(&mut fields, name, any_text());
            }
            insert(&mut fields, "metadata", metadata(&format!("{name}.metadata")));
        }
        object(name, fields, min_size)
    }

    fn declare_text(&self) -> Declared {
        let most = || match &self.one_of_values {
            Some(values) => {
                values.iter().filter_map(|value| Some(value.as_str()?.len() as u64)).max()
            }
            None => None,
        };
        match self.format.as_str() {
            "byte" => {
                plain(Type::Bytes, TEXT_MIN, self.max_length.unwrap_or(REQUEST_BYTES_MAX - 2))
            }
            "duration" => plain(Type::Duration, DURATION_MIN, TIME_MAX),
            "date" => plain(Type::Timestamp, DATE_LEN, DATE_LEN),
            "date-time" => plain(Type::Timestamp, TIME_MIN, TIME_MAX),
            _ => {
                let max = self.max_length.map(in_bytes).or_else(most);
                plain(Type::String, TEXT_MIN, max.unwrap_or(REQUEST_BYTES_MAX - 2))
            }
        }
    }
}

fn in_bytes(characters: u64) -> u64 {
    characters.saturating_mul(CHARACTER_MAX)
}

fn plain(kind: Type, min_size: u64, max_elements: u64) -> Declared {
    Declared { shape: Shape::Plain(kind), max_elements, min_size }
}

fn any_text() -> Declared {
    plain(Type::String, TEXT_MIN, REQUEST_BYTES_MAX - 2)
}

/// Of a resource's metadata only its names are seen.
fn metadata(name: &str) -> Declared {
    let mut fields = BTreeMap::new();
    for name in ["name", "generateName"] {
        insert(&mut fields, name, any_text());
    }
    object(name, fields, 2)
}

fn object(name: &str, fields: BTreeMap<String, Field>, min_size: u64) -> Declared {
    let object = Object { name: name.to_owned(), fields, open: false };
    // As upstream, to compare two objects costs nothing, however large they are.
    Declared { shape: Shape::Object(Arc::new(object)), max_elements: 0, min_size }
}

fn insert(fields: &mut BTreeMap<String, Field>, name: &str, declared: Declared) {
    if let Some(escaped) = escape(name) {
        let field = Field { json_name: name.to_owned(), declared: Arc::new(declared) };
        fields.insert(escaped, field);
    }
}

fn escaped_or_same(name: &str) -> String {
    escape(name).unwrap_or_else(|| name.to_owned())
}

/// Words that the language keeps for itself, beside those that it has no use for yet.
const LITERALS: [&str; 4] = ["true", "false", "null", "in"];

/// A field's name in expressions; nothing where it has none.
pub(super) fn escape(name: &str) -> Option<String> {
    if LITERALS.contains(&name) || cel::RESERVED.contains(&name) {
        return Some(format!("__{name}__"));
    }
    let first = name.chars().next()?;
    if !first.is_ascii_alphabetic() && !matches!(first, '_' | '.' | '-' | '/') {
        return None;
    }
    let mut escaped = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        rest = match rest.strip_prefix("__") {
            Some(after) => {
                escaped.push_str("__underscores__");
                after
            }
            None => {
                match c {
                    '.' => escaped.push_str("__dot__"),
                    '-' => escaped.push_str("__dash__"),
                    '/' => escaped.push_str("__slash__"),
                    '_' => escaped.push('_'),
                    c if c.is_ascii_alphanumeric() => escaped.push(c),
                    _ => return None,
                }
                &rest[c.len_utf8()..]
            }
        };
    }
    Some(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_upstream_does() {
        for (name, expected) in [
            ("replicas", Some("replicas")),
            ("namespace", Some("__namespace__")),
            ("a-b.c/d", Some("a__dash__b__dot__c__slash__d")),
            ("a__b", Some("a__underscores__b")),
            ("a_b", Some("a_b")),
            ("1a", None),
            ("é", None),
            ("a$", None),
            ("", None),
        ] {
            assert_eq!(escape(name).as_deref(), expected, "{name}");
        }
    }
}
