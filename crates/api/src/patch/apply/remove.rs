//! An object without some of its fields.

use serde_json::{Map, Value};

use super::path::PathElement;
use super::set::FieldSet;
use super::shape::{self, Node};
use crate::schema::{ListShape, TypeSchema};

/// `value` without the members of `set`; `None` where nothing is left of what held something.
pub(super) fn remove(schema: Option<&TypeSchema>, value: &Value, set: &FieldSet) -> Option<Value> {
    match (Node::of_values(schema, [Some(value), None]), value) {
        (node @ (Node::Struct(_) | Node::Map(_)), Value::Object(fields)) => {
            let left = remove_fields(node, fields, set);
            (!left.is_empty() || fields.is_empty()).then_some(Value::Object(left))
        }
        (Node::List(list), Value::Array(items)) => {
            let left = remove_items(list, items, set);
            (!left.is_empty() || items.is_empty()).then_some(Value::Array(left))
        }
        _ => Some(value.clone()),
    }
}

fn remove_fields(
    node: Node<'_>,
    fields: &Map<String, Value>,
    set: &FieldSet,
) -> Map<String, Value> {
    let kept = fields.iter().filter_map(|(name, value)| {
        let element = PathElement::field(name);
        if set.has(&element) {
            return None;
        }
        // As upstream, what has lost all that was in it is null, and so still there.
        let child = node.child(&element);
        let value = remove_one(child, &element, value, set).unwrap_or(Value::Null);
        Some((name.clone(), value))
    });
    kept.collect()
}

fn remove_items(list: &ListShape, items: &[Value], set: &FieldSet) -> Vec<Value> {
    let Ok(elements) = shape::elements(list, items) else { return items.to_vec() };
    let both = elements.iter().zip(items);
    both.filter_map(|(element, item)| remove_one(Some(&list.items), element, item, set)).collect()
}

fn remove_one(
    schema: Option<&TypeSchema>,
    element: &PathElement,
    value: &Value,
    set: &FieldSet,
) -> Option<Value> {
    if set.has(element) {
        return None;
    }
    match set.below(element) {
        Some(below) => remove(schema, value, below),
        None => Some(value.clone()),
    }
}
