//! Marks a node Unknown when its agent stops renewing its Lease, and its pods not ready.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, NodeCondition, Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use crate::context::Context;
use crate::drive::ReconcileError;
use crate::owner::{name, namespace};

/// How long a node may be silent (kube-controller-manager's --node-monitor-grace-period).
const GRACE_SECONDS: i64 = 50;
/// How often nodes are looked at.
const PERIOD: Duration = Duration::from_secs(10);

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    let shutdown = context.shutdown();
    // A server that was down could not renew anything: every agent gets its full grace first.
    let started = Timestamp::now();
    while shutdown.run_until_cancelled(tokio::time::sleep(PERIOD)).await.is_some() {
        if Timestamp::now().as_second() - started.as_second() > GRACE_SECONDS {
            look_at_nodes(&context).await?;
        }
    }
    Ok(())
}

async fn look_at_nodes(ctx: &Context) -> Result<(), ReconcileError> {
    let leases: Api<Lease> = ctx.api("kube-node-lease");
    for node in ctx.all::<Node>().list(&ListParams::default()).await? {
        let lease = leases.get_opt(name(&node.metadata)).await?;
        if is_silent(&node, lease.as_ref(), Timestamp::now()) && !is_marked(&node) {
            mark(&node, ctx).await?;
        }
    }
    Ok(())
}

fn is_silent(node: &Node, lease: Option<&Lease>, now: Timestamp) -> bool {
    let renewed =
        lease.and_then(|lease| lease.spec.as_ref()).and_then(|spec| spec.renew_time.as_ref());
    let seen = renewed.map(|time| time.0);
    let seen = seen.or(node.metadata.creation_timestamp.as_ref().map(|time| time.0));
    seen.is_some_and(|seen| now.as_second() - seen.as_second() > GRACE_SECONDS)
}

fn ready(node: &Node) -> Option<&NodeCondition> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == "Ready")
}

fn is_marked(node: &Node) -> bool {
    ready(node).is_some_and(|condition| condition.status == "Unknown")
}

async fn mark(node: &Node, ctx: &Context) -> Result<(), ReconcileError> {
    let now = Time(Timestamp::now());
    let condition = NodeCondition {
        type_: "Ready".into(),
        status: "Unknown".into(),
        reason: Some("NodeStatusUnknown".into()),
        message: Some("Kubelet stopped posting node status.".into()),
        last_transition_time: Some(now.clone()),
        last_heartbeat_time: ready(node).and_then(|c| c.last_heartbeat_time.clone()),
    };
    let patch = Patch::Strategic(json!({"status": {"conditions": [condition]}}));
    let node_name = name(&node.metadata);
    ctx.all::<Node>().patch_status(node_name, &PatchParams::default(), &patch).await?;
    let message = format!("Node {node_name} status is now: NodeNotReady");
    ctx.recorder("node-controller").normal(node, "NodeNotReady", message).await;
    let on_node = ListParams::default().fields(&format!("spec.nodeName={node_name}"));
    for pod in ctx.all::<Pod>().list(&on_node).await? {
        mark_pod(&pod, now.clone(), ctx).await?;
    }
    Ok(())
}

async fn mark_pod(pod: &Pod, now: Time, ctx: &Context) -> Result<(), ReconcileError> {
    let condition = PodCondition {
        type_: "Ready".into(),
        status: "False".into(),
        reason: Some("NodeNotReady".into()),
        last_transition_time: Some(now),
        ..Default::default()
    };
    let api: Api<Pod> = ctx.api(namespace(&pod.metadata));
    let patch = Patch::Strategic(json!({"status": {"conditions": [condition]}}));
    match api.patch_status(name(&pod.metadata), &PatchParams::default(), &patch).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn check(node: Value, lease: Option<Value>, expected: bool) {
        let node: Node = serde_json::from_value(node).expect("a Node");
        let lease: Option<Lease> =
            lease.map(|lease| serde_json::from_value(lease).expect("a Lease"));
        let now = "2026-01-01T00:10:00Z".parse().expect("a time");
        assert_eq!(is_silent(&node, lease.as_ref(), now), expected);
    }

    #[test]
    fn a_renewed_lease_is_a_sign_of_life() {
        let node = json!({"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}});
        let lease = |time: &str| Some(json!({"metadata": {}, "spec": {"renewTime": time}}));
        check(node.clone(), lease("2026-01-01T00:09:30.000000Z"), false);
        check(node.clone(), lease("2026-01-01T00:08:30.000000Z"), true);
        check(node, None, true);
    }
}
