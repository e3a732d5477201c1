//! PUT of an object, or of its status or finalizers.

use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode};

use super::create::Managed;
use super::mutate::{Part, check_name, mutate};
use crate::error::ApiResult;
use crate::object::meta;
use crate::request::Call;
use crate::{body, respond};

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
    let written = mutate(call, part, Managed::Update, |_| Ok(object.clone())).await?;
    respond::made(call, StatusCode::OK, written)
}
