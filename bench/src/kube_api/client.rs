//! A small client: one HTTP/2 connection over TLS, and nothing that costs more than it must.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::client::ConfigExt as _;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What Go's client lets a server send ahead, for one reply and for all of a connection.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// An API server, and how to reach it.
pub struct Server {
    host: String,
    port: u16,
    tls: Arc<rustls::ClientConfig>,
    /// Without the client's certificate, for tokens.
    bare: Arc<rustls::ClientConfig>,
    pids: Vec<u32>,
}

/// One connection, in the name of one user.
#[derive(Clone)]
pub struct Connection {
    sender: http2::SendRequest<Full<Bytes>>,
    authority: String,
    bearer: Option<String>,
}

/// One request; its reply is expected to say that all went well.
pub struct Ask<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub media: &'a str,
    pub body: Bytes,
}

impl<'a> Ask<'a> {
    pub fn get(path: &'a str) -> Self {
        Self { method: "GET", path, media: "application/json", body: Bytes::new() }
    }

    pub fn post(path: &'a str, body: impl Into<Bytes>) -> Self {
        Self { method: "POST", path, media: "application/json", body: body.into() }
    }
}

impl Server {
    /// The server that a kubeconfig names. Its user must have a client certificate.
    pub fn new(kubeconfig: &Path, pids: Vec<u32>) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let read = Kubeconfig::read_from(kubeconfig).context("read the kubeconfig")?;
        let options = KubeConfigOptions::default();
        let config = runtime.block_on(Config::from_custom_kubeconfig(read, &options))?;
        let uri = config.cluster_url.clone();
        let tls = |config: &Config| -> anyhow::Result<Arc<rustls::ClientConfig>> {
            let mut tls = config.rustls_client_config().context("set up TLS")?;
            tls.alpn_protocols = vec![b"h2".to_vec()];
            Ok(Arc::new(tls))
        };
        let with_certificate = tls(&config)?;
        let mut bare = config;
        bare.auth_info = kube::config::AuthInfo::default();
        Ok(Self {
            host: uri.host().context("the server has no host")?.to_owned(),
            port: uri.port_u16().unwrap_or(443),
            tls: with_certificate,
            bare: tls(&bare)?,
            pids,
        })
    }

    /// Its processes.
    pub fn pids(&self) -> &[u32] {
        &self.pids
    }

    /// A connection as the kubeconfig's user.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        self.connect_with(&self.tls, None).await
    }

    /// A connection by a token.
    pub async fn connect_as(&self, token: &str) -> anyhow::Result<Connection> {
        self.connect_with(&self.bare, Some(format!("Bearer {token}"))).await
    }

    async fn connect_with(
        &self,
        tls: &Arc<rustls::ClientConfig>,
        bearer: Option<String>,
    ) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(self.host.clone())?;
        let stream = TlsConnector::from(tls.clone()).connect(name, stream).await?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(TokioIo::new(stream))
            .await?;
        // It ends with its last sender.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Connection { sender, authority: format!("{}:{}", self.host, self.port), bearer })
    }
}

impl Connection {
    /// A request and its whole reply.
    pub async fn ask(&mut self, ask: Ask<'_>) -> anyhow::Result<Bytes> {
        let shown = format!("{} {}", ask.method, ask.path);
        let reply = self.send(ask).await.with_context(|| shown.clone())?;
        let code = reply.status();
        let body = reply.into_body().collect().await?.to_bytes();
        if !code.is_success() {
            bail!("{shown}: {code}: {}", String::from_utf8_lossy(&body));
        }
        Ok(body)
    }

    /// A request, and its reply as it comes.
    pub async fn send(&mut self, ask: Ask<'_>) -> anyhow::Result<Response<Incoming>> {
        let uri = format!("https://{}{}", self.authority, ask.path);
        let mut request = Request::builder()
            .method(ask.method)
            .uri(uri)
            .header("accept", "application/json")
            .header("user-agent", "bench/1")
            .header("content-type", ask.media);
        if let Some(bearer) = &self.bearer {
            request = request.header("authorization", bearer);
        }
        let request = request.body(Full::new(ask.body))?;
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }
}
