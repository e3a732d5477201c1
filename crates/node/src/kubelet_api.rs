//! The kubelet API: logs, exec, attach, port-forward, statistics. Served to the API server, which has
//! authorized the caller.

mod about;
mod logs;
mod port_forward;
mod session;
mod spdy;
mod stats;
mod streams;
mod transport;
mod upgrade;

pub(crate) use self::spdy::fuzzing::frames as fuzz_spdy_frames;

use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use serde_json::json;

use crate::pods::Live;
use crate::shared::Shared;

/// The node, once it runs.
#[derive(Clone)]
struct Served {
    shared: Arc<OnceLock<Arc<Shared>>>,
}

/// The routes of the kubelet API.
pub(crate) fn router(shared: Arc<OnceLock<Arc<Shared>>>) -> Router {
    Router::new()
        .route("/containerLogs/{namespace}/{pod}/{container}", get(logs::serve))
        .route("/exec/{namespace}/{pod}/{container}", any(streams::exec))
        .route("/attach/{namespace}/{pod}/{container}", any(streams::attach))
        .route("/portForward/{namespace}/{pod}", any(port_forward::serve))
        .route("/stats/summary", get(stats::serve))
        .route("/pods", get(about::pods))
        .route("/configz", get(about::settings))
        .route("/healthz", get(async || "ok"))
        .route("/healthz/ping", get(async || "ok"))
        .fallback(async || {
            failure(StatusCode::NOT_FOUND, "NotFound", "no such path in the kubelet API")
        })
        .with_state(Served { shared })
}

impl Served {
    fn shared(&self) -> Result<&Arc<Shared>, Failure> {
        self.shared.get().ok_or_else(|| {
            Failure(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "the node is starting".into(),
            )
        })
    }

    /// The pod of that name: its uid and what is live of it.
    fn pod(&self, namespace: &str, name: &str) -> Result<(String, Arc<Mutex<Live>>), Failure> {
        self.shared()?.registry.find(namespace, name).ok_or_else(|| {
            let message = format!("pod {namespace}/{name} is not on this node");
            Failure(StatusCode::NOT_FOUND, "NotFound", message)
        })
    }
}

/// A failed request: code, reason, message.
#[derive(Debug)]
struct Failure(StatusCode, &'static str, String);

impl Failure {
    fn bad_request(message: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, "BadRequest", message.into())
    }

    fn internal(message: impl Into<String>) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        failure(self.0, self.1, &self.2)
    }
}

/// A Status object as an answer.
fn failure(code: StatusCode, reason: &str, message: &str) -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code.as_u16()});
    (code, axum::Json(status)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    async fn check(path: &str, code: u16, message: &str) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router(Arc::default()).oneshot(request).await.unwrap();
        assert_eq!(response.status(), code, "{path}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let status: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&status["kind"], &status["message"]), (&json!("Status"), &json!(message)));
    }

    #[tokio::test]
    async fn a_node_that_does_not_run_says_so() {
        check("/containerLogs/a/b/c", 503, "the node is starting").await;
        check("/stats/summary", 503, "the node is starting").await;
        check("/pods", 503, "the node is starting").await;
        check("/configz", 503, "the node is starting").await;
        check("/portForward/a/b", 503, "the node is starting").await;
    }

    #[tokio::test]
    async fn what_is_not_there_is_a_status() {
        check("/nothing", 404, "no such path in the kubelet API").await;
    }

    #[tokio::test]
    async fn a_wrong_log_option_is_named() {
        let message = "tailLines=x: not a whole number of zero or more";
        check("/containerLogs/a/b/c?tailLines=x", 400, message).await;
        let message = "stream=Both: not All, Stdout or Stderr";
        check("/containerLogs/a/b/c?stream=Both", 400, message).await;
        let message = "`tailLines` and specific `stream` are mutually exclusive for now";
        check("/containerLogs/a/b/c?stream=Stderr&tailLines=1", 400, message).await;
    }
}
