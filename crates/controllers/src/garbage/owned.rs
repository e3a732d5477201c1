//! An object as the collector reads it: of all that a watch brings, only what tells who owns whom.
//!
//! Every write of every kind passes here, so what is not needed (managed fields above all) is
//! skipped, not read.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::Resource;
use kube::api::ApiResource;
use kube::core::DynamicResourceScope;
use serde::{Deserialize, Deserializer};

/// An object of any kind. Its metadata has the fields of [`Needed`] and no others.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Owned {
    #[serde(deserialize_with = "needed")]
    pub metadata: ObjectMeta,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Needed {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    /// For the watch, which goes on from there.
    resource_version: Option<String>,
    deletion_timestamp: Option<Time>,
    finalizers: Option<Vec<String>>,
    owner_references: Option<Vec<OwnerReference>>,
}

fn needed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let needed = Needed::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: needed.name,
        namespace: needed.namespace,
        uid: needed.uid,
        resource_version: needed.resource_version,
        deletion_timestamp: needed.deletion_timestamp,
        finalizers: needed.finalizers,
        owner_references: needed.owner_references,
        ..ObjectMeta::default()
    })
}

impl Resource for Owned {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(kind: &ApiResource) -> Cow<'_, str> {
        (&kind.kind).into()
    }

    fn group(kind: &ApiResource) -> Cow<'_, str> {
        (&kind.group).into()
    }

    fn version(kind: &ApiResource) -> Cow<'_, str> {
        (&kind.version).into()
    }

    fn plural(kind: &ApiResource) -> Cow<'_, str> {
        (&kind.plural).into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_of_owners_is_read_and_the_rest_is_not() {
        let text = r#"{"apiVersion": "v1", "kind": "Pod", "spec": {"containers": 7}, "metadata": {
            "name": "a", "namespace": "b", "uid": "u", "resourceVersion": "3", "labels": {"x": "y"},
            "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["f"],
            "managedFields": [{"fieldsV1": {}}], "ownerReferences": [
                {"apiVersion": "v1", "kind": "Pod", "name": "o", "uid": "v"}]}}"#;
        let mut full: ObjectMeta = serde_json::from_str(
            &serde_json::from_str::<serde_json::Value>(text).expect("JSON")["metadata"].to_string(),
        )
        .expect("metadata");
        (full.labels, full.managed_fields) = (None, None);
        assert_eq!(serde_json::from_str::<Owned>(text).expect("an object").metadata, full);
    }
}
