//! What is served to plain HTTP: metrics, health, version.
//!
//! - `metrics`: all numbers, under etcd's names; `text`: the format; `process`: of the process

mod metrics;
mod process;
mod text;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use store::{Full as FullOf, Stats};
use tonic::body::Body;

use crate::member::{Member, VERSION};
pub use metrics::metrics_text;

const JSON: &str = "application/json";
const PLAIN: &str = "text/plain; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The lowest version that a member of this cluster may have.
const CLUSTER_VERSION: &str = "3.5.0";

/// Answers a request that is not gRPC.
pub(crate) async fn respond<B>(member: &Member, request: Request<B>) -> Response<Body> {
    let answer = match request.uri().path() {
        "/health" => health(&member.store.stats(), request.uri().query().unwrap_or_default()),
        "/livez" => answer(StatusCode::OK, PLAIN, "ok\n".to_owned()),
        "/readyz" => ready(&member.store.stats()),
        "/version" => version(),
        "/metrics" => answer(StatusCode::OK, METRICS, metrics::of_member(member)),
        _ => return answer(StatusCode::NOT_FOUND, PLAIN, "404 page not found\n".to_owned()),
    };
    match *request.method() {
        Method::GET | Method::HEAD => answer,
        _ => not_allowed(),
    }
}

/// Whether writes would be taken, and if not, why not. `exclude=NOSPACE` passes over a full disk.
fn health(stats: &Stats, query: &str) -> Response<Body> {
    let nospace_matters = !query.split('&').any(|part| part == "exclude=NOSPACE");
    let reason = match stats.full {
        _ if stats.failed => "STORE FAILED",
        Some(FullOf::Disk | FullOf::Quota) if nospace_matters => "ALARM NOSPACE",
        _ => {
            let healthy = r#"{"health":"true","reason":""}"#;
            return answer(StatusCode::OK, JSON, healthy.to_owned());
        }
    };
    let unhealthy = format!(r#"{{"health":"false","reason":"{reason}"}}"#);
    answer(StatusCode::SERVICE_UNAVAILABLE, JSON, unhealthy)
}

/// Whether requests can be answered: reads can be while there is no room.
fn ready(stats: &Stats) -> Response<Body> {
    if stats.failed {
        return answer(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "the store failed\n".to_owned());
    }
    answer(StatusCode::OK, PLAIN, "ok\n".to_owned())
}

fn version() -> Response<Body> {
    let versions = format!(r#"{{"etcdserver":"{VERSION}","etcdcluster":"{CLUSTER_VERSION}"}}"#);
    answer(StatusCode::OK, JSON, versions)
}

fn not_allowed() -> Response<Body> {
    let text = "Method Not Allowed\n".to_owned();
    let mut response = answer(StatusCode::METHOD_NOT_ALLOWED, PLAIN, text);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn answer(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(Bytes::from(text))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn check(response: Response<Body>, status: u16, expected: &str) {
        assert_eq!(response.status(), status);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(std::str::from_utf8(&body).unwrap(), expected);
    }

    #[tokio::test]
    async fn a_store_that_takes_writes_is_healthy() {
        let healthy = r#"{"health":"true","reason":""}"#;
        check(health(&Stats::default(), ""), 200, healthy).await;
        check(ready(&Stats::default()), 200, "ok\n").await;
    }

    #[tokio::test]
    async fn a_full_store_is_ready_but_not_healthy() {
        let full = Stats { full: Some(FullOf::Quota), ..Stats::default() };
        let unhealthy = r#"{"health":"false","reason":"ALARM NOSPACE"}"#;
        check(health(&full, ""), 503, unhealthy).await;
        check(
            health(&full, "serializable=true&exclude=NOSPACE"),
            200,
            r#"{"health":"true","reason":""}"#,
        )
        .await;
        check(ready(&full), 200, "ok\n").await;
    }

    #[tokio::test]
    async fn a_failed_store_is_neither() {
        let failed = Stats { failed: true, ..Stats::default() };
        let unhealthy = r#"{"health":"false","reason":"STORE FAILED"}"#;
        check(health(&failed, "exclude=NOSPACE"), 503, unhealthy).await;
        check(ready(&failed), 503, "the store failed\n").await;
    }

    #[tokio::test]
    async fn the_version_is_the_one_we_speak_like() {
        let expected = r#"{"etcdserver":"3.5.21","etcdcluster":"3.5.0"}"#;
        check(version(), 200, expected).await;
    }
}
