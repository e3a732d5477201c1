//! A server in memory, asked in process. The only place that knows how to ask.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
pub use sampan_apiserver::UserInfo;
use sampan_apiserver::authz::ClusterAuthorizer;
use sampan_apiserver::{Access, ApiServer, Config, Pki};
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub struct Server {
    pub api: ApiServer,
    pub pki: Arc<Pki>,
    pub store: store::Store,
    pub directory: tempfile::TempDir,
}

/// A reply, its body read as JSON (null where it is none).
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Server {
    pub async fn start() -> Self {
        Self::with_access(Access::default()).await
    }

    pub async fn with_access(access: Access) -> Self {
        Self::over(store::Store::in_memory(), tempfile::tempdir().unwrap(), access).await
    }

    /// The same cluster under a server that has just started.
    pub async fn restart(self) -> Self {
        self.api.close();
        Self::over(self.store, self.directory, Access::default()).await
    }

    async fn over(store: store::Store, directory: tempfile::TempDir, access: Access) -> Self {
        let pki = Arc::new(Pki::open(directory.path().join("pki")).unwrap());
        let api = ApiServer::new(Config {
            store: store.clone(),
            pki: pki.clone(),
            service_range: "10.43.0.0/24".parse().unwrap(),
            node_address: Ipv4Addr::new(10, 42, 0, 1),
            secure_port: 6443,
            authorizer: Arc::new(ClusterAuthorizer::new(store.clone())),
            access,
        });
        api.bootstrap().await.unwrap();
        let server = Self { api, pki, store, directory };
        // A controller's work, of which none runs here; pods need it.
        let account = json!({"metadata": {"name": "default"}});
        server.ask("POST /api/v1/namespaces/default/serviceaccounts", account).await;
        server
    }

    /// Makes a ServiceAccount.
    pub async fn account(&self, namespace: &str, name: &str) {
        let path = format!("POST /api/v1/namespaces/{namespace}/serviceaccounts");
        let body = json!({"metadata": {"name": name}});
        self.check(&path, body, 201, json!({})).await;
    }

    /// Sends `METHOD path` as an administrator.
    pub async fn ask(&self, request: &str, body: Value) -> Answer {
        let media = match request.split(' ').next() {
            Some("PATCH") => "application/merge-patch+json",
            _ => "application/json",
        };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.ask_as(admin(), request, &[("content-type", media)], body).await
    }

    /// Sends anything as anybody.
    pub async fn ask_as(
        &self,
        user: UserInfo,
        request: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let response = self.send(user, request, headers, body).await;
        let (code, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Answer { code, headers, body }
    }

    /// The same, with the reply's body unread.
    pub async fn send(
        &self,
        user: UserInfo,
        request: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> http::Response<Body> {
        let (method, path) = request.split_once(' ').unwrap();
        let mut builder =
            Request::builder().method(method).uri(path).header("user-agent", "test/1");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let mut request = builder.body(body.into()).unwrap();
        request.extensions_mut().insert(user);
        self.api.router().oneshot(request).await.unwrap()
    }

    /// Sends a request; the reply must have this code and at least these fields.
    #[track_caller]
    pub fn check(
        &self,
        request: &str,
        body: Value,
        code: u16,
        expected: Value,
    ) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        async move {
            let answer = self.ask(request, body).await;
            assert_eq!(answer.code, code, "{caller}: {request}: {}", answer.body);
            assert!(
                has(&answer.body, &expected),
                "{caller}: {request}\nwanted {expected}\ngot    {}",
                answer.body
            );
            answer.body
        }
    }

    /// Makes a ConfigMap in `default`.
    pub async fn config_map(&self, name: &str, labels: Value) -> Value {
        let body = json!({"metadata": {"name": name, "labels": labels}, "data": {"k": "v"}});
        self.check(&format!("POST {CONFIG_MAPS}"), body, 201, json!({})).await
    }
}

pub const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
pub const PODS: &str = "/api/v1/namespaces/default/pods";

pub fn admin() -> UserInfo {
    UserInfo::new("admin", ["system:masters"])
}

pub fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "a", "image": "b"}]}})
}

pub fn deployment(name: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "a", "image": "b"}]},
            },
        },
    })
}

/// Does `found` have every field of `wanted`? Lists must agree item by item.
pub fn has(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| has(found.get(key).unwrap_or(&Value::Null), wanted))
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(f, w)| has(f, w))
        }
        (found, wanted) => found == wanted,
    }
}

pub fn version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap()
}

pub fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}
