//! `pods/eviction`: a deletion that a disruption budget may refuse.
//! Source: Kubernetes, "API-initiated Eviction", <https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/>.

mod budget;

use api::Gvk;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use serde_json::{Value, json};

use self::budget::Guard;
use crate::error::{ApiError, ApiResult};
use crate::object::{child_mut, meta, text};
use crate::request::Call;
use crate::table::list;
use crate::verbs::admission::node_restriction;
use crate::verbs::create::Managed;
use crate::verbs::delete::delete;
use crate::verbs::delete_options::{self, DeleteOptions};
use crate::verbs::mutate::{Part, mutate};
use crate::verbs::{ATTEMPTS_MAX, now};
use crate::webhooks::{self, Operation};
use crate::{body, respond};

pub(super) async fn create(call: &Call<'_>, request: Request<Body>) -> ApiResult<Response> {
    let raw = body::read(request).await?;
    let gvk = Gvk::new("policy", "v1", "Eviction");
    let eviction = body::object(call, &raw, &gvk)?;
    if meta(&eviction, "name") != call.name() {
        return Err(ApiError::bad_request("name in URL does not match name in Eviction object"));
    }
    let eviction = webhooks::admit(call, Operation::Create, gvk, eviction, None).await?;
    let mut options = delete_options::from_object(&eviction["deleteOptions"])?;
    options.dry_run |= call.query.dry_run()?;
    for _ in 0..ATTEMPTS_MAX {
        let pod = read(call)?;
        node_restriction::evict(call, &pod)?;
        if evict(call, &pod, &options).await? {
            return Ok(respond::created());
        }
    }
    Err(ApiError::contention(call.kind, "evict"))
}

fn read(call: &Call<'_>) -> ApiResult<Value> {
    let kv = call.registry().get(call.kind, call.namespace(), call.name());
    call.registry().decode(&kv.ok_or_else(|| ApiError::not_found(call.kind, call.name()))?)
}

/// Returns false where the pod changed meanwhile in a way that may matter: decide again.
async fn evict(call: &Call<'_>, pod: &Value, options: &DeleteOptions) -> ApiResult<bool> {
    let asked = options;
    let guard = match is_disturbed(pod) {
        true => Guard::None,
        false => budget::guard(call, pod)?,
    };
    let mut options = options.clone();
    match guard {
        Guard::None if text(pod, "/status/phase") == "Pending" => {
            expect_unchanged(&mut options, pod)
        }
        Guard::None => {}
        // It must not have become healthy since.
        Guard::Unhealthy => expect_unchanged(&mut options, pod),
        Guard::Budget(budget) => budget.spend(call, options.dry_run).await?,
    }
    if !options.dry_run && options.resource_version.is_none() && !api::meta::is_deleting(pod) {
        tell(call).await?;
    }
    // That the pod has not changed may be our condition rather than the writer's.
    let ours = options.resource_version != asked.resource_version;
    let same = options.uid.as_deref().is_none_or(|uid| uid == meta(pod, "uid"));
    match delete(call, call.namespace(), call.name(), &options).await {
        Err(error) if error.code() == 409 && ours && same => Ok(false),
        deleted => deleted.map(|_| true),
    }
}

fn expect_unchanged(options: &mut DeleteOptions, pod: &Value) {
    options.resource_version.get_or_insert_with(|| meta(pod, "resourceVersion").to_owned());
}

/// Does nobody lose a running pod by this: it is over, not there yet, or going already?
fn is_disturbed(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed" | "Pending" | "")
        || api::meta::is_deleting(pod)
}

fn is_ready(pod: &Value) -> bool {
    list(pod, "/status/conditions")
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Says in the pod's status what ends it.
async fn tell(call: &Call<'_>) -> ApiResult<()> {
    mutate(call, Part::Status, Managed::Update, |old| {
        let mut new = old.clone();
        let conditions = child_mut(&mut new, "status").entry("conditions").or_insert(json!([]));
        if let Some(conditions) = conditions.as_array_mut() {
            conditions.retain(|condition| condition["type"] != "DisruptionTarget");
            conditions.push(json!({
                "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
                "message": "Eviction API: evicting", "lastTransitionTime": now(), "lastProbeTime": null,
            }));
        }
        Ok(new)
    })
    .await?;
    Ok(())
}
