//! The types of the language.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::Declared;

/// What an expression can be known to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// Anything; what it is shows at run time.
    Dyn,
    /// Of an expression that is wrong.
    Error,
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool,
    /// 64 bits with a sign.
    Int,
    /// 64 bits without.
    Uint,
    /// A floating-point number.
    Double,
    /// Unicode text.
    String,
    /// Bytes.
    Bytes,
    /// A point in time.
    Timestamp,
    /// A span of time.
    Duration,
    /// A type as a value.
    Kind(Arc<Type>),
    /// `list(item)`.
    List(Arc<Type>),
    /// `map(key, value)`.
    Map(Arc<(Type, Type)>),
    /// An object with fields of its own.
    Object(Arc<Object>),
    /// A library's type, by its name, with parameters: `optional_type(int)`.
    Opaque(Arc<str>, Arc<[Type]>),
    /// A type that is still to be found.
    Param(u32),
}

/// An object's type: two are the same when their names are.
#[derive(Debug, Clone)]
pub struct Object {
    /// `object`, or what the declaring side calls it.
    pub name: String,
    /// By the name that expressions use.
    pub fields: BTreeMap<String, Field>,
    /// Any field may be asked for; what has no declaration is dyn.
    pub open: bool,
}

/// A field of an object.
#[derive(Debug, Clone)]
pub struct Field {
    /// The name in JSON, where it cannot be used in expressions.
    pub json_name: String,
    /// What it is.
    pub declared: Arc<Declared>,
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Type {
    /// `list(item)`.
    pub fn list(item: Type) -> Self {
        Self::List(Arc::new(item))
    }

    /// `map(key, value)`.
    pub fn map(key: Type, value: Type) -> Self {
        Self::Map(Arc::new((key, value)))
    }

    /// `optional_type(of)`.
    pub fn optional(of: Type) -> Self {
        Self::Opaque("optional_type".into(), Arc::new([of]))
    }

    /// A library's type.
    pub fn opaque(name: &str) -> Self {
        Self::Opaque(name.into(), Arc::new([]))
    }

    /// Is it an optional one, and of what?
    pub(crate) fn in_optional(&self) -> Option<&Type> {
        match self {
            Self::Opaque(name, params) if &**name == "optional_type" => params.first(),
            _ => None,
        }
    }

    /// Does every value of it have the size 1?
    pub(crate) fn is_scalar(&self) -> bool {
        matches!(
            self,
            Self::Bool | Self::Int | Self::Uint | Self::Double | Self::Duration | Self::Timestamp
        ) || self.in_optional().is_some_and(Self::is_scalar)
    }

    /// The name without parameters, as `type(x)` gives it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Dyn | Self::Param(_) => "dyn",
            Self::Error => "*error*",
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::Duration => "google.protobuf.Duration",
            Self::Kind(_) => "type",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Object(object) => &object.name,
            Self::Opaque(name, _) => name,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Kind(of) if **of == Type::Dyn => f.write_str("type"),
            Self::Kind(of) => write!(f, "type({of})"),
            Self::List(item) => write!(f, "list({item})"),
            Self::Map(of) => write!(f, "map({}, {})", of.0, of.1),
            Self::Opaque(name, params) if !params.is_empty() => {
                let params: Vec<String> = params.iter().map(ToString::to_string).collect();
                write!(f, "{name}({})", params.join(", "))
            }
            other => f.write_str(other.name()),
        }
    }
}
