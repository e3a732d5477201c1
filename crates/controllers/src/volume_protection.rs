//! A PersistentVolume that is bound to a claim stays until it is not. Source: Kubernetes, "Storage
//! Object in Use Protection", and its pv-protection-controller.

use std::sync::Arc;

use k8s_openapi::api::core::v1::PersistentVolume;
use kube::Api;
use kube::api::PostParams;
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};

use crate::claim_protection::{protect, settled};
use crate::context::Context;
use crate::drive::{ReconcileError, drive};
use crate::owner::name;

const FINALIZER: &str = "kubernetes.io/pv-protection";

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    let volumes = Controller::new(context.all::<PersistentVolume>(), watcher::Config::default());
    drive(volumes, context, reconcile).await
}

async fn reconcile(
    woken: Arc<PersistentVolume>,
    ctx: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let api: Api<PersistentVolume> = ctx.all();
    let Some(mut volume) = api.get_opt(name(&woken.metadata)).await? else {
        return Ok(Action::await_change());
    };
    let ends = volume.metadata.deletion_timestamp.is_some();
    // Its change wakes this again.
    if ends && is_bound(&volume) {
        return Ok(Action::await_change());
    }
    if protect(volume.metadata.finalizers.get_or_insert_default(), FINALIZER, !ends) {
        settled(api.replace(name(&woken.metadata), &PostParams::default(), &volume).await)?;
    }
    Ok(Action::await_change())
}

fn is_bound(volume: &PersistentVolume) -> bool {
    let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
    phase == Some("Bound")
}
