//! What may change of a pod that is there: hardly anything.

use serde_json::{Value, json};

use super::gated;
use crate::read;
use crate::validation::field::{Field, changes, same};

const CHANGEABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,\
    `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
    `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// A valid Pod and what it was.
pub(in crate::validation) fn update(object: &Field<'_>, old: &Value) {
    fixed_annotations(&object.at("metadata").at("annotations"), old);
    let (spec, old) = (object.at("spec"), read::at(old, &["spec"]));
    for list in ["containers", "initContainers"] {
        if spec.at(list).len() != read::list(old, list).len() {
            return spec.at(list).forbidden("pod updates may not add or remove containers");
        }
    }
    deadline(&spec.at("activeDeadlineSeconds"), read::int(old, "activeDeadlineSeconds"));
    tolerations(&spec.at("tolerations"), read::list(old, "tolerations"));
    gates(&spec.at("schedulingGates"), read::list(old, "schedulingGates"));
    let mut kept = with_old(spec.value, old);
    if !read::list(old, "schedulingGates").is_empty() {
        gated::narrowed(&spec, old, &mut kept);
    }
    let changed = changes("spec", &kept, old);
    if !changed.is_empty() {
        spec.forbidden(format!(
            "pod updates may not change fields other than {CHANGEABLE}\nchanged: {}",
            changed.join(", ")
        ));
    }
}

/// Annotations that stay as they were made.
pub(super) fn fixed_annotations(annotations: &Field<'_>, old: &Value) {
    const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
    let had = read::at(old, &["metadata", "annotations"]);
    let keys = |map: &Value| map.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>());
    let what = |key: &str| match key {
        "kubernetes.io/config.mirror" => Some("mirror pod annotation"),
        _ if key.starts_with(APP_ARMOR) => Some("AppArmor annotations"),
        _ => None,
    };
    for key in keys(had).into_iter().flatten() {
        let changed = annotations.value.get(&key) != had.get(&key);
        if let Some(what) = what(&key).filter(|_| changed) {
            annotations.key(&key).forbidden(format!("may not remove or update {what}"));
        }
    }
    for (key, annotation) in annotations.entries() {
        if let Some(what) = what(key).filter(|_| had.get(key).is_none()) {
            annotation.forbidden(format!("may not add {what}"));
        }
    }
}

/// The new spec with the old one's values wherever a change is allowed.
fn with_old(new: &Value, old: &Value) -> Value {
    let mut kept = new.clone();
    for list in ["containers", "initContainers"] {
        let items = kept.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for (container, old) in items.zip(read::list(old, list)) {
            keep(container, old, "image");
        }
    }
    for field in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
        keep(&mut kept, old, field);
    }
    let grace = "terminationGracePeriodSeconds";
    let was_negative = read::int(old, grace).is_some_and(|seconds| seconds < 0);
    if was_negative && read::int(new, grace) == Some(1) {
        keep(&mut kept, old, grace);
    }
    kept
}

fn keep(new: &mut Value, old: &Value, field: &str) {
    let Some(fields) = new.as_object_mut() else { return };
    fields.insert(field.to_owned(), old.get(field).cloned().unwrap_or_default());
}

/// It may be set and brought nearer.
fn deadline(new: &Field<'_>, old: Option<i64>) {
    match (new.int(), old) {
        (Some(new_seconds), Some(old)) if new_seconds > old => {
            new.invalid("must be less than or equal to previous value");
        }
        (None, Some(_)) => new.invalid("must not update from a positive integer to nil value"),
        _ => {}
    }
}

fn tolerations(new: &Field<'_>, old: &[Value]) {
    let without_seconds = |toleration: &Value| {
        let mut toleration = toleration.clone();
        toleration["tolerationSeconds"] = json!(null);
        toleration
    };
    let given: Vec<_> = new.items().map(|item| without_seconds(item.value)).collect();
    let is_kept = |old: &Value| given.iter().any(|new| same(new, &without_seconds(old)));
    if !old.iter().filter(|old| old.is_object()).all(is_kept) {
        new.forbidden("existing toleration can not be modified except its tolerationSeconds");
    }
}

fn gates(new: &Field<'_>, old: &[Value]) {
    for name in new.items().map(|gate| gate.at("name")) {
        let gate = name.text();
        if !old.iter().any(|old| read::text(old, "name") == gate) {
            name.forbidden(format!(
                "only deletion is allowed, but found new scheduling gate '{gate}'"
            ));
        }
    }
}
