//! Empties a namespace that is being deleted, then lets it go.
//! Source: Kubernetes, "Namespaces", automatic deletion of contents.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::discovery::{Discovery, Scope, verbs};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};

use crate::context::Context;
use crate::drive::{ReconcileError, drive};
use crate::owner::name;

/// The finalizer in a Namespace's spec that this controller takes off.
const FINALIZER: &str = "kubernetes";
/// How soon a namespace is looked at again while something is left in it.
const RECHECK: Duration = Duration::from_millis(200);

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    let controller = Controller::new(context.all::<Namespace>(), watcher::Config::default());
    drive(controller, context, reconcile).await
}

async fn reconcile(woken: Arc<Namespace>, ctx: Arc<Context>) -> Result<Action, ReconcileError> {
    let api: Api<Namespace> = ctx.all();
    let Some(namespace) = api.get_opt(name(&woken.metadata)).await? else {
        return Ok(Action::await_change());
    };
    if namespace.metadata.deletion_timestamp.is_none() || !has_finalizer(&namespace) {
        return Ok(Action::await_change());
    }
    let left = empty(name(&namespace.metadata), &ctx).await?;
    if left > 0 {
        return Ok(Action::requeue(RECHECK));
    }
    finalize(&api, namespace).await?;
    Ok(Action::await_change())
}

fn has_finalizer(namespace: &Namespace) -> bool {
    let finalizers = namespace.spec.as_ref().and_then(|spec| spec.finalizers.as_ref());
    finalizers.into_iter().flatten().any(|finalizer| finalizer == FINALIZER)
}

/// Deletes all that is in the namespace. Returns how many objects are still there.
async fn empty(namespace: &str, ctx: &Context) -> Result<usize, ReconcileError> {
    let mut left = 0;
    for kind in namespaced_kinds(ctx).await? {
        let api: Api<DynamicObject> = Api::namespaced_with(ctx.client.clone(), namespace, &kind);
        let all = ListParams::default();
        if api.list_metadata(&all).await?.items.is_empty() {
            continue;
        }
        api.delete_collection(&DeleteParams::background(), &all).await?;
        left += api.list_metadata(&all).await?.items.len();
    }
    Ok(left)
}

async fn namespaced_kinds(ctx: &Context) -> Result<Vec<ApiResource>, ReconcileError> {
    let discovery = Discovery::new(ctx.client.clone()).run_aggregated().await?;
    let kinds = discovery.groups().flat_map(|group| group.recommended_resources());
    let deletable = kinds.filter(|(_, can)| {
        can.scope == Scope::Namespaced
            && can.supports_operation(verbs::LIST)
            && can.supports_operation(verbs::DELETE_COLLECTION)
    });
    Ok(deletable.map(|(kind, _)| kind).collect())
}

async fn finalize(api: &Api<Namespace>, mut namespace: Namespace) -> Result<(), ReconcileError> {
    let name = name(&namespace.metadata).to_owned();
    if let Some(finalizers) = namespace.spec.as_mut().and_then(|spec| spec.finalizers.as_mut()) {
        finalizers.retain(|finalizer| finalizer != FINALIZER);
    }
    match api.replace_subresource("finalize", &name, &PostParams::default(), &namespace).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}
