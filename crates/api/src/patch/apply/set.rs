//! Sets of fields, as trees: which fields of an object a manager owns.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};

use super::path::{PathElement, PathElementError};
use super::shape::Node;
use crate::schema::TypeSchema;

/// A set of paths into an object. A path's parents are members only if they are put in too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// In order, each once. Every write makes some of these sets and reads them through: vectors are
    /// made and gone in less time than trees.
    members: Vec<PathElement>,
    /// What lies below, in the elements' order; never an empty set.
    children: Vec<(PathElement, FieldSet)>,
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
            [last] => {
                if let Err(at) = self.members.binary_search(last) {
                    self.members.insert(at, last.clone());
                }
            }
            [first, rest @ ..] => {
                let found = self.child_index(first);
                let at = found.unwrap_or_else(|at| {
                    self.children.insert(at, (first.clone(), Self::default()));
                    at
                });
                self.children[at].1.insert(rest);
            }
        }
    }

    /// Puts an element in, and what lies below it; the order is [`FieldSet::sorted`]'s to mend.
    pub(super) fn push(&mut self, element: &PathElement, is_member: bool, below: Self) {
        if is_member {
            self.members.push(element.clone());
        }
        if !below.is_empty() {
            self.children.push((element.clone(), below));
        }
    }

    /// The set that was pushed together: mostly that was in order, and is a set already.
    #[must_use]
    pub(super) fn sorted(mut self) -> Self {
        if !self.members.is_sorted_by(|left, right| left < right) {
            self.members.sort_unstable();
            self.members.dedup();
        }
        if !self.children.is_sorted_by(|left, right| left.0 < right.0) {
            self.children.sort_by(|left, right| left.0.cmp(&right.0));
            let mut children: Vec<(PathElement, Self)> = Vec::with_capacity(self.children.len());
            for (element, below) in self.children {
                match children.last_mut() {
                    Some((last, all)) if *last == element => {
                        *all = std::mem::take(all).union(below);
                    }
                    _ => children.push((element, below)),
                }
            }
            self.children = children;
        }
        self
    }

    fn child_index(&self, element: &PathElement) -> Result<usize, usize> {
        self.children.binary_search_by(|(child, _)| child.cmp(element))
    }

    /// Is this path a member?
    pub fn contains(&self, path: &[PathElement]) -> bool {
        match path {
            [] => false,
            [last] => self.has(last),
            [first, rest @ ..] => self.below(first).is_some_and(|below| below.contains(rest)),
        }
    }

    /// Is this element itself a member?
    pub fn has(&self, element: &PathElement) -> bool {
        self.members.binary_search(element).is_ok()
    }

    /// The members below this element.
    pub fn below(&self, element: &PathElement) -> Option<&FieldSet> {
        self.child_index(element).ok().map(|at| &self.children[at].1)
    }

    /// Is all of this in the other?
    pub fn is_subset(&self, other: &Self) -> bool {
        self.members.iter().all(|member| other.has(member))
            && self.children.iter().all(|(element, below)| {
                other.below(element).is_some_and(|other| below.is_subset(other))
            })
    }

    /// What is in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        let both = |one, _| one;
        let members = merged(self.members, other.members, PathElement::cmp, both);
        let order = |left: &(PathElement, Self), right: &(PathElement, Self)| left.0.cmp(&right.0);
        let children = merged(self.children, other.children, order, |(element, one), (_, two)| {
            (element, one.union(two))
        });
        Self { members, children }
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let children = self.children.iter().filter_map(|(element, below)| {
            let both = below.intersection(other.below(element)?);
            (!both.is_empty()).then(|| (element.clone(), both))
        });
        let members = self.members.iter().filter(|member| other.has(member));
        Self { members: members.cloned().collect(), children: children.collect() }
    }

    /// What is in this and not, itself, in the other.
    #[must_use]
    pub fn difference(mut self, other: &Self) -> Self {
        self.subtract(other, false);
        self
    }

    /// What is in this and neither in the other nor below one of its members.
    #[must_use]
    pub fn recursive_difference(mut self, other: &Self) -> Self {
        self.subtract(other, true);
        self
    }

    fn subtract(&mut self, other: &Self, recursive: bool) {
        if other.is_empty() {
            return;
        }
        self.members.retain(|member| !other.has(member));
        self.children.retain_mut(|(element, below)| {
            if recursive && other.has(element) {
                return false;
            }
            if let Some(other) = other.below(element) {
                below.subtract(other, recursive);
            }
            !below.is_empty()
        });
    }

    /// With every named field on the way to a member, so that a struct goes when all in it goes.
    #[must_use]
    pub fn with_named_parents(mut self, schema: Option<&TypeSchema>) -> Self {
        let node = Node::of(schema);
        for (element, below) in &mut self.children {
            if node.names(element) {
                self.members.push(element.clone());
            }
            *below = std::mem::take(below).with_named_parents(node.child(element));
        }
        self.sorted()
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
            let is_member = below.is_empty() || value.get(".").is_some();
            set.push(&element, is_member, below);
        }
        Ok(set.sorted())
    }
}

/// Two vectors that are in order as one that is; of what is in both, what `both` makes of them.
fn merged<T>(
    left: Vec<T>,
    right: Vec<T>,
    order: impl Fn(&T, &T) -> Ordering,
    both: impl Fn(T, T) -> T,
) -> Vec<T> {
    if left.is_empty() {
        return right;
    }
    if right.is_empty() {
        return left;
    }
    let mut all = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(one), Some(two)) = (left.peek(), right.peek()) {
        match order(one, two) {
            Ordering::Less => all.extend(left.next()),
            Ordering::Greater => all.extend(right.next()),
            Ordering::Equal => all.extend(left.next().zip(right.next()).map(|(l, r)| both(l, r))),
        }
    }
    all.extend(left);
    all.extend(right);
    all
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
