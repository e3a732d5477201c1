//! Pods that ran when the server last looked and run no more: the machine was started anew, or
//! `sampan stop` ended them. Until their workers have made them again nobody may take them for
//! ready, so this is put right before the server calls itself ready.

use std::sync::Arc;

use container::Found;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::shared::Shared;

/// The conditions that say that a pod can be talked to.
const READINESS: [&str; 2] = ["Ready", "ContainersReady"];

/// Takes readiness from every pod of this node that is said to be ready and does not run.
pub(crate) async fn unready(shared: &Arc<Shared>) -> kube::Result<()> {
    let own = ListParams::default().fields(&format!("spec.nodeName={}", shared.name));
    for pod in Api::<Pod>::all(shared.client.clone()).list(&own).await? {
        let uid = pod.uid().unwrap_or_default();
        let runs = matches!(shared.found().get(&uid), Some(Found::Running(_)));
        if !runs && is_ready(&pod) {
            mark(shared, &pod, uid).await?;
        }
    }
    Ok(())
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True")
}

async fn mark(shared: &Arc<Shared>, pod: &Pod, uid: String) -> kube::Result<()> {
    let now = Time(Timestamp::now());
    let conditions = READINESS.map(|kind| PodCondition {
        type_: kind.into(),
        status: "False".into(),
        reason: Some("ContainersNotReady".into()),
        message: Some("the pod does not run; it is made again".into()),
        last_transition_time: Some(now.clone()),
        ..PodCondition::default()
    });
    let patch = json!({"metadata": {"uid": uid}, "status": {"conditions": conditions}});
    let namespace = pod.namespace().unwrap_or_default();
    let api: Api<Pod> = Api::namespaced(shared.client.clone(), &namespace);
    let patch = Patch::Strategic(patch);
    match api.patch_status(&pod.name_any(), &PatchParams::default(), &patch).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(error),
    }
}
