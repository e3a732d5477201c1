//! /portForward: connections into a pod's network namespace, as streams of SPDY/3.1. The frames come
//! over the connection itself, upgraded, or in the messages of a WebSocket.

mod inside;
mod session;
mod transport;

use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use axum::response::{IntoResponse, Response};

use self::session::Target;
use super::{Failure, Served};
use crate::shared::lock;

/// What is spoken over SPDY.
const PROTOCOL: &str = "portforward.k8s.io";
/// What is spoken over a WebSocket: the same, in its messages.
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
const SPDY: &str = "SPDY/3.1";
const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");
const ACCEPTED_PROTOCOLS: HeaderName =
    HeaderName::from_static("x-accepted-stream-protocol-versions");

pub(super) async fn serve(
    State(served): State<Served>,
    Path((namespace, name)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let answer = match target(&served, &namespace, &name) {
        Ok(target) if asks_for(request.headers(), "websocket") => tunnel(target, request).await,
        Ok(target) => upgrade(target, request),
        Err(failure) => Err(failure),
    };
    answer.unwrap_or_else(IntoResponse::into_response)
}

/// Where connections go to.
fn target(served: &Served, namespace: &str, name: &str) -> Result<Target, Failure> {
    let (uid, live) = served.pod(namespace, name)?;
    let pod = lock(&live).pod.clone();
    let pod = pod.ok_or_else(|| {
        Failure::internal(format!("pod {namespace}/{name} is not running: it has no network yet"))
    })?;
    Ok(Target { pod: format!("{name}_{namespace}"), uid, netns: pod.netns() })
}

async fn tunnel(target: Target, request: Request<Body>) -> Result<Response, Failure> {
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &())
        .await
        .map_err(|rejection| Failure::bad_request(rejection.to_string()))?;
    let upgrade = upgrade.protocols([TUNNEL]);
    if upgrade.selected_protocol().is_none() {
        let message = format!("unable to upgrade: this server speaks {TUNNEL} over a WebSocket");
        return Err(Failure::bad_request(message));
    }
    Ok(upgrade.on_upgrade(async move |socket| {
        let (output, input) = transport::of_socket(socket);
        session::run(target, input, output).await;
    }))
}

fn upgrade(target: Target, mut request: Request<Body>) -> Result<Response, Failure> {
    if !asks_for(request.headers(), SPDY) {
        return Err(Failure::bad_request(
            "unable to upgrade: missing upgrade headers in request: a WebSocket or SPDY/3.1 is needed",
        ));
    }
    if !speaks_ours(request.headers()) {
        return Ok(unknown_protocol(request.headers()));
    }
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgraded.await {
            Ok(upgraded) => {
                let (output, input) = transport::of_connection(upgraded);
                session::run(target, input, output).await;
            }
            Err(error) => tracing::debug!(%error, "connection not upgraded"),
        }
    });
    let headers = [
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static(SPDY)),
        (STREAM_PROTOCOL, HeaderValue::from_static(PROTOCOL)),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

/// Whether the request wants to go on in another protocol.
fn asks_for(headers: &HeaderMap, protocol: &str) -> bool {
    let names = |name: HeaderName, wanted: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        let mut words = values.flat_map(|value| value.split(','));
        words.any(|word| word.trim().eq_ignore_ascii_case(wanted))
    };
    names(CONNECTION, "upgrade") && names(UPGRADE, protocol)
}

/// A client that names no protocol speaks the only one there is.
fn speaks_ours(headers: &HeaderMap) -> bool {
    let mut named = headers.get_all(STREAM_PROTOCOL).into_iter().peekable();
    named.peek().is_none() || named.any(|value| value == PROTOCOL)
}

fn unknown_protocol(headers: &HeaderMap) -> Response {
    let named = headers.get_all(STREAM_PROTOCOL).into_iter();
    let named: Vec<String> =
        named.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
    let message = format!(
        "unable to upgrade: unable to negotiate protocol: client supports [{}], server accepts [{PROTOCOL}]",
        named.join(" ")
    );
    let accepted = [(ACCEPTED_PROTOCOLS, HeaderValue::from_static(PROTOCOL))];
    (accepted, super::failure(StatusCode::FORBIDDEN, "Forbidden", &message)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&str, &str)], protocol: &str, expected: bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        assert_eq!(asks_for(&map, protocol), expected, "{headers:?}");
    }

    #[test]
    fn an_upgrade_is_asked_for_by_two_headers() {
        check(&[("connection", "Upgrade"), ("upgrade", "SPDY/3.1")], SPDY, true);
        check(&[("connection", "keep-alive, upgrade"), ("upgrade", "spdy/3.1")], SPDY, true);
        check(&[("connection", "Upgrade"), ("upgrade", "websocket")], SPDY, false);
        check(&[("upgrade", "SPDY/3.1")], SPDY, false);
    }

    #[test]
    fn an_unknown_protocol_is_refused_by_name() {
        let mut headers = HeaderMap::new();
        assert!(speaks_ours(&headers));
        headers.append(STREAM_PROTOCOL, HeaderValue::from_static("v9.portforward.k8s.io"));
        assert!(!speaks_ours(&headers));
        assert_eq!(unknown_protocol(&headers).status(), StatusCode::FORBIDDEN);
        headers.append(STREAM_PROTOCOL, HeaderValue::from_static(PROTOCOL));
        assert!(speaks_ours(&headers));
    }
}
