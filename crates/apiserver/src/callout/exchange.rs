//! One request and its reply over a connection of its own; after an upgrade, bytes both ways.

use std::future::Future;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::header::{
    CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Version};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// As upstream's dialer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// As upstream's transport.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Headers that are between two neighbours.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Whether a request wants to go on in another protocol.
pub(crate) fn wants_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE) && connection_words(headers).any(|word| word == "upgrade")
}

/// What the Connection header names, in lower case.
fn connection_words(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let values = headers.get_all(CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|word| word.trim().to_ascii_lowercase())
}

/// Takes the headers away that are not for the next one; says which upgrade was among them.
fn take_hop_by_hop(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let upgrade = if wants_upgrade(headers) { headers.get(UPGRADE).cloned() } else { None };
    let named: Vec<String> = connection_words(headers).collect();
    for name in named {
        headers.remove(name.as_str());
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    upgrade
}

/// With TLS or without.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A connection to an address, with Go's words where there is none.
pub(crate) async fn dial(at: (&str, u16)) -> Result<TcpStream, String> {
    let shown = format!("dial tcp {}:{}", at.0, at.1);
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(at)).await;
    let connected = connected.map_err(|_| format!("{shown}: i/o timeout"))?;
    let stream = connected.map_err(|error| match error.kind() {
        std::io::ErrorKind::ConnectionRefused => format!("{shown}: connect: connection refused"),
        std::io::ErrorKind::HostUnreachable => format!("{shown}: connect: no route to host"),
        _ => format!("{shown}: {error}"),
    })?;
    // Latency over batching; a socket that refuses this still works.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Ends a handshake that takes too long.
pub(crate) async fn handshake<T>(
    secured: impl Future<Output = std::io::Result<T>>,
) -> Result<std::io::Result<T>, String> {
    let secured = tokio::time::timeout(HANDSHAKE_TIMEOUT, secured).await;
    secured.map_err(|_| "net/http: TLS handshake timeout".to_owned())
}

/// Sends a request whose URI is a path, and that names its host.
pub(crate) async fn send(
    stream: Box<dyn Transport>,
    mut request: Request<Body>,
) -> Result<Response, hyper::Error> {
    let upgrade = take_hop_by_hop(request.headers_mut());
    let client = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
    if let Some(protocol) = upgrade {
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        request.headers_mut().insert(UPGRADE, protocol);
    }
    *request.version_mut() = Version::HTTP_11;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the reply's last byte, or with its reader.
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "proxied connection ended");
        }
    });
    let mut response = sender.send_request(request).await?;
    match client {
        Some(client) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            let other = hyper::upgrade::on(&mut response);
            tokio::spawn(join(client, other));
        }
        _ => {
            take_hop_by_hop(response.headers_mut());
        }
    }
    Ok(response.map(Body::new))
}

/// Carries bytes between two upgraded connections until both have ended.
async fn join(client: hyper::upgrade::OnUpgrade, other: hyper::upgrade::OnUpgrade) {
    match tokio::try_join!(client, other) {
        Ok((client, other)) => {
            let (mut client, mut other) = (TokioIo::new(client), TokioIo::new(other));
            if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut other).await {
                tracing::debug!(%error, "upgraded connection ended");
            }
        }
        Err(error) => tracing::debug!(%error, "connection not upgraded"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&str, &str)], kept: &[&str], upgrade: Option<&str>) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let found = take_hop_by_hop(&mut map);
        assert_eq!(found.as_ref().map(|value| value.to_str().unwrap()), upgrade);
        assert_eq!(map.keys().map(HeaderName::as_str).collect::<Vec<_>>(), kept);
    }

    #[test]
    fn headers_between_neighbours_are_not_handed_on() {
        let named = [("connection", "keep-alive, X-Mine"), ("x-mine", "1"), ("accept", "*/*")];
        check(&named, &["accept"], None);
        check(&[("te", "trailers"), ("transfer-encoding", "chunked")], &[], None);
    }

    #[test]
    fn an_upgrade_is_known() {
        let asks = [("connection", "Upgrade"), ("upgrade", "websocket"), ("accept", "*/*")];
        check(&asks, &["accept"], Some("websocket"));
        check(&[("upgrade", "h2c")], &[], None);
    }
}
