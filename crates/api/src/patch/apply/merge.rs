//! A configuration laid over an object.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::compare::same;
use super::path::PathElement;
use super::shape::{self, Node};
use crate::schema::{ListShape, Shape, TypeSchema};

/// `live` with all that `config` says; nothing is removed. Nulls of the configuration stay, so
/// that the comparison sees them; [`drop_nulls`] takes them out afterwards.
pub(super) fn merge(schema: Option<&TypeSchema>, live: &Value, config: &Value) -> Value {
    merge_sides(schema, Some(live), Some(config)).unwrap_or(Value::Null)
}

fn merge_sides(
    schema: Option<&TypeSchema>,
    live: Option<&Value>,
    config: Option<&Value>,
) -> Option<Value> {
    let (Some(old), Some(new)) = (live, config) else { return live.or(config).cloned() };
    let node = match Node::of_values(schema, [live, config]) {
        _ if shape::is_void(live) && shape::is_void(config) => Node::Leaf,
        node => node,
    };
    let merged = match node {
        Node::Leaf => None,
        Node::Struct(_) | Node::Map(_) => Some(Value::Object(merge_fields(node, old, new))),
        Node::List(list) => merge_items(list, old, new).map(Value::Array),
    };
    // What means the same stays as it is written, so that nothing changes.
    merged.or_else(|| Some(if same(schema, old, new) { old } else { new }.clone()))
}

fn merge_fields(node: Node<'_>, live: &Value, config: &Value) -> Map<String, Value> {
    let config = shape::fields(Some(config));
    let mut merged = shape::fields(Some(live)).cloned().unwrap_or_default();
    for (name, value) in config.into_iter().flatten() {
        let below = node.field(name);
        let value = merge_sides(below, merged.get(name), Some(value));
        merged.extend(value.map(|value| (name.clone(), value)));
    }
    merged
}

/// The order is the configuration's for what it names; the object's other items stay behind
/// those they stood behind. `None` where the items cannot be told apart.
fn merge_items(list: &ListShape, live: &Value, config: &Value) -> Option<Vec<Value>> {
    let live = Side::of(list, live)?;
    let config = Side::of(list, config)?;
    let mut merged = Vec::with_capacity(live.items.len().max(config.items.len()));
    let mut merge_one = |element: &PathElement| {
        let item = merge_sides(Some(&list.items), live.first(element), config.first(element));
        merged.extend(item);
    };
    // The configuration's items that the object has too, in the configuration's order.
    let mut shared = config.elements.iter().filter(|element| live.has(element));
    let mut next_shared = shared.next();
    let (mut l, mut c) = (0, 0);
    while l < live.elements.len() || c < config.elements.len() {
        let (left, right) = (live.elements.get(l), config.elements.get(c));
        match (left, right) {
            (Some(left), Some(right)) if left == right => {
                merge_one(left);
                (l, c) = (l + 1, c + 1);
                next_shared = shared.next();
            }
            // Shared, but its turn comes with the configuration's order.
            (Some(left), Some(_)) if config.has(left) && next_shared.is_some_and(|n| n != left) => {
                l += 1;
            }
            (Some(left), _) if !config.has(left) => {
                merge_one(left);
                l += 1;
            }
            (_, Some(right)) => {
                merge_one(right);
                c += 1;
                if next_shared == Some(right) {
                    next_shared = shared.next();
                }
            }
            // Already merged where the configuration had it.
            (_, None) => l += 1,
        }
    }
    Some(merged)
}

/// The items of one side, each with its element.
struct Side<'v> {
    elements: Vec<PathElement>,
    items: Vec<&'v Value>,
    index: BTreeMap<PathElement, usize>,
}

impl<'v> Side<'v> {
    /// Items that repeat count once: the first.
    fn of(list: &ListShape, value: &'v Value) -> Option<Self> {
        let all = shape::items(Some(value));
        let mut side = Self { elements: Vec::new(), items: Vec::new(), index: BTreeMap::new() };
        for (element, item) in shape::elements(list, all).ok()?.into_iter().zip(all) {
            if !side.index.contains_key(&element) {
                side.index.insert(element.clone(), side.items.len());
                side.elements.push(element);
                side.items.push(item);
            }
        }
        Some(side)
    }

    fn has(&self, element: &PathElement) -> bool {
        self.index.contains_key(element)
    }

    fn first(&self, element: &PathElement) -> Option<&'v Value> {
        self.index.get(element).map(|&index| self.items[index])
    }
}

/// Takes out the nulls that came with the configuration: a typed object has none. What was null
/// before, what may be null, and raw JSON stay.
pub(super) fn drop_nulls(schema: Option<&TypeSchema>, value: &mut Value, live: Option<&Value>) {
    if schema.is_some_and(|schema| schema.shape == Shape::Any) {
        return;
    }
    let node = Node::of(schema);
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| {
                let nullable = node.field(name).is_some_and(|s| s.nullable);
                let before = live.and_then(|live| live.get(name));
                !value.is_null() || nullable || before.is_some_and(Value::is_null)
            });
            for (name, value) in fields.iter_mut() {
                let below = node.field(name);
                drop_nulls(below, value, live.and_then(|live| live.get(name)));
            }
        }
        Value::Array(items) => {
            let below = match schema.map(|schema| &schema.shape) {
                Some(Shape::List(list)) => Some(&*list.items),
                _ => None,
            };
            items.iter_mut().for_each(|item| drop_nulls(below, item, None));
        }
        _ => {}
    }
}
