//! One request's way: which route, which endpoint, and again if that fails.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use crate::body::{RequestBody, ResponseBody};
use crate::counters::Counters;
use crate::endpoint::{Cause, Endpoint, InFlight, Reply, SendError};
use crate::headers::{self, Origin};
use crate::routing::Routing;
use crate::server::Peer;
use crate::{GatewayConfig, Protocol, tunnel};

/// How often one request is tried at all.
const ATTEMPTS_MAX: u32 = 4;

/// The pause before an endpoint is tried a second time; it grows with the attempts.
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) struct Proxy {
    pub routing: ArcSwap<Routing>,
    pub config: GatewayConfig,
}

/// Why a request got no response from an endpoint.
#[derive(Debug, thiserror::Error)]
enum ProxyError {
    #[error("the request names no host, or no path")]
    BadRequest,
    #[error("no route for this host and path")]
    NoRoute,
    #[error("no endpoint is ready for this route")]
    NoEndpoints,
    #[error("the endpoint could not be reached, or did not answer properly")]
    Endpoint(#[source] Cause),
}

impl ProxyError {
    fn status(&self) -> StatusCode {
        match self {
            ProxyError::BadRequest => StatusCode::BAD_REQUEST,
            ProxyError::NoRoute => StatusCode::NOT_FOUND,
            ProxyError::NoEndpoints => StatusCode::SERVICE_UNAVAILABLE,
            ProxyError::Endpoint(Cause::ConnectTimeout | Cause::ResponseTimeout) => {
                StatusCode::GATEWAY_TIMEOUT
            }
            ProxyError::Endpoint(Cause::Connect(_) | Cause::Exchange(_)) => StatusCode::BAD_GATEWAY,
        }
    }

    fn response(&self) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::text(format!("{self}\n")));
        *response.status_mut() = self.status();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        response
    }
}

/// What of a request stays the same over all attempts.
struct Wanted {
    authority: Authority,
    /// As routes know it.
    host: String,
    path: PathAndQuery,
    upgrade: Option<HeaderValue>,
}

/// Where an attempt goes.
struct Choice {
    endpoint: Arc<Endpoint>,
    is_new: bool,
    counters: Arc<Counters>,
}

impl Proxy {
    pub async fn handle(&self, request: Request<Incoming>, peer: &Peer) -> Response<ResponseBody> {
        match self.proxy(request, peer).await {
            Ok(response) => response,
            Err(error) => error.response(),
        }
    }

    async fn proxy(
        &self,
        mut request: Request<Incoming>,
        peer: &Peer,
    ) -> Result<Response<ResponseBody>, ProxyError> {
        let wanted = Wanted::of(&request).ok_or(ProxyError::BadRequest)?;
        let first = self.choose(&wanted, &[])?;
        let counters = first.counters.clone();
        counters.request();
        let client = wanted.upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
        let origin = Origin {
            client: peer.address,
            scheme: peer.scheme,
            trusted: self.config.trust_forwarded,
        };
        let mut request = request.map(RequestBody::new);
        headers::forward(request.headers_mut(), wanted.authority.as_str(), origin);
        match self.attempt(first, &wanted, request).await {
            Ok((reply, in_flight)) => {
                counters.response(reply.response.status());
                Ok(finish(reply, in_flight, client, peer))
            }
            Err(error) => {
                counters.failure();
                if let ProxyError::Endpoint(cause) = &error {
                    let (host, path) = (&wanted.host, wanted.path.path());
                    tracing::warn!(host, path, ?cause, "a request failed at its endpoint");
                }
                Err(error)
            }
        }
    }

    /// The endpoint for the next attempt, by the table as it is now.
    fn choose(&self, wanted: &Wanted, tried: &[SocketAddr]) -> Result<Choice, ProxyError> {
        let routing = self.routing.load();
        let target = routing.find(&wanted.host, wanted.path.path()).ok_or(ProxyError::NoRoute)?;
        let counters = target.counters.clone();
        let Some((endpoint, is_new)) = target.choose(tried) else {
            if tried.is_empty() {
                counters.request();
                counters.failure();
            }
            return Err(ProxyError::NoEndpoints);
        };
        Ok(Choice { endpoint, is_new, counters })
    }

    /// Sends the request, elsewhere again if nothing of it was sent, or if sending it twice does
    /// no harm.
    async fn attempt(
        &self,
        first: Choice,
        wanted: &Wanted,
        mut request: Request<RequestBody>,
    ) -> Result<(Reply, InFlight), ProxyError> {
        let mut tried = Vec::new();
        let mut choice = first;
        let mut attempt = 1;
        loop {
            let endpoint = &choice.endpoint;
            wanted.address(&mut request, endpoint.protocol());
            let spare = spare(&request);
            let in_flight = endpoint.begin();
            let (again, cause) = match endpoint.send(request, &self.config).await {
                Ok(reply) => return Ok((reply, in_flight)),
                Err(SendError::Unsent { request, cause }) => {
                    endpoint.rest();
                    (Some(*request), cause)
                }
                Err(SendError::Lost(cause @ Cause::ResponseTimeout)) => (None, cause),
                Err(SendError::Lost(cause)) => (spare, cause),
            };
            drop(in_flight);
            let Some(again) = again.filter(|_| attempt < ATTEMPTS_MAX) else {
                return Err(ProxyError::Endpoint(cause));
            };
            tried.push(endpoint.address());
            request = again;
            choice = self.choose(wanted, &tried)?;
            if !choice.is_new {
                tokio::time::sleep(PAUSE * attempt).await;
                // Meanwhile there may be others.
                choice = self.choose(wanted, &tried)?;
            }
            choice.counters.retry();
            attempt += 1;
        }
    }
}

impl Wanted {
    fn of(request: &Request<Incoming>) -> Option<Wanted> {
        let in_header = || request.headers().get(header::HOST)?.to_str().ok()?.parse().ok();
        let authority = request.uri().authority().cloned().or_else(in_header)?;
        let host = headers::bare_host(authority.as_str());
        let path = request.uri().path_and_query().filter(|_| request.method() != Method::CONNECT);
        let is_http1 = request.version() == Version::HTTP_11;
        let upgrade = headers::upgrade(request.headers()).filter(|_| is_http1);
        Some(Wanted { authority, host, path: path?.clone(), upgrade })
    }

    /// Makes the request one in the endpoint's protocol. The host stays the client's.
    fn address(&self, request: &mut Request<RequestBody>, protocol: Protocol) {
        let mut uri = http::uri::Parts::default();
        uri.path_and_query = Some(self.path.clone());
        match protocol {
            Protocol::Http1 => {
                *request.version_mut() = Version::HTTP_11;
                if let Ok(host) = HeaderValue::from_str(self.authority.as_str()) {
                    request.headers_mut().insert(header::HOST, host);
                }
                if let Some(protocol) = &self.upgrade {
                    headers::set_upgrade(request.headers_mut(), protocol.clone());
                }
            }
            Protocol::H2c => {
                *request.version_mut() = Version::HTTP_2;
                uri.scheme = Some(Scheme::HTTP);
                uri.authority = Some(self.authority.clone());
                headers::strip_upgrade(request.headers_mut());
                request.headers_mut().remove(header::HOST);
            }
        }
        *request.uri_mut() = Uri::from_parts(uri).expect("the parts come from a good URI");
    }
}

/// A second copy of a request that may be sent twice: one without a body, that only reads, or
/// says the same when said again (RFC 9110, 9.2.2).
fn spare(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let idempotent = request.method().is_idempotent();
    if !idempotent || !matches!(request.body(), RequestBody::Empty) {
        return None;
    }
    let mut spare = Request::new(RequestBody::Empty);
    *spare.method_mut() = request.method().clone();
    *spare.headers_mut() = request.headers().clone();
    Some(spare)
}

/// Makes the endpoint's response ours.
fn finish(
    reply: Reply,
    in_flight: InFlight,
    client: Option<OnUpgrade>,
    peer: &Peer,
) -> Response<ResponseBody> {
    let Reply { mut response, recycle } = reply;
    let protocol = headers::upgrade(response.headers());
    headers::strip_hop_by_hop(response.headers_mut());
    *response.version_mut() = Version::default();
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return response.map(|body| ResponseBody::endpoint(body, recycle, in_flight));
    }
    let (Some(client), Some(protocol)) = (client, protocol) else {
        // Nobody asked for it.
        return Response::builder()
            .status(StatusCode::BAD_GATEWAY)
            .body(ResponseBody::text("the endpoint changed the protocol without being asked\n"))
            .expect("a status makes a good response");
    };
    headers::set_upgrade(response.headers_mut(), protocol);
    tunnel::join(client, hyper::upgrade::on(&mut response), in_flight, peer);
    response.map(|_| ResponseBody::text(""))
}
