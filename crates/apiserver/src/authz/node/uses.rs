//! What a pod uses, read from its stored form: only this is parsed of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::object::text;

/// Sorts of objects that a node has to do with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum What {
    Pod,
    Secret,
    ConfigMap,
    Account,
    Claim,
    Volume,
    ResourceClaim,
    Attachment,
    Slice,
}

/// A pod that a node agent made from a file uses nothing of the API.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// A pod as it is stored, as far as it matters here.
#[derive(Deserialize)]
pub(super) struct Stored {
    metadata: Metadata,
    spec: Value,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    resource_claim_statuses: Value,
    extended_resource_claim_status: Value,
}

impl Stored {
    /// The node that it is on, if it is on one.
    pub(super) fn node(&self) -> Option<&str> {
        self.spec["nodeName"].as_str().filter(|node| !node.is_empty())
    }

    /// What it uses in its namespace: sort and name.
    pub(super) fn uses(&self) -> Vec<(What, String)> {
        if self.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(MIRROR)) {
            return Vec::new();
        }
        let mut found = Found::of_spec(&self.metadata.name, &self.spec);
        let spec = &self.spec;
        for claim in
            items(&spec["resourceClaims"]).chain(items(&self.status.resource_claim_statuses))
        {
            found.add(What::ResourceClaim, &claim["resourceClaimName"]);
        }
        let extended = &self.status.extended_resource_claim_status;
        found.add(What::ResourceClaim, &extended["resourceClaimName"]);
        found.0
    }
}

/// What the spec of a pod of this name says that it uses.
pub(crate) fn of_spec(pod: &str, spec: &Value) -> Vec<(What, String)> {
    Found::of_spec(pod, spec).0
}

#[derive(Default)]
struct Found(Vec<(What, String)>);

impl Found {
    fn of_spec(pod: &str, spec: &Value) -> Self {
        let mut found = Self::default();
        found.add(What::Account, &spec["serviceAccountName"]);
        items(&spec["imagePullSecrets"]).for_each(|from| found.add(What::Secret, &from["name"]));
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            items(&spec[list]).for_each(|container| found.container(container));
        }
        items(&spec["volumes"]).for_each(|volume| found.volume(pod, volume));
        found
    }

    fn add(&mut self, what: What, name: &Value) {
        let Some(name) = name.as_str().filter(|name| !name.is_empty()) else { return };
        if !self.0.iter().any(|(of, have)| *of == what && have == name) {
            self.0.push((what, name.to_owned()));
        }
    }

    fn container(&mut self, container: &Value) {
        for from in items(&container["envFrom"]) {
            self.add(What::ConfigMap, &from["configMapRef"]["name"]);
            self.add(What::Secret, &from["secretRef"]["name"]);
        }
        for variable in items(&container["env"]) {
            let from = &variable["valueFrom"];
            self.add(What::ConfigMap, &from["configMapKeyRef"]["name"]);
            self.add(What::Secret, &from["secretKeyRef"]["name"]);
        }
    }

    fn volume(&mut self, pod: &str, volume: &Value) {
        self.add(What::Secret, &volume["secret"]["secretName"]);
        self.add(What::Secret, &volume["azureFile"]["secretName"]);
        for sort in ["cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos"] {
            self.add(What::Secret, &volume[sort]["secretRef"]["name"]);
        }
        self.add(What::Secret, &volume["csi"]["nodePublishSecretRef"]["name"]);
        self.add(What::ConfigMap, &volume["configMap"]["name"]);
        for source in items(&volume["projected"]["sources"]) {
            self.add(What::Secret, &source["secret"]["name"]);
            self.add(What::ConfigMap, &source["configMap"]["name"]);
        }
        self.add(What::Claim, &volume["persistentVolumeClaim"]["claimName"]);
        if !volume["ephemeral"].is_null() {
            let claim = format!("{pod}-{}", text(volume, "/name"));
            self.add(What::Claim, &claim.into());
        }
    }
}

/// The Secrets that a PersistentVolume is mounted with: namespace and name.
pub(super) fn volume_secrets(volume: &Value) -> Vec<(String, String)> {
    let spec = &volume["spec"];
    let home = text(spec, "/claimRef/namespace");
    let mut found = Vec::new();
    let mut add = |namespace: &Value, name: &Value| {
        let namespace = namespace.as_str().filter(|place| !place.is_empty()).unwrap_or(home);
        if let Some(name) = name.as_str().filter(|name| !name.is_empty()) {
            found.push((namespace.to_owned(), name.to_owned()));
        }
    };
    let azure = &spec["azureFile"];
    add(&azure["secretNamespace"], &azure["secretName"]);
    for sort in ["cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos"] {
        let secret = &spec[sort]["secretRef"];
        add(&secret["namespace"], &secret["name"]);
    }
    for step in ["controllerPublish", "nodePublish", "nodeStage", "controllerExpand", "nodeExpand"]
    {
        let secret = &spec["csi"][format!("{step}SecretRef")];
        add(&secret["namespace"], &secret["name"]);
    }
    found
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(pod: Value, expected: &[(What, &str)]) {
        let stored: Stored = serde_json::from_value(pod).unwrap();
        let uses = stored.uses();
        let uses: Vec<_> = uses.iter().map(|(what, name)| (*what, name.as_str())).collect();
        assert_eq!(uses, expected);
    }

    #[test]
    fn a_pod_uses_what_its_containers_and_volumes_name() {
        let pod = json!({"metadata": {"name": "p"}, "spec": {
            "serviceAccountName": "web",
            "imagePullSecrets": [{"name": "pull"}],
            "initContainers": [{"envFrom": [{"configMapRef": {"name": "m"}}, {"secretRef": {"name": "s"}}]}],
            "containers": [{"env": [
                {"name": "A", "value": "b"},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "k"}}},
            ]}],
            "volumes": [
                {"name": "v", "secret": {"secretName": "s"}},
                {"name": "w", "projected": {"sources": [{"configMap": {"name": "ca"}}]}},
                {"name": "x", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "y", "ephemeral": {}},
            ],
            "resourceClaims": [{"name": "gpu", "resourceClaimName": "g"}],
        }});
        let expected = [
            (What::Account, "web"),
            (What::Secret, "pull"),
            (What::ConfigMap, "m"),
            (What::Secret, "s"),
            (What::Secret, "k"),
            (What::ConfigMap, "ca"),
            (What::Claim, "data"),
            (What::Claim, "p-y"),
            (What::ResourceClaim, "g"),
        ];
        check(pod, &expected);
    }

    #[test]
    fn a_mirror_of_a_file_uses_nothing() {
        let annotations = json!({"kubernetes.io/config.mirror": "x"});
        let spec = json!({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]});
        check(json!({"metadata": {"name": "p", "annotations": annotations}, "spec": spec}), &[]);
    }

    #[test]
    fn a_volume_names_its_secrets_with_their_places() {
        let volume = json!({"spec": {
            "claimRef": {"namespace": "shop", "name": "data"},
            "csi": {"nodeStageSecretRef": {"namespace": "vault", "name": "stage"}},
            "iscsi": {"secretRef": {"name": "chap"}},
        }});
        let text = |namespace: &str, name: &str| (namespace.to_owned(), name.to_owned());
        assert_eq!(volume_secrets(&volume), [text("shop", "chap"), text("vault", "stage")]);
    }
}
