//! A definition goes last: first its objects.

use serde_json::{Value, json};

use super::names::set_condition;
use crate::object::metadata_mut;

/// Holds a definition until its objects are gone.
pub(super) const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// What the first request to delete does to a definition, beside the deletionTimestamp.
pub(crate) fn begin(definition: &mut Value) {
    let finalizers = metadata_mut(definition).entry("finalizers").or_insert(json!([]));
    if let Some(finalizers) = finalizers.as_array_mut()
        && !finalizers.contains(&FINALIZER.into())
    {
        finalizers.push(FINALIZER.into());
    }
    let message =
        "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    set_condition(definition, "Terminating", true, "InstanceDeletionPending", message);
}
