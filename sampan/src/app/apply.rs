//! Server-side apply of an app's objects, in an order in which each finds what it needs.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, ValidationDirective};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiCapabilities, Discovery, Scope};
use kube::{Api, Client};

use super::manifests::Manifest;
use crate::client::api_message;

/// The owner of what `sampan up` applies.
pub const FIELD_MANAGER: &str = "sampan";
/// Kinds that others depend on come first; kinds that let traffic in come last.
const ORDER: [&str; 14] = [
    "Namespace",
    "CustomResourceDefinition",
    "PriorityClass",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Secret",
    "ConfigMap",
    "Service",
    "Pod",
    "Deployment",
    "Ingress",
];

/// Where each of the app's objects lives in the API.
pub struct Targets {
    client: Client,
    discovery: Discovery,
}

impl Targets {
    /// Asks the server which kinds it knows.
    pub async fn discover(client: Client) -> anyhow::Result<Self> {
        let discovery = Discovery::new(client.clone()).run_aggregated().await;
        let discovery = discovery.map_err(|error| anyhow::anyhow!(api_message(&error)));
        Ok(Self { client, discovery: discovery.context("ask the server which kinds it serves")? })
    }

    /// The API of a manifest's kind in its namespace.
    pub fn api(&self, manifest: &Manifest) -> anyhow::Result<Api<DynamicObject>> {
        let (kind, can) = self.resolve(manifest)?;
        let client = self.client.clone();
        Ok(match can.scope {
            Scope::Cluster => Api::all_with(client, &kind),
            Scope::Namespaced => {
                Api::namespaced_with(client, manifest.namespace().unwrap_or("default"), &kind)
            }
        })
    }

    fn resolve(&self, manifest: &Manifest) -> anyhow::Result<(ApiResource, ApiCapabilities)> {
        let version = manifest.api_version();
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let gvk = GroupVersionKind::gvk(group, version, manifest.kind());
        self.discovery.resolve_gvk(&gvk).with_context(|| {
            format!(
                "{}: the server does not serve kind {} in {}\n\
                 see 'kubectl api-resources' for what it serves",
                manifest.describe(),
                manifest.kind(),
                manifest.api_version()
            )
        })
    }
}

/// The manifests in the order they are applied in; within a kind, as they were written.
pub fn ordered(mut manifests: Vec<Manifest>) -> Vec<Manifest> {
    let place =
        |kind: &str| ORDER.iter().position(|known| *known == kind).unwrap_or(ORDER.len() - 1);
    manifests.sort_by_key(|manifest| place(manifest.kind()));
    manifests
}

/// Has the server check everything without changing anything, and reports all that is wrong.
pub async fn check(targets: &Targets, manifests: &[Manifest]) -> anyhow::Result<()> {
    let namespaces: BTreeSet<&str> = manifests
        .iter()
        .filter(|manifest| manifest.kind() == "Namespace")
        .map(Manifest::name)
        .collect();
    let mut wrong = Vec::new();
    for manifest in manifests {
        // Its namespace comes into being only with the real apply.
        if manifest.namespace().is_some_and(|namespace| namespaces.contains(namespace)) {
            continue;
        }
        if let Err(error) = patch(targets, manifest, true).await {
            wrong.push(format!("{error:#}"));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("nothing was applied, because the server refuses\n  {}", wrong.join("\n  "))
}

/// Applies one object; its namespace must be there.
pub async fn apply(targets: &Targets, manifest: &Manifest) -> anyhow::Result<()> {
    patch(targets, manifest, false).await
}

async fn patch(targets: &Targets, manifest: &Manifest, dry_run: bool) -> anyhow::Result<()> {
    if manifest.name().is_empty() {
        bail!("{}: metadata.name is missing", manifest.describe());
    }
    let params = PatchParams {
        dry_run,
        force: true,
        field_manager: Some(FIELD_MANAGER.into()),
        field_validation: Some(ValidationDirective::Strict),
    };
    let body = Patch::Apply(&manifest.object);
    match targets.api(manifest)?.patch(manifest.name(), &params, &body).await {
        Ok(_) => Ok(()),
        Err(error) => bail!("{}: {}", manifest.describe(), api_message(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_others_need_is_applied_first() {
        let kinds = ["Ingress", "Deployment", "ConfigMap", "Service", "Namespace", "Unheard"];
        let manifests = kinds.map(|kind| Manifest {
            file: "m.yaml".into(),
            line: 1,
            object: json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}}),
        });
        let sorted: Vec<_> =
            ordered(manifests.to_vec()).iter().map(|m| m.kind().to_owned()).collect();
        let expected = ["Namespace", "ConfigMap", "Service", "Deployment", "Ingress", "Unheard"];
        assert_eq!(sorted, expected);
    }
}
