//! Rolls a Deployment's pods from one template to the next through ReplicaSets.
//! Source: Kubernetes, "Deployments", <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/>.

mod replicasets;
mod rolling;
mod status;
mod template_hash;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};

use crate::context::Context;
use crate::drive::{ReconcileError, drive};
use crate::merge::write_status;
use crate::owner::{name, namespace};
use replicasets::ReplicaSets;
use rolling::{Counts, Limits};

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    let controller = Controller::new(context.all::<Deployment>(), watcher::Config::default())
        .owns(context.all::<ReplicaSet>(), watcher::Config::default());
    drive(controller, context, reconcile).await
}

async fn reconcile(woken: Arc<Deployment>, ctx: Arc<Context>) -> Result<Action, ReconcileError> {
    let api: Api<Deployment> = ctx.api(namespace(&woken.metadata));
    let Some(deployment) = api.get_opt(name(&woken.metadata)).await? else {
        return Ok(Action::await_change());
    };
    let mut sets = ReplicaSets::of(&deployment, &ctx).await?;
    if deployment.metadata.deletion_timestamp.is_none() {
        roll(&deployment, &mut sets, &ctx).await?;
    }
    let status = status::observe(&deployment, &sets, Timestamp::now());
    write_status(&api, name(&deployment.metadata), deployment.status.as_ref(), &status).await?;
    Ok(status::deadline(&deployment, &status, Timestamp::now())
        .map_or_else(Action::await_change, |left| Action::requeue(Duration::from_secs(left))))
}

/// Takes one step towards the wanted state; the ReplicaSets' next status wakes the next step.
async fn roll(
    deployment: &Deployment,
    sets: &mut ReplicaSets,
    ctx: &Context,
) -> Result<(), ReconcileError> {
    let spec = deployment.spec.clone().unwrap_or_default();
    let limits = Limits::of(&spec);
    let old: Vec<Counts> = sets.old.iter().map(Counts::of).collect();
    if spec.paused == Some(true) {
        return scale_while_paused(deployment, sets, limits, ctx).await;
    }
    if limits.recreate {
        if sets.scale_old(deployment, &vec![0; old.len()], ctx).await? || sets.old_pods_remain() {
            return Ok(());
        }
        sets.ensure_new(deployment, ctx).await?;
        return sets.scale_new(deployment, limits.wanted, ctx).await;
    }
    sets.ensure_new(deployment, ctx).await?;
    let Some(new) = sets.new.as_ref().map(Counts::of) else { return Ok(()) };
    let target = rolling::new_replicas(limits, new, &old);
    if target != new.wanted {
        sets.scale_new(deployment, target, ctx).await?;
    }
    sets.scale_old(deployment, &rolling::old_replicas(limits, new, &old), ctx).await?;
    sets.prune(deployment, ctx).await
}

/// A paused Deployment starts no rollout, yet follows a change of its replicas.
async fn scale_while_paused(
    deployment: &Deployment,
    sets: &mut ReplicaSets,
    limits: Limits,
    ctx: &Context,
) -> Result<(), ReconcileError> {
    if sets.new.is_some() {
        return sets.scale_new(deployment, limits.wanted, ctx).await;
    }
    let active = sets.old.iter().position(|set| Counts::of(set).wanted > 0);
    let Some(active) = active else { return Ok(()) };
    let mut targets: Vec<i32> = sets.old.iter().map(|set| Counts::of(set).wanted).collect();
    targets[active] = limits.wanted;
    sets.scale_old(deployment, &targets, ctx).await.map(|_| ())
}
