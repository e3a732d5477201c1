//! GET of a small document over HTTPS.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{ACCEPT, HOST};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::{connection, exchange};

/// A larger document is none.
const BYTES_MAX: usize = 1 << 20;
/// It arrives within this time.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The document at an https URL, whose server the authorities of a PEM text vouch for, or
/// the system's where it is empty.
pub(crate) async fn get(url: &str, authorities: &[u8]) -> Result<Bytes, String> {
    match tokio::time::timeout(TIMEOUT, fetch(url, authorities)).await {
        Ok(fetched) => fetched.map_err(|why| format!("Get {url:?}: {why}")),
        Err(_) => Err(format!("Get {url:?}: context deadline exceeded")),
    }
}

async fn fetch(url: &str, authorities: &[u8]) -> Result<Bytes, String> {
    let uri: Uri = url.parse().map_err(|_| "the URL cannot be read".to_owned())?;
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("https"));
    let authority = authority.ok_or_else(|| "it is no https URL".to_owned())?.clone();
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, authority.as_str())
        .header(ACCEPT, "application/json")
        .body(Body::empty())
        .map_err(|error| error.to_string())?;
    let tls = TlsConnector::from(connection::trusting(authorities)?);
    let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
    let stream = exchange::dial((&host, authority.port_u16().unwrap_or(443))).await?;
    let stream = exchange::handshake(tls.connect(name, stream)).await?;
    let stream = stream.map_err(|error| connection::not_trusted(&error, &host))?;
    let reply = exchange::send(Box::new(stream), request).await;
    let (parts, body) = reply.map_err(|error| error.to_string())?.into_parts();
    if parts.status != StatusCode::OK {
        return Err(parts.status.to_string());
    }
    let body = Limited::new(body, BYTES_MAX).collect().await;
    Ok(body.map_err(|error| error.to_string())?.to_bytes())
}
