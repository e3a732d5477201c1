//! What writers of definitions and of their objects are told: nothing is ignored in silence.

use api::custom::is_known_format;
use serde_json::Value;

use super::STORAGE;
use crate::request::Call;

/// Deeper schemas are refused.
const DEPTH_MAX: usize = 64;

/// Warns of what is stored and does nothing.
pub(crate) fn warn(call: &Call<'_>, old: Option<&Value>, object: &Value) {
    if call.kind.custom.is_some() {
        finalizers(call, old, object);
    }
    if call.kind.storage != STORAGE {
        return;
    }
    for version in object["spec"]["versions"].as_array().into_iter().flatten() {
        let document = &version["schema"]["openAPIV3Schema"];
        formats(call, document, 0);
    }
}

/// A new name without a domain may be meant by others too.
fn finalizers(call: &Call<'_>, old: Option<&Value>, object: &Value) {
    let had = |name: &str| old.is_some_and(|old| api::meta::finalizers(old).any(|it| it == name));
    let new = api::meta::finalizers(object).filter(|name| !had(name));
    for name in new.filter(|name| !name.contains('/')) {
        let path = if name.contains('.') { " including a path (/)" } else { "" };
        if !matches!(name, "orphan" | "foregroundDeletion" | "kubernetes") {
            call.warn(format!(
                "metadata.finalizers: {name:?}: prefer a domain-qualified finalizer name{path} to \
                 avoid accidental conflicts with other finalizer writers"
            ));
        }
    }
}

fn formats(call: &Call<'_>, value: &Value, depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    if let Some(format) = value["format"].as_str().filter(|f| !f.is_empty() && !is_known_format(f))
    {
        call.warn(format!("unrecognized format {format:?}"));
    }
    let lists = ["allOf", "anyOf", "oneOf"].map(|junctor| value[junctor].as_array());
    let single = ["items", "additionalProperties", "not"].map(|field| &value[field]);
    let properties = value["properties"].as_object().into_iter().flatten().map(|(_, below)| below);
    let below = single.into_iter().chain(lists.into_iter().flatten().flatten()).chain(properties);
    below.filter(|below| below.is_object()).for_each(|below| formats(call, below, depth + 1));
}
