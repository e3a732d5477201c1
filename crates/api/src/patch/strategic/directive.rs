//! The directives a patch may hold beside values.

use std::collections::HashSet;

use serde_json::Value;

use super::{Object, StrategicError};

/// The key of `{"$patch": "replace"}`.
pub(super) const MARKER: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList";
const SET_ORDER: &str = "$setElementOrder";

/// What `$patch` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Directive {
    Replace,
    Delete,
    Merge,
}

impl Directive {
    /// Of the marker's value; `None` where it is not known.
    pub(super) fn of(marker: &Value) -> Option<Self> {
        match marker.as_str()? {
            "replace" => Some(Self::Replace),
            "delete" => Some(Self::Delete),
            "merge" => Some(Self::Merge),
            _ => None,
        }
    }
}

/// Is this a list item that says which item to delete?
pub(super) fn is_deletion(item: &Value) -> bool {
    item.get(MARKER).and_then(Directive::of) == Some(Directive::Delete)
}

/// The field of a `$deleteFromPrimitiveList/field` key; `None` for any other key.
pub(super) fn primitive_list(key: &str) -> Result<Option<&str>, StrategicError> {
    argument(key, DELETE_FROM_LIST, StrategicError::PrimitiveList)
}

/// The field of a `$setElementOrder/field` key; `None` for any other key.
pub(super) fn set_element_order(key: &str) -> Result<Option<&str>, StrategicError> {
    argument(key, SET_ORDER, StrategicError::SetElementOrder)
}

fn argument<'k>(
    key: &'k str,
    prefix: &str,
    error: StrategicError,
) -> Result<Option<&'k str>, StrategicError> {
    match key.strip_prefix(prefix) {
        None => Ok(None),
        Some(rest) => rest.strip_prefix('/').map(Some).ok_or(error),
    }
}

/// Takes `$retainKeys` out of the patch and clears the fields it does not name.
pub(super) fn retain_keys(original: &mut Object, patch: &mut Object) -> Result<(), StrategicError> {
    let Some(retained) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let retained = retained.as_array().ok_or(StrategicError::RetainKeys)?;
    let retained: HashSet<&str> = retained.iter().filter_map(Value::as_str).collect();
    let unnamed = |(name, value): (&String, &Value)| {
        let directive = name.starts_with(DELETE_FROM_LIST) || name.starts_with(SET_ORDER);
        !value.is_null() && !directive && !retained.contains(name.as_str())
    };
    if patch.iter().any(unnamed) {
        return Err(StrategicError::NotRetained);
    }
    original.retain(|name, _| retained.contains(name.as_str()));
    Ok(())
}

/// An added value without its nulls and directives; `None` where it is itself a directive.
pub(super) fn clean(value: Value) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.contains_key(MARKER) => None,
        Value::Object(fields) => Some(Value::Object(clean_fields(fields))),
        Value::Array(items) => Some(items.into_iter().filter_map(clean).collect()),
        scalar => Some(scalar),
    }
}

/// The fields of an added object without nulls and directives.
pub(super) fn clean_fields(fields: Object) -> Object {
    let keep = |name: &str, value: &Value| {
        let directive = name == RETAIN_KEYS
            || [DELETE_FROM_LIST, SET_ORDER].iter().any(|prefix| name.starts_with(prefix));
        !directive && !value.is_null()
    };
    fields
        .into_iter()
        .filter(|(name, value)| keep(name, value))
        .filter_map(|(name, value)| Some((name, clean(value)?)))
        .collect()
}
