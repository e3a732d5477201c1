//! The set of all fields that an object has.

use serde_json::Value;

use super::path::PathElement;
use super::set::FieldSet;
use super::shape::{self, Node};
use crate::schema::TypeSchema;

/// Every leaf, every list item, every map entry of `value`. Structs are members only where
/// they are empty. A list whose items cannot be told apart counts as a leaf.
pub(super) fn fields_of(schema: Option<&TypeSchema>, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    collect(schema, value, &mut Vec::new(), &mut set);
    set
}

fn collect(
    schema: Option<&TypeSchema>,
    value: &Value,
    path: &mut Vec<PathElement>,
    set: &mut FieldSet,
) {
    match Node::of_values(schema, [Some(value), None]) {
        Node::Leaf => set.insert(path),
        node @ (Node::Struct(_) | Node::Map(_)) => {
            if schema.is_none() && !value.is_object() {
                return set.insert(path);
            }
            for (name, value) in shape::fields(Some(value)).into_iter().flatten() {
                path.push(PathElement::field(name));
                let element = &path[path.len() - 1];
                let (named, below) = (node.names(element), node.child(element));
                collect(below, value, path, set);
                let empty = value.is_null() || value.as_object().is_some_and(|o| o.is_empty());
                if empty || !named {
                    set.insert(path);
                }
                path.pop();
            }
        }
        Node::List(list) => {
            let items = shape::items(Some(value));
            let Ok(elements) = shape::elements(list, items) else { return set.insert(path) };
            for (element, item) in elements.into_iter().zip(items) {
                path.push(element);
                collect(Some(&list.items), item, path, set);
                set.insert(path);
                path.pop();
            }
        }
    }
}
