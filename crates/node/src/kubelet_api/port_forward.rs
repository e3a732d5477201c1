//! /portForward: connections into a pod's network namespace, as streams of SPDY/3.1. The frames come
//! over the connection itself, upgraded, or in the messages of a WebSocket.

mod channels;
mod inside;
mod session;

use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::Request;
use axum::response::{IntoResponse, Response};

use self::session::Target;
use super::{Failure, Served, transport, upgrade};
use crate::shared::lock;

/// What is spoken over SPDY.
const PROTOCOLS: [&str; 1] = ["portforward.k8s.io"];
/// What is spoken over a WebSocket: the same, in its messages.
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
/// The longest message that a client may send over a WebSocket.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

pub(super) async fn serve(
    State(served): State<Served>,
    Path((namespace, name)): Path<(String, String)>,
    Query(query): Query<Vec<(String, String)>>,
    request: Request<Body>,
) -> Response {
    let answer = match target(&served, &namespace, &name) {
        Ok(target) if upgrade::asks_for(request.headers(), "websocket") => {
            over_web_socket(target, &query, request).await
        }
        Ok(target) => over_spdy(target, request),
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

async fn over_web_socket(
    target: Target,
    query: &[(String, String)],
    request: Request<Body>,
) -> Result<Response, Failure> {
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &())
        .await
        .map_err(|rejection| Failure::bad_request(rejection.to_string()))?;
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX);
    let [first, second] = channels::PROTOCOLS;
    let upgrade = upgrade.protocols([TUNNEL, first, second]);
    let spoken = upgrade.selected_protocol().and_then(|name| name.to_str().ok());
    match spoken {
        Some(TUNNEL) => Ok(upgrade.on_upgrade(async move |socket| {
            let (output, input) = transport::of_socket(socket);
            session::run(target, input, output).await;
        })),
        Some(_) => {
            let ports = channels::ports(query).map_err(Failure::bad_request)?;
            Ok(upgrade.on_upgrade(async move |socket| channels::run(target, ports, socket).await))
        }
        None => {
            let known = [TUNNEL, first, second].join(", ");
            let message = format!("unable to upgrade: this server speaks {known} over a WebSocket");
            Err(Failure::bad_request(message))
        }
    }
}

fn over_spdy(target: Target, request: Request<Body>) -> Result<Response, Failure> {
    if !upgrade::asks_for(request.headers(), upgrade::SPDY) {
        return Err(Failure::bad_request(
            "unable to upgrade: missing upgrade headers in request: a WebSocket or SPDY/3.1 is needed",
        ));
    }
    let protocol = match upgrade::negotiate(request.headers(), &PROTOCOLS) {
        // A client that names none speaks the only one there is.
        Ok(protocol) => protocol.or(Some(PROTOCOLS[0])),
        Err(refusal) => return Ok(*refusal),
    };
    Ok(upgrade::to_spdy(request, protocol, async move |upgraded| {
        let (output, input) = transport::of_connection(upgraded);
        session::run(target, input, output).await;
    }))
}
