//! Connections to members, with TLS when the endpoint says https.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use super::RemoteError;
use crate::tls::{TlsError, authorities, certificates, private_key};

const CONNECT_MAX: Duration = Duration::from_secs(2);

/// etcd closes connections on which it is asked more often than every 5 seconds.
const PING_EVERY: Duration = Duration::from_secs(8);
const PING_MAX: Duration = Duration::from_secs(4);

/// What a member may send ahead: a page of keys is large, and the way may be long.
const WINDOW_BYTES: u32 = 2 << 20;

/// What an external etcd is reached with when its endpoints say https.
#[derive(Debug, Clone)]
pub struct RemoteTls {
    /// Who signs the certificates of its members, in a PEM file.
    pub authority: PathBuf,
    /// Our certificate and key, in PEM files, when it asks for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A channel that connects when it is used, and again when the connection was lost.
pub(super) fn channel(url: &str, tls: Option<&RemoteTls>) -> Result<Channel, RemoteError> {
    let invalid = |reason| RemoteError::Endpoint { url: url.to_owned(), reason };
    let uri: Uri = url.parse().map_err(|_| invalid("it is not a URL"))?;
    let host = uri.host().ok_or_else(|| invalid("it names no host"))?;
    let tls = match uri.scheme_str() {
        Some("http") => None,
        Some("https") => {
            let tls = tls.ok_or_else(|| invalid("no authority is named to check it with"))?;
            let name = host.trim_matches(['[', ']']).to_owned();
            let name = ServerName::try_from(name).map_err(|_| invalid("it names no host"))?;
            Some((TlsConnector::from(client_config(tls)?), name))
        }
        _ => return Err(invalid("it begins with neither http:// nor https://")),
    };
    let address = format!("{host}:{}", uri.port_u16().unwrap_or(2379));
    // The TLS is ours, so to tonic all is plain.
    let plain = Endpoint::from_shared(format!("http://{address}"));
    let endpoint = plain.map_err(|_| invalid("it is not a URL"))?;
    let endpoint = endpoint
        .origin(uri)
        .connect_timeout(CONNECT_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(2 * WINDOW_BYTES)
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_MAX)
        .keep_alive_while_idle(true);
    Ok(endpoint.connect_with_connector_lazy(service_fn(move |_: Uri| {
        connect(address.clone(), tls.clone())
    })))
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

async fn connect(
    address: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
) -> io::Result<TokioIo<Box<dyn Io>>> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let io: Box<dyn Io> = match tls {
        Some((connector, name)) => Box::new(connector.connect(name, tcp).await?),
        None => Box::new(tcp),
    };
    Ok(TokioIo::new(io))
}

fn client_config(tls: &RemoteTls) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has what the default versions need")
        .with_root_certificates(authorities(&tls.authority)?);
    let mut config = match &tls.identity {
        Some((certificate, key)) => builder
            .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
            .map_err(|source| TlsError::Identity {
                certificate: certificate.clone(),
                key: key.clone(),
                source,
            })?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}
