//! An object of which only the name is wanted: a watch of all ConfigMaps reads none of their data.

use std::borrow::Cow;
use std::marker::PhantomData;

use kube::Resource;
use kube::api::ObjectMeta;
use serde::{Deserialize, Deserializer};

/// A `K` without anything but its name, namespace and version.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Named<K> {
    #[serde(deserialize_with = "names")]
    metadata: ObjectMeta,
    #[serde(skip)]
    of: PhantomData<K>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Names {
    name: Option<String>,
    namespace: Option<String>,
    /// For the watch, which goes on from there.
    resource_version: Option<String>,
}

fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let Names { name, namespace, resource_version } = Names::deserialize(deserializer)?;
    Ok(ObjectMeta { name, namespace, resource_version, ..ObjectMeta::default() })
}

impl<K: Resource> Resource for Named<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(kind: &K::DynamicType) -> Cow<'_, str> {
        K::kind(kind)
    }

    fn group(kind: &K::DynamicType) -> Cow<'_, str> {
        K::group(kind)
    }

    fn version(kind: &K::DynamicType) -> Cow<'_, str> {
        K::version(kind)
    }

    fn plural(kind: &K::DynamicType) -> Cow<'_, str> {
        K::plural(kind)
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
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    #[test]
    fn names_are_read_and_data_is_not() {
        let text = r#"{"data": 7, "metadata": {"labels": 7, "name": "a", "namespace": "b", "resourceVersion": "3"}}"#;
        let named: Named<ConfigMap> = serde_json::from_str(text).expect("an object");
        let read = (named.metadata.name, named.metadata.namespace, named.metadata.resource_version);
        assert_eq!(read, (Some("a".into()), Some("b".into()), Some("3".into())));
        assert_eq!(Named::<ConfigMap>::url_path(&(), Some("b")), "/api/v1/namespaces/b/configmaps");
    }
}
