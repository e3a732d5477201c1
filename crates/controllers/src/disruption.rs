//! Keeps the status of PodDisruptionBudgets: how many of their pods may be evicted now.
//! Source: Kubernetes, "Specifying a Disruption Budget", <https://kubernetes.io/docs/tasks/run-application/configure-pdb/>.

mod scale;
mod status;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, ReplicationController};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ListParams, PostParams};
use kube::core::{Selector, SelectorExt};
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{Controller, watcher};
use kube::{Api, Resource};

use crate::context::Context;
use crate::drive::{ReconcileError, drive};
use crate::owner::{name, namespace};

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    let any = watcher::Config::default;
    let controller = Controller::new(context.all::<PodDisruptionBudget>(), any());
    let budgets = controller.store();
    macro_rules! near {
        () => {{
            let budgets = budgets.clone();
            move |object| near(&budgets, &object)
        }};
    }
    let controller = controller
        .watches(context.all::<Pod>(), any(), near!())
        .watches(context.all::<Deployment>(), any(), near!())
        .watches(context.all::<ReplicaSet>(), any(), near!())
        .watches(context.all::<ReplicationController>(), any(), near!())
        .watches(context.all::<StatefulSet>(), any(), near!());
    drive(controller, context, reconcile).await
}

/// The budgets that a change may concern: all of its namespace, since labels may have been others.
fn near<K: Resource>(
    budgets: &Store<PodDisruptionBudget>,
    object: &K,
) -> Vec<ObjectRef<PodDisruptionBudget>> {
    let state = budgets.state();
    let near = state.iter().filter(|budget| budget.metadata.namespace == object.meta().namespace);
    near.map(|budget| ObjectRef::from_obj(budget.as_ref())).collect()
}

async fn reconcile(
    woken: Arc<PodDisruptionBudget>,
    ctx: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let ns = namespace(&woken.metadata);
    let api: Api<PodDisruptionBudget> = ctx.api(ns);
    let Some(mut budget) = api.get_opt(name(&woken.metadata)).await? else {
        return Ok(Action::await_change());
    };
    let pods = pods_of(&budget, &ctx).await?;
    let now = Timestamp::now();
    let (new, recheck) = match scale::expected(&budget, &pods, &ctx).await? {
        Ok(expected) => status::observe(&budget, &pods, expected, now),
        Err(why) => (status::failed(&budget, &why, now), None),
    };
    if budget.status.as_ref() != Some(&new) {
        budget.status = Some(new);
        // With its resourceVersion: an eviction that spent something meanwhile is not undone.
        api.replace_status(name(&woken.metadata), &PostParams::default(), &budget).await?;
    }
    Ok(recheck
        .map_or_else(Action::await_change, |seconds| Action::requeue(Duration::from_secs(seconds))))
}

/// The pods that the budget protects.
async fn pods_of(budget: &PodDisruptionBudget, ctx: &Context) -> Result<Vec<Pod>, ReconcileError> {
    let selector = budget.spec.as_ref().and_then(|spec| spec.selector.clone());
    // None at all selects nothing; an empty one selects everything.
    let Some(selector) = selector else { return Ok(Vec::new()) };
    let selector: Selector = selector.try_into()?;
    let mut pods = ctx.api::<Pod>(namespace(&budget.metadata)).list(&ListParams::default()).await?;
    pods.items.retain(|pod| {
        selector.matches(pod.metadata.labels.as_ref().unwrap_or(&Default::default()))
    });
    Ok(pods.items)
}
