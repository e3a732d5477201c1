//! Reading a body against its schema, as Go's strict JSON decoder does: unknown fields and
//! duplicates are reported and dropped, nulls are dropped, and values of the wrong type refused.
//!
//! What must be present is not looked at here: that is validation.

use serde::Deserializer;
use serde::de::DeserializeSeed;
use serde_json::Value;

use crate::schema::TypeSchema;

mod prune;
mod scalar;
mod walk;

pub use prune::prune;

/// How deep a body may be nested.
pub const DEPTH_MAX: usize = 100;
/// How many unknown and duplicate fields are reported, as upstream.
pub const REPORTS_MAX: usize = 100;

/// What was read, and what was wrong with it that some callers put up with.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The object, without unknown fields and nulls; quantities are in canonical form.
    pub value: Value,
    /// What was wrong, in the order of the text.
    pub problems: Vec<Problem>,
}

/// A fault in a body that can be read all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The path of a field that the schema does not know: `spec.containers[0].imagee`.
    #[error("unknown field {0:?}")]
    Unknown(String),
    /// The path of a field that came twice; the last counts.
    #[error("duplicate field {0:?}")]
    Duplicate(String),
    /// What the reader of another notation says of a key that is there twice.
    #[error("{0}")]
    Repeated(String),
}

/// Why a body could not be read. The texts are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON.
    #[error("{0}")]
    Syntax(String),
    /// A value of another type than the field's.
    #[error("json: cannot unmarshal {found} into Go {target} of type {expected}")]
    Mismatch {
        /// What was there: `string`, `number 1.5`.
        found: String,
        /// Where: `struct field DeploymentSpec.spec.replicas`, `value`.
        target: String,
        /// Go's name of the field's type: `int32`, `[]v1.Container`.
        expected: String,
    },
    /// A text that is not what its format asks for: a quantity, a time, base64.
    #[error("{0}")]
    Format(String),
    /// Nested more than [`DEPTH_MAX`] deep.
    #[error("exceeded max depth")]
    TooDeep,
    /// Unknown or duplicate fields, where those are refused.
    #[error("strict decoding error: {0}")]
    Strict(String),
}

/// The `fieldValidation` parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FieldValidation {
    /// Unknown and duplicate fields are dropped in silence.
    Ignore,
    /// They are dropped with a warning each.
    #[default]
    Warn,
    /// They are an error.
    Strict,
}

/// A `fieldValidation` that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "fieldValidation: Unsupported value: \"{0}\": supported values: \"Ignore\", \"Strict\", \"Warn\""
)]
pub struct UnknownFieldValidation(pub String);

impl std::str::FromStr for FieldValidation {
    type Err = UnknownFieldValidation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "Ignore" => Ok(Self::Ignore),
            "" | "Warn" => Ok(Self::Warn),
            "Strict" => Ok(Self::Strict),
            other => Err(UnknownFieldValidation(other.to_owned())),
        }
    }
}

impl Decoded {
    /// One line per unknown or duplicate field: `unknown field "spec.foo"`.
    pub fn problems(&self) -> Vec<String> {
        self.problems.iter().map(Problem::to_string).collect()
    }

    /// Paths of the fields that the schema does not know.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.problems.iter().filter_map(|problem| match problem {
            Problem::Unknown(path) => Some(path.as_str()),
            Problem::Duplicate(_) | Problem::Repeated(_) => None,
        })
    }

    /// The object and the warnings to send with it, or the error that `Strict` makes of them.
    pub fn judge(self, level: FieldValidation) -> Result<(Value, Vec<String>), DecodeError> {
        let problems = self.problems();
        match level {
            FieldValidation::Strict if !problems.is_empty() => {
                Err(DecodeError::Strict(problems.join(", ")))
            }
            FieldValidation::Warn => Ok((self.value, problems)),
            _ => Ok((self.value, Vec::new())),
        }
    }
}

/// Reads JSON text.
pub fn decode_json(bytes: &[u8], schema: &TypeSchema) -> Result<Decoded, DecodeError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let decoded = decode(&mut deserializer, schema)?;
    deserializer.end().map_err(|e| DecodeError::Syntax(e.to_string()))?;
    Ok(decoded)
}

/// Reads an object that is a `Value` already, of which duplicates are no longer known: from YAML,
/// from a patch.
pub fn decode_value(value: &Value, schema: &TypeSchema) -> Result<Decoded, DecodeError> {
    decode(value, schema)
}

/// Reads from any self-describing format.
pub fn decode<'de, D>(deserializer: D, schema: &TypeSchema) -> Result<Decoded, DecodeError>
where
    D: Deserializer<'de>,
    D::Error: std::fmt::Display,
{
    let mut walk = walk::Walk::default();
    let read = walk::Node::new(&mut walk, schema).deserialize(deserializer);
    match (walk.error, read) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(DecodeError::Syntax(error.to_string())),
        (None, Ok(value)) => {
            Ok(Decoded { value: value.unwrap_or(Value::Null), problems: walk.problems })
        }
    }
}

#[cfg(test)]
mod tests;
