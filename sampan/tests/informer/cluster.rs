//! The API as clients ask it: over TLS, and without any retry of their own.

use std::path::Path;

use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The ConfigMaps that all is about.
pub const OBJECTS: &str = "/api/v1/namespaces/voyage/configmaps";

/// A client. Clones share its connections.
#[derive(Clone)]
pub struct Cluster(kube::Client);

/// A reply that goes on.
pub struct Lines {
    body: Body,
    rest: Vec<u8>,
}

impl Cluster {
    pub async fn of(data_dir: &Path) -> Self {
        let kubeconfig = Kubeconfig::read_from(data_dir.join("kubeconfig")).expect("a kubeconfig");
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let mut config = config.expect("a usable kubeconfig");
        config.default_retry = false;
        config.read_timeout = None;
        Self(kube::Client::try_from(config).expect("a client"))
    }

    pub async fn make_namespace(&self) {
        let body = json!({"metadata": {"name": "voyage"}});
        let made = self.ask::<Value>("POST", "/api/v1/namespaces", Some(&body)).await;
        assert_eq!(made.expect("a reply").0, 201);
    }

    /// One request and its whole reply; an error when there is none.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, T), String> {
        let (code, mut lines) = self.open(method, path, "application/json", body).await?;
        while lines.more().await? {}
        let read = serde_json::from_slice(&lines.rest);
        Ok((code, read.map_err(|error| format!("{method} {path}: {code}: {error}"))?))
    }

    /// One request, and a reply that is read line by line.
    pub async fn open(
        &self,
        method: &str,
        path: &str,
        accept: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Lines), String> {
        let media =
            if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("accept", accept)
            .header("content-type", media)
            .body(Body::from(body))
            .expect("a request");
        let response = self.0.send(request).await.map_err(|error| error.to_string())?;
        let code = response.status().as_u16();
        Ok((code, Lines { body: response.into_body(), rest: Vec::new() }))
    }
}

impl Lines {
    async fn more(&mut self) -> Result<bool, String> {
        match self.body.frame().await {
            None => Ok(false),
            Some(frame) => {
                let frame = frame.map_err(|error| error.to_string())?;
                self.rest.extend_from_slice(&frame.into_data().unwrap_or_default());
                Ok(true)
            }
        }
    }

    /// The next line; `None` at the end or when the connection breaks.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                return Some(self.rest.drain(..=end).collect());
            }
            if !self.more().await.unwrap_or(false) {
                return None;
            }
        }
    }
}
