//! What changed between two objects.

use std::collections::BTreeMap;

use serde_json::Value;

use super::path::{PathElement, compare};
use super::set::FieldSet;
use super::shape::{self, Node};
use crate::Quantity;
use crate::schema::{ListShape, Shape, TypeSchema};

/// Struct fields that a Go object of a built-in type always has, empty or not, so that they never come or go:
/// nobody owns them as such. (Ownership of what is in them is as of any other field.)
const ALWAYS_THERE: [&str; 13] = [
    "metadata",
    "spec",
    "status",
    "template",
    "jobTemplate",
    "strategy",
    "updateStrategy",
    "resources",
    "loadBalancer",
    "nodeInfo",
    "containers",
    "names",
    "acceptedNames",
];

/// Where managed fields are, at the top of an object.
const MANAGED_FIELDS: (&str, &str) = ("metadata", "managedFields");

/// The fields that changed. None is in more than one of the sets.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// What is there no more.
    pub(super) removed: FieldSet,
    /// What is new or has another value than before.
    pub(super) changed: FieldSet,
}

/// What became of one field, itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Became {
    Same,
    Removed,
    Changed,
}

/// Where in the object the comparison is.
#[derive(Clone, Copy)]
struct Place<'n> {
    /// The field's name; of list items none.
    name: &'n str,
    depth: usize,
    /// Is the object's type a struct of Go's?
    builtin: bool,
}

impl Comparison {
    pub(super) fn of(schema: &TypeSchema, old: &Value, new: &Value) -> Self {
        value(
            Some(schema),
            [Some(old), Some(new)],
            Place { name: "", depth: 0, builtin: is_builtin(schema) },
        )
        .1
    }

    /// Without these fields and all that is below them.
    pub(super) fn without(self, ignored: &FieldSet) -> Self {
        Self {
            removed: self.removed.recursive_difference(ignored),
            changed: self.changed.recursive_difference(ignored),
        }
    }

    fn push(&mut self, element: &PathElement, became: Became, below: Self) {
        self.removed.push(element, became == Became::Removed, below.removed);
        self.changed.push(element, became == Became::Changed, below.changed);
    }

    fn sorted(self) -> Self {
        Self { removed: self.removed.sorted(), changed: self.changed.sorted() }
    }

    fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.changed.is_empty()
    }
}

/// What became of a field, and of all that is in it.
fn value(
    schema: Option<&TypeSchema>,
    sides: [Option<&Value>; 2],
    place: Place<'_>,
) -> (Became, Comparison) {
    let node = match Node::of_values(schema, sides) {
        _ if sides.into_iter().all(shape::is_void) => Node::Leaf,
        node => node,
    };
    let inside = match node {
        Node::Leaf => None,
        Node::Struct(_) | Node::Map(_) => Some(fields(node, sides, place)),
        Node::List(list) => items(list, sides, place),
    };
    match inside {
        None => (leaf(schema, sides), Comparison::default()),
        Some(inside) => (container(sides, place), inside),
    }
}

fn leaf(schema: Option<&TypeSchema>, sides: [Option<&Value>; 2]) -> Became {
    match sides {
        [None, None] => Became::Same,
        [None, Some(_)] => Became::Changed,
        [Some(_), None] => Became::Removed,
        [Some(old), Some(new)] if same(schema, old, new) => Became::Same,
        [Some(_), Some(_)] => Became::Changed,
    }
}

/// A struct, map or list that came or went is itself among what came or went.
fn container(sides: [Option<&Value>; 2], place: Place<'_>) -> Became {
    match sides {
        [None, Some(_)] if place.builtin && ALWAYS_THERE.contains(&place.name) => Became::Same,
        [None, Some(_)] => Became::Changed,
        [Some(_), None] => Became::Removed,
        _ => Became::Same,
    }
}

fn fields(node: Node<'_>, sides: [Option<&Value>; 2], place: Place<'_>) -> Comparison {
    let [old, new] = sides.map(shape::fields);
    let only_new = new
        .into_iter()
        .flatten()
        .filter(|(name, _)| old.is_none_or(|old| !old.contains_key(name.as_str())));
    let names = old.into_iter().flatten().chain(only_new).map(|(name, _)| name.as_str());
    // The managed fields are what this is for, and nobody's.
    let bookkeeping = |name: &str| place.depth == 1 && (place.name, name) == MANAGED_FIELDS;
    let mut comparison = Comparison::default();
    for name in names.filter(|name| !bookkeeping(name)) {
        let sides = [old, new].map(|side| side.and_then(|fields| fields.get(name)));
        if let [Some(old), Some(new)] = sides
            && old == new
        {
            continue;
        }
        let inner = Place { name, depth: place.depth + 1, ..place };
        let (became, inside) = value(node.field(name), sides, inner);
        if became != Became::Same || !inside.is_empty() {
            comparison.push(&PathElement::field(name), became, inside);
        }
    }
    comparison.sorted()
}

/// `None` where the items cannot be told apart.
fn items(list: &ListShape, sides: [Option<&Value>; 2], place: Place<'_>) -> Option<Comparison> {
    let mut both: BTreeMap<PathElement, [Option<&Value>; 2]> = BTreeMap::new();
    for (side, value) in sides.into_iter().enumerate() {
        let items = shape::items(value);
        for (element, item) in shape::elements(list, items).ok()?.into_iter().zip(items) {
            // Of items that repeat, the first counts.
            both.entry(element).or_default()[side].get_or_insert(item);
        }
    }
    let mut comparison = Comparison::default();
    let inner = Place { name: "", depth: place.depth + 1, ..place };
    for (element, sides) in both {
        let (became, inside) = value(Some(&list.items), sides, inner);
        comparison.push(&element, became, inside);
    }
    Some(comparison)
}

/// Is this a type of Kubernetes' own, not one that a definition made?
pub(super) fn is_builtin(schema: &TypeSchema) -> bool {
    let Shape::Object(object) = &schema.shape else { return false };
    object.definition.as_deref().is_some_and(|name| name.starts_with("io.k8s."))
}

/// Do both mean the same, though they may be written otherwise (`1` and `1.0`, `1` and `1000m`)?
pub(super) fn same(schema: Option<&TypeSchema>, left: &Value, right: &Value) -> bool {
    if compare(left, right).is_eq() {
        return true;
    }
    let quantities = schema.is_some_and(|schema| schema.shape == Shape::Quantity);
    quantities
        && match (Quantity::from_value(left), Quantity::from_value(right)) {
            (Ok(left), Ok(right)) => left == right,
            _ => false,
        }
}
