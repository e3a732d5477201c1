//! From JSON schema, as k8s-openapi writes it, to [`TypeSchema`].

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::overlay;
use super::{ListPatch, ListShape, ListType, ObjectShape, Shape, TypeSchema};

/// What references to definitions start with.
pub(super) const REFERENCE: &str = "#/components/schemas/";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";

/// Converts definitions, each once; those that refer to one another share.
pub(super) struct Converter<'a> {
    definitions: &'a Map<String, Value>,
    /// `None` while the definition is being converted: a type that holds itself.
    done: BTreeMap<String, Option<Arc<TypeSchema>>>,
}

impl<'a> Converter<'a> {
    pub(super) fn new(definitions: &'a Map<String, Value>) -> Self {
        Self { definitions, done: BTreeMap::new() }
    }

    /// The shape of a definition. A type that holds itself (JSONSchemaProps does) is anything from
    /// there on: a tree of shared nodes cannot hold itself.
    pub(super) fn definition(&mut self, name: &str) -> Arc<TypeSchema> {
        match self.done.get(name) {
            Some(Some(schema)) => return schema.clone(),
            Some(None) => return any(),
            None => {}
        }
        self.done.insert(name.to_owned(), None);
        let schema = match self.definitions.get(name) {
            Some(_) if name == QUANTITY => Arc::new(plain(Shape::Quantity)),
            Some(json) => self.convert(json, Some(name)),
            None => any(),
        };
        self.done.insert(name.to_owned(), Some(schema.clone()));
        schema
    }

    fn convert(&mut self, json: &Value, definition: Option<&str>) -> Arc<TypeSchema> {
        if let Some(name) = reference(json) {
            return self.definition(name);
        }
        if json.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
            return Arc::new(plain(Shape::IntOrString));
        }
        let format = json.get("format").and_then(Value::as_str).map(Arc::from);
        let shape = match json.get("type").and_then(Value::as_str) {
            Some("string") => Shape::String { format },
            Some("integer") => Shape::Integer { format },
            Some("number") => Shape::Number,
            Some("boolean") => Shape::Boolean,
            Some("array") => self.list(json),
            Some("object") => self.object(json, definition),
            _ => Shape::Any,
        };
        Arc::new(plain(shape))
    }

    fn list(&mut self, json: &Value) -> Shape {
        let items = json.get("items").map_or_else(any, |items| self.convert(items, None));
        Shape::List(ListShape {
            items,
            apply: ListType::Atomic,
            key_defaults: key_defaults(),
            strategic: ListPatch::Replace,
        })
    }

    fn object(&mut self, json: &Value, definition: Option<&str>) -> Shape {
        if let Some(properties) = json.get("properties").and_then(Value::as_object) {
            return self.struct_type(properties, json.get("required"), definition);
        }
        match json.get("additionalProperties") {
            Some(values) => Shape::Map { values: self.convert(values, None), atomic: false },
            // RawExtension and FieldsV1 are objects of which nothing more is said.
            None => Shape::Any,
        }
    }

    fn struct_type(
        &mut self,
        properties: &Map<String, Value>,
        required: Option<&Value>,
        definition: Option<&str>,
    ) -> Shape {
        let overlay = definition.and_then(overlay::of);
        let mut fields = BTreeMap::new();
        for (name, json) in properties {
            let plain = self.convert(json, None);
            let merged = overlay.and_then(|o| o.fields.get(name.as_str()));
            fields.insert(
                Arc::from(name.as_str()),
                merged.map_or(plain.clone(), |field| apply_overlay(&plain, field)),
            );
        }
        let required = required.and_then(Value::as_array).into_iter().flatten();
        Shape::Object(ObjectShape {
            fields,
            required: required.filter_map(Value::as_str).map(Arc::from).collect(),
            atomic: overlay.is_some_and(|o| o.atomic),
            retain_keys: false,
            preserve_unknown: false,
            definition: definition.map(Arc::from),
        })
    }
}

/// The definition a schema refers to.
pub(super) fn reference(json: &Value) -> Option<&str> {
    json.get("$ref")?.as_str()?.strip_prefix(REFERENCE)
}

/// The same shape with the semantics that its field has in the table.
fn apply_overlay(schema: &Arc<TypeSchema>, field: &overlay::Field) -> Arc<TypeSchema> {
    let mut schema = TypeSchema::clone(schema);
    match &mut schema.shape {
        Shape::List(list) => {
            list.apply = list_type(field);
            list.strategic = list_patch(field);
            if field.retain_keys {
                let mut items = TypeSchema::clone(&list.items);
                retain_keys(&mut items);
                list.items = Arc::new(items);
            }
        }
        Shape::Map { atomic, .. } => *atomic = field.atomic.unwrap_or(*atomic),
        Shape::Object(object) => {
            object.atomic = field.atomic.unwrap_or(object.atomic);
            object.retain_keys |= field.retain_keys;
        }
        _ => {}
    }
    Arc::new(schema)
}

fn list_type(field: &overlay::Field) -> ListType {
    if field.set {
        ListType::Set
    } else if field.map_keys.is_empty() {
        ListType::Atomic
    } else {
        ListType::Map(field.map_keys.iter().map(|key| Arc::from(*key)).collect())
    }
}

fn list_patch(field: &overlay::Field) -> ListPatch {
    match field.merge {
        None => ListPatch::Replace,
        Some(None) => ListPatch::MergeScalars,
        Some(Some(key)) => ListPatch::MergeBy(Arc::from(key)),
    }
}

fn retain_keys(schema: &mut TypeSchema) {
    if let Shape::Object(object) = &mut schema.shape {
        object.retain_keys = true;
    }
}

fn plain(shape: Shape) -> TypeSchema {
    TypeSchema { shape, description: None, nullable: false }
}

fn any() -> Arc<TypeSchema> {
    Arc::new(plain(Shape::Any))
}
/// Keys of lists that the built-in types give a default: ports of containers and Services.
fn key_defaults() -> BTreeMap<Arc<str>, Value> {
    BTreeMap::from([("protocol".into(), "TCP".into())])
}
