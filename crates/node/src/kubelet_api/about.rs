//! What the node says of itself: its pods, and the settings it works by.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::Served;
use crate::pod::spec;
use crate::register::PODS_MAX;

/// /pods: the pods of this node as its workers know them.
pub(super) async fn pods(State(served): State<Served>) -> Response {
    match served.shared() {
        Ok(shared) => {
            let pods = shared.registry.pods();
            let items: Vec<&Pod> = pods.iter().map(|pod| &**pod).collect();
            Json(json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}))
                .into_response()
        }
        Err(failure) => failure.into_response(),
    }
}

/// /configz: in the kubelet's words, as far as they are true here.
pub(super) async fn settings(State(served): State<Served>) -> Response {
    match served.shared() {
        Ok(shared) => Json(json!({"kubeletconfig": {
            "clusterDomain": shared.cluster_domain,
            "clusterDNS": [shared.dns_address.to_string()],
            "containerLogMaxSize": format!("{}Mi", spec::LOG_BYTES_MAX >> 20),
            "containerLogMaxFiles": spec::LOG_FILES_MAX,
            "maxPods": PODS_MAX,
            "failSwapOn": false,
        }}))
        .into_response(),
        Err(failure) => failure.into_response(),
    }
}
