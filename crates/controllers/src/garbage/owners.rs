//! What became of the owners that an object names.

use std::collections::BTreeSet;
use std::sync::Mutex;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Api;
use kube::api::DynamicObject;
use kube::core::GroupVersionKind;
use kube::discovery::{Discovery, Scope};
use tokio::sync::OnceCell;

use super::graph::{FOREGROUND, Graph, Object, Uid};
use crate::context::Context;
use crate::drive::ReconcileError;

const UNPOISONED: &str = "nothing panics while it holds the owners that are gone";

/// The state of an owner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Owner {
    /// It exists and stays.
    Solid,
    /// It does not exist.
    Gone,
    /// It is being deleted in the foreground.
    WaitsForDependents,
}

/// What was asked of the API during one round of looking, so that a hundred dependents of one
/// deleted owner ask once.
#[derive(Default)]
pub(crate) struct Owners {
    /// By the dependents' namespace, in which the owner was looked for. No uid comes back.
    gone: Mutex<BTreeSet<(Option<String>, Uid)>>,
    kinds: OnceCell<Discovery>,
}

impl Owners {
    /// The graph answers when it knows the owner; a missing one is asked for at the API, because
    /// the watch that would tell may lag behind.
    pub async fn state_of(
        &self,
        owner: &OwnerReference,
        dependent: &Object,
        graph: &Graph,
        ctx: &Context,
    ) -> Result<Owner, ReconcileError> {
        if let Some(found) = graph.get(&owner.uid).filter(|found| found.may_own(dependent)) {
            let waits = found.waits_for(FOREGROUND);
            return Ok(if waits { Owner::WaitsForDependents } else { Owner::Solid });
        }
        let key = (dependent.namespace.clone(), owner.uid.clone());
        if self.gone.lock().expect(UNPOISONED).contains(&key) {
            return Ok(Owner::Gone);
        }
        let state = self.ask(owner, dependent, ctx).await?;
        if state == Owner::Gone {
            self.gone.lock().expect(UNPOISONED).insert(key);
        }
        Ok(state)
    }

    async fn ask(
        &self,
        owner: &OwnerReference,
        dependent: &Object,
        ctx: &Context,
    ) -> Result<Owner, ReconcileError> {
        let discover = || Discovery::new(ctx.client.clone()).run_aggregated();
        let kinds = self.kinds.get_or_try_init(discover).await?;
        let (group, version) =
            owner.api_version.split_once('/').unwrap_or(("", &owner.api_version));
        let gvk = GroupVersionKind::gvk(group, version, &owner.kind);
        let Some((kind, can)) = kinds.resolve_gvk(&gvk) else {
            // A kind that is not served: nothing is known of the owner, so nothing is deleted.
            return Ok(Owner::Solid);
        };
        let api: Api<DynamicObject> = match (&can.scope, &dependent.namespace) {
            (Scope::Namespaced, Some(namespace)) => {
                Api::namespaced_with(ctx.client.clone(), namespace, &kind)
            }
            // A cluster-scoped object cannot be owned by a namespaced one.
            (Scope::Namespaced, None) => return Ok(Owner::Gone),
            (Scope::Cluster, _) => Api::all_with(ctx.client.clone(), &kind),
        };
        let live = api.get_metadata_opt(&owner.name).await?;
        let same = live.is_some_and(|live| live.metadata.uid.as_ref() == Some(&owner.uid));
        Ok(if same { Owner::Solid } else { Owner::Gone })
    }
}
