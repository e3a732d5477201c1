//! Typed access to `metadata` in an object.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::read;

/// One of `metadata.ownerReferences`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerReference {
    /// The owner's `apiVersion`.
    pub api_version: String,
    /// The owner's kind.
    pub kind: String,
    /// The owner's name.
    pub name: String,
    /// The owner's uid.
    pub uid: String,
    /// Is it the controller that manages the object?
    pub controller: bool,
    /// Does the owner's foreground deletion wait for the object?
    pub block_owner_deletion: bool,
}

fn metadata(object: &Value) -> &Value {
    read::at(object, &["metadata"])
}

/// `metadata.name`; empty where there is none, as for all texts here.
pub fn name(object: &Value) -> &str {
    read::text(metadata(object), "name")
}

/// `metadata.generateName`.
pub fn generate_name(object: &Value) -> &str {
    read::text(metadata(object), "generateName")
}

/// `metadata.namespace`.
pub fn namespace(object: &Value) -> &str {
    read::text(metadata(object), "namespace")
}

/// `metadata.uid`.
pub fn uid(object: &Value) -> &str {
    read::text(metadata(object), "uid")
}

/// `metadata.resourceVersion`.
pub fn resource_version(object: &Value) -> &str {
    read::text(metadata(object), "resourceVersion")
}

/// `metadata.generation`; 0 where there is none.
pub fn generation(object: &Value) -> i64 {
    read::int(metadata(object), "generation").unwrap_or_default()
}

/// `metadata.creationTimestamp` as it stands.
pub fn creation_timestamp(object: &Value) -> Option<&str> {
    metadata(object).get("creationTimestamp")?.as_str()
}

/// `metadata.deletionTimestamp` as it stands.
pub fn deletion_timestamp(object: &Value) -> Option<&str> {
    metadata(object).get("deletionTimestamp")?.as_str()
}

/// `metadata.deletionGracePeriodSeconds`.
pub fn deletion_grace_period_seconds(object: &Value) -> Option<i64> {
    read::int(metadata(object), "deletionGracePeriodSeconds")
}

/// Is the object being deleted?
pub fn is_deleting(object: &Value) -> bool {
    deletion_timestamp(object).is_some()
}

/// `metadata.finalizers`.
pub fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    read::list(metadata(object), "finalizers").iter().filter_map(Value::as_str)
}

/// `metadata.labels`.
pub fn labels(object: &Value) -> BTreeMap<&str, &str> {
    texts(metadata(object), "labels")
}

/// One label.
pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    read::at(object, &["metadata", "labels", key]).as_str()
}

/// `metadata.annotations`.
pub fn annotations(object: &Value) -> BTreeMap<&str, &str> {
    texts(metadata(object), "annotations")
}

/// One annotation.
pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    read::at(object, &["metadata", "annotations", key]).as_str()
}

fn texts<'a>(value: &'a Value, field: &str) -> BTreeMap<&'a str, &'a str> {
    read::entries(value, field).filter_map(|(k, v)| Some((k.as_str(), v.as_str()?))).collect()
}

/// `metadata.ownerReferences`.
pub fn owner_references(object: &Value) -> Vec<OwnerReference> {
    read::list(metadata(object), "ownerReferences").iter().map(owner_reference).collect()
}

/// The owner that is the controller, where there is one.
pub fn controller_of(object: &Value) -> Option<OwnerReference> {
    owner_references(object).into_iter().find(|owner| owner.controller)
}

fn owner_reference(value: &Value) -> OwnerReference {
    OwnerReference {
        api_version: read::text(value, "apiVersion").to_owned(),
        kind: read::text(value, "kind").to_owned(),
        name: read::text(value, "name").to_owned(),
        uid: read::text(value, "uid").to_owned(),
        controller: read::flag(value, "controller"),
        block_owner_deletion: read::flag(value, "blockOwnerDeletion"),
    }
}

/// `metadata` to write to, made where it is missing; `None` where the object is not an object.
pub fn metadata_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    let metadata = object.as_object_mut()?.entry("metadata").or_insert_with(|| json!({}));
    if metadata.is_null() {
        *metadata = json!({});
    }
    metadata.as_object_mut()
}

/// Sets a field of `metadata`; null or an empty text takes it away. Does nothing to what is not an object.
pub fn set(object: &mut Value, field: &str, value: impl Into<Value>) {
    let value = value.into();
    let Some(metadata) = metadata_mut(object) else { return };
    if value.is_null() || value.as_str() == Some("") {
        metadata.remove(field);
    } else {
        metadata.insert(field.to_owned(), value);
    }
}

/// Sets `metadata.name`.
pub fn set_name(object: &mut Value, name: &str) {
    set(object, "name", name);
}

/// Sets `metadata.namespace`.
pub fn set_namespace(object: &mut Value, namespace: &str) {
    set(object, "namespace", namespace);
}

/// Sets `metadata.uid`.
pub fn set_uid(object: &mut Value, uid: &str) {
    set(object, "uid", uid);
}

/// Sets `metadata.resourceVersion`.
pub fn set_resource_version(object: &mut Value, version: &str) {
    set(object, "resourceVersion", version);
}

/// Sets `metadata.generation`.
pub fn set_generation(object: &mut Value, generation: i64) {
    set(object, "generation", generation);
}

/// Sets `metadata.creationTimestamp`.
pub fn set_creation_timestamp(object: &mut Value, time: &str) {
    set(object, "creationTimestamp", time);
}

/// Sets `metadata.deletionTimestamp`.
pub fn set_deletion_timestamp(object: &mut Value, time: &str) {
    set(object, "deletionTimestamp", time);
}

/// Sets one label.
pub fn set_label(object: &mut Value, key: &str, value: &str) {
    set_in(object, "labels", key, value);
}

/// Sets one annotation.
pub fn set_annotation(object: &mut Value, key: &str, value: &str) {
    set_in(object, "annotations", key, value);
}

fn set_in(object: &mut Value, field: &str, key: &str, value: &str) {
    let Some(metadata) = metadata_mut(object) else { return };
    let map = metadata.entry(field).or_insert_with(|| json!({}));
    if map.is_null() {
        *map = json!({});
    }
    if let Some(map) = map.as_object_mut() {
        map.insert(key.to_owned(), value.into());
    }
}

/// Sets `metadata.finalizers`; none takes the field away.
pub fn set_finalizers<'a>(object: &mut Value, finalizers: impl IntoIterator<Item = &'a str>) {
    let finalizers: Vec<Value> = finalizers.into_iter().map(Value::from).collect();
    let value = if finalizers.is_empty() { Value::Null } else { Value::Array(finalizers) };
    set(object, "finalizers", value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_metadata_reads_as_nothing() {
        let object = json!({});
        assert_eq!((name(&object), uid(&object), generation(&object)), ("", "", 0));
        assert!(labels(&object).is_empty() && !is_deleting(&object));
        assert_eq!(finalizers(&object).count(), 0);
        assert_eq!(controller_of(&object), None);
    }

    #[test]
    fn what_is_set_reads_back() {
        let mut object = json!({"metadata": null});
        set_name(&mut object, "web");
        set_generation(&mut object, 3);
        set_label(&mut object, "app", "web");
        set_finalizers(&mut object, ["a/b"]);
        assert_eq!((name(&object), generation(&object)), ("web", 3));
        assert_eq!(label(&object, "app"), Some("web"));
        assert_eq!(finalizers(&object).collect::<Vec<_>>(), ["a/b"]);
    }

    #[test]
    fn setting_nothing_takes_away() {
        let mut object = json!({"metadata": {"uid": "1", "finalizers": ["x"]}});
        set_uid(&mut object, "");
        set_finalizers(&mut object, []);
        assert_eq!(object, json!({"metadata": {}}));
    }

    #[test]
    fn the_controller_is_found_among_owners() {
        let object = json!({"metadata": {"ownerReferences": [
            {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "1"},
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "2", "controller": true},
        ]}});
        assert_eq!(controller_of(&object).map(|o| o.name), Some("r".to_owned()));
    }

    #[test]
    fn what_is_not_an_object_is_left_alone() {
        let mut value = json!("text");
        set_name(&mut value, "x");
        assert_eq!(value, json!("text"));
    }
}
