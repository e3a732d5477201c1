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
    /// No uid comes back.
    gone: Mutex<BTreeSet<Looked>>,
    kinds: OnceCell<Discovery>,
}

/// Where an owner was looked for: as it is named, from the dependents' namespace. Another dependent
/// may name the same uid rightly.
type Looked = (Option<String>, String, String, String, Uid);

fn place(owner: &OwnerReference, dependent: &Object) -> Looked {
    let OwnerReference { api_version, kind, name, uid, .. } = owner.clone();
    (dependent.namespace.clone(), api_version, kind, name, uid)
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
        let key = place(owner, dependent);
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use http::{Request, Response};
    use k8s_openapi::api::core::v1::Pod;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
    use kit::Tasks;
    use kube::api::ApiResource;
    use kube::client::{Body, Client};
    use serde_json::json;

    use super::*;
    use crate::ControllersConfig;
    use crate::drive::tests::Nobody;

    /// An API that has one ConfigMap `right` of uid `u` in every namespace.
    fn context() -> Context {
        let api = tower::service_fn(|request: Request<Body>| async move {
            let map = json!({"resource": "configmaps", "scope": "Namespaced", "verbs": ["get"],
                "responseKind": {"group": "", "version": "v1", "kind": "ConfigMap"}});
            let versions = json!([{"version": "v1", "resources": [map]}]);
            let (code, body) = match request.uri().path() {
                "/api" => (200, json!({"items": [{"metadata": {}, "versions": versions}]})),
                "/apis" => (200, json!({"items": []})),
                path if path.ends_with("/right") => {
                    (200, json!({"metadata": {"name": "right", "uid": "u"}}))
                }
                _ => (404, json!({"status": "Failure", "code": 404, "reason": "NotFound"})),
            };
            let response = Response::builder().status(code);
            Ok::<_, Infallible>(response.body(Body::from(body.to_string().into_bytes())).unwrap())
        });
        let config =
            ControllersConfig { root_ca_pem: Arc::new(String::new), signer: Arc::new(Nobody) };
        Context::new(Client::new(api, "default"), Tasks::new(), config)
    }

    #[tokio::test]
    async fn an_owner_that_one_dependent_names_wrongly_is_there_for_the_others() {
        let pods = Arc::new(ApiResource::erase::<Pod>(&()));
        let meta = ObjectMeta { namespace: Some("shop".to_owned()), ..ObjectMeta::default() };
        let (dependent, graph, owners) =
            (Object::new(pods, meta), Graph::default(), Owners::default());
        let ctx = context();
        for (name, expected) in [("wrong", Owner::Gone), ("right", Owner::Solid)] {
            let owner = OwnerReference {
                api_version: "v1".to_owned(),
                kind: "ConfigMap".to_owned(),
                name: name.to_owned(),
                uid: "u".to_owned(),
                ..OwnerReference::default()
            };
            let state = owners.state_of(&owner, &dependent, &graph, &ctx).await.unwrap();
            assert_eq!(state, expected, "{name}");
        }
    }
}
