//! The set of all fields that an object has.

use serde_json::Value;

use super::path::PathElement;
use super::set::FieldSet;
use super::shape::{self, Node};
use crate::schema::TypeSchema;

/// Every leaf, every list item, every map entry of `value`. Structs are members only where
/// they are empty. A list whose items cannot be told apart counts as a leaf.
pub(super) fn fields_of(schema: Option<&TypeSchema>, value: &Value) -> FieldSet {
    collect(schema, value).unwrap_or_default()
}

/// What is in a value; `None`: it is a leaf.
fn collect(schema: Option<&TypeSchema>, value: &Value) -> Option<FieldSet> {
    let mut set = FieldSet::default();
    match Node::of_values(schema, [Some(value), None]) {
        Node::Leaf => return None,
        node @ (Node::Struct(_) | Node::Map(_)) => {
            if schema.is_none() && !value.is_object() {
                return None;
            }
            for (name, value) in shape::fields(Some(value)).into_iter().flatten() {
                let element = PathElement::field(name);
                let inside = collect(node.field(name), value);
                let empty = value.is_null() || value.as_object().is_some_and(|o| o.is_empty());
                let is_member = inside.is_none() || empty || !node.names(&element);
                set.push(&element, is_member, inside.unwrap_or_default());
            }
        }
        Node::List(list) => {
            let items = shape::items(Some(value));
            for (element, item) in shape::elements(list, items).ok()?.into_iter().zip(items) {
                let inside = collect(Some(&list.items), item).unwrap_or_default();
                set.push(&element, true, inside);
            }
        }
    }
    Some(set.sorted())
}
