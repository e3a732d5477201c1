//! What an app consists of that has pods, and how far it has come.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::Value;

use super::manifests::Manifest;

/// Something with pods that `up` waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    pub kind: WorkloadKind,
    pub namespace: String,
    pub name: String,
    /// Every container has a readiness probe, so that ready means that it answers. Without one
    /// a container counts as ready the moment it runs, even if it crashes at once.
    pub probed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkloadKind {
    Deployment,
    Pod,
}

/// How far a workload has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Some of its pods are not ready yet.
    Starting { ready: i32, wanted: i32 },
    /// All is as the manifest says.
    Ready { pods: i32 },
}

impl Workload {
    /// The workload of a manifest, if it is one.
    pub fn of(manifest: &Manifest) -> Option<Self> {
        let kind = match (manifest.api_version(), manifest.kind()) {
            ("apps/v1", "Deployment") => WorkloadKind::Deployment,
            ("v1", "Pod") => WorkloadKind::Pod,
            _ => return None,
        };
        Some(Self {
            kind,
            namespace: manifest.namespace().unwrap_or("default").to_owned(),
            name: manifest.name().to_owned(),
            probed: is_probed(match kind {
                WorkloadKind::Deployment => &manifest.object["spec"]["template"]["spec"],
                WorkloadKind::Pod => &manifest.object["spec"],
            }),
        })
    }

    /// Asks the API how far it has come.
    pub async fn stage(&self, client: &Client) -> anyhow::Result<Stage> {
        let pods: Api<Pod> = Api::namespaced(client.clone(), &self.namespace);
        match self.kind {
            WorkloadKind::Pod => Ok(pod_stage(&pods.get(&self.name).await?)),
            WorkloadKind::Deployment => {
                let api: Api<Deployment> = Api::namespaced(client.clone(), &self.namespace);
                let deployment = api.get(&self.name).await?;
                let selector = deployment.spec.clone().unwrap_or_default().selector.try_into()?;
                let pods = pods.list(&ListParams::default().labels_from(&selector)).await?;
                Ok(deployment_stage(&deployment, &pods.items))
            }
        }
    }
}

fn is_probed(pod_spec: &Value) -> bool {
    let mut containers = pod_spec["containers"].as_array().into_iter().flatten();
    containers.all(|container| container["readinessProbe"].is_object())
}

/// Ready when the rollout is over: only pods of the template of now, all available. The
/// Deployment's own count may be of a moment ago, so its pods are asked too.
fn deployment_stage(deployment: &Deployment, pods: &[Pod]) -> Stage {
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let status = deployment.status.clone().unwrap_or_default();
    let seen = status.observed_generation >= deployment.metadata.generation;
    let updated = status.updated_replicas.unwrap_or(0);
    let available = status.available_replicas.unwrap_or(0);
    let ready = i32::try_from(pods.iter().filter(|pod| is_ready(pod)).count()).unwrap_or(i32::MAX);
    let done = seen
        && updated == wanted
        && available >= wanted
        && ready >= wanted
        && status.replicas.unwrap_or(0) == wanted;
    if done {
        Stage::Ready { pods: wanted }
    } else {
        let ready = available.min(updated).min(ready);
        Stage::Starting { ready: if seen { ready } else { 0 }, wanted }
    }
}

/// Is the pod's Ready condition true.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True")
}

fn pod_stage(pod: &Pod) -> Stage {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    match is_ready(pod) || phase == Some("Succeeded") {
        true => Stage::Ready { pods: 1 },
        false => Stage::Starting { ready: 0, wanted: 1 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(status: Value, ready_pods: usize, expected: Stage) {
        let deployment = json!({"metadata": {"generation": 2}, "spec": {"replicas": 2,
            "selector": {}, "template": {}}, "status": status});
        let deployment = serde_json::from_value(deployment).unwrap();
        let pod = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let pods = vec![serde_json::from_value(pod).unwrap(); ready_pods];
        assert_eq!(deployment_stage(&deployment, &pods), expected);
    }

    #[test]
    fn a_deployment_is_ready_when_its_rollout_is_over() {
        let status = |observed: i64, replicas: i32| {
            json!({"observedGeneration": observed, "replicas": replicas, "updatedReplicas": 2,
                "availableReplicas": 2})
        };
        check(status(2, 2), 2, Stage::Ready { pods: 2 });
        check(status(2, 3), 3, Stage::Starting { ready: 2, wanted: 2 });
        check(status(1, 2), 2, Stage::Starting { ready: 0, wanted: 2 });
        check(json!({}), 0, Stage::Starting { ready: 0, wanted: 2 });
    }

    #[test]
    fn a_count_of_a_moment_ago_does_not_make_it_ready() {
        let status = json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2,
            "availableReplicas": 2});
        check(status, 1, Stage::Starting { ready: 1, wanted: 2 });
    }

    #[test]
    fn a_workload_is_probed_when_each_container_is() {
        let probe = json!({"httpGet": {"path": "/", "port": 80}});
        let with = json!({"name": "a", "readinessProbe": probe});
        assert!(is_probed(&json!({"containers": [with]})));
        assert!(!is_probed(&json!({"containers": [with, {"name": "b"}]})));
    }
}
