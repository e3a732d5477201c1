//! Keeps as many pods as a ReplicaSet, or a ReplicationController, asks for.
//! Source: Kubernetes, "ReplicaSet", <https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/>.

mod claim;
pub(crate) mod rank;
pub(crate) mod replicator;
pub(crate) mod status;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};

use crate::context::Context;
use crate::drive::{ReconcileError, drive};
use crate::merge::write_status;
use crate::owner::{controller_ref, name, namespace};
use replicator::Replicator;

/// The most pods made or deleted in one look at a ReplicaSet (Kubernetes' burstReplicas).
const BURST: usize = 500;

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    keep::<ReplicaSet>(context).await
}

/// The controller of one kind.
pub(crate) async fn keep<S: Replicator>(context: Arc<Context>) -> Result<(), ReconcileError> {
    let controller = Controller::new(context.all::<S>(), watcher::Config::default())
        .owns(context.all::<Pod>(), watcher::Config::default());
    drive(controller, context, reconcile).await
}

async fn reconcile<S: Replicator>(
    woken: Arc<S>,
    ctx: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let ns = namespace(woken.meta());
    let sets: Api<S> = ctx.api(ns);
    let Some(set) = sets.get_opt(name(woken.meta())).await? else {
        return Ok(Action::await_change());
    };
    let pods = claim::pods_of(&set, &ctx).await?;
    let outcome = match set.meta().deletion_timestamp {
        Some(_) => Ok(()),
        None => scale(&set, &pods, &ctx).await,
    };
    let (status, recheck) = status::observe(&set, &pods, outcome.as_ref().err(), Timestamp::now());
    write_status(&sets, name(set.meta()), set.status(), &S::status_from(status)).await?;
    outcome?;
    Ok(recheck
        .map_or_else(Action::await_change, |seconds| Action::requeue(Duration::from_secs(seconds))))
}

/// Makes the missing pods or deletes the surplus ones.
async fn scale<S: Replicator>(set: &S, pods: &[Pod], ctx: &Context) -> Result<(), ReconcileError> {
    let wanted = usize::try_from(set.replicas()).unwrap_or(0);
    let active: Vec<&Pod> = pods.iter().filter(|pod| rank::is_active(pod)).collect();
    if active.len() < wanted {
        create(set, (wanted - active.len()).min(BURST), ctx).await
    } else {
        let surplus = (active.len() - wanted).min(BURST);
        delete(set, rank::first_to_go(active, Timestamp::now()), surplus, ctx).await
    }
}

async fn create<S: Replicator>(set: &S, count: usize, ctx: &Context) -> Result<(), ReconcileError> {
    let pods: Api<Pod> = ctx.api(namespace(set.meta()));
    let recorder = ctx.recorder(S::COMPONENT);
    let template = new_pod(set);
    for _ in 0..count {
        match pods.create(&PostParams::default(), &template).await {
            Ok(pod) => {
                let message = format!("Created pod: {}", name(&pod.metadata));
                recorder.normal(set, "SuccessfulCreate", message).await;
            }
            Err(error) => {
                let text = format!("Error creating: {error}");
                let error = ReconcileError::from(error);
                if error.is_gone() {
                    // Its namespace is being deleted, and it goes with that.
                    return Ok(());
                }
                recorder.warning(set, "FailedCreate", text).await;
                return Err(error);
            }
        }
    }
    Ok(())
}

fn new_pod<S: Replicator>(set: &S) -> Pod {
    let template = set.template().cloned().unwrap_or_default();
    let wanted = template.metadata.unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", name(set.meta()))),
            namespace: set.meta().namespace.clone(),
            labels: wanted.labels,
            annotations: wanted.annotations,
            finalizers: wanted.finalizers,
            owner_references: Some(controller_ref(set)),
            ..Default::default()
        },
        spec: template.spec,
        status: None,
    }
}

async fn delete<S: Replicator>(
    set: &S,
    ordered: Vec<&Pod>,
    count: usize,
    ctx: &Context,
) -> Result<(), ReconcileError> {
    let pods: Api<Pod> = ctx.api(namespace(set.meta()));
    let recorder = ctx.recorder(S::COMPONENT);
    for pod in ordered.into_iter().take(count) {
        let only_this = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
        let params = DeleteParams { preconditions: Some(only_this), ..Default::default() };
        match pods.delete(name(&pod.metadata), &params).await {
            Ok(_) => {
                let message = format!("Deleted pod: {}", name(&pod.metadata));
                recorder.normal(set, "SuccessfulDelete", message).await;
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
