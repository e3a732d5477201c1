//! PUT of an object, or of its status or finalizers.

use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode};
use serde_json::Value;

use super::Made;
use super::create::{self, Managed};
use super::mutate::{Part, check_name, mutate, precondition_failed};
use crate::error::{ApiError, ApiResult};
use crate::object::{meta, metadata_mut};
use crate::request::Call;
use crate::{body, request, respond};

pub(crate) async fn answer(call: &Call<'_>, request: Request<Body>) -> ApiResult<Response> {
    replace(call, Part::Main, request).await
}

/// Replaces a part of an object by the body's.
pub(crate) async fn replace(
    call: &Call<'_>,
    part: Part,
    request: Request<Body>,
) -> ApiResult<Response> {
    call.format()?;
    let raw = body::read(request).await?;
    let mut object = body::object(call, &raw, &call.kind.gvk())?;
    check_name(meta(&object, "name"), call.name())?;
    call.kind.to_stored(&mut object);
    let creates = part == Part::Main && call.kind.strategy.put_creates;
    let not_there = ApiError::not_found(call.kind, call.name());
    loop {
        match mutate(call, part, Managed::Update, |_| Ok(object.clone())).await {
            Err(error) if creates && error == not_there => {}
            other => return respond::made(call, StatusCode::OK, other?),
        }
        match make(call, object.clone()).await {
            // Somebody made it in between: replace that.
            Err(error) if error.status().reason == "AlreadyExists" => {}
            other => return respond::made(call, StatusCode::CREATED, other?),
        }
    }
}

/// Makes the object that a PUT did not find. Which version was meant says nothing of a new one.
async fn make(call: &Call<'_>, mut object: Value) -> ApiResult<Made> {
    request::may_create(call)?;
    let uid = meta(&object, "uid");
    if !uid.is_empty() {
        let place = (call.namespace(), call.name());
        let why = precondition_failed(call.kind, place, uid, "");
        return Err(ApiError::conflict(call.kind, call.name(), &why));
    }
    metadata_mut(&mut object).remove("resourceVersion");
    create::insert(call, object, call.query.dry_run()?, Managed::Update).await
}
