//! How clients reach the server: TCP, TLS with certificates, a unix socket, plain HTTP.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use etcd::pb::etcdserverpb::kv_client::KvClient;
use etcd::pb::etcdserverpb::{PutRequest, RangeRequest};
use etcd::{TlsError, server_tls};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use support::{Client, Fixture};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

fn put(key: &'static str) -> PutRequest {
    PutRequest { key: key.into(), ..Default::default() }
}

/// PEM files of an authority, and of a server and a client signed by it.
struct Papers {
    dir: tempfile::TempDir,
}

impl Papers {
    fn new() -> Papers {
        let papers = Papers { dir: tempfile::tempdir().expect("a directory") };
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
        papers.write("ca.pem", &authority.pem());
        for name in ["server", "client"] {
            let mut params = CertificateParams::new(vec!["localhost".into()]).expect("a name");
            params.distinguished_name.push(DnType::CommonName, name);
            let key = KeyPair::generate().expect("a key");
            let certificate = params.signed_by(&key, &authority).expect("a certificate");
            papers.write(&format!("{name}.pem"), &certificate.pem());
            papers.write(&format!("{name}.key"), &key.serialize_pem());
        }
        papers
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A server's configuration that insists on a client's certificate or does not.
    fn server(&self, client_cert_auth: bool) -> Arc<rustls::ServerConfig> {
        let ca = self.path("ca.pem");
        let (certificate, key) = (self.path("server.pem"), self.path("server.key"));
        server_tls(&certificate, &key, Some(&ca), client_cert_auth).expect("good papers")
    }

    /// A client that shows its certificate or does not.
    async fn client(
        &self,
        fixture: &Fixture,
        shows: bool,
    ) -> Result<Client, tonic::transport::Error> {
        let mut roots = rustls::RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(self.path("ca.pem")).expect("a certificate");
        roots.add(ca).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = if shows {
            let leaf = CertificateDer::from_pem_file(self.path("client.pem")).expect("a leaf");
            let key = PrivateKeyDer::from_pem_file(self.path("client.key")).expect("a key");
            builder.with_client_auth_cert(vec![leaf], key).expect("an identity")
        } else {
            builder.with_no_client_auth()
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let (connector, address) =
            (tokio_rustls::TlsConnector::from(Arc::new(config)), fixture.address);
        let connect = tower::service_fn(move |_| {
            let connector = connector.clone();
            async move {
                let stream = TcpStream::connect(address).await?;
                let name = ServerName::try_from("localhost").expect("a name");
                connector.connect(name, stream).await.map(TokioIo::new)
            }
        });
        // The connector speaks TLS; the scheme only names the authority of the requests.
        let endpoint = Endpoint::from_static("http://localhost");
        endpoint.connect_with_connector(connect).await.map(KvClient::new)
    }
}

#[tokio::test]
async fn tls_is_spoken_with_and_without_a_certificate_of_the_client() {
    let papers = Papers::new();
    let fixture = Fixture::start_with_tls(Some(papers.server(false))).await;
    for shows in [false, true] {
        let mut client = papers.client(&fixture, shows).await.expect("a connection");
        client.put(put("a")).await.expect("a put");
    }
}

#[tokio::test]
async fn a_client_without_certificate_is_refused_when_one_is_asked_for() {
    let papers = Papers::new();
    let fixture = Fixture::start_with_tls(Some(papers.server(true))).await;
    let mut client = papers.client(&fixture, true).await.expect("a connection");
    client.put(put("a")).await.expect("a put");
    let refused = match papers.client(&fixture, false).await {
        // With TLS 1.3 the client learns it by its first call.
        Ok(mut client) => client.put(put("a")).await.is_err(),
        Err(_) => true,
    };
    assert!(refused);
}

#[tokio::test]
async fn papers_that_are_no_good_are_named() {
    let papers = Papers::new();
    let (certificate, key) = (papers.path("server.pem"), papers.path("server.key"));
    let tls = |certificate: &Path, key: &Path, ca: Option<&Path>, auth| {
        server_tls(certificate, key, ca, auth).expect_err("to be refused").to_string()
    };
    let absent = papers.path("absent");
    assert_eq!(tls(&absent, &key, None, false), format!("open {}", absent.display()));
    let empty = papers.path("empty");
    papers.write("empty", "");
    let told = tls(&certificate, &empty, None, false);
    assert_eq!(told, format!("read PEM from {}", empty.display()));
    let told = tls(&certificate, &key, Some(&empty), true);
    assert_eq!(told, format!("no usable certificate in {}", empty.display()));
    assert_eq!(tls(&certificate, &key, None, true), TlsError::NobodyTrusted.to_string());
    let other = tls(&certificate, &papers.path("client.key"), None, false);
    assert!(other.starts_with("use the certificate "), "{other}");
}

#[tokio::test]
async fn a_unix_socket_serves_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("etcd.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let shutdown = CancellationToken::new();
    let server = support::server().await;
    let ended = shutdown.clone().cancelled_owned();
    let served = tokio::spawn(async move { server.serve_unix(listener, ended).await });
    let connect = tower::service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://localhost");
    let channel = endpoint.connect_with_connector(connect).await.expect("a connection");
    KvClient::new(channel).put(put("a")).await.expect("a put");
    shutdown.cancel();
    served.await.expect("the server ends");
}

#[tokio::test]
async fn plain_http_is_answered_on_the_same_port() {
    let fixture = Fixture::start().await;
    let mut stream = TcpStream::connect(fixture.address).await.expect("a connection");
    let request = b"GET /no-such-page HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.expect("to be sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test]
async fn what_is_not_there_is_named_as_etcd_names_it() {
    let fixture = Fixture::start().await;
    for (path, expected) in [
        ("/etcdserverpb.KV/Nope", "unknown method Nope for service etcdserverpb.KV"),
        ("/etcdserverpb.Nope/Nope", "unknown service etcdserverpb.Nope"),
    ] {
        let mut client = tonic::client::Grpc::new(fixture.channel().await);
        client.ready().await.expect("a connection");
        let codec = tonic_prost::ProstCodec::<RangeRequest, RangeRequest>::default();
        let request = tonic::Request::new(RangeRequest::default());
        let path = http::uri::PathAndQuery::from_static(path);
        let status = client.unary(request, path, codec).await.expect_err("nothing is there");
        assert_eq!((status.code(), status.message()), (tonic::Code::Unimplemented, expected));
    }
}

#[tokio::test]
async fn many_connections_are_served_at_once() {
    let fixture = Fixture::start().await;
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(fixture.client().await);
    }
    let puts = clients.iter_mut().map(|client| client.put(put("a")));
    for answer in futures::future::join_all(puts).await {
        answer.expect("a put");
    }
    let reply = clients[0].range(RangeRequest { key: "a".into(), ..Default::default() }).await;
    assert_eq!(reply.expect("a range").into_inner().kvs[0].version, 100);
}

#[tokio::test]
async fn a_server_that_ends_lets_go_of_idle_clients_at_once() {
    let fixture = Fixture::start().await;
    let address = fixture.address;
    let mut client = fixture.client().await;
    client.put(put("a")).await.expect("a put");
    let idle = TcpStream::connect(address).await.expect("a connection");
    tokio::time::timeout(Duration::from_secs(20), fixture.end()).await.expect("to end");
    assert!(client.put(put("a")).await.is_err());
    drop(idle);
    assert!(TcpStream::connect(address).await.is_err());
}
