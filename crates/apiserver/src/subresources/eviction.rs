//! `pods/eviction`: a deletion that disruption budgets may refuse. There are none yet, so
//! it is a deletion.

use api::Gvk;
use axum::body::Body;
use axum::response::Response;
use http::Request;

use crate::error::{ApiError, ApiResult};
use crate::object::meta;
use crate::request::Call;
use crate::verbs::delete::delete;
use crate::verbs::delete_options;
use crate::{body, respond};

pub(super) async fn create(call: &Call<'_>, request: Request<Body>) -> ApiResult<Response> {
    let raw = body::read(request).await?;
    let eviction = body::object(call, &raw, &Gvk::new("policy", "v1", "Eviction"))?;
    if meta(&eviction, "name") != call.name() {
        return Err(ApiError::bad_request("name in URL does not match name in Eviction object"));
    }
    let mut options = delete_options::from_object(&eviction["deleteOptions"])?;
    options.dry_run |= call.query.dry_run()?;
    delete(call, call.namespace(), call.name(), &options).await?;
    Ok(respond::created())
}
