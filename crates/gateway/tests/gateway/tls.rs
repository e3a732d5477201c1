//! The TLS listener.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sampan_gateway::{Certificate, Gateway, GatewayConfig, Protocol::Http1, RouteTable};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::upstream::Upstream;
use super::{route, soon};

fn certificate(host: &str) -> (Certificate, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let ours = Certificate::from_pem([host], chain.as_bytes(), key.as_bytes()).unwrap();
    (ours, made.cert.der().clone())
}

fn connector(roots: &[&CertificateDer<'static>]) -> TlsConnector {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add((*root).clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn each_host_is_served_with_its_own_certificate() {
    let upstream = Upstream::start("a").await;
    let [(shop, shop_der), (admin, admin_der)] = ["shop.example", "admin.example"].map(certificate);
    let gateway = Gateway::new(GatewayConfig::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = vec![route("", "/", Http1, &[upstream.address])];
    gateway.set_routes(RouteTable { routes, certificates: vec![shop, admin] });
    let serving = gateway.clone();
    tokio::spawn(async move { serving.serve_tls(listener, std::future::pending()).await });
    for (host, der, other) in
        [("shop.example", &shop_der, &admin_der), ("admin.example", &admin_der, &shop_der)]
    {
        let name = ServerName::try_from(host).unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let mut stream = soon(connector(&[der]).connect(name.clone(), stream)).await.unwrap();
        let head = format!("GET /head HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon(stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.contains("x-forwarded-proto: https\n"), "{answer}");
        let stream = TcpStream::connect(address).await.unwrap();
        assert!(soon(connector(&[other]).connect(name, stream)).await.is_err());
    }
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("unknown.example").unwrap();
    assert!(soon(connector(&[&shop_der]).connect(name, stream)).await.is_err());
}
