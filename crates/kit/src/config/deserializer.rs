//! A serde deserializer that asks the environment first and the file second.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, Visitor};
use serde_json::Value;

/// A value that is missing or wrong, with its key and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError {
    message: String,
    /// Set by the innermost value; outer ones leave it.
    place: Option<String>,
    /// A field that no source has, until its struct has said how to set it.
    missing: Option<&'static str>,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for KeyError {}

impl de::Error for KeyError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), place: None, missing: None }
    }

    fn missing_field(field: &'static str) -> Self {
        let message = format!("`{field}` is missing");
        Self { message, place: None, missing: Some(field) }
    }
}

impl KeyError {
    fn at(mut self, place: impl FnOnce() -> String) -> Self {
        self.place.get_or_insert_with(place);
        self
    }
}

struct Sources<'a> {
    path: &'a Path,
    environment: &'a HashMap<String, String>,
}

/// One place of the configuration: what the file has there, and the names for it.
#[derive(Clone)]
struct Node<'a> {
    sources: &'a Sources<'a>,
    file: Option<&'a Value>,
    /// Such as `payments.url`; empty at the root.
    key: String,
    /// Such as `PAYMENTS__URL`; empty at the root.
    variable: String,
}

pub(super) fn parse<T: DeserializeOwned>(
    file: &Value,
    path: &Path,
    environment: &HashMap<String, String>,
) -> Result<T, KeyError> {
    let sources = Sources { path, environment };
    let file = (!file.is_null()).then_some(file);
    let root = Node { sources: &sources, file, key: String::new(), variable: String::new() };
    T::deserialize(root)
}

impl<'a> Node<'a> {
    fn child(&self, field: &'static str) -> Self {
        let join = |left: &str, between: &str, right: String| match left {
            "" => right,
            left => format!("{left}{between}{right}"),
        };
        Self {
            sources: self.sources,
            file: self.file.and_then(|file| file.get(field)),
            key: join(&self.key, ".", field.to_owned()),
            variable: join(&self.variable, "__", variable(field)),
        }
    }

    fn text(&self) -> Option<&'a str> {
        self.sources.environment.get(&self.variable).map(String::as_str)
    }

    /// Whether any source has something here or below.
    fn is_set(&self) -> bool {
        let below = format!("{}__", self.variable);
        let environment = self.sources.environment;
        self.file.is_some_and(|file| !file.is_null())
            || environment.contains_key(&self.variable)
            || environment.keys().any(|name| name.starts_with(&below))
    }

    fn place(&self) -> String {
        match (self.text(), self.file) {
            (Some(_), _) => format!("{} (key `{}`)", self.variable, self.key),
            (None, Some(_)) => format!("{}: key `{}`", self.sources.path.display(), self.key),
            (None, None) => format!("key `{}`", self.key),
        }
    }

    /// What the environment says, understood as the file's syntax would be; else what the file says.
    fn value(&self) -> Value {
        match self.text() {
            Some(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
            }
            None => self.file.cloned().unwrap_or(Value::Null),
        }
    }
}

/// `productsUrl` and `products_url` are both `PRODUCTS_URL`.
fn variable(field: &str) -> String {
    let mut name = String::new();
    let mut after_lower = false;
    for character in field.chars() {
        if character.is_ascii_uppercase() && after_lower {
            name.push('_');
        }
        after_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
        name.push(if character == '-' { '_' } else { character.to_ascii_uppercase() });
    }
    name
}

/// A scalar of the environment is read as the type that is wanted.
macro_rules! scalars {
    ($($method:ident $visit:ident $type:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, KeyError> {
            let wrong = |text: &str| {
                let wanted = stringify!($type);
                KeyError { message: format!("`{text}` is not a valid {wanted}"), place: None, missing: None }
            };
            if let Some(text) = self.text() {
                let value: $type = text.trim().parse().map_err(|_| {
                    wrong(text).at(|| self.place())
                })?;
                return visitor.$visit(value).map_err(|error: KeyError| error.at(|| self.place()));
            }
            let file = self.file.cloned().unwrap_or(Value::Null);
            let result = de::Deserializer::$method(file, visitor);
            result.map_err(|error| de_error(&error).at(|| self.place()))
        }
    )*};
}

fn de_error(error: &serde_json::Error) -> KeyError {
    de::Error::custom(error)
}

impl<'de> de::Deserializer<'de> for Node<'_> {
    type Error = KeyError;

    scalars! {
        deserialize_bool visit_bool bool,
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
        deserialize_f32 visit_f32 f32,
        deserialize_f64 visit_f64 f64,
        deserialize_char visit_char char,
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, KeyError> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, KeyError> {
        match self.text() {
            Some(text) => {
                visitor.visit_str(text).map_err(|error: KeyError| error.at(|| self.place()))
            }
            None => {
                let file = self.file.cloned().unwrap_or(Value::Null);
                let result = de::Deserializer::deserialize_string(file, visitor);
                result.map_err(|error| de_error(&error).at(|| self.place()))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, KeyError> {
        if self.is_set() { visitor.visit_some(self) } else { visitor.visit_none() }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, KeyError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, KeyError> {
        self.check_file(fields)?;
        let node = self.clone();
        let fields = Fields { node: self, left: fields.iter(), current: None };
        visitor.visit_map(fields).map_err(|error| node.explain(error))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, KeyError> {
        match self.text() {
            Some(text) => {
                let text: StrDeserializer<'_, KeyError> = text.into_deserializer();
                visitor.visit_enum(text).map_err(|error| error.at(|| self.place()))
            }
            None => {
                let file = self.file.cloned().unwrap_or(Value::Null);
                let result = de::Deserializer::deserialize_enum(file, name, variants, visitor);
                result.map_err(|error| de_error(&error).at(|| self.place()))
            }
        }
    }

    /// A list in the environment is JSON or is separated by commas.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, KeyError> {
        let value = match self.text() {
            Some(text) if !text.trim_start().starts_with('[') => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())
            }
            _ => self.value(),
        };
        let result = de::Deserializer::deserialize_seq(value, visitor);
        result.map_err(|error| de_error(&error).at(|| self.place()))
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, KeyError> {
        let result = de::Deserializer::deserialize_any(self.value(), visitor);
        result.map_err(|error| de_error(&error).at(|| self.place()))
    }

    serde::forward_to_deserialize_any! {
        i128 u128 bytes byte_buf unit unit_struct tuple tuple_struct map identifier ignored_any
    }
}

impl Node<'_> {
    /// Says how to set what is missing, and where a struct of its own is wrong as a whole.
    fn explain(&self, mut error: KeyError) -> KeyError {
        if let Some(field) = error.missing.take() {
            let (missing, path) = (self.child(field), self.sources.path.display());
            let (key, variable) = (missing.key, missing.variable);
            error.message = format!("`{key}` is missing: set {variable}, or `{key}` in {path}");
            error.place = Some("configuration".to_owned());
        }
        if self.key.is_empty() { error } else { error.at(|| self.place()) }
    }

    /// A key of the file that nothing reads is a mistake that would otherwise go unseen.
    fn check_file(&self, fields: &'static [&'static str]) -> Result<(), KeyError> {
        let Some(file) = self.file else { return Ok(()) };
        let Some(map) = file.as_object() else {
            let error = KeyError {
                message: "a mapping is expected".to_owned(),
                place: None,
                missing: None,
            };
            return Err(error.at(|| self.place()));
        };
        match map.keys().find(|key| !fields.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => {
                let message = format!("unknown key `{key}`; known are {}", fields.join(", "));
                let place = match self.key.as_str() {
                    "" => self.sources.path.display().to_string(),
                    _ => self.place(),
                };
                Err(KeyError { message, place: Some(place), missing: None })
            }
        }
    }
}

/// The fields of a struct that some source has; serde fills in or misses the others.
struct Fields<'a> {
    node: Node<'a>,
    left: std::slice::Iter<'static, &'static str>,
    current: Option<Node<'a>>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = KeyError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, KeyError> {
        for field in self.left.by_ref() {
            let child = self.node.child(field);
            if child.is_set() {
                self.current = Some(child);
                return seed.deserialize((*field).into_deserializer()).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, KeyError> {
        let node = self
            .current
            .take()
            .ok_or_else(|| de::Error::custom("a value was asked for before its key"))?;
        let place = node.clone();
        seed.deserialize(node).map_err(|error| error.at(|| place.place()))
    }
}
