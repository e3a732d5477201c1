//! Gives each pod a node. Pods bring the demand, nodes the supply; the one write is a Binding.
//! Source: Kubernetes, "Kubernetes Scheduler" and kube-scheduler's default filters.

mod filter;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Binding, Node, ObjectReference, Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, WatchStreamExt, watcher};
use serde_json::json;

use crate::context::Context;
use crate::drive::{ReconcileError, drive};
use crate::owner::{name, namespace};
use filter::NodeLoad;

/// The scheduler a pod names when it names none.
const SCHEDULER_NAME: &str = "default-scheduler";
/// How soon a pod that fits nowhere is tried again; changed nodes wake it sooner.
const RETRY: Duration = Duration::from_secs(2);

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    let unassigned = watcher::Config::default().fields("spec.nodeName=");
    let node_changes = watcher(context.all::<Node>(), watcher::Config::default())
        .default_backoff()
        .touched_objects()
        .map(|_| ());
    let controller =
        Controller::new(context.all::<Pod>(), unassigned).reconcile_all_on(node_changes);
    drive(controller, context, reconcile).await
}

async fn reconcile(woken: Arc<Pod>, ctx: Arc<Context>) -> Result<Action, ReconcileError> {
    let pods: Api<Pod> = ctx.api(namespace(&woken.metadata));
    let Some(pod) = pods.get_opt(name(&woken.metadata)).await? else {
        return Ok(Action::await_change());
    };
    if !is_ours(&pod) {
        return Ok(Action::await_change());
    }
    let nodes = ctx.all::<Node>().list(&ListParams::default()).await?.items;
    let mut refusals = Vec::new();
    let mut best: Option<NodeLoad> = None;
    for node in nodes {
        match filter::fits(&pod, load(node, &ctx).await?) {
            Ok(fitting) if best.as_ref().is_none_or(|best| fitting.is_emptier_than(best)) => {
                best = Some(fitting);
            }
            Ok(_) => {}
            Err(reasons) => refusals.push(reasons),
        }
    }
    match best {
        Some(load) => {
            bind(&pods, &pod, name(&load.node.metadata), &ctx).await?;
            Ok(Action::await_change())
        }
        None => {
            refuse(&pods, &pod, filter::summary(&refusals), &ctx).await?;
            Ok(Action::requeue(RETRY))
        }
    }
}

fn is_ours(pod: &Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let gated = spec.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty());
    spec.node_name.is_none()
        && pod.metadata.deletion_timestamp.is_none()
        && !gated
        && spec.scheduler_name.as_deref().unwrap_or(SCHEDULER_NAME) == SCHEDULER_NAME
}

/// A node with the pods that are on it.
async fn load(node: Node, ctx: &Context) -> Result<NodeLoad, ReconcileError> {
    let on_node = ListParams::default().fields(&format!("spec.nodeName={}", name(&node.metadata)));
    let pods = ctx.all::<Pod>().list(&on_node).await?.items;
    Ok(NodeLoad::of(node, &pods))
}

async fn bind(pods: &Api<Pod>, pod: &Pod, node: &str, ctx: &Context) -> Result<(), ReconcileError> {
    let pod_name = name(&pod.metadata);
    let binding = Binding {
        metadata: ObjectMeta {
            name: Some(pod_name.into()),
            uid: pod.metadata.uid.clone(),
            ..Default::default()
        },
        target: ObjectReference {
            kind: Some("Node".into()),
            name: Some(node.into()),
            ..Default::default()
        },
    };
    let body = serde_json::to_vec(&binding)?;
    let bound = pods
        .create_subresource::<serde_json::Value, serde_json::Value>(
            "binding",
            pod_name,
            &PostParams::default(),
            &serde_json::from_slice(&body)?,
        )
        .await;
    match bound {
        Ok(_) => {}
        // Gone, or bound by somebody else meanwhile.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let full_name = format!("{}/{pod_name}", namespace(&pod.metadata));
    let message = format!("Successfully assigned {full_name} to {node}");
    ctx.recorder(SCHEDULER_NAME).normal(pod, "Scheduled", message).await;
    Ok(())
}

/// Says why the pod waits; said once, not at every try.
async fn refuse(
    pods: &Api<Pod>,
    pod: &Pod,
    why: String,
    ctx: &Context,
) -> Result<(), ReconcileError> {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let before = conditions.into_iter().flatten().find(|c| c.type_ == "PodScheduled");
    if before.is_some_and(|c| c.status == "False" && c.message.as_deref() == Some(&why)) {
        return Ok(());
    }
    let condition = PodCondition {
        type_: "PodScheduled".into(),
        status: "False".into(),
        reason: Some("Unschedulable".into()),
        message: Some(why.clone()),
        last_transition_time: Some(Time(Timestamp::now())),
        ..Default::default()
    };
    let patch = Patch::Strategic(json!({"status": {"conditions": [condition]}}));
    match pods.patch_status(name(&pod.metadata), &PatchParams::default(), &patch).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    ctx.recorder(SCHEDULER_NAME).warning(pod, "FailedScheduling", why).await;
    Ok(())
}
