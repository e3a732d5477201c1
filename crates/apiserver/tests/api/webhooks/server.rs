//! The other end: an HTTPS server that answers reviews as a test wants.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Json;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::Server;

type Answer = dyn Fn(&Value) -> Value + Send + Sync;

/// A server of webhooks; it ends with the test's runtime.
pub struct Hooks {
    port: u16,
    bundle: String,
    seen: Arc<Mutex<Vec<Value>>>,
}

/// An answer that allows after these operations.
pub fn patch(operations: Vec<Value>) -> Value {
    if operations.is_empty() {
        return json!({"allowed": true});
    }
    let encoded = STANDARD.encode(Value::Array(operations).to_string());
    json!({"allowed": true, "patchType": "JSONPatch", "patch": encoded})
}

impl Hooks {
    /// Answers each request at once.
    pub async fn start(answer: impl Fn(&Value) -> Value + Send + Sync + 'static) -> Self {
        Self::serve(Duration::ZERO, Arc::new(answer)).await
    }

    /// Answers later than anybody waits here.
    pub async fn slow() -> Self {
        Self::serve(Duration::from_secs(60), Arc::new(|_: &Value| json!({"allowed": true}))).await
    }

    async fn serve(delay: Duration, answer: Arc<Answer>) -> Self {
        let key = KeyPair::generate().unwrap();
        let names = ["localhost", "hooks.default.svc"].map(str::to_owned);
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let router = router(delay, answer, seen.clone());
        tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(config)), router));
        Self { port, bundle: STANDARD.encode(certificate.pem()), seen }
    }

    /// How it is called by its address.
    pub fn client(&self) -> Value {
        json!({"url": self.url(), "caBundle": self.bundle})
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}/review", self.port)
    }

    /// How it is called through a Service, which is made here.
    pub async fn service(&self, server: &Server) -> Value {
        let path = "POST /api/v1/namespaces/default/services";
        let spec = json!({"type": "ExternalName", "externalName": "localhost"});
        let body = json!({"metadata": {"name": "hooks"}, "spec": spec});
        server.check(path, body, 201, json!({})).await;
        let service = json!({"namespace": "default", "name": "hooks", "path": "/review",
            "port": self.port});
        json!({"service": service, "caBundle": self.bundle})
    }

    /// The request that it was asked about last.
    pub fn last(&self) -> Value {
        self.seen.lock().unwrap().last().cloned().unwrap()
    }

    /// How often it was asked.
    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

fn router(delay: Duration, answer: Arc<Answer>, seen: Arc<Mutex<Vec<Value>>>) -> Router {
    let review = move |Json(review): Json<Value>| async move {
        let request = &review["request"];
        seen.lock().unwrap().push(request.clone());
        tokio::time::sleep(delay).await;
        let mut response = answer(request);
        response["uid"] = request["uid"].clone();
        Json(json!({"apiVersion": review["apiVersion"], "kind": review["kind"],
            "response": response}))
    };
    Router::new().route("/review", post(review))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, router: Router) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            // A client that does not trust this server goes away.
            let Ok(tls) = acceptor.accept(tcp).await else { return };
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let service = TowerToHyperService::new(router);
            let _ended = builder.serve_connection(TokioIo::new(tls), service).await;
        });
    }
}
