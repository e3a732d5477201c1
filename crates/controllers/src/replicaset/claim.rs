//! Which pods are a ReplicaSet's own: those it controls, and matching ones that nobody does.

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::{Selector, SelectorExt};
use serde_json::json;

use super::rank::is_active;
use crate::context::Context;
use crate::drive::ReconcileError;
use crate::owner::{controller_of, controller_ref, is_controlled_by, name, namespace};

/// Lists the set's pods after adopting matching orphans and letting go of those whose
/// labels match no more.
pub(crate) async fn pods_of(set: &ReplicaSet, ctx: &Context) -> Result<Vec<Pod>, ReconcileError> {
    let Some(spec) = &set.spec else { return Ok(Vec::new()) };
    let selector: Selector = spec.selector.clone().try_into()?;
    let api: Api<Pod> = ctx.api(namespace(&set.metadata));
    let mut own = Vec::new();
    for pod in api.list(&ListParams::default()).await? {
        let matches = selector.matches(pod.metadata.labels.as_ref().unwrap_or(&Default::default()));
        let controlled = is_controlled_by(&pod.metadata, &set.metadata);
        match (controlled, matches) {
            (true, true) => own.push(pod),
            (true, false) => release(&api, set, &pod).await?,
            (false, true) if may_adopt(set, &pod) => own.push(adopt(&api, set, &pod).await?),
            (false, _) => {}
        }
    }
    Ok(own)
}

fn may_adopt(set: &ReplicaSet, pod: &Pod) -> bool {
    controller_of(&pod.metadata).is_none()
        && set.metadata.deletion_timestamp.is_none()
        && is_active(pod)
}

async fn adopt(api: &Api<Pod>, set: &ReplicaSet, pod: &Pod) -> Result<Pod, ReconcileError> {
    let patch = json!({"metadata": {
        "uid": pod.metadata.uid,
        "ownerReferences": controller_ref(set),
    }});
    Ok(api.patch(name(&pod.metadata), &PatchParams::default(), &Patch::Strategic(patch)).await?)
}

async fn release(api: &Api<Pod>, set: &ReplicaSet, pod: &Pod) -> Result<(), ReconcileError> {
    let patch = json!({"metadata": {
        "uid": pod.metadata.uid,
        "ownerReferences": [{"$patch": "delete", "uid": set.metadata.uid}],
    }});
    match api.patch(name(&pod.metadata), &PatchParams::default(), &Patch::Strategic(patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}
