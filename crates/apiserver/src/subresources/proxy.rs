//! Logs, exec, attach and port-forward: handed to the node agent as they are, upgrade and
//! all; it speaks to the client directly.

use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode, Uri};
use serde_json::Value;
use tower::ServiceExt as _;

use super::log_options;
use crate::error::{ApiError, ApiResult};
use crate::kinds::Subresource;
use crate::object::text;
use crate::request::Call;
use crate::table::list;

/// The annotation that names a pod's main container.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

pub(super) async fn log(call: &Call<'_>, request: Request<Body>) -> ApiResult<Response> {
    log_options::check(&call.query, call.name())?;
    let pod = object(call)?;
    let container = container(call, &pod)?;
    // As upstream: what runs nowhere has said nothing.
    if text(&pod, "/spec/nodeName").is_empty() {
        let mut nothing = Response::new(Body::empty());
        *nothing.status_mut() = StatusCode::NO_CONTENT;
        return Ok(nothing);
    }
    let path = format!("/containerLogs/{}/{}/{container}", call.namespace(), call.name());
    forward(call, request, &path, "").await
}

pub(super) async fn container_stream(
    call: &Call<'_>,
    subresource: Subresource,
    request: Request<Body>,
) -> ApiResult<Response> {
    let pod = object(call)?;
    // Which container is meant is asked first, as upstream asks it.
    let container = container(call, &pod)?;
    on_a_node(call, &pod)?;
    let word = subresource.name();
    let path = format!("/{word}/{}/{}/{container}", call.namespace(), call.name());
    forward(call, request, &path, &kubelet_flags(call)?).await
}

pub(super) async fn port_forward(call: &Call<'_>, request: Request<Body>) -> ApiResult<Response> {
    on_a_node(call, &object(call)?)?;
    let path = format!("/portForward/{}/{}", call.namespace(), call.name());
    forward(call, request, &path, "").await
}

/// The kubelet's names for which streams are wanted.
fn kubelet_flags(call: &Call<'_>) -> ApiResult<String> {
    let mut flags = String::new();
    for (ours, theirs) in [("stdin", "input"), ("stdout", "output"), ("stderr", "error")] {
        if call.query.flag(ours)? {
            flags.push_str(&format!("&{theirs}=1"));
        }
    }
    Ok(flags)
}

fn object(call: &Call<'_>) -> ApiResult<Value> {
    let kv = call
        .registry()
        .get(call.kind, call.namespace(), call.name())
        .ok_or_else(|| ApiError::not_found(call.kind, call.name()))?;
    call.registry().decode(&kv)
}

/// Refuses a pod that no node has.
fn on_a_node(call: &Call<'_>, pod: &Value) -> ApiResult<()> {
    if text(pod, "/spec/nodeName").is_empty() {
        let name = call.name();
        return Err(ApiError::bad_request(format!("pod {name} does not have a host assigned")));
    }
    Ok(())
}

/// The container that is meant: the one named, or the only one.
fn container(call: &Call<'_>, pod: &Value) -> ApiResult<String> {
    let pointers = ["/spec/containers", "/spec/initContainers", "/spec/ephemeralContainers"];
    let all = pointers.iter().flat_map(|pointer| list(pod, pointer));
    let all: Vec<&str> = all.map(|container| text(container, "/name")).collect();
    let pod_name = call.name();
    match call.query.get("container") {
        Some(name) if all.contains(&name) => Ok(name.to_owned()),
        Some(name) => {
            Err(ApiError::bad_request(format!("container {name} is not valid for pod {pod_name}")))
        }
        None => default_container(pod, &all).ok_or_else(|| {
            ApiError::bad_request(format!(
                "a container name must be specified for pod {pod_name}, choose one of: [{}]",
                all.join(" ")
            ))
        }),
    }
}

fn default_container(pod: &Value, all: &[&str]) -> Option<String> {
    let named = api::meta::annotation(pod, DEFAULT_CONTAINER).filter(|name| all.contains(name));
    let only = match list(pod, "/spec/containers") {
        [one] => one["name"].as_str(),
        _ => None,
    };
    named.or(only).map(str::to_owned)
}

/// The same request at the node's path. Its extensions go with it: the upgrade is the node's.
async fn forward(
    call: &Call<'_>,
    request: Request<Body>,
    path: &str,
    more: &str,
) -> ApiResult<Response> {
    let node = call.shared.node().ok_or_else(|| {
        ApiError::unavailable("the node agent is not running yet; try again in a moment")
    })?;
    let query = request.uri().query().unwrap_or("");
    let target = format!("{path}?{query}{more}");
    let uri: Uri = target
        .parse()
        .map_err(|_| ApiError::bad_request("the request cannot be passed on to the node"))?;
    let (mut parts, body) = request.into_parts();
    parts.uri = uri;
    match node.oneshot(Request::from_parts(parts, body)).await {
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}
