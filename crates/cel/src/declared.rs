//! What is known of a variable beforehand: its type, and how large its parts can be.

use std::sync::Arc;

use crate::types::{Object, Type};

/// A type with the bounds of its values.
#[derive(Debug, Clone)]
pub struct Declared {
    /// What it is.
    pub shape: Shape,
    /// Of texts, lists and maps: no value has more elements.
    pub max_elements: u64,
    /// In JSON no value is shorter.
    pub min_size: u64,
}

/// What a declaration is of.
#[derive(Debug, Clone)]
pub enum Shape {
    /// A value without parts.
    Plain(Type),
    /// A list, its items, and how two are compared and added.
    List(Arc<Declared>, ListKind),
    /// A map from texts.
    Map(Arc<Declared>),
    /// An object.
    Object(Arc<Object>),
}

/// How lists are compared and added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListKind {
    /// By place.
    Atomic,
    /// Without order; adding makes a union.
    Set,
    /// By these keys of the items; adding replaces those of the same keys.
    Map(Vec<String>),
}

impl Declared {
    /// A type without known bounds.
    pub fn plain(kind: Type) -> Self {
        Self { shape: Shape::Plain(kind), max_elements: u64::MAX, min_size: 1 }
    }

    /// Anything.
    pub fn anything() -> Self {
        Self::plain(Type::Dyn)
    }

    /// As the checker sees it.
    pub fn kind(&self) -> Type {
        match &self.shape {
            Shape::Plain(kind) => kind.clone(),
            Shape::List(item, _) => Type::list(item.kind()),
            Shape::Map(value) => Type::map(Type::String, value.kind()),
            Shape::Object(object) => Type::Object(object.clone()),
        }
    }

    /// The declaration of a part: `@items`, `@values`, `@keys`, or a field.
    pub(crate) fn part(&self, step: &str) -> Option<Declared> {
        match (&self.shape, step) {
            (Shape::List(item, _), "@items") => Some(Declared::clone(item)),
            (Shape::Map(value), "@values") => Some(Declared::clone(value)),
            (Shape::Map(_), "@keys") => Some(Declared::plain(Type::String)),
            (Shape::Object(object), name) => {
                object.fields.get(name).map(|field| Declared::clone(&field.declared))
            }
            _ => None,
        }
    }
}
