//! How deep objects may nest: what is stored must be readable again, and serde_json
//! reads no deeper than this.

use serde_json::Value;

/// The deepest object that may be stored.
pub(crate) const DEPTH_MAX: usize = 120;

/// How many containers enclose the innermost value, itself included; a scalar has depth 0.
pub(crate) fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
