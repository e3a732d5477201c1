//! `scale`: how many, without knowing of what.

use api::Gvk;
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
use crate::verbs::mutate::{Part, mutate};
use crate::verbs::patch::{Patch, refuse_force};
use crate::{body, respond, table};

fn gvk() -> Gvk {
    Gvk::new("autoscaling", "v1", "Scale")
}

pub(super) fn get(call: &Call<'_>) -> ApiResult<Response> {
    let kv = call
        .registry()
        .get(call.kind, call.namespace(), call.name())
        .ok_or_else(|| ApiError::not_found(call.kind, call.name()))?;
    let scale = scale_of(&call.registry().decode(&kv)?);
    if call.format()? == Format::Table {
        return Ok(respond::value(StatusCode::OK, &table(call, scale)?));
    }
    Ok(respond::value(StatusCode::OK, &scale))
}

fn table(call: &Call<'_>, scale: Value) -> ApiResult<Value> {
    let version = json!({"resourceVersion": meta(&scale, "resourceVersion")});
    let cells = workload::scale(&scale);
    let row = table::row_of(cells, scale, call.query.include_object()?);
    Ok(table::table(workload::SCALE, version, vec![row], true))
}

pub(super) async fn update(call: &Call<'_>, request: Request<Body>) -> ApiResult<Response> {
    let raw = body::read(request).await?;
    let scale = body::object(call, &raw, &gvk())?;
    write(call, |_| Ok(scale.clone())).await
}

pub(super) async fn patch(call: &Call<'_>, request: Request<Body>) -> ApiResult<Response> {
    let raw = body::read(request).await?;
    let patch = Patch::read(&raw)?;
    refuse_force(call)?;
    write(call, |scale| {
        let patched = patch.apply(&gvk(), scale)?;
        body::checked_value(call, &patched, &gvk())
    })
    .await
}

async fn write(call: &Call<'_>, change: impl Fn(Value) -> ApiResult<Value>) -> ApiResult<Response> {
    let written = mutate(call, Part::Scale, Managed::Update, |old| {
        let scale = change(scale_of(old))?;
        let mut new = old.clone();
        new["spec"]["replicas"] = scale["spec"].get("replicas").cloned().unwrap_or(0.into());
        let metadata = metadata_mut(&mut new);
        // The writer's preconditions stand in the Scale.
        for field in ["resourceVersion", "uid", "name"] {
            match meta(&scale, field) {
                "" if field == "name" => {}
                text => {
                    metadata.insert(field.to_owned(), text.into());
                }
            }
        }
        Ok(new)
    })
    .await?;
    Ok(respond::value(StatusCode::OK, &scale_of(&written)))
}

fn scale_of(object: &Value) -> Value {
    let mut metadata = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        metadata[field] = object["metadata"][field].clone();
    }
    let count = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": count("/spec/replicas")},
        "status": {
            "replicas": count("/status/replicas"),
            "selector": selector(&object["spec"]["selector"]),
        },
    })
}
