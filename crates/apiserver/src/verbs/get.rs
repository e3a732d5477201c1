//! GET of one object.

use axum::response::Response;

use super::list_options::revision;
use crate::error::{ApiError, ApiResult};
use crate::request::Call;
use crate::respond;

pub(crate) async fn answer(call: &Call<'_>) -> ApiResult<Response> {
    let kv = call
        .registry()
        .read(call.kind, call.namespace(), call.name())
        .await?
        .ok_or_else(|| ApiError::not_found(call.kind, call.name()))?;
    if let Some(text) = call.query.get("resourceVersion") {
        not_older_than(call, text)?;
    }
    respond::stored(call, &kv)
}

/// We always answer with the newest, so only a future version cannot be had.
fn not_older_than(call: &Call<'_>, text: &str) -> ApiResult<()> {
    let wanted = revision(text).map_err(ApiError::unknown)?;
    let head = call.registry().store.revision().0;
    if wanted > head { Err(ApiError::revision_too_large(wanted, head)) } else { Ok(()) }
}
