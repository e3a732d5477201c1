//! What to do with one object, and doing it.

use futures::{StreamExt as _, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Api;
use kube::api::{
    DeleteParams, DynamicObject, Patch, PatchParams, Preconditions, PropagationPolicy,
};
use serde_json::{Value, json};

use super::graph::{FOREGROUND, Graph, ORPHAN, Object, Uid};
use super::owners::{Owner, Owners};
use crate::context::Context;
use crate::drive::ReconcileError;

/// How often a finalizer is taken away anew when somebody else changed the object meanwhile.
const FINALIZER_TRIES: usize = 5;

/// How many objects are looked at or changed side by side, as upstream's collector.
pub(crate) const WORKERS: usize = 20;

/// One round of looking: the graph as it is, and what was found out about owners.
pub(crate) struct Round<'a> {
    pub graph: &'a Graph,
    pub ctx: &'a Context,
    pub owners: Owners,
}

impl Round<'_> {
    /// What came of looking at one object.
    pub async fn looked(&self, uid: Uid) -> (Uid, Result<Vec<Uid>, ReconcileError>) {
        let found = self.look_at(&uid).await;
        (uid, found)
    }

    /// Looks at one object and does what is due. Returns what has to be looked at next.
    async fn look_at(&self, uid: &Uid) -> Result<Vec<Uid>, ReconcileError> {
        let Some(object) = self.graph.get(uid) else { return Ok(Vec::new()) };
        if object.waits_for(ORPHAN) {
            self.orphan_dependents(uid, object).await?;
        } else if object.waits_for(FOREGROUND) {
            return self.delete_dependents(uid, object).await;
        } else if !object.deleting && !object.owners.is_empty() {
            self.delete_if_unowned(uid, object).await?;
        }
        Ok(Vec::new())
    }

    /// Deletes the object when none of its owners is left, or the last ones only wait for it.
    /// Decides on the owners that the API tells: the graph may not know of a new one yet.
    async fn delete_if_unowned(&self, uid: &Uid, object: &Object) -> Result<(), ReconcileError> {
        let Some(live) = live(uid, object, self.ctx).await? else { return Ok(()) };
        let owners = live.owner_references.clone().unwrap_or_default();
        if live.deletion_timestamp.is_some() || owners.is_empty() {
            return Ok(());
        }
        let (mut solid, mut waiting, mut leaving) = (0, 0, Vec::new());
        for owner in &owners {
            let state = self.owners.state_of(owner, object, self.graph, self.ctx).await?;
            match state {
                Owner::Solid => solid += 1,
                Owner::Gone => leaving.push(owner.uid.clone()),
                Owner::WaitsForDependents => {
                    waiting += 1;
                    leaving.push(owner.uid.clone());
                }
            }
        }
        if solid > 0 {
            // One that waits would wait for this one for ever, as it stays.
            return drop_owners(uid, object, &live, &leaving, self.ctx).await;
        }
        self.delete(uid, object, live, waiting > 0).await
    }

    /// Deletes the object as of `live`. Who waits for it waits for what it owns too.
    async fn delete(
        &self,
        uid: &Uid,
        object: &Object,
        mut live: ObjectMeta,
        waited_for: bool,
    ) -> Result<(), ReconcileError> {
        let mut dependents = self.graph.dependents(uid);
        let policy = if waited_for && dependents.next().is_some() {
            if self.graph.dependents(uid).any(|(_, it)| it.waits_for(FOREGROUND)) {
                live.resource_version = unblock(uid, object, &live, self.ctx).await?;
            }
            PropagationPolicy::Foreground
        } else {
            policy_of(&live)
        };
        let version = live.resource_version;
        let params = DeleteParams {
            propagation_policy: Some(policy),
            preconditions: Some(Preconditions {
                uid: Some(uid.clone()),
                resource_version: version,
            }),
            ..Default::default()
        };
        settled(api_of(object, self.ctx).delete(&object.name, &params).await)
    }

    /// Foreground: all dependents go first; those that block hold the owner up.
    async fn delete_dependents(
        &self,
        uid: &Uid,
        object: &Object,
    ) -> Result<Vec<Uid>, ReconcileError> {
        if !self.graph.dependents(uid).any(|(_, dependent)| dependent.blocks(uid)) {
            drop_finalizer(uid, object, FOREGROUND, self.ctx).await?;
        }
        let dependents = self.graph.dependents(uid).filter(|(_, dependent)| !dependent.deleting);
        Ok(dependents.map(|(uid, _)| uid.clone()).collect())
    }

    /// Orphan: the dependents forget the owner, then it goes. All are tried, also when one
    /// of them cannot be changed now.
    async fn orphan_dependents(&self, uid: &Uid, object: &Object) -> Result<(), ReconcileError> {
        let dependents: Vec<Uid> = self.graph.dependents(uid).map(|(uid, _)| uid.clone()).collect();
        let outcomes: Vec<_> = stream::iter(dependents)
            .map(|dependent| self.forget(uid, dependent))
            .buffer_unordered(WORKERS)
            .collect()
            .await;
        outcomes.into_iter().collect::<Result<(), _>>()?;
        drop_finalizer(uid, object, ORPHAN, self.ctx).await
    }

    /// The dependent is no longer owned by `owner`.
    async fn forget(&self, owner: &Uid, uid: Uid) -> Result<(), ReconcileError> {
        let Some(dependent) = self.graph.get(&uid) else { return Ok(()) };
        let Some(live) = live(&uid, dependent, self.ctx).await? else { return Ok(()) };
        drop_owners(&uid, dependent, &live, std::slice::from_ref(owner), self.ctx).await
    }
}

/// Somebody may have said how the object's own dependents go.
fn policy_of(live: &ObjectMeta) -> PropagationPolicy {
    let has = |finalizer: &str| live.finalizers.iter().flatten().any(|has| has == finalizer);
    match (has(ORPHAN), has(FOREGROUND)) {
        (true, _) => PropagationPolicy::Orphan,
        (false, true) => PropagationPolicy::Foreground,
        (false, false) => PropagationPolicy::Background,
    }
}

fn api_of(object: &Object, ctx: &Context) -> Api<DynamicObject> {
    match &object.namespace {
        Some(namespace) => Api::namespaced_with(ctx.client.clone(), namespace, &*object.kind),
        None => Api::all_with(ctx.client.clone(), &*object.kind),
    }
}

/// What the API says of the object; nothing when it is gone or another one has its name.
async fn live(
    uid: &Uid,
    object: &Object,
    ctx: &Context,
) -> Result<Option<ObjectMeta>, ReconcileError> {
    let found = api_of(object, ctx).get_metadata_opt(&object.name).await?;
    Ok(found.map(|found| found.metadata).filter(|meta| meta.uid.as_ref() == Some(uid)))
}

async fn drop_owners(
    uid: &Uid,
    object: &Object,
    live: &ObjectMeta,
    gone: &[Uid],
    ctx: &Context,
) -> Result<(), ReconcileError> {
    let owners = live.owner_references.iter().flatten();
    let (left, leaving): (Vec<_>, Vec<_>) = owners.partition(|owner| !gone.contains(&owner.uid));
    if leaving.is_empty() {
        return Ok(());
    }
    let change =
        json!({"uid": uid, "resourceVersion": live.resource_version, "ownerReferences": left});
    settled(patch(object, change, ctx).await)
}

/// A circle of objects that all wait for each other is broken here: the owners of this one no
/// longer wait for it. Returns its new version.
async fn unblock(
    uid: &Uid,
    object: &Object,
    live: &ObjectMeta,
    ctx: &Context,
) -> Result<Option<String>, ReconcileError> {
    let owners = live.owner_references.iter().flatten().cloned();
    let free = |owner| OwnerReference { block_owner_deletion: Some(false), ..owner };
    let owners: Vec<_> = owners.map(free).collect();
    let version = &live.resource_version;
    let change = json!({"uid": uid, "resourceVersion": version, "ownerReferences": owners});
    Ok(patch(object, change, ctx).await?.metadata.resource_version)
}

async fn drop_finalizer(
    uid: &Uid,
    object: &Object,
    finalizer: &str,
    ctx: &Context,
) -> Result<(), ReconcileError> {
    let mut tries = 0;
    loop {
        let Some(live) = live(uid, object, ctx).await? else { return Ok(()) };
        let before = live.finalizers.unwrap_or_default();
        let left: Vec<_> = before.into_iter().filter(|has| has != finalizer).collect();
        let version = live.resource_version;
        let change = json!({"uid": uid, "resourceVersion": version, "finalizers": left});
        tries += 1;
        match patch(object, change, ctx).await {
            Err(error) if is_conflict(&error) && tries < FINALIZER_TRIES => {}
            outcome => return settled(outcome),
        }
    }
}

/// A merge patch that names the uid is refused with a conflict when the object is another one.
async fn patch(object: &Object, meta: Value, ctx: &Context) -> kube::Result<DynamicObject> {
    let change = Patch::Merge(json!({ "metadata": meta }));
    api_of(object, ctx).patch(&object.name, &PatchParams::default(), &change).await
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

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}
