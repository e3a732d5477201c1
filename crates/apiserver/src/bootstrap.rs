//! What every cluster has from its first moment: the namespaces, its roles and priorities, and the
//! `kubernetes` Service with its endpoint. Done through the API's own request path, at every start.

mod access;
mod flow;

pub(crate) use self::flow::{
    lacks as lacks_flow_control, problem as flow_control_problem, seed as seed_flow_control,
};

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::flowcontrol;
use crate::pki::FRONT_PROXY;
use crate::request;
use crate::server::Shared;
use crate::user::{MASTERS, UserInfo};

const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
/// The cluster's own priorities.
const CLASSES: [(&str, i64, &str); 2] = [
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
];
/// Who makes these objects.
const USER: &str = "system:apiserver";

/// Why the first objects could not be made.
#[derive(Debug, thiserror::Error)]
#[error("make {path}: {message}")]
pub struct BootstrapError {
    /// The object's path.
    pub path: String,
    /// What the API said.
    pub message: String,
}

pub(crate) async fn run(shared: &Arc<Shared>) -> Result<(), BootstrapError> {
    for name in NAMESPACES {
        let object = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
        });
        ensure(shared, "/api/v1/namespaces", object).await?;
    }
    access::reconcile(shared).await?;
    for (name, value, about) in CLASSES {
        let object = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": name}, "value": value, "description": about,
        });
        ensure(shared, "/apis/scheduling.k8s.io/v1/priorityclasses", object).await?;
    }
    ensure(shared, "/api/v1/namespaces/default/services", service(shared)).await?;
    let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    ensure(shared, slices, endpoint_slice(shared)).await?;
    ensure(shared, "/api/v1/namespaces/default/endpoints", endpoints(shared)).await?;
    ensure(shared, "/apis/networking.k8s.io/v1/servicecidrs", service_range(shared)).await?;
    let maps = "/api/v1/namespaces/kube-system/configmaps";
    ensure(shared, maps, extension_authentication(shared)).await?;
    ensure_any(shared, maps, token_tracking()).await?;
    flow::seed(shared).await?;
    flowcontrol::pass(shared).await
}

/// ClusterIP and endpoint may differ from the last start: then the object is made anew.
async fn ensure(
    shared: &Arc<Shared>,
    collection: &str,
    object: Value,
) -> Result<(), BootstrapError> {
    let name = object["metadata"]["name"].as_str().unwrap_or("");
    let path = format!("{collection}/{name}");
    match ask(shared, Method::GET, &path, None).await? {
        (200, found) if agrees(&object, &found) => Ok(()),
        (200, _) => {
            ask(shared, Method::DELETE, &path, None).await?;
            create(shared, collection, &object).await
        }
        (404, _) => create(shared, collection, &object).await,
        (_, answer) => Err(failed(&path, &answer)),
    }
}

/// Makes what is missing, and leaves it as it is where it is there.
async fn ensure_any(
    shared: &Arc<Shared>,
    collection: &str,
    object: Value,
) -> Result<(), BootstrapError> {
    let path = format!("{collection}/{}", object["metadata"]["name"].as_str().unwrap_or(""));
    match ask(shared, Method::GET, &path, None).await? {
        (200, _) => Ok(()),
        (404, _) => create(shared, collection, &object).await,
        (_, answer) => Err(failed(&path, &answer)),
    }
}

/// Since when it is noted which tokens of Secrets are used.
fn token_tracking() -> Value {
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": "kube-apiserver-legacy-service-account-token-tracking",
            "namespace": "kube-system",
        },
        "data": {"since": today},
    })
}

async fn create(
    shared: &Arc<Shared>,
    collection: &str,
    object: &Value,
) -> Result<(), BootstrapError> {
    match ask(shared, Method::POST, collection, Some(object)).await? {
        (201, _) => Ok(()),
        (_, answer) => Err(failed(collection, &answer)),
    }
}

/// Does what is there have all that we want?
fn agrees(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => wanted
            .iter()
            .all(|(key, value)| found.get(key).is_some_and(|found| agrees(value, found))),
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len() && wanted.iter().zip(found).all(|(w, f)| agrees(w, f))
        }
        (wanted, found) => wanted == found,
    }
}

pub(crate) async fn ask(
    shared: &Arc<Shared>,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<(u16, Value), BootstrapError> {
    let body = body.map_or_else(Body::empty, |value| Body::from(value.to_string()));
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, "kube-apiserver")
        .body(body)
        .expect("our own paths are valid");
    request.extensions_mut().insert(UserInfo::new(USER, [MASTERS]));
    let response: Response = request::handle(axum::extract::State(shared.clone()), request).await;
    let code = response.status().as_u16();
    let unreadable = |message: String| BootstrapError { path: path.to_owned(), message };
    let bytes = response.into_body().collect().await;
    let bytes = bytes.map_err(|error| unreadable(error.to_string()))?.to_bytes();
    let answer = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
    Ok((code, answer))
}

fn failed(path: &str, answer: &Value) -> BootstrapError {
    let message = answer["message"].as_str().unwrap_or("no reason was given").to_owned();
    BootstrapError { path: path.to_owned(), message }
}

/// By what the servers behind this one know that it is this one who asks, and for whom.
fn extension_authentication(shared: &Shared) -> Value {
    let list = |word: &str| json!([word]).to_string();
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system"},
        "data": {
            "client-ca-file": shared.pki.client_ca_pem(),
            "requestheader-allowed-names": list(FRONT_PROXY),
            "requestheader-client-ca-file": shared.pki.front_proxy_ca_pem(),
            "requestheader-extra-headers-prefix": list("X-Remote-Extra-"),
            "requestheader-group-headers": list("X-Remote-Group"),
            "requestheader-uid-headers": list("X-Remote-Uid"),
            "requestheader-username-headers": list("X-Remote-User"),
        },
    })
}

fn service(shared: &Shared) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": "kubernetes",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": shared.config.service_range.first().to_string(),
            "ports": [{"name": "https", "port": 443, "protocol": "TCP",
                "targetPort": shared.config.secure_port}],
        },
    })
}

fn endpoints(shared: &Shared) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {
            "name": "kubernetes",
            // It has its EndpointSlice.
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [{
            "addresses": [{"ip": shared.config.node_address.to_string()}],
            "ports": [{"name": "https", "port": shared.config.secure_port, "protocol": "TCP"}],
        }],
    })
}

fn service_range(shared: &Shared) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
        "metadata": {"name": "kubernetes"},
        "spec": {"cidrs": [shared.config.service_range.to_string()]},
    })
}

fn endpoint_slice(shared: &Shared) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv4",
        "endpoints": [{
            "addresses": [shared.config.node_address.to_string()],
            "conditions": {"ready": true},
        }],
        "ports": [{"name": "https", "port": shared.config.secure_port, "protocol": "TCP"}],
    })
}
