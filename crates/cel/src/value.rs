//! Values while an expression is evaluated. What comes from JSON stays there and is looked at
//! through its declaration, part by part.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::Declared;
use crate::declared::ListKind;

mod compare;
mod json;
mod key;
mod map;
pub(crate) mod time;

pub use jiff::Timestamp;
pub use key::Key;
pub use map::Map;

/// A value.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// With a sign.
    Int(i64),
    /// Without.
    Uint(u64),
    /// Floating.
    Double(f64),
    /// Text.
    String(Text<'a>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// A point in time.
    Timestamp(Timestamp),
    /// A span of time, in nanoseconds.
    Duration(i64),
    /// A list.
    List(List<'a>),
    /// A map or an object.
    Map(Map<'a>),
    /// A type, by its name.
    Kind(Arc<str>),
    /// Something or nothing.
    Optional(Option<Arc<Value<'a>>>),
    /// A library's value.
    Opaque(Arc<dyn Opaque>),
}

/// A value of a library's own type.
pub trait Opaque: fmt::Debug + Send + Sync {
    /// The type's name.
    fn kind(&self) -> &'static str;
    /// Is it the same as another one?
    fn equals(&self, other: &dyn Opaque) -> bool;
    /// In the units that costs are counted in.
    fn size(&self) -> u64 {
        1
    }
    /// For the library's own functions.
    fn as_any(&self) -> &dyn Any;
}

/// A text, borrowed or made.
#[derive(Clone)]
pub enum Text<'a> {
    /// Of the variables or the program.
    Borrowed(&'a str),
    /// Made on the way.
    Shared(Arc<str>),
}

impl Text<'_> {
    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// A list.
#[derive(Debug, Clone)]
pub enum List<'a> {
    /// In JSON, with what its items are and how it is compared.
    Json(&'a [serde_json::Value], Option<(&'a Declared, &'a ListKind)>),
    /// Made on the way.
    Made(Arc<Vec<Value<'a>>>),
    /// The same of lists that are no plain ones, which it is compared like.
    Joined(Arc<Vec<Value<'a>>>, &'a ListKind),
}

impl<'a> List<'a> {
    /// How many items.
    pub fn len(&self) -> usize {
        match self {
            Self::Json(items, _) => items.len(),
            Self::Made(items) | Self::Joined(items, _) => items.len(),
        }
    }

    /// None at all?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An item.
    pub fn get(&self, index: usize) -> Option<Value<'a>> {
        match self {
            Self::Json(items, declared) => {
                let item = declared.map(|(item, _)| item);
                items.get(index).map(|value| Value::of_json(value, item))
            }
            Self::Made(items) | Self::Joined(items, _) => items.get(index).cloned(),
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Value<'a>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    pub(crate) fn list_kind(&self) -> &'a ListKind {
        match self {
            Self::Json(_, Some((_, kind))) | Self::Joined(_, kind) => kind,
            _ => &ListKind::Atomic,
        }
    }
}

impl<'a> Value<'a> {
    /// A text that was made.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::String(Text::Shared(text.into()))
    }

    /// A list that was made.
    pub fn list(items: Vec<Value<'a>>) -> Self {
        Self::List(List::Made(Arc::new(items)))
    }

    /// Something, where there may be nothing.
    pub fn some(value: Value<'a>) -> Self {
        Self::Optional(Some(Arc::new(value)))
    }

    /// A library's value.
    pub fn opaque(value: impl Opaque + 'static) -> Self {
        Self::Opaque(Arc::new(value))
    }

    /// The text, of a text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The value of a library, of its type.
    pub fn as_opaque<T: 'static>(&self) -> Option<&T> {
        match self {
            Self::Opaque(value) => value.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// The name of its type.
    pub fn kind_name(&self) -> &str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Kind(_) => "type",
            Self::Optional(_) => "optional_type",
            Self::Opaque(value) => value.kind(),
        }
    }

    /// In the units that costs are counted in: characters, bytes, elements, or 1.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::String(text) => text.as_str().chars().count() as u64,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::List(list) => list.len() as u64,
            Self::Map(map) => map.len() as u64,
            Self::Optional(Some(value)) => value.size(),
            Self::Opaque(value) => value.size(),
            _ => 1,
        }
    }
}
