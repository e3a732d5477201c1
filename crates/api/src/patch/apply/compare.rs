//! What changed between two objects.

use std::collections::BTreeMap;

use serde_json::Value;

use super::path::{PathElement, compare};
use super::set::FieldSet;
use super::shape::{self, Node};
use crate::Quantity;
use crate::schema::{ListShape, Shape, TypeSchema};

/// Struct fields that a Go object always has, empty or not, so that they never come or go:
/// nobody owns them as such. (Ownership of what is in them is as of any other field.)
const ALWAYS_THERE: [&str; 11] = [
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
];

/// The fields that changed. None is in more than one of the sets.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) removed: FieldSet,
    pub(super) modified: FieldSet,
    pub(super) added: FieldSet,
}

impl Comparison {
    pub(super) fn of(schema: &TypeSchema, old: &Value, new: &Value) -> Self {
        let mut comparison = Self::default();
        comparison.value(Some(schema), [Some(old), Some(new)], &mut Vec::new());
        comparison
    }

    /// Without these fields and all that is below them.
    pub(super) fn without(self, ignored: &FieldSet) -> Self {
        Self {
            removed: self.removed.recursive_difference(ignored),
            modified: self.modified.recursive_difference(ignored),
            added: self.added.recursive_difference(ignored),
        }
    }

    /// What has another value than before.
    pub(super) fn changed(&self) -> FieldSet {
        self.modified.union(&self.added)
    }

    fn value(
        &mut self,
        schema: Option<&TypeSchema>,
        sides: [Option<&Value>; 2],
        path: &mut Vec<PathElement>,
    ) {
        if let [Some(old), Some(new)] = sides
            && old == new
        {
            return;
        }
        let node = match Node::of_values(schema, sides) {
            _ if sides.into_iter().all(shape::is_void) => Node::Leaf,
            node => node,
        };
        let inside = match node {
            Node::Leaf => None,
            Node::Struct(_) | Node::Map(_) => {
                self.fields(node, sides, path);
                Some(())
            }
            Node::List(list) => self.items(list, sides, path),
        };
        match inside {
            None => self.leaf(schema, sides, path),
            Some(()) => self.container(sides, path),
        }
    }

    fn leaf(
        &mut self,
        schema: Option<&TypeSchema>,
        sides: [Option<&Value>; 2],
        path: &[PathElement],
    ) {
        match sides {
            [None, None] => {}
            [None, Some(_)] => self.added.insert(path),
            [Some(_), None] => self.removed.insert(path),
            [Some(old), Some(new)] if same(schema, old, new) => {}
            [Some(_), Some(_)] => self.modified.insert(path),
        }
    }

    /// A struct, map or list that came or went is itself among what came or went.
    fn container(&mut self, sides: [Option<&Value>; 2], path: &[PathElement]) {
        let always = |name: &String| ALWAYS_THERE.contains(&name.as_str());
        match sides {
            [None, Some(_)] if matches!(path.last(), Some(PathElement::Field(n)) if always(n)) => {}
            [None, Some(_)] => self.added.insert(path),
            [Some(_), None] => self.removed.insert(path),
            _ => {}
        }
    }

    fn fields(&mut self, node: Node<'_>, sides: [Option<&Value>; 2], path: &mut Vec<PathElement>) {
        let [old, new] = sides.map(shape::fields);
        let only_new = new
            .into_iter()
            .flatten()
            .filter(|(name, _)| old.is_none_or(|old| !old.contains_key(name.as_str())));
        let names = old.into_iter().flatten().chain(only_new).map(|(name, _)| name);
        for name in names {
            let sides = [old, new].map(|side| side.and_then(|fields| fields.get(name)));
            path.push(PathElement::field(name));
            self.value(node.child(&path[path.len() - 1]), sides, path);
            path.pop();
        }
    }

    /// `None` where the items cannot be told apart.
    fn items(
        &mut self,
        list: &ListShape,
        sides: [Option<&Value>; 2],
        path: &mut Vec<PathElement>,
    ) -> Option<()> {
        let mut both: BTreeMap<PathElement, [Option<&Value>; 2]> = BTreeMap::new();
        for (side, value) in sides.into_iter().enumerate() {
            let items = shape::items(value);
            for (element, item) in shape::elements(list, items).ok()?.into_iter().zip(items) {
                // Of items that repeat, the first counts.
                both.entry(element).or_default()[side].get_or_insert(item);
            }
        }
        for (element, sides) in both {
            path.push(element);
            self.value(Some(&list.items), sides, path);
            path.pop();
        }
        Some(())
    }
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
