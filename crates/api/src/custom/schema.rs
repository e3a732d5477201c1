//! A JSON schema as CustomResourceDefinitions have it, read once and used for every object.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// One node of a schema. Field for field upstream's JSONSchemaProps, as far as it means
/// something for custom resources.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Schema {
    /// `object`, `array`, `string`, `integer`, `number`, `boolean`; empty for anything.
    #[serde(rename = "type")]
    pub kind: String,
    pub(super) format: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) default: Option<Value>,
    #[serde(rename = "enum")]
    pub(super) one_of_values: Option<Vec<Value>>,
    pub(super) nullable: bool,
    pub(super) maximum: Option<serde_json::Number>,
    pub(super) exclusive_maximum: bool,
    pub(super) minimum: Option<serde_json::Number>,
    pub(super) exclusive_minimum: bool,
    pub(super) multiple_of: Option<serde_json::Number>,
    pub(super) max_length: Option<u64>,
    pub(super) min_length: Option<u64>,
    pub(super) pattern: Option<Pattern>,
    pub(super) max_items: Option<u64>,
    pub(super) min_items: Option<u64>,
    pub(super) unique_items: bool,
    pub(super) max_properties: Option<u64>,
    pub(super) min_properties: Option<u64>,
    pub(super) required: Vec<String>,
    pub(super) items: Option<Box<Schema>>,
    pub(super) properties: BTreeMap<String, Schema>,
    pub(super) additional_properties: Option<Additional>,
    pub(super) all_of: Vec<Schema>,
    pub(super) any_of: Vec<Schema>,
    pub(super) one_of: Vec<Schema>,
    pub(super) not: Option<Box<Schema>>,
    #[serde(rename = "x-kubernetes-preserve-unknown-fields")]
    pub(super) preserve_unknown: bool,
    #[serde(rename = "x-kubernetes-embedded-resource")]
    pub(super) embedded: bool,
    #[serde(rename = "x-kubernetes-int-or-string")]
    pub(super) int_or_string: bool,
    #[serde(rename = "x-kubernetes-list-type")]
    pub(super) list_type: Option<String>,
    #[serde(rename = "x-kubernetes-list-map-keys")]
    pub(super) list_map_keys: Vec<String>,
    #[serde(rename = "x-kubernetes-map-type")]
    pub(super) map_type: Option<String>,
    #[serde(rename = "x-kubernetes-validations")]
    pub(crate) rules: Vec<Rule>,
    #[serde(rename = "$ref")]
    pub(super) reference: Option<Value>,
    pub(super) definitions: Option<Value>,
    pub(super) dependencies: Option<Value>,
    pub(super) pattern_properties: Option<Value>,
    pub(super) additional_items: Option<Value>,
    pub(super) id: String,
    #[serde(rename = "$schema")]
    pub(super) schema: String,
}

/// A rule in CEL, one of `x-kubernetes-validations`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// What must be true, of `self` and perhaps `oldSelf`.
    pub rule: String,
    /// What is said where it is not.
    pub message: String,
    /// The same as an expression; it is preferred.
    pub message_expression: String,
    /// Which kind of wrong.
    pub reason: Option<String>,
    /// What is to blame, below the place of the rule.
    pub field_path: String,
    /// `oldSelf` is an optional value, and the rule holds for new objects too.
    pub optional_old_self: Option<bool>,
}

/// What an object may hold beside its properties.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Additional {
    /// Anything, or nothing.
    Allowed(bool),
    /// Values of this schema.
    Of(Box<Schema>),
}

/// A regular expression, kept as it was written.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    pub(super) text: String,
    /// Why it is none; validation of the definition refuses those.
    pub(super) compiled: Result<Regex, String>,
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let compiled = Regex::new(&text).map_err(|error| error.to_string());
        Ok(Self { text, compiled })
    }
}

impl Schema {
    /// Reads an `openAPIV3Schema`.
    pub fn read(value: &Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(value)
    }

    /// The schema of a version that has none: anything goes.
    pub fn open() -> Self {
        Self { kind: "object".to_owned(), preserve_unknown: true, ..Self::default() }
    }

    /// The schema of an additional property, where they have one.
    pub(super) fn additional(&self) -> Option<&Schema> {
        match &self.additional_properties {
            Some(Additional::Of(schema)) => Some(schema),
            _ => None,
        }
    }

    /// The schema of a field: its own, or that of additional ones.
    pub fn field(&self, name: &str) -> Option<&Schema> {
        self.properties.get(name).or_else(|| self.additional())
    }

    /// The schemas of the named fields.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &Schema)> {
        self.properties.iter().map(|(name, schema)| (name.as_str(), schema))
    }

    /// The schema of a list's items.
    pub fn items(&self) -> Option<&Schema> {
        self.items.as_deref()
    }

    /// The schema of a map's values.
    pub fn additional_schema(&self) -> Option<&Schema> {
        self.additional()
    }

    /// What stands for a value that is not given.
    pub fn default_value(&self) -> Option<&Value> {
        self.default.as_ref()
    }

    /// Are fields kept that the schema does not know?
    pub fn preserves_unknown(&self) -> bool {
        self.preserve_unknown
    }

    /// Has it rules in CEL anywhere?
    pub fn has_rules(&self) -> bool {
        !self.rules.is_empty() || self.children().any(Self::has_rules)
    }

    /// Has it a default anywhere?
    pub fn has_defaults(&self) -> bool {
        self.default.is_some() || self.children().any(Self::has_defaults)
    }

    /// All schemas directly below.
    pub(super) fn children(&self) -> impl Iterator<Item = &Schema> {
        let boxed = [self.items.as_deref(), self.additional(), self.not.as_deref()];
        let alternatives = self.all_of.iter().chain(&self.any_of).chain(&self.one_of);
        boxed.into_iter().flatten().chain(self.properties.values()).chain(alternatives)
    }
}
