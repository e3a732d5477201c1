//! One HTTPS call and its reply, with Go's words for what goes wrong.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Question, Target, service, trust};
use crate::registry::Registry;

/// A reply larger than the largest object with its patch is none.
const REPLY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A client that trusts the authorities of this PEM text, or the system's where it is empty.
pub(super) fn trusting(bundle: &[u8]) -> Result<Arc<ClientConfig>, String> {
    let mut config = trust::vouched_for(bundle)?.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Where a call goes.
struct Place {
    /// As the URL and the Host header have it: with a port where one is meant.
    authority: String,
    path: String,
    /// The name that the certificate must have.
    name: String,
    /// What is connected to.
    host: String,
    port: u16,
}

/// Sends the question and reads the reply; an error is the reason in upstream's words.
pub(super) async fn call(
    registry: &Registry,
    target: &Target,
    tls: Arc<ClientConfig>,
    question: Question,
) -> Result<Value, String> {
    let (shown, place) = place(registry, target);
    let timeout = question.timeout;
    let seconds = timeout.as_secs();
    let failed = |why: String| format!("Post \"https://{shown}?timeout={seconds}s\": {why}");
    let place = place.map_err(failed)?;
    let exchange = exchange(&place, tls, question);
    let reply = match tokio::time::timeout(timeout, exchange).await {
        Ok(reply) => reply.map_err(failed)?,
        Err(_) => return Err(failed("context deadline exceeded".to_owned())),
    };
    read(reply.0, &reply.1)
}

/// The URL without its scheme, and where that is.
fn place(registry: &Registry, target: &Target) -> (String, Result<Place, String>) {
    match target {
        Target::Service { namespace, name, port, path } => {
            let server = format!("{name}.{namespace}.svc");
            let path = if path.is_empty() { "/" } else { path.as_str() }.to_owned();
            let authority = format!("{server}:{port}");
            let shown = format!("{authority}{path}");
            let address = service::address(registry, namespace, name, *port);
            let place = address
                .map(|(host, port)| Place { authority, path, name: server, host, port })
                .map_err(|error| error.to_string());
            (shown, place)
        }
        Target::Url(url) => {
            let shown = url.strip_prefix("https://").unwrap_or(url).to_owned();
            let place = parse(url).ok_or_else(|| "the URL cannot be read".to_owned());
            (shown, place)
        }
    }
}

fn parse(url: &str) -> Option<Place> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']).to_owned();
    Some(Place {
        authority: uri.authority()?.to_string(),
        path: uri.path().to_owned(),
        name: host.clone(),
        host,
        port: uri.port_u16().unwrap_or(443),
    })
}

async fn exchange(
    place: &Place,
    tls: Arc<ClientConfig>,
    question: Question,
) -> Result<(StatusCode, Bytes), String> {
    let address = format!("{}:{}", place.host, place.port);
    let tcp = TcpStream::connect((place.host.as_str(), place.port)).await;
    let tcp = tcp.map_err(|error| format!("dial tcp {address}: {}", not_connected(&error)))?;
    // What delays small writes only costs here; without it the call is the same.
    tcp.set_nodelay(true).map_err(|error| error.to_string())?;
    let name = ServerName::try_from(place.name.clone()).map_err(|error| error.to_string())?;
    let stream = TlsConnector::from(tls).connect(name, tcp).await;
    let stream = stream.map_err(|error| not_trusted(&error, &place.name))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{}?timeout={}s", place.path, question.timeout.as_secs()))
        .header(HOST, &place.authority)
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json, */*")
        .header(USER_AGENT, question.user_agent)
        .body(Full::new(question.body))
        .map_err(|error| error.to_string())?;
    let asking = async {
        let (parts, body) = sender.send_request(request).await.map_err(chain)?.into_parts();
        let body = Limited::new(body, REPLY_BYTES_MAX).collect().await;
        Ok((parts.status, body.map_err(|error| error.to_string())?.to_bytes()))
    };
    tokio::pin!(asking);
    tokio::select! {
        reply = &mut asking => reply,
        // The connection may end before the reply has been taken from it.
        ended = connection => match ended {
            Ok(()) => asking.await,
            Err(error) => Err(chain(error)),
        },
    }
}

fn chain(error: hyper::Error) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None if error.is_incomplete_message() => "EOF".to_owned(),
        None => error.to_string(),
    }
}

/// Go's words for a connection that was not made.
fn not_connected(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        _ => error.to_string(),
    }
}

/// Go's words for a server whose certificate is not as it must be.
pub(super) fn not_trusted(error: &io::Error, name: &str) -> String {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let why = match cause {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "x509: certificate signed by unknown authority".to_owned()
        }
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => format!("x509: certificate is not valid for {name}"),
        Some(rustls::Error::InvalidCertificate(error)) => format!("x509: {error}"),
        _ => return error.to_string(),
    };
    format!("tls: failed to verify certificate: {why}")
}

/// The document of a reply that has one.
fn read(status: StatusCode, body: &Bytes) -> Result<Value, String> {
    match status.as_u16() {
        200..=299 => serde_json::from_slice(body).map_err(|error| error.to_string()),
        404 => Err("the server could not find the requested resource".to_owned()),
        500.. => {
            let text = String::from_utf8_lossy(body);
            Err(format!(
                "an error on the server ({:?}) has prevented the request from succeeding",
                text.trim()
            ))
        }
        _ => Err("the server rejected our request for an unknown reason".to_owned()),
    }
}
