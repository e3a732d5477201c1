//! Namespaces: born Active, with the finalizer that the namespace controller takes off.

use serde_json::{Value, json};

use crate::object::{child_mut, meta, metadata_mut};

/// The label every namespace carries.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

pub(super) fn prepare(namespace: &mut Value) {
    let finalizers = child_mut(namespace, "spec").entry("finalizers").or_insert_with(|| json!([]));
    if let Some(list) = finalizers.as_array_mut()
        && !list.iter().any(|finalizer| finalizer == "kubernetes")
    {
        list.push("kubernetes".into());
    }
}

pub(super) fn initial_status(_: &Value) -> Value {
    json!({"phase": "Active"})
}

/// Set at create and kept at update, once the name is known.
pub(crate) fn label(namespace: &mut Value) {
    let name = meta(namespace, "name").to_owned();
    let labels = metadata_mut(namespace).entry("labels").or_insert_with(|| json!({}));
    if let Some(labels) = labels.as_object_mut() {
        labels.insert(NAME_LABEL.to_owned(), name.into());
    }
}
