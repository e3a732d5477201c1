//! Does a configuration fit its type? Apply must know which field is which before it merges.

use std::collections::BTreeSet;

use serde_json::Value;

use super::path::PathElement;
use super::set::Path;
use super::shape::{self, Node};
use crate::go;
use crate::schema::{ListShape, Shape, TypeSchema};

/// The most errors that are reported.
const ERRORS_MAX: usize = 50;

/// All that does not fit, in upstream's words; `None` where all does.
pub(super) fn errors(schema: &TypeSchema, config: &Value) -> Option<String> {
    let mut check = Check { path: Path(Vec::new()), errors: Vec::new() };
    check.value(Some(schema), config);
    match check.errors.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("errors:\n  {}", many.join("\n  "))),
    }
}

struct Check {
    path: Path,
    errors: Vec<String>,
}

impl Check {
    fn report(&mut self, why: &str) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(format!("{}: {why}", self.path));
        }
    }

    fn below(&mut self, element: PathElement, schema: Option<&TypeSchema>, value: &Value) {
        self.path.0.push(element);
        self.value(schema, value);
        self.path.0.pop();
    }

    fn value(&mut self, schema: Option<&TypeSchema>, value: &Value) {
        let Some(schema) = schema else { return };
        if let Some(expected) = mismatch(&schema.shape, value) {
            return self.report(&format!("expected {expected}, got {}", go_value(expected, value)));
        }
        match Node::of(Some(schema)) {
            Node::Leaf => {}
            node @ (Node::Struct(_) | Node::Map(_)) => self.fields(node, value),
            Node::List(list) => self.items(list, value),
        }
    }

    fn fields(&mut self, node: Node<'_>, value: &Value) {
        for (name, value) in shape::fields(Some(value)).into_iter().flatten() {
            let element = PathElement::field(name);
            match node {
                Node::Struct(object) if !object.preserve_unknown && !node.names(&element) => {
                    self.path.0.push(element);
                    self.report("field not declared in schema");
                    self.path.0.pop();
                }
                _ => {
                    let below = node.child(&element);
                    self.below(element, below, value);
                }
            }
        }
    }

    fn items(&mut self, list: &ListShape, value: &Value) {
        let items = shape::items(Some(value));
        let elements = match shape::elements(list, items) {
            Ok(elements) => elements,
            Err(error) => return self.report(&error.to_string()),
        };
        let mut seen = BTreeSet::new();
        for (element, item) in elements.into_iter().zip(items) {
            if !seen.insert(element.clone()) {
                self.report(&format!("duplicate entries for key {element}"));
            }
            self.below(element, Some(&list.items), item);
        }
    }
}

/// The value as Go prints the one that structured-merge-diff holds.
fn go_value(expected: &str, value: &Value) -> String {
    match expected {
        "map" | "list" => format!("&{{{}}}", go::plain(value)),
        _ => format!("&value.valueUnstructured{{Value:{}}}", go::syntax(value)),
    }
}

/// What the value should have been. Null fits everywhere.
fn mismatch(shape: &Shape, value: &Value) -> Option<&'static str> {
    let (expected, fits) = match shape {
        Shape::String { .. } => ("string", value.is_string()),
        Shape::Integer { .. } | Shape::Number => ("numeric (int or float)", value.is_number()),
        Shape::Boolean => ("boolean", value.is_boolean()),
        Shape::Object(_) | Shape::Map { .. } => ("map", value.is_object()),
        Shape::List(_) => ("list", value.is_array()),
        Shape::IntOrString | Shape::Quantity => {
            ("string or number", value.is_string() || value.is_number())
        }
        Shape::Any => return None,
    };
    (!fits && !value.is_null()).then_some(expected)
}
