//! Writing a status only when it differs, and only what differs.

use std::fmt::Debug;

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::drive::ReconcileError;

/// Patches the status of `name` from `old` to `new`. Returns whether anything was written.
pub(crate) async fn write_status<K, S>(
    api: &Api<K>,
    name: &str,
    old: Option<&S>,
    new: &S,
) -> Result<bool, ReconcileError>
where
    K: Resource + Clone + Debug + DeserializeOwned,
    S: Serialize,
{
    let old = old.map(serde_json::to_value).transpose()?.unwrap_or_else(|| json!({}));
    let Some(change) = difference(&old, &serde_json::to_value(new)?) else {
        return Ok(false);
    };
    let patch = Patch::Merge(json!({ "status": change }));
    api.patch_status(name, &PatchParams::default(), &patch).await?;
    Ok(true)
}

/// The JSON merge patch (RFC 7386) that turns `old` into `new`; `None` when they are equal.
pub(crate) fn difference(old: &Value, new: &Value) -> Option<Value> {
    if old == new {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return Some(new.clone());
    };
    let mut patch: Map<String, Value> = old
        .keys()
        .filter(|key| !new.contains_key(*key))
        .map(|key| (key.clone(), Value::Null))
        .collect();
    for (key, value) in new {
        let change = match old.get(key) {
            None => Some(value.clone()),
            Some(before) => difference(before, value),
        };
        if let Some(change) = change {
            patch.insert(key.clone(), change);
        }
    }
    Some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: Value, new: Value, expected: Option<Value>) {
        assert_eq!(difference(&old, &new), expected);
    }

    #[test]
    fn equal_values_need_no_patch() {
        check(json!({"a": [1]}), json!({"a": [1]}), None);
    }

    #[test]
    fn what_is_gone_becomes_null() {
        check(json!({"a": 1, "b": 2}), json!({"b": 2}), Some(json!({"a": null})));
    }

    #[test]
    fn objects_are_compared_inside_and_lists_as_a_whole() {
        check(
            json!({"a": {"x": 1, "y": 1}, "l": [1]}),
            json!({"a": {"x": 1, "y": 2}, "l": [1, 2]}),
            Some(json!({"a": {"y": 2}, "l": [1, 2]})),
        );
    }
}
