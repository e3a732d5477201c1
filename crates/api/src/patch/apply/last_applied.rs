//! kubectl's step from client-side to server-side apply: the annotation in which the former
//! kept its configuration lets the latter take over, and is kept true for as long as it is there.

use serde_json::Value;

use super::collect::fields_of;
use super::compare::Comparison;
use super::set::FieldSet;
use crate::schema::TypeSchema;

/// The one manager that this is for.
pub(super) const MANAGER: &str = "kubectl";

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The fields that client-side apply set and nobody changed since: these may be taken from
/// whoever owns them. `None` where client-side apply was never here.
pub(super) fn allowed_conflicts(
    schema: &TypeSchema,
    live: &Value,
    api_version: &str,
) -> Option<FieldSet> {
    let last: Value = serde_json::from_str(annotation(live)?).ok()?;
    if last.get("apiVersion")?.as_str()? != api_version {
        return None;
    }
    let changed = Comparison::of(schema, &last, live);
    let fields = fields_of(Some(schema), &last);
    Some(fields.difference(&changed.changed).difference(&changed.removed))
}

/// Puts the configuration into the annotation, where the object has one.
pub(super) fn sync(object: &mut Value, config: &Value) {
    if annotation(object).is_none() {
        return;
    }
    let mut config = config.clone();
    if let Some(annotations) = config.pointer_mut("/metadata/annotations")
        && let Some(annotations) = annotations.as_object_mut()
    {
        annotations.remove(ANNOTATION);
        if annotations.is_empty()
            && let Some(metadata) = config["metadata"].as_object_mut()
        {
            metadata.remove("annotations");
        }
    }
    object["metadata"]["annotations"][ANNOTATION] = format!("{config}\n").into();
}

fn annotation(object: &Value) -> Option<&str> {
    let annotation = object.get("metadata")?.get("annotations")?.get(ANNOTATION)?.as_str()?;
    (!annotation.is_empty()).then_some(annotation)
}
