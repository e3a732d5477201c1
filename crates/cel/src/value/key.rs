//! The keys of maps.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Text, Value};

/// A key. Whole numbers are equal whether they have a sign or not.
#[derive(Debug, Clone)]
pub enum Key {
    /// `true` or `false`.
    Bool(bool),
    /// With a sign.
    Int(i64),
    /// Without.
    Uint(u64),
    /// Text.
    String(Arc<str>),
}

impl Key {
    /// A value as a key, where it can be one.
    pub fn of(value: &Value<'_>) -> Option<Self> {
        Some(match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Uint(value) => Self::Uint(*value),
            Value::Double(value) if value.fract() == 0.0 && value.abs() < 9e15 => {
                Self::Int(*value as i64)
            }
            Value::String(Text::Shared(text)) => Self::String(text.clone()),
            Value::String(Text::Borrowed(text)) => Self::String((*text).into()),
            _ => return None,
        })
    }

    /// The key as a value.
    pub fn to_value<'a>(&self) -> Value<'a> {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Uint(value) => Value::Uint(*value),
            Self::String(text) => Value::String(Text::Shared(text.clone())),
        }
    }

    fn rank(&self) -> (u8, i128) {
        match self {
            Self::Bool(value) => (0, i128::from(*value)),
            Self::Int(value) => (1, i128::from(*value)),
            Self::Uint(value) => (1, i128::from(*value)),
            Self::String(_) => (2, 0),
        }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::String(a), Self::String(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}
