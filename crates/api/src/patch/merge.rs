//! JSON merge patch (RFC 7386).

use serde_json::{Map, Value};

/// Merges `patch` into `document`: null deletes, objects merge, all else replaces.
///
/// A patch that is not an object replaces the whole document, as the RFC has it; an API
/// refuses such a patch before it comes here.
pub fn apply(document: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *document = patch;
        return;
    };
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    let Value::Object(fields) = document else { unreachable!("made an object just above") };
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(&name);
        } else {
            apply(fields.entry(name).or_insert(Value::Null), value);
        }
    }
}
