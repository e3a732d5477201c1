//! `scale`: how many, without knowing of what.

use api::Gvk;
use api::status::{Resource, Status};
use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::negotiate::Format;
use crate::object::{meta, metadata_mut};
use crate::request::Call;
use crate::table::workload::{self, selector};
use crate::verbs::create::Managed;
use crate::verbs::mutate::{Part, check_name, mutate};
use crate::verbs::patch::{self, Patch, refuse_force};
use crate::webhooks::{self, Operation};
use crate::{audit, body, respond, table};

fn gvk() -> Gvk {
    Gvk::new("autoscaling", "v1", "Scale")
}

pub(super) async fn get(call: &Call<'_>) -> ApiResult<Response> {
    let kv = call
        .registry()
        .read(call.kind, call.namespace(), call.name())
        .await?
        .ok_or_else(|| not_found(call))?;
    let mut object = call.registry().decode(&kv)?;
    call.kind.freshen(&mut object);
    check_scalable(call, &object)?;
    let scale = scale_of(call, &object);
    if call.format()? == Format::Table {
        return Ok(respond::value(StatusCode::OK, &table(call, scale)?));
    }
    Ok(respond::value(StatusCode::OK, &scale))
}

/// Upstream says of most kinds that it is their scale that is not there, and of which group it thinks
/// that is.
fn not_found(call: &Call<'_>) -> ApiError {
    let resource = match &*call.kind.storage {
        "deployments.apps" => Resource::new("apps", "deployments/scale"),
        "replicasets.apps" => Resource::new("apps", "replicasets/scale"),
        "replicationcontrollers" => Resource::new("autoscaling", "replicationcontrollers/scale"),
        _ => return ApiError::not_found(call.kind, call.name()),
    };
    Status::not_found(resource, call.name()).into()
}

fn table(call: &Call<'_>, scale: Value) -> ApiResult<Value> {
    let version = json!({"resourceVersion": meta(&scale, "resourceVersion")});
    let cells = workload::scale(&scale);
    let row = table::row_of(cells, scale, call.query.include_object()?);
    let shown = table::Shown { of: "Scale", columns: workload::SCALE };
    Ok(table::table(Some(shown), version, vec![row]))
}

pub(super) async fn update(call: &Call<'_>, request: Request<Body>) -> ApiResult<Response> {
    let raw = body::read(request).await?;
    let scale = body::object(call, &raw, &gvk())?;
    check_name(meta(&scale, "name"), call.name())?;
    write(call, |_| Ok(scale.clone())).await
}

pub(super) async fn patch(call: &Call<'_>, request: Request<Body>) -> ApiResult<Response> {
    let raw = body::read(request).await?;
    audit::patch(&raw.bytes);
    patch::check_media(call, &raw)?;
    let patch = Patch::read(&raw)?;
    refuse_force(call)?;
    let problems = patch.problems(&raw);
    write(call, |scale| {
        let patched = patch.apply(&gvk(), scale)?;
        body::patched_value(call, &patched, &gvk(), &problems, || patch.shown(&patched))
    })
    .await
}

async fn write(call: &Call<'_>, change: impl Fn(Value) -> ApiResult<Value>) -> ApiResult<Response> {
    let judged = match webhooks::judge(call) {
        true => Some(judged(call, &change).await?),
        false => None,
    };
    let written = mutate(call, Part::Scale, Managed::Update, |old| {
        let scale = match &judged {
            Some(scale) => scale.clone(),
            None => change(scale_of(call, old))?,
        };
        let mut new = old.clone();
        let replicas = scale["spec"].get("replicas").cloned().unwrap_or(0.into());
        match call.kind.scale_paths() {
            Some(paths) => paths.set(&mut new, replicas),
            None => {
                not_negative(call, &replicas)?;
                new["spec"]["replicas"] = replicas;
            }
        }
        let metadata = metadata_mut(&mut new);
        // The writer's preconditions stand in the Scale.
        for field in ["resourceVersion", "uid", "name"] {
            metadata.insert(field.to_owned(), meta(&scale, field).into());
        }
        Ok(new)
    })
    .await?;
    Ok(respond::value(StatusCode::OK, &scale_of(call, &written.object)))
}

/// The new size after webhooks have seen it.
async fn judged(call: &Call<'_>, change: &impl Fn(Value) -> ApiResult<Value>) -> ApiResult<Value> {
    let kv = call.registry().read(call.kind, call.namespace(), call.name()).await?;
    let kv = kv.ok_or_else(|| ApiError::not_found(call.kind, call.name()))?;
    let mut object = call.registry().decode(&kv)?;
    call.kind.freshen(&mut object);
    let old = scale_of(call, &object);
    let new = change(old.clone())?;
    webhooks::admit(call, Operation::Update, gvk(), new, Some(old)).await
}

/// How many a custom object wants is for it to say before anybody is told.
fn check_scalable(call: &Call<'_>, object: &Value) -> ApiResult<()> {
    match call.kind.scale_paths() {
        Some(paths) if paths.wanted(object).is_none() => {
            Err(ApiError::not_scalable(&paths.spec_path()))
        }
        _ => Ok(()),
    }
}

/// It is the Scale that is not valid, not what it is of.
fn not_negative(call: &Call<'_>, replicas: &Value) -> ApiResult<()> {
    if replicas.as_i64().is_none_or(|count| count >= 0) {
        return Ok(());
    }
    let error = api::FieldError {
        path: "spec.replicas".to_owned(),
        kind: api::validation::ErrorKind::Invalid,
        value: replicas.clone(),
        detail: "must be greater than or equal to 0".to_owned(),
    };
    Err(Status::invalid(&gvk(), call.name(), vec![error]).into())
}

fn scale_of(call: &Call<'_>, object: &Value) -> Value {
    let mut metadata = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        metadata[field] = object["metadata"][field].clone();
    }
    let (wanted, present, selector) = match call.kind.scale_paths() {
        Some(paths) => {
            let wanted = paths.wanted(object).unwrap_or(0);
            (wanted, paths.present(object), paths.selector(object).to_owned())
        }
        None => {
            let count =
                |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
            let selector = selector(&object["spec"]["selector"]);
            (count("/spec/replicas"), count("/status/replicas"), selector)
        }
    };
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {},
        "status": {"replicas": present},
    });
    // Go's type leaves out what says nothing.
    if wanted != 0 {
        scale["spec"]["replicas"] = wanted.into();
    }
    if !selector.is_empty() {
        scale["status"]["selector"] = selector.into();
    }
    scale
}
