//! The TLS listener itself: who comes in, upgrades, shutdown.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use sampan_apiserver::authn::Anonymous;
use sampan_apiserver::pki::ServingNames;
use sampan_apiserver::{Access, NodeProxy};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::support::{PODS, Server, pod};

/// A server that listens.
pub struct Listening {
    pub server: Server,
    pub url: String,
    pub kubeconfig: PathBuf,
    stop: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<()>,
}

impl Listening {
    pub async fn start() -> Self {
        Self::of(Server::start().await).await
    }

    async fn of(server: Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let kubeconfig = server.directory.path().join("kubeconfig");
        let text = server.pki.kubeconfig(&url, "admin", &["system:masters"]).unwrap();
        std::fs::write(&kubeconfig, text).unwrap();
        let tls = server.pki.tls(&ServingNames::default()).unwrap();
        let (stop, stopped) = oneshot::channel();
        let api = server.api.clone();
        let serving = tokio::spawn(async move {
            let shutdown = async { stopped.await.unwrap_or(()) };
            api.serve(listener, tls, shutdown).await.unwrap();
        });
        Self { server, url, kubeconfig, stop, serving }
    }

    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap();
    }

    /// A connection as the kubeconfig's user, or as nobody.
    pub async fn connect(&self, with_certificate: bool) -> TlsStream<TcpStream> {
        let text = std::fs::read_to_string(&self.kubeconfig).unwrap();
        let config: Value = serde_saphyr::from_str(&text).unwrap();
        let pem = |field: &str| {
            STANDARD.decode(config["users"][0]["user"][field].as_str().unwrap()).unwrap()
        };
        let mut roots = rustls::RootCertStore::empty();
        let ca = self.server.pki.ca_pem();
        roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let client = match with_certificate {
            false => builder.with_no_client_auth(),
            true => {
                let chain =
                    CertificateDer::from_pem_slice(&pem("client-certificate-data")).unwrap();
                let key = PrivateKeyDer::from_pem_slice(&pem("client-key-data")).unwrap();
                builder.with_client_auth_cert(vec![chain], key).unwrap()
            }
        };
        let address = self.url.strip_prefix("https://").unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("kubernetes.default.svc").unwrap();
        TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap()
    }

    /// Sends a bare request; the reply's first line.
    async fn check(&self, with_certificate: bool, path: &str, expected: &str) {
        self.check_with(with_certificate, path, "", expected).await;
    }

    /// The same with a header's line.
    async fn check_with(&self, with_certificate: bool, path: &str, header: &str, expected: &str) {
        let mut stream = self.connect(with_certificate).await;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: x\r\n{header}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = read_head(&mut stream).await;
        assert!(head.starts_with(expected), "{path}: {head}");
    }
}

pub async fn read_head(stream: &mut TlsStream<TcpStream>) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_certificate_is_a_user_and_none_is_nobody() {
    let listening = Listening::start().await;
    listening.check(true, "/api/v1/namespaces", "HTTP/1.1 200").await;
    listening.check(false, "/api/v1/namespaces", "HTTP/1.1 403").await;
    listening.check(false, "/version", "HTTP/1.1 200").await;
    // Credentials of a sort that is not known are none; a token that is not known is refused.
    let header = |text: &str| format!("authorization: {text}\r\n");
    listening.check_with(false, "/version", &header("Basic YTpi"), "HTTP/1.1 200").await;
    listening.check_with(false, "/version", &header("Bearer x"), "HTTP/1.1 401").await;
    listening.stop().await;
}

#[tokio::test]
async fn those_without_credentials_ask_where_they_may() {
    let anonymous = Anonymous::At(vec!["/livez".to_owned()]);
    let server = Server::with_access(Access { anonymous, ..Access::default() }).await;
    let listening = Listening::of(server).await;
    listening.check(false, "/livez", "HTTP/1.1 200").await;
    listening.check(false, "/version", "HTTP/1.1 401").await;
    listening.check(true, "/version", "HTTP/1.1 200").await;
    listening.stop().await;
}

#[tokio::test]
async fn shutdown_ends_open_watches_and_idle_connections() {
    let listening = Listening::start().await;
    let _idle = listening.connect(true).await;
    let mut stream = listening.connect(true).await;
    let watch = "GET /api/v1/namespaces?watch=true HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(watch.as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
    let limit = std::time::Duration::from_secs(4);
    tokio::time::timeout(limit, listening.stop()).await.expect("it ends before the drain deadline");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "the watch ends as a whole");
}

/// A node agent that answers an upgrade and sends back what it gets.
fn echoing_node() -> NodeProxy {
    let node = axum::Router::new().fallback(async |request: axum::extract::Request| {
        let upgrade = hyper::upgrade::on(request);
        tokio::spawn(async move {
            let mut stream = TokioIo::new(upgrade.await.unwrap());
            let mut bytes = [0; 5];
            stream.read_exact(&mut bytes).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
        });
        let headers = [("connection", "Upgrade"), ("upgrade", "websocket")];
        (http::StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response()
    });
    NodeProxy::new(node)
}

#[tokio::test]
async fn an_upgrade_is_the_node_agents_own() {
    let listening = Listening::start().await;
    let server = &listening.server;
    server.api.set_node_proxy(echoing_node());
    server.check(&format!("POST {PODS}"), pod("p"), 201, json!({})).await;
    let binding = json!({"target": {"name": "box"}});
    server.check(&format!("POST {PODS}/p/binding"), binding, 201, json!({})).await;
    let mut stream = listening.connect(true).await;
    let request = format!(
        "GET {PODS}/p/exec?command=ls HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 101"));
    stream.write_all(b"hello").await.unwrap();
    let mut back = [0; 5];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"hello");
    listening.stop().await;
}
