//! What to do with one object, and doing it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Api;
use kube::api::{
    DeleteParams, DynamicObject, Patch, PatchParams, Preconditions, PropagationPolicy,
};
use kube::core::GroupVersionKind;
use kube::discovery::Discovery;
use serde_json::{Value, json};

use super::graph::{FOREGROUND, Graph, ORPHAN, Object, Uid};
use crate::context::Context;
use crate::drive::ReconcileError;

/// Looks at one object and does what is due. Returns what has to be looked at next.
pub(crate) async fn look_at(
    uid: &Uid,
    graph: &Graph,
    ctx: &Context,
) -> Result<Vec<Uid>, ReconcileError> {
    let Some(object) = graph.get(uid) else { return Ok(Vec::new()) };
    if object.waits_for(ORPHAN) {
        orphan_dependents(uid, object, graph, ctx).await?;
    } else if object.waits_for(FOREGROUND) {
        delete_dependents(uid, object, graph, ctx).await?;
    } else if !object.deleting && !object.owners.is_empty() {
        delete_if_unowned(uid, object, graph, ctx).await?;
    }
    Ok(Vec::new())
}

/// Deletes the object when none of its owners is left, or the last ones only wait for it.
async fn delete_if_unowned(
    uid: &Uid,
    object: &Object,
    graph: &Graph,
    ctx: &Context,
) -> Result<(), ReconcileError> {
    let (mut solid, mut dangling, mut waiting) = (0, Vec::new(), 0);
    for owner in &object.owners {
        match state_of(owner, object, graph, ctx).await? {
            Owner::Solid => solid += 1,
            Owner::Gone => dangling.push(owner.uid.clone()),
            Owner::WaitsForDependents => waiting += 1,
        }
    }
    if solid > 0 {
        return match dangling.is_empty() {
            true => Ok(()),
            false => drop_owners(uid, object, &dangling, ctx).await,
        };
    }
    let has_dependents = graph.dependents(uid).next().is_some();
    let policy = match waiting > 0 && has_dependents {
        true => PropagationPolicy::Foreground,
        false => PropagationPolicy::Background,
    };
    delete(uid, object, policy, ctx).await
}

enum Owner {
    /// It exists and stays.
    Solid,
    /// It does not exist.
    Gone,
    /// It is being deleted in the foreground.
    WaitsForDependents,
}

/// The graph answers when it knows the owner; a missing one is asked for at the API, because
/// the watch that would tell may lag behind.
async fn state_of(
    owner: &OwnerReference,
    dependent: &Object,
    graph: &Graph,
    ctx: &Context,
) -> Result<Owner, ReconcileError> {
    if let Some(found) = graph.get(&owner.uid) {
        let waits = found.waits_for(FOREGROUND);
        return Ok(if waits { Owner::WaitsForDependents } else { Owner::Solid });
    }
    let (group, version) = owner.api_version.split_once('/').unwrap_or(("", &owner.api_version));
    let gvk = GroupVersionKind::gvk(group, version, &owner.kind);
    let discovery = Discovery::new(ctx.client.clone()).run_aggregated().await?;
    let Some((kind, can)) = discovery.resolve_gvk(&gvk) else {
        // A kind that is not served: nothing is known of the owner, so nothing is deleted.
        return Ok(Owner::Solid);
    };
    let api: Api<DynamicObject> = match (&can.scope, &dependent.namespace) {
        (kube::discovery::Scope::Namespaced, Some(namespace)) => {
            Api::namespaced_with(ctx.client.clone(), namespace, &kind)
        }
        // A cluster-scoped object cannot be owned by a namespaced one.
        (kube::discovery::Scope::Namespaced, None) => return Ok(Owner::Gone),
        (kube::discovery::Scope::Cluster, _) => Api::all_with(ctx.client.clone(), &kind),
    };
    let live = api.get_metadata_opt(&owner.name).await?;
    let same = live.is_some_and(|live| live.metadata.uid.as_ref() == Some(&owner.uid));
    Ok(if same { Owner::Solid } else { Owner::Gone })
}

/// Foreground: all dependents go first; those that block hold the owner up.
async fn delete_dependents(
    uid: &Uid,
    object: &Object,
    graph: &Graph,
    ctx: &Context,
) -> Result<(), ReconcileError> {
    let mut blocked = false;
    for (dependent_uid, dependent) in graph.dependents(uid) {
        let reference = dependent.owners.iter().find(|owner| &owner.uid == uid);
        blocked |= reference.and_then(|owner| owner.block_owner_deletion) == Some(true);
        if !dependent.deleting {
            delete_if_unowned(dependent_uid, dependent, graph, ctx).await?;
        }
    }
    if blocked { Ok(()) } else { drop_finalizer(uid, object, FOREGROUND, ctx).await }
}

/// Orphan: the dependents forget the owner, then it goes.
async fn orphan_dependents(
    uid: &Uid,
    object: &Object,
    graph: &Graph,
    ctx: &Context,
) -> Result<(), ReconcileError> {
    for (dependent_uid, dependent) in graph.dependents(uid) {
        drop_owners(dependent_uid, dependent, std::slice::from_ref(uid), ctx).await?;
    }
    drop_finalizer(uid, object, ORPHAN, ctx).await
}

fn api_of(object: &Object, ctx: &Context) -> Api<DynamicObject> {
    match &object.namespace {
        Some(namespace) => Api::namespaced_with(ctx.client.clone(), namespace, &object.kind),
        None => Api::all_with(ctx.client.clone(), &object.kind),
    }
}

async fn delete(
    uid: &Uid,
    object: &Object,
    policy: PropagationPolicy,
    ctx: &Context,
) -> Result<(), ReconcileError> {
    let params = DeleteParams {
        propagation_policy: Some(policy),
        preconditions: Some(Preconditions { uid: Some(uid.clone()), resource_version: None }),
        ..Default::default()
    };
    settled(api_of(object, ctx).delete(&object.name, &params).await)
}

async fn drop_owners(
    uid: &Uid,
    object: &Object,
    gone: &[Uid],
    ctx: &Context,
) -> Result<(), ReconcileError> {
    let left: Vec<_> = object.owners.iter().filter(|owner| !gone.contains(&owner.uid)).collect();
    patch(object, json!({"metadata": {"uid": uid, "ownerReferences": left}}), ctx).await
}

async fn drop_finalizer(
    uid: &Uid,
    object: &Object,
    finalizer: &str,
    ctx: &Context,
) -> Result<(), ReconcileError> {
    let live = match api_of(object, ctx).get_metadata_opt(&object.name).await? {
        Some(live) if live.metadata.uid.as_ref() == Some(uid) => live.metadata,
        _ => return Ok(()),
    };
    let before = live.finalizers.unwrap_or_default();
    let left: Vec<_> = before.into_iter().filter(|has| has != finalizer).collect();
    let version = live.resource_version;
    let change = json!({"uid": uid, "resourceVersion": version, "finalizers": left});
    patch(object, json!({ "metadata": change }), ctx).await
}

/// A merge patch that names the uid is refused with a conflict when the object is another one.
async fn patch(object: &Object, change: Value, ctx: &Context) -> Result<(), ReconcileError> {
    let api = api_of(object, ctx);
    settled(api.patch(&object.name, &PatchParams::default(), &Patch::Merge(change)).await)
}

/// Gone or replaced already: that is what was wanted.
fn settled<T>(outcome: kube::Result<T>) -> Result<(), ReconcileError> {
    match outcome {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 && status.message.contains("UID") => {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
