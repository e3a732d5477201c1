//! One step of a path into an object, as managed fields name it.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};

/// How to get from an object or list to what it holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathElement {
    /// A field of an object: `f:name`.
    Field(String),
    /// The list item whose fields are these, sorted by name: `k:{"name":"app"}`.
    Key(Vec<(String, Scalar)>),
    /// The list item that is this value: `v:"app"`.
    Value(Scalar),
    /// The list item at this place: `i:0`. Read for completeness, never written.
    Index(i64),
}

/// A JSON value with an order, the one structured-merge-diff has: numbers, strings, booleans,
/// lists, objects, null.
#[derive(Debug, Clone)]
pub struct Scalar(pub Value);

/// A text that is no path element.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathElementError {
    /// A type this version does not know; to be skipped.
    #[error("unknown path element type")]
    UnknownType,
    /// Not a path element.
    #[error("{0}")]
    Malformed(String),
}

impl PathElement {
    /// A field.
    pub fn field(name: impl Into<String>) -> Self {
        Self::Field(name.into())
    }

    /// Its form as a key of FieldsV1.
    pub fn serialize(&self) -> String {
        match self {
            Self::Field(name) => ["f:", name].concat(),
            Self::Key(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| {
                        format!("{}:{}", go_json(&Value::from(name.as_str())), go_json(&value.0))
                    })
                    .collect();
                format!("k:{{{}}}", fields.join(","))
            }
            Self::Value(value) => format!("v:{}", go_json(&value.0)),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    /// Reads a key of FieldsV1.
    pub fn parse(text: &str) -> Result<Self, PathElementError> {
        let malformed = |why: String| PathElementError::Malformed(why);
        let Some((kind, rest)) = text.split_at_checked(2) else {
            return Err(malformed("key must be 2 characters long:".to_owned()));
        };
        let json = |error: serde_json::Error| malformed(error.to_string());
        match kind {
            "f:" => Ok(Self::field(rest)),
            "v:" => serde_json::from_str(rest).map(Scalar).map(Self::Value).map_err(json),
            "k:" => serde_json::from_str::<Map<String, Value>>(rest)
                .map(|fields| fields.into_iter().map(|(name, value)| (name, Scalar(value))))
                .map(|fields| Self::Key(fields.collect()))
                .map_err(json),
            "i:" => rest.parse().map(Self::Index).map_err(|_| malformed(format!("index {rest:?}"))),
            other if other.ends_with(':') => Err(PathElementError::UnknownType),
            _ => Err(malformed(format!("missing colon: {text}"))),
        }
    }
}

/// `.spec`, `[name="app"]`, `[="app"]`: as conflicts print it.
impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(fields) => {
                f.write_str("[")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}{name}={}", value.0)?;
                }
                f.write_str("]")
            }
            Self::Value(value) => write!(f, "[={}]", value.0),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// JSON as Go's encoder writes it, which escapes what HTML could mistake.
fn go_json(value: &Value) -> String {
    let json = value.to_string();
    if !json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scalar {}

/// The order of [`Scalar`].
pub(super) fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => compare_numbers(left, right),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Array(left), Value::Array(right)) => {
            let items = left.iter().zip(right).map(|(left, right)| compare(left, right));
            items.fold(Ordering::Equal, Ordering::then).then(left.len().cmp(&right.len()))
        }
        (Value::Object(left), Value::Object(right)) => {
            let fields = left.iter().zip(right).map(|((left_name, left), (right_name, right))| {
                left_name.cmp(right_name).then_with(|| compare(left, right))
            });
            fields.fold(Ordering::Equal, Ordering::then).then(left.len().cmp(&right.len()))
        }
        _ => rank(left).cmp(&rank(right)),
    }
}

fn compare_numbers(left: &serde_json::Number, right: &serde_json::Number) -> Ordering {
    let whole = |number: &serde_json::Number| {
        number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
    };
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => {
            let float = |number: &serde_json::Number| number.as_f64().unwrap_or_default();
            float(left).total_cmp(&float(right))
        }
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}
