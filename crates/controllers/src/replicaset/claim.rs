//! Which pods are a set's own: those it controls, and matching ones that nobody does.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::{Selector, SelectorExt};
use serde_json::json;

use super::rank::is_active;
use super::replicator::Replicator;
use crate::context::Context;
use crate::drive::ReconcileError;
use crate::owner::{controller_of, controller_ref, is_controlled_by, name, namespace};

/// Lists the set's pods after adopting matching orphans and letting go of those whose
/// labels match no more.
pub(crate) async fn pods_of<S: Replicator>(
    set: &S,
    ctx: &Context,
) -> Result<Vec<Pod>, ReconcileError> {
    let Some(selector) = set.selector() else { return Ok(Vec::new()) };
    let selector: Selector = selector.try_into()?;
    let api: Api<Pod> = ctx.api(namespace(set.meta()));
    let mut own = Vec::new();
    for pod in api.list(&ListParams::default()).await? {
        let matches = selector.matches(pod.metadata.labels.as_ref().unwrap_or(&Default::default()));
        let controlled = is_controlled_by(&pod.metadata, set.meta());
        match (controlled, matches) {
            (true, true) => own.push(pod),
            (true, false) => release(&api, set, &pod).await?,
            (false, true) if may_adopt(set, &pod) => own.push(adopt(&api, set, &pod).await?),
            (false, _) => {}
        }
    }
    Ok(own)
}

fn may_adopt<S: Replicator>(set: &S, pod: &Pod) -> bool {
    controller_of(&pod.metadata).is_none()
        && set.meta().deletion_timestamp.is_none()
        && is_active(pod)
}

async fn adopt<S: Replicator>(api: &Api<Pod>, set: &S, pod: &Pod) -> Result<Pod, ReconcileError> {
    let patch = json!({"metadata": {
        "uid": pod.metadata.uid,
        "ownerReferences": controller_ref(set),
    }});
    Ok(api.patch(name(&pod.metadata), &PatchParams::default(), &Patch::Strategic(patch)).await?)
}

async fn release<S: Replicator>(api: &Api<Pod>, set: &S, pod: &Pod) -> Result<(), ReconcileError> {
    let patch = json!({"metadata": {
        "uid": pod.metadata.uid,
        "ownerReferences": [{"$patch": "delete", "uid": set.meta().uid}],
    }});
    match api.patch(name(&pod.metadata), &PatchParams::default(), &Patch::Strategic(patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}
