//! A server behind the server: HTTPS, for whom the front proxy's authority vouches, with one kind.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Json, Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rcgen::{CertificateParams, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::Server;

pub const GROUP: &str = "wardle.example.com";
pub const FLUNDERS: &str = "/apis/wardle.example.com/v1alpha1/namespaces/default/flunders";

/// What it was asked, and what it has.
#[derive(Default)]
pub struct Seen {
    pub headers: Option<HeaderMap>,
    flunders: BTreeMap<String, Value>,
}

type Shared = Arc<Mutex<Seen>>;

/// The other server; it ends with the test's runtime.
pub struct Sample {
    port: u16,
    bundle: String,
    pub seen: Shared,
}

impl Sample {
    /// Starts one that reads of whom it may believe from the cluster, and a Service in front.
    pub async fn start(server: &Server) -> Self {
        let path =
            "GET /api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
        let map = server.check(path, Value::Null, 200, json!({})).await;
        let authority = map["data"]["requestheader-client-ca-file"].as_str().unwrap().to_owned();
        assert_eq!(map["data"]["requestheader-allowed-names"], "[\"front-proxy-client\"]");
        let key = KeyPair::generate().unwrap();
        let names = vec!["sample-api.default.svc".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Shared::default();
        let router = router(seen.clone());
        tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(config)), router));
        let sample = Self { port, bundle: STANDARD.encode(certificate.pem()), seen };
        sample.serve(server).await;
        sample
    }

    async fn serve(&self, server: &Server) {
        let path = "POST /api/v1/namespaces/default/services";
        let spec = json!({"type": "ExternalName", "externalName": "localhost"});
        let body = json!({"metadata": {"name": "sample-api"}, "spec": spec});
        server.check(path, body, 201, json!({})).await;
    }

    /// The APIService that leads to it.
    pub fn api_service(&self) -> Value {
        json!({"metadata": {"name": format!("v1alpha1.{GROUP}")}, "spec": {
            "group": GROUP, "version": "v1alpha1", "caBundle": self.bundle,
            "groupPriorityMinimum": 2000, "versionPriority": 200,
            "service": {"namespace": "default", "name": "sample-api", "port": self.port}}})
    }

    /// A header of the last request.
    pub fn header(&self, name: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let values = seen.headers.as_ref().unwrap().get_all(name);
        values.iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }
}

fn router(seen: Shared) -> Router {
    let root = format!("/apis/{GROUP}/v1alpha1");
    let flunders = "/namespaces/{namespace}/flunders";
    Router::new()
        .route(&root, get(resources))
        .route(&format!("{root}{flunders}"), get(list).post(create).delete(clear))
        .route(&format!("{root}{flunders}/{{name}}"), get(one))
        .route(
            "/openapi/v3",
            get(async || {
                Json(json!({"paths": {format!("apis/{GROUP}/v1alpha1"):
            {"serverRelativeURL": format!("/openapi/v3/apis/{GROUP}/v1alpha1?hash=ABC")}}}))
            }),
        )
        .route(
            &format!("/openapi/v3/apis/{GROUP}/v1alpha1"),
            get(async || {
                Json(json!({
            "openapi": "3.0.0", "info": {"title": "sample"}}))
            }),
        )
        .with_state(seen)
}

async fn resources() -> Json<Value> {
    let verbs = json!(["create", "delete", "deletecollection", "get", "list", "watch"]);
    Json(json!({"kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": format!("{GROUP}/v1alpha1"), "resources": [
            {"name": "flunders", "singularName": "flunder", "namespaced": true, "kind": "Flunder",
                "verbs": verbs},
            {"name": "flunders/status", "singularName": "", "namespaced": true, "kind": "Flunder",
                "verbs": ["get"]}]}))
}

async fn list(
    State(seen): State<Shared>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let mut seen = seen.lock().unwrap();
    seen.headers = Some(headers);
    let items: Vec<Value> = seen.flunders.values().cloned().collect();
    if query.contains_key("watch") {
        // It goes on for ever: the first line arrives all the same.
        let event = format!("{}\n", json!({"type": "ADDED", "object": items[0]}));
        let lines = futures::stream::iter([Ok::<_, std::io::Error>(event)]);
        let lines = futures::StreamExt::chain(lines, futures::stream::pending());
        return Body::from_stream(lines).into_response();
    }
    let list = json!({"kind": "FlunderList", "apiVersion": format!("{GROUP}/v1alpha1"),
        "metadata": {}, "items": items});
    Json(list).into_response()
}

async fn create(
    State(seen): State<Shared>,
    Json(flunder): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let name = flunder["metadata"]["name"].as_str().unwrap().to_owned();
    seen.lock().unwrap().flunders.insert(name, flunder.clone());
    (StatusCode::CREATED, Json(flunder))
}

async fn clear(State(seen): State<Shared>) -> Json<Value> {
    seen.lock().unwrap().flunders.clear();
    Json(json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}))
}

async fn one(
    State(seen): State<Shared>,
    Path((_, name)): Path<(String, String)>,
) -> Result<Json<Value>, StatusCode> {
    let found = seen.lock().unwrap().flunders.get(&name).cloned();
    found.map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, router: Router) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            // Who cannot show the right certificate goes away.
            let Ok(tls) = acceptor.accept(tcp).await else { return };
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let service = TowerToHyperService::new(router);
            let _ended = builder.serve_connection(TokioIo::new(tls), service).await;
        });
    }
}
