//! Sets of fields, as trees: which fields of an object a manager owns.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

use super::path::{PathElement, PathElementError};
use super::shape::Node;
use crate::schema::TypeSchema;

/// A set of paths into an object. A path's parents are members only if they are put in too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    members: BTreeSet<PathElement>,
    /// What lies below; never an empty set.
    children: BTreeMap<PathElement, FieldSet>,
}

/// Why a FieldsV1 value could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldsError {
    /// A key is no path element.
    #[error("parsing key as path element: {0}")]
    Key(PathElementError),
    /// A value is no object.
    #[error("expect {{ or n, but found {0}")]
    NotAnObject(&'static str),
}

impl FieldSet {
    /// A set of paths of plain fields.
    pub fn of_fields(paths: &[&[&str]]) -> Self {
        let mut set = Self::default();
        for path in paths {
            let path: Vec<_> = path.iter().map(|name| PathElement::field(*name)).collect();
            set.insert(&path);
        }
        set
    }

    /// Has it no members?
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.is_empty()
    }

    /// Puts one path in. The empty path is the whole object, which nobody owns.
    pub fn insert(&mut self, path: &[PathElement]) {
        match path {
            [] => {}
            [last] => _ = self.members.insert(last.clone()),
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    /// Is this path a member?
    pub fn contains(&self, path: &[PathElement]) -> bool {
        match path {
            [] => false,
            [last] => self.members.contains(last),
            [first, rest @ ..] => self.below(first).is_some_and(|below| below.contains(rest)),
        }
    }

    /// Is this element itself a member?
    pub fn has(&self, element: &PathElement) -> bool {
        self.members.contains(element)
    }

    /// The members below this element.
    pub fn below(&self, element: &PathElement) -> Option<&FieldSet> {
        self.children.get(element)
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut result = self.clone();
        result.extend(other);
        result
    }

    fn extend(&mut self, other: &Self) {
        self.members.extend(other.members.iter().cloned());
        for (element, below) in &other.children {
            self.children.entry(element.clone()).or_default().extend(below);
        }
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let children = self.children.iter().filter_map(|(element, below)| {
            let both = below.intersection(other.below(element)?);
            (!both.is_empty()).then(|| (element.clone(), both))
        });
        Self {
            members: self.members.intersection(&other.members).cloned().collect(),
            children: children.collect(),
        }
    }

    /// What is in this and not, itself, in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.subtract(other, false)
    }

    /// What is in this and neither in the other nor below one of its members.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        self.subtract(other, true)
    }

    fn subtract(&self, other: &Self, recursive: bool) -> Self {
        let children = self.children.iter().filter_map(|(element, below)| {
            if recursive && other.has(element) {
                return None;
            }
            let rest = match other.below(element) {
                Some(other) => below.subtract(other, recursive),
                None => below.clone(),
            };
            (!rest.is_empty()).then(|| (element.clone(), rest))
        });
        Self {
            members: self.members.difference(&other.members).cloned().collect(),
            children: children.collect(),
        }
    }

    /// With every named field on the way to a member, so that a struct goes when all in it goes.
    #[must_use]
    pub fn with_named_parents(&self, schema: Option<&TypeSchema>) -> Self {
        let node = Node::of(schema);
        let mut members = self.members.clone();
        let mut children = BTreeMap::new();
        for (element, below) in &self.children {
            if node.names(element) {
                members.insert(element.clone());
            }
            let below = below.with_named_parents(node.child(element));
            children.insert(element.clone(), below);
        }
        Self { members, children }
    }

    /// Calls `visit` with the path of every member, parents first.
    pub fn for_each(&self, visit: &mut impl FnMut(&Path)) {
        self.visit(&mut Path(Vec::new()), visit);
    }

    fn visit(&self, path: &mut Path, visit: &mut impl FnMut(&Path)) {
        for member in &self.members {
            path.0.push(member.clone());
            visit(path);
            path.0.pop();
        }
        for (element, below) in &self.children {
            path.0.push(element.clone());
            below.visit(path, visit);
            path.0.pop();
        }
    }

    /// As FieldsV1.
    pub fn to_fields_v1(&self) -> Value {
        let mut fields = Map::new();
        for member in &self.members {
            fields.insert(member.serialize(), Value::Object(Map::new()));
        }
        for (element, below) in &self.children {
            let mut value = below.to_fields_v1();
            if self.has(element) {
                value["."] = Value::Object(Map::new());
            }
            fields.insert(element.serialize(), value);
        }
        Value::Object(fields)
    }

    /// Reads FieldsV1.
    pub fn from_fields_v1(fields: &Value) -> Result<Self, FieldsError> {
        let mut set = Self::default();
        for (key, value) in object(fields)? {
            if key == "." {
                continue;
            }
            let element = match PathElement::parse(key) {
                Ok(element) => element,
                // A later version knows what it is; this one forgets it.
                Err(PathElementError::UnknownType) => continue,
                Err(error) => return Err(FieldsError::Key(error)),
            };
            let below = Self::from_fields_v1(value)?;
            if below.is_empty() || value.get(".").is_some() {
                set.members.insert(element.clone());
            }
            if !below.is_empty() {
                set.children.entry(element).or_default().extend(&below);
            }
        }
        Ok(set)
    }
}

fn object(value: &Value) -> Result<impl Iterator<Item = (&String, &Value)>, FieldsError> {
    match value {
        Value::Object(fields) => Ok(Some(fields).into_iter().flatten()),
        Value::Null => Ok(None.into_iter().flatten()),
        Value::Array(_) => Err(FieldsError::NotAnObject("[")),
        Value::String(_) => Err(FieldsError::NotAnObject("\"")),
        Value::Bool(_) | Value::Number(_) => Err(FieldsError::NotAnObject("a scalar")),
    }
}

/// A whole path: `.spec.template.spec.containers[name="app"].image`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(pub Vec<PathElement>);

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|element| element.fmt(f))
    }
}
