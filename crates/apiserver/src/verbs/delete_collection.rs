//! DELETE of a collection: each selected object as if it were deleted alone.

use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode};
use serde_json::json;

use super::delete::{delete, warn_of_orphans};
use super::list::{place, read, with_items};
use super::list_options::ListOptions;
use super::{admission, delete_options};
use crate::error::{ApiError, ApiResult};
use crate::request::Call;
use crate::respond;

pub(crate) async fn answer(call: &Call<'_>, request: Request<Body>) -> ApiResult<Response> {
    call.format()?;
    if call.kind.namespaced && call.namespace.is_none() {
        return Err(ApiError::method_not_allowed());
    }
    let selected = ListOptions::read(call)?;
    let options = delete_options::read(call, request).await?;
    warn_of_orphans(call, &options);
    let page = read(call, &selected).await?;
    let mut items = Vec::with_capacity(page.entries.len());
    for kv in &page.entries {
        let object = call.registry().decode(kv)?;
        let (namespace, name) = place(&object);
        admission::may_delete(call.kind, name)?;
        match delete(call, namespace, name, &options).await {
            Ok(deleted) => items.push(deleted.object),
            // Somebody else was first.
            Err(error) if error.code() == 404 => {}
            Err(error) => return Err(error),
        }
    }
    items.iter_mut().for_each(|item| call.kind.to_served(item));
    let list = json!({
        "kind": call.kind.list_kind(),
        "apiVersion": call.kind.api_version(),
        "metadata": {"resourceVersion": page.revision.0.to_string()},
    });
    let body = with_items(list, items).to_string();
    Ok(respond::json(StatusCode::OK, body.into(), call.gzip))
}
