//! `pods/binding`: the scheduler gives a pod its node.

use api::status::{Resource, Status};
use api::validation::{ErrorKind, aggregate};
use api::{FieldError, Gvk};
use axum::body::Body;
use axum::response::Response;
use http::Request;
use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::object::{child_mut, meta, metadata_mut, text};
use crate::request::Call;
use crate::verbs::admission::topology;
use crate::verbs::create::Managed;
use crate::verbs::mutate::{Part, mutate};
use crate::verbs::now;
use crate::webhooks::{self, Operation};
use crate::{body, respond};

pub(super) async fn create(call: &Call<'_>, request: Request<Body>) -> ApiResult<Response> {
    let raw = body::read(request).await?;
    let gvk = Gvk::core("Binding");
    let mut binding = body::object(call, &raw, &gvk)?;
    check(call, &binding)?;
    let node = text(&binding, "/target/name").to_owned();
    topology::label(call.registry(), &node, &mut binding)?;
    let binding = webhooks::admit(call, Operation::Create, gvk, binding, None).await?;
    mutate(call, Part::Binding, Managed::Update, |old| bound(call, old, &binding)).await?;
    Ok(respond::created())
}

fn check(call: &Call<'_>, binding: &Value) -> ApiResult<()> {
    let name = meta(binding, "name");
    if !name.is_empty() && name != call.name() {
        return Err(ApiError::bad_request("name in URL does not match name in Binding object"));
    }
    // As upstream, which keeps no kind and name with these errors: no Invalid, but an unknown one.
    let mut errors = Vec::new();
    if !matches!(text(binding, "/target/kind"), "" | "Node") {
        errors.push(FieldError {
            path: "target.kind".to_owned(),
            kind: ErrorKind::NotSupported,
            value: binding["target"]["kind"].clone(),
            detail: "supported values: \"Node\", \"<empty>\"".to_owned(),
        });
    }
    if text(binding, "/target/name").is_empty() {
        errors.push(FieldError {
            path: "target.name".to_owned(),
            kind: ErrorKind::Required,
            value: Value::Null,
            detail: String::new(),
        });
    }
    if errors.is_empty() { Ok(()) } else { Err(ApiError::unknown(aggregate(&errors))) }
}

fn bound(call: &Call<'_>, old: &Value, binding: &Value) -> ApiResult<Value> {
    let resource = Resource::new("", "pods/binding");
    let refuse = |why: String| Err(Status::conflict(resource, call.name(), &why).into());
    let name = call.name();
    if api::meta::is_deleting(old) {
        return refuse(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    let node = text(old, "/spec/nodeName");
    if !node.is_empty() {
        return refuse(format!("pod {name} is already assigned to node {node:?}"));
    }
    let mut new = old.clone();
    // The binding's uid is the writer's precondition.
    let uid = meta(binding, "uid");
    if !uid.is_empty() {
        metadata_mut(&mut new).insert("uid".to_owned(), uid.into());
    }
    child_mut(&mut new, "spec").insert("nodeName".to_owned(), text(binding, "/target/name").into());
    if let Some(annotations) = binding["metadata"]["annotations"].as_object() {
        for (key, value) in annotations {
            api::meta::set_annotation(&mut new, key, value.as_str().unwrap_or(""));
        }
    }
    topology::take_over(binding, &mut new);
    set_scheduled(&mut new);
    Ok(new)
}

/// The condition that tells of it.
fn set_scheduled(pod: &mut Value) {
    let conditions = child_mut(pod, "status").entry("conditions").or_insert_with(|| json!([]));
    if let Some(list) = conditions.as_array_mut() {
        list.retain(|condition| condition["type"] != "PodScheduled");
        list.push(json!({
            "type": "PodScheduled", "status": "True", "lastTransitionTime": now(),
            "lastProbeTime": null,
        }));
    }
}
