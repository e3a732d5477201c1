//! A custom kind as server-side apply sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Schema;
use super::prune::METADATA;
use crate::schema::{ListPatch, ListShape, ListType, ObjectShape, Shape, TypeSchema};

impl Schema {
    /// The shape of a kind of this schema, with `apiVersion`, `kind` and `metadata`.
    pub fn shape(&self) -> TypeSchema {
        let mut root = self.object();
        resource(&mut root);
        typed(Shape::Object(root), self)
    }

    fn node(&self) -> Arc<TypeSchema> {
        let text = |format: &str| Some(Arc::from(format)).filter(|_| !format.is_empty());
        let shape = match self.kind.as_str() {
            _ if self.int_or_string => Shape::IntOrString,
            "object" => self.object_or_map(),
            "array" => Shape::List(self.list()),
            // Formats are validation's: a value that does not fit is still a text.
            "string" => Shape::String { format: None },
            "integer" => Shape::Integer { format: text(&self.format) },
            "number" => Shape::Number,
            "boolean" => Shape::Boolean,
            _ => Shape::Any,
        };
        Arc::new(typed(shape, self))
    }

    fn object_or_map(&self) -> Shape {
        let atomic = self.map_type.as_deref() == Some("atomic");
        if let Some(values) = self.additional() {
            return Shape::Map { values: values.node(), atomic };
        }
        let mut object = self.object();
        if self.embedded {
            resource(&mut object);
        }
        Shape::Object(object)
    }

    fn object(&self) -> ObjectShape {
        let fields: BTreeMap<Arc<str>, Arc<TypeSchema>> = self
            .properties
            .iter()
            .map(|(name, schema)| (Arc::from(name.as_str()), schema.node()))
            .collect();
        ObjectShape {
            // Where nothing is specified anything may be.
            preserve_unknown: self.preserve_unknown
                || fields.is_empty()
                || self.additional_properties.is_some(),
            fields,
            required: Vec::new(),
            atomic: self.map_type.as_deref() == Some("atomic"),
            retain_keys: false,
            definition: None,
        }
    }

    fn list(&self) -> ListShape {
        let keys = self.list_map_keys.iter().map(|key| Arc::from(key.as_str()));
        let apply = match self.list_type.as_deref() {
            Some("set") => ListType::Set,
            Some("map") => ListType::Map(keys.collect()),
            _ => ListType::Atomic,
        };
        let items = self.items.as_ref().map_or_else(|| Schema::default().node(), |s| s.node());
        let key_defaults = self.items.iter().flat_map(|items| &items.properties);
        let key_defaults = key_defaults
            .filter_map(|(name, key)| Some((Arc::from(name.as_str()), key.default.clone()?)))
            .collect();
        ListShape { items, apply, key_defaults, strategic: ListPatch::Replace }
    }
}

fn typed(shape: Shape, schema: &Schema) -> TypeSchema {
    TypeSchema { shape, description: None, nullable: schema.nullable }
}

/// What every resource has.
fn resource(object: &mut ObjectShape) {
    let text = || {
        let shape = Shape::String { format: None };
        Arc::new(TypeSchema { shape, description: None, nullable: false })
    };
    object.fields.insert("apiVersion".into(), text());
    object.fields.insert("kind".into(), text());
    object.fields.insert("metadata".into(), METADATA.clone());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_and_maps_have_the_semantics_of_their_extensions() {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "map": {"type": "array", "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"], "items": {"type": "object"}},
            "whole": {"type": "object", "x-kubernetes-map-type": "atomic",
                "properties": {"a": {"type": "string"}}},
        }}}});
        let shape = Schema::read(&schema).unwrap().shape();
        let list = |path: &str| match &shape.at(path).unwrap().shape {
            Shape::List(list) => list.apply.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(list("spec.set"), ListType::Set);
        assert_eq!(list("spec.map"), ListType::Map(vec!["name".into()]));
        assert!(matches!(&shape.at("spec.whole").unwrap().shape, Shape::Object(o) if o.atomic));
        assert!(shape.at("metadata.labels").is_some());
    }
}
