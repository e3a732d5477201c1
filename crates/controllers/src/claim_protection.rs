//! A PersistentVolumeClaim that a pod uses stays until the pod is gone: the finalizer that every claim
//! gets at its creation is taken away here. Source: Kubernetes, "Storage Object in Use Protection",
//! and its pvc-protection-controller.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Volume};
use kube::Api;
use kube::api::{ListParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};

use crate::context::Context;
use crate::drive::{ReconcileError, drive};
use crate::owner::{name, namespace};

const FINALIZER: &str = "kubernetes.io/pvc-protection";
/// How soon a claim that is to go is looked at again while a pod uses it. It is rare, so that no
/// watch of all pods is worth it.
const RECHECK: Duration = Duration::from_millis(500);

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    let claims =
        Controller::new(context.all::<PersistentVolumeClaim>(), watcher::Config::default());
    drive(claims, context, reconcile).await
}

async fn reconcile(
    woken: Arc<PersistentVolumeClaim>,
    ctx: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let api: Api<PersistentVolumeClaim> = ctx.api(namespace(&woken.metadata));
    let Some(mut claim) = api.get_opt(name(&woken.metadata)).await? else {
        return Ok(Action::await_change());
    };
    let ends = claim.metadata.deletion_timestamp.is_some();
    if ends && is_used(&claim, &ctx).await? {
        return Ok(Action::requeue(RECHECK));
    }
    if protect(claim.metadata.finalizers.get_or_insert_default(), FINALIZER, !ends) {
        settled(api.replace(name(&woken.metadata), &PostParams::default(), &claim).await)?;
    }
    Ok(Action::await_change())
}

/// Puts the finalizer in or takes it out; `false`: it was so already.
pub(crate) fn protect(finalizers: &mut Vec<String>, finalizer: &str, wanted: bool) -> bool {
    let has = finalizers.iter().any(|have| have == finalizer);
    match (has, wanted) {
        (false, true) => finalizers.push(finalizer.to_owned()),
        (true, false) => finalizers.retain(|have| have != finalizer),
        _ => return false,
    }
    true
}

/// Gone already: that is what was wanted.
pub(crate) fn settled<T>(outcome: kube::Result<T>) -> Result<(), ReconcileError> {
    match outcome {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn is_used(claim: &PersistentVolumeClaim, ctx: &Context) -> Result<bool, ReconcileError> {
    let pods: Api<Pod> = ctx.api(namespace(&claim.metadata));
    let pods = pods.list(&ListParams::default()).await?.items;
    Ok(pods.iter().any(|pod| uses(pod, claim)))
}

/// A pod without a node is not started any more with a claim that is to go.
fn uses(pod: &Pod, claim: &PersistentVolumeClaim) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let has_node = spec.node_name.as_ref().is_some_and(|node| !node.is_empty());
    let mut volumes = spec.volumes.iter().flatten();
    has_node && volumes.any(|volume| is_of(volume, pod, claim))
}

fn is_of(volume: &Volume, pod: &Pod, claim: &PersistentVolumeClaim) -> bool {
    let wanted = name(&claim.metadata);
    if let Some(source) = &volume.persistent_volume_claim {
        return source.claim_name == wanted;
    }
    let made = format!("{}-{}", name(&pod.metadata), volume.name);
    let owners = claim.metadata.owner_references.iter().flatten();
    let mut of_pod = owners.filter(|owner| Some(&owner.uid) == pod.metadata.uid.as_ref());
    let ended = pod.metadata.deletion_timestamp.is_some()
        && pod.metadata.deletion_grace_period_seconds == Some(0);
    volume.ephemeral.is_some() && made == wanted && of_pod.next().is_some() && !ended
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(spec: Value, expected: bool) {
        let pod = json!({"metadata": {"name": "p", "uid": "1"}, "spec": spec});
        let mut pod: Pod = serde_json::from_value(pod).expect("a Pod");
        let owners = json!([{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "1"}]);
        let claim = json!({"metadata": {"name": "p-data", "ownerReferences": owners}});
        let claim = serde_json::from_value(claim).expect("a claim");
        assert_eq!(uses(&pod, &claim), expected);
        pod.metadata.uid = Some("2".to_owned());
        pod.spec.as_mut().expect("a spec").node_name = None;
        assert!(!uses(&pod, &claim));
    }

    #[test]
    fn a_pod_with_a_node_uses_the_claims_of_its_volumes() {
        let volume =
            |name: &str| json!([{"name": "v", "persistentVolumeClaim": {"claimName": name}}]);
        check(json!({"containers": [], "nodeName": "a", "volumes": volume("p-data")}), true);
        check(json!({"containers": [], "nodeName": "a", "volumes": volume("other")}), false);
        check(json!({"containers": [], "volumes": volume("p-data")}), false);
        let made = json!([{"name": "data", "ephemeral": {}}]);
        check(json!({"containers": [], "nodeName": "a", "volumes": made}), true);
    }

    #[test]
    fn a_finalizer_is_there_once_or_not_at_all() {
        let mut finalizers = vec!["other".to_owned()];
        assert!(protect(&mut finalizers, FINALIZER, true));
        assert!(!protect(&mut finalizers, FINALIZER, true));
        assert_eq!(finalizers, ["other", FINALIZER]);
        assert!(protect(&mut finalizers, FINALIZER, false));
        assert_eq!(finalizers, ["other"]);
    }
}
