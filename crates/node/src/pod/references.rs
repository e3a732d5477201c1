//! The ConfigMaps and Secrets a pod uses, and their contents once fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Container, Pod, Secret, Volume};

use super::ephemeral;

/// Names of objects in the pod's namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct References {
    pub config_maps: BTreeSet<String>,
    pub secrets: BTreeSet<String>,
}

/// What the references lead to; an object that does not exist is absent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    pub config_maps: BTreeMap<String, Arc<ConfigMap>>,
    pub secrets: BTreeMap<String, Arc<Secret>>,
}

impl Sources {
    /// The value of `key` in a ConfigMap, binary or not.
    pub(crate) fn config_map_key(&self, name: &str, key: &str) -> Option<Vec<u8>> {
        let map = self.config_maps.get(name)?;
        let text = map.data.iter().flatten().find(|(k, _)| *k == key);
        let binary = map.binary_data.iter().flatten().find(|(k, _)| *k == key);
        text.map(|(_, value)| value.clone().into_bytes())
            .or_else(|| binary.map(|(_, value)| value.0.clone()))
    }

    /// The value of `key` in a Secret.
    pub(crate) fn secret_key(&self, name: &str, key: &str) -> Option<Vec<u8>> {
        let secret = self.secrets.get(name)?;
        secret.data.as_ref()?.get(key).map(|value| value.0.clone())
    }
}

impl References {
    /// All that containers and volumes of `pod` name.
    pub(crate) fn of(pod: &Pod) -> Self {
        let mut found = Self::default();
        let Some(spec) = &pod.spec else { return found };
        for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
            found.add_container(container);
        }
        for container in ephemeral::all(pod) {
            found.add_container(&ephemeral::as_container(container));
        }
        for volume in spec.volumes.iter().flatten() {
            found.add_volume(volume);
        }
        found
    }

    fn add_container(&mut self, container: &Container) {
        for from in container.env_from.iter().flatten() {
            self.config_maps.extend(from.config_map_ref.iter().map(|r| r.name.clone()));
            self.secrets.extend(from.secret_ref.iter().map(|r| r.name.clone()));
        }
        for source in container.env.iter().flatten().filter_map(|env| env.value_from.as_ref()) {
            self.config_maps.extend(source.config_map_key_ref.iter().map(|r| r.name.clone()));
            self.secrets.extend(source.secret_key_ref.iter().map(|r| r.name.clone()));
        }
    }

    fn add_volume(&mut self, volume: &Volume) {
        self.config_maps.extend(volume.config_map.iter().map(|source| source.name.clone()));
        self.secrets.extend(volume.secret.iter().filter_map(|source| source.secret_name.clone()));
        let projected = volume.projected.iter().filter_map(|projected| projected.sources.as_ref());
        for source in projected.flatten() {
            self.config_maps.extend(source.config_map.iter().map(|r| r.name.clone()));
            self.secrets.extend(source.secret.iter().map(|r| r.name.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_of_containers_and_volumes_are_found() {
        let pod: Pod = serde_json::from_value(json!({"spec": {
            "initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "s1"}}]}],
            "containers": [{"name": "c",
                "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m1", "key": "k"}}},
                        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s2", "key": "k"}}}],
                "envFrom": [{"configMapRef": {"name": "m2"}}]}],
            "volumes": [{"name": "a", "configMap": {"name": "m3"}},
                {"name": "b", "secret": {"secretName": "s3"}},
                {"name": "c", "projected": {"sources": [{"configMap": {"name": "m4"}},
                    {"secret": {"name": "s4"}}]}}]
        }}))
        .unwrap();
        let found = References::of(&pod);
        assert_eq!(found.config_maps.into_iter().collect::<Vec<_>>(), ["m1", "m2", "m3", "m4"]);
        assert_eq!(found.secrets.into_iter().collect::<Vec<_>>(), ["s1", "s2", "s3", "s4"]);
    }
}
