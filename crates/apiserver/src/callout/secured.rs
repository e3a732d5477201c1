//! Servers that are shown a certificate of ours: requests to them are sent as they are, whatever
//! they are, and carried on after an upgrade.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use rustls::ClientConfig;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::{connection, exchange, trust};

/// Whose certificates are taken.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Trust {
    /// Those that the authorities of a PEM text vouch for, or the system's where it is empty.
    Bundle(Vec<u8>),
    /// Any.
    Anybody,
}

/// How such a server is spoken to. Sessions are resumed.
pub(crate) struct Secured(TlsConnector);

impl Secured {
    /// With a certificate of ours to show.
    pub(crate) fn new(trust: &Trust, ours: Arc<dyn ResolvesClientCert>) -> Result<Self, String> {
        let builder = match trust {
            Trust::Bundle(bundle) => trust::vouched_for(bundle)?,
            Trust::Anybody => kit::tls::taking_any_certificate(),
        };
        let mut config: ClientConfig = builder.with_client_cert_resolver(ours);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Sends a request whose URI is a path; `name` is what the server's certificate must have.
    pub(crate) async fn send(
        &self,
        at: (&str, u16),
        name: &str,
        request: Request<Body>,
    ) -> Result<Response, String> {
        let server = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
        let stream = exchange::dial(at).await?;
        let secured = exchange::handshake(self.0.connect(server, stream)).await?;
        let secured = secured.map_err(|error| connection::not_trusted(&error, name))?;
        exchange::send(Box::new(secured), request).await.map_err(|error| error.to_string())
    }
}
