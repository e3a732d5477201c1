//! Values out of bytes: what a schema knows in most places, and anything in some.

use serde_json::{Map, Value, json};

use crate::TypeSchema;
use crate::schema::Shape;

/// Deeper than this, only what is flat.
const DEPTH: usize = 9;
/// Texts that mean something somewhere.
const TEXTS: [&str; 40] = [
    "",
    "a",
    "b",
    "web",
    "80",
    "http",
    "TCP",
    "UDP",
    "10.0.0.1",
    "::1",
    "10.0.0.0/24",
    "1Gi",
    "100m",
    "-1",
    "1e3",
    "50%",
    "150%",
    "/",
    "/a/b",
    "../x",
    "a/b",
    "a.b/c",
    "example.com",
    "A_B",
    "é\u{0}",
    "2026-01-01T00:00:00Z",
    "not a time",
    "bm8=",
    "merge",
    "replace",
    "delete",
    "Always",
    "Never",
    "Recreate",
    "RollingUpdate",
    "ClusterIP",
    "ExternalName",
    "*",
    "$(A)",
    "kube-api-access-x",
];
const NUMBERS: [i64; 12] =
    [0, 1, -1, 2, 80, 443, 30_000, 65_535, 65_536, i32::MAX as i64, i64::MAX, i64::MIN];
/// Words of JSON schemas.
const SCHEMA_WORDS: [&str; 24] = [
    "type",
    "properties",
    "items",
    "additionalProperties",
    "default",
    "nullable",
    "required",
    "enum",
    "format",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxItems",
    "uniqueItems",
    "allOf",
    "anyOf",
    "not",
    "multipleOf",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-int-or-string",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
];
const SCHEMA_TYPES: [&str; 7] =
    ["object", "array", "string", "integer", "number", "boolean", "nonsense"];

/// Choices, from bytes; when they are used up, always the first.
pub(super) struct Source<'b>(&'b [u8]);

impl<'b> Source<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    fn byte(&mut self) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first)
    }

    /// A number below another, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.byte() << 8 | self.byte()) % end
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn text(&mut self) -> String {
        match self.byte() {
            0 => "x".repeat(300),
            _ => self.one_of(&TEXTS).to_owned(),
        }
    }

    fn number(&mut self) -> Value {
        match self.byte() % 8 {
            7 => json!(1.5),
            _ => self.one_of(&NUMBERS).into(),
        }
    }

    /// A value of a type, or nearly.
    pub(super) fn of(&mut self, schema: &TypeSchema) -> Value {
        self.value(schema, false, 0)
    }

    /// A strategic merge patch of a type.
    pub(super) fn with_directives(&mut self, schema: &TypeSchema) -> Value {
        self.value(schema, true, 0)
    }

    fn value(&mut self, schema: &TypeSchema, directives: bool, depth: usize) -> Value {
        if depth > 0 && self.byte() > 248 {
            return self.any(depth);
        }
        match &schema.shape {
            Shape::Any => self.any(depth),
            Shape::String { .. } => self.text().into(),
            Shape::Integer { .. } | Shape::Number => self.number(),
            Shape::Boolean => (self.byte().is_multiple_of(2)).into(),
            Shape::IntOrString | Shape::Quantity if self.byte().is_multiple_of(2) => self.number(),
            Shape::IntOrString | Shape::Quantity => self.text().into(),
            Shape::Map { values, .. } => {
                let count = self.byte() % 3;
                let entries =
                    (0..count).map(|_| (self.text(), self.value(values, directives, depth + 1)));
                Value::Object(entries.collect())
            }
            Shape::List(list) => {
                let count = if depth > DEPTH { 0 } else { self.byte() % 4 };
                (0..count).map(|_| self.value(&list.items, directives, depth + 1)).collect()
            }
            Shape::Object(object) => {
                let mut fields = Map::new();
                let names: Vec<_> = object.fields.iter().collect();
                let count = if depth > DEPTH || names.is_empty() { 0 } else { self.byte() % 6 };
                // What is required is there, mostly: without it validation ends soon.
                let required: Vec<_> =
                    names.iter().filter(|(n, _)| object.required.contains(n)).collect();
                for (name, schema) in required {
                    if depth <= DEPTH && self.byte() < 220 {
                        fields.insert(name.to_string(), self.value(schema, directives, depth + 1));
                    }
                }
                for _ in 0..count {
                    let (name, schema) = self.one_of(&names);
                    fields.insert(name.to_string(), self.value(schema, directives, depth + 1));
                    if directives && self.byte() > 160 {
                        self.directive(name, &mut fields);
                    }
                }
                Value::Object(fields)
            }
        }
    }

    fn directive(&mut self, name: &str, fields: &mut Map<String, Value>) {
        let list = |source: &mut Self| -> Value {
            let count = source.byte() % 3;
            (0..count)
                .map(|_| match source.byte() % 2 {
                    0 => Value::from(source.text()),
                    _ => json!({"name": source.text(), "containerPort": source.number()}),
                })
                .collect()
        };
        let (key, value) = match self.byte() % 5 {
            0 => ("$patch".to_owned(), self.text().into()),
            1 => ("$retainKeys".to_owned(), list(self)),
            2 => (format!("$setElementOrder/{name}"), list(self)),
            3 => (format!("$deleteFromPrimitiveList/{name}"), list(self)),
            _ => (name.to_owned(), Value::Null),
        };
        fields.insert(key, value);
    }

    /// A JSON patch, or nearly.
    pub(super) fn operations(&mut self) -> Value {
        const PATHS: [&str; 10] = [
            "",
            "/",
            "/spec",
            "/spec/containers/0",
            "/spec/containers/-",
            "/metadata/labels/a",
            "/metadata",
            "/data",
            "/x~1y/~0",
            "/spec/containers/01",
        ];
        let count = self.byte() % 5;
        (0..count)
            .map(|_| {
                let op = self.one_of(&["add", "remove", "replace", "move", "copy", "test", "what"]);
                let (path, from) = (self.one_of(&PATHS), self.one_of(&PATHS));
                match self.byte() % 4 {
                    0 => json!({"op": op, "path": path}),
                    1 => json!({"op": op, "path": path, "from": from}),
                    _ => json!({"op": op, "path": path, "from": from, "value": self.any(5)}),
                }
            })
            .collect()
    }

    /// Any value.
    pub(super) fn anything(&mut self) -> Value {
        let count = self.byte() % 6;
        Value::Object((0..count).map(|_| (self.text(), self.any(4))).collect())
    }

    fn any(&mut self, depth: usize) -> Value {
        let kinds = if depth > DEPTH { 4 } else { 6 };
        match self.byte() % kinds {
            0 => Value::Null,
            1 => self.byte().is_multiple_of(2).into(),
            2 => self.number(),
            3 => self.text().into(),
            4 => {
                let count = self.byte() % 3;
                (0..count).map(|_| self.any(depth + 1)).collect()
            }
            _ => {
                let count = self.byte() % 3;
                Value::Object((0..count).map(|_| (self.text(), self.any(depth + 1))).collect())
            }
        }
    }

    /// A schema of a custom kind, or nearly.
    pub(super) fn definition(&mut self) -> Value {
        self.schema(0)
    }

    fn schema(&mut self, depth: usize) -> Value {
        let mut fields = Map::new();
        let kind = if depth == 0 { "object" } else { self.one_of(&SCHEMA_TYPES) };
        fields.insert("type".to_owned(), kind.into());
        let count = if depth > 4 { 0 } else { self.byte() % 5 };
        for _ in 0..count {
            let word = self.one_of(&SCHEMA_WORDS);
            let value = match word {
                "type" => self.one_of(&SCHEMA_TYPES).into(),
                "properties" => {
                    let count = self.byte() % 4;
                    Value::Object(
                        (0..count).map(|_| (self.text(), self.schema(depth + 1))).collect(),
                    )
                }
                "items" | "additionalProperties" | "not" => self.schema(depth + 1),
                "allOf" | "anyOf" => json!([self.schema(depth + 1)]),
                "nullable"
                | "uniqueItems"
                | "x-kubernetes-preserve-unknown-fields"
                | "x-kubernetes-int-or-string"
                | "x-kubernetes-embedded-resource" => true.into(),
                "required" | "x-kubernetes-list-map-keys" => json!([self.text()]),
                "enum" => json!([self.any(4)]),
                "minimum" | "maximum" | "minLength" | "maxItems" | "multipleOf" => self.number(),
                "x-kubernetes-list-type" => self.one_of(&["map", "set", "atomic"]).into(),
                _ => self.any(4),
            };
            fields.insert(word.to_owned(), value);
        }
        Value::Object(fields)
    }
}
