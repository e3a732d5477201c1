//! What hangs below an object: status, scale, bindings, streams, tokens.

mod binding;
mod eviction;
pub(crate) mod http_proxy;
mod log_options;
mod proxy;
pub(crate) mod review;
mod scale;
mod token;

use axum::body::Body;
use axum::response::Response;
use http::Request;

use crate::error::{ApiError, ApiResult};
use crate::kinds::Subresource;
use crate::request::Call;
use crate::verbs::mutate::Part;
use crate::verbs::{get, patch, update};

/// Is it a byte stream to the node rather than an object?
pub(crate) fn is_stream(subresource: Subresource) -> bool {
    matches!(subresource, Subresource::Exec | Subresource::Attach | Subresource::PortForward)
}

/// Is it a request to something else, with a method and a path of its own?
pub(crate) fn is_proxy(subresource: Subresource) -> bool {
    matches!(
        subresource,
        Subresource::PodProxy | Subresource::ServiceProxy | Subresource::NodeProxy
    )
}

/// Does it last as long as its client likes? Such requests take no seat from others.
pub(crate) fn is_long(subresource: Subresource) -> bool {
    is_stream(subresource) || is_proxy(subresource) || subresource == Subresource::Log
}

/// Answers a request to a subresource.
pub(crate) async fn answer(
    call: &Call<'_>,
    subresource: Subresource,
    verb: &str,
    request: Request<Body>,
) -> ApiResult<Response> {
    match (subresource, verb) {
        (Subresource::Status, "get") => get::answer(call).await,
        (Subresource::Status, "update") => update::replace(call, Part::Status, request).await,
        (Subresource::Status, "patch") => patch::change(call, Part::Status, request).await,
        (Subresource::Approval, "get") => get::answer(call).await,
        (Subresource::Approval, "update") => update::replace(call, Part::Approval, request).await,
        (Subresource::Approval, "patch") => patch::change(call, Part::Approval, request).await,
        (Subresource::Finalize, "update") => update::replace(call, Part::Finalize, request).await,
        (Subresource::EphemeralContainers | Subresource::Resize, "get") => get::answer(call).await,
        (Subresource::EphemeralContainers, "update") => {
            update::replace(call, Part::Debuggers, request).await
        }
        (Subresource::EphemeralContainers, "patch") => {
            patch::change(call, Part::Debuggers, request).await
        }
        (Subresource::Resize, "update") => update::replace(call, Part::Resources, request).await,
        (Subresource::Resize, "patch") => patch::change(call, Part::Resources, request).await,
        (Subresource::Scale, "get") => scale::get(call).await,
        (Subresource::Scale, "update") => scale::update(call, request).await,
        (Subresource::Scale, "patch") => scale::patch(call, request).await,
        (Subresource::Binding, "create") => binding::create(call, request).await,
        (Subresource::Eviction, "create") => eviction::create(call, request).await,
        (Subresource::Token, "create") => token::create(call, request).await,
        (Subresource::Log, "get") => proxy::log(call, request).await,
        (Subresource::Exec | Subresource::Attach, "get" | "create") => {
            proxy::container_stream(call, subresource, request).await
        }
        (Subresource::PortForward, "get" | "create") => proxy::port_forward(call, request).await,
        (Subresource::PodProxy | Subresource::ServiceProxy | Subresource::NodeProxy, _) => {
            http_proxy::answer(call, subresource, request).await
        }
        _ if call.kind.custom.is_some() => Err(ApiError::verb_not_supported(call.kind, verb)),
        _ => Err(ApiError::method_not_allowed()),
    }
}
