//! Empties a namespace that is being deleted, pods first, tells in its status what holds it up, and
//! lets it go.
//! Source: Kubernetes, "Namespaces", automatic deletion of contents.

mod conditions;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::discovery::{Discovery, Scope, verbs};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};

use self::conditions::Remains;
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
    let remains = empty(name(&namespace.metadata), &ctx).await;
    let namespace = tell(&api, namespace, &remains).await?;
    if !remains.is_nothing() {
        return Ok(Action::requeue(RECHECK));
    }
    finalize(&api, namespace).await?;
    Ok(Action::await_change())
}

/// Writes into the status what still holds the namespace up.
async fn tell(
    api: &Api<Namespace>,
    mut namespace: Namespace,
    remains: &Remains,
) -> Result<Namespace, ReconcileError> {
    let status = namespace.status.get_or_insert_default();
    let conditions = status.conditions.get_or_insert_default();
    if !conditions::update(conditions, remains, &Time(jiff::Timestamp::now())) {
        return Ok(namespace);
    }
    let name = name(&namespace.metadata).to_owned();
    Ok(api.replace_status(&name, &PostParams::default(), &namespace).await?)
}

fn has_finalizer(namespace: &Namespace) -> bool {
    let finalizers = namespace.spec.as_ref().and_then(|spec| spec.finalizers.as_ref());
    finalizers.into_iter().flatten().any(|finalizer| finalizer == FINALIZER)
}

/// Deletes all that is in the namespace, pods before anything else.
async fn empty(namespace: &str, ctx: &Context) -> Remains {
    let mut remains = Remains::default();
    let kinds = match namespaced_kinds(ctx).await {
        Ok(kinds) => kinds,
        Err(error) => {
            remains.discovery = Some(error.to_string());
            return remains;
        }
    };
    // What pods use (their network policies, their secrets) stays until they are gone.
    let (pods, others): (Vec<_>, Vec<_>) =
        kinds.iter().partition(|kind| kind.group.is_empty() && kind.plural == "pods");
    for kinds in [pods, others] {
        for kind in kinds {
            if let Err(error) = empty_of(kind, namespace, ctx, &mut remains).await {
                remains.failures.push(format!("{}.{}: {error}", kind.plural, kind.group));
            }
        }
        if !remains.is_nothing() {
            break;
        }
    }
    remains
}

/// Deletes all objects of a kind, and counts those that are still there.
async fn empty_of(
    kind: &ApiResource,
    namespace: &str,
    ctx: &Context,
    remains: &mut Remains,
) -> Result<(), kube::Error> {
    let api: Api<DynamicObject> = Api::namespaced_with(ctx.client.clone(), namespace, kind);
    let all = ListParams::default();
    match api.list_metadata(&all).await {
        Ok(list) if list.items.is_empty() => return Ok(()),
        Ok(_) => {}
        // The kind itself went in the meantime.
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => return Err(error),
    }
    api.delete_collection(&DeleteParams::background(), &all).await?;
    let left = api.list_metadata(&all).await?.items;
    if !left.is_empty() {
        remains.objects.insert(format!("{}.{}", kind.plural, kind.group), left.len());
    }
    for finalizer in left.into_iter().flat_map(|object| object.metadata.finalizers).flatten() {
        *remains.finalizers.entry(finalizer).or_default() += 1;
    }
    Ok(())
}

async fn namespaced_kinds(ctx: &Context) -> Result<Vec<ApiResource>, kube::Error> {
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
