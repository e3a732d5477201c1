//! The way from a command to the running server that is no API: a unix socket for root alone.
//!
//! [`crate::server`] serves it; here are what is said over it and the client.

use std::io;
use std::path::PathBuf;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;

use crate::instance::Instance;

/// GET: a [`StoreReport`].
pub const STORE_STATUS: &str = "/store/status";
/// GET: a backup.
pub const BACKUP: &str = "/backup";
/// GET: an [`apiserver::SecretsReport`].
pub const SECRETS: &str = "/secrets";
/// POST: an [`apiserver::Rotated`].
pub const ROTATE: &str = "/secrets/rotate";

/// What `sampan store status` tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoreReport {
    /// The key spaces, Kubernetes objects first. Empty while the server opens them.
    pub spaces: Vec<SpaceReport>,
    /// Of the etcd that holds the Kubernetes objects, when that is not the data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalReport>,
}

/// One key space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpaceReport {
    pub name: crate::backup::Space,
    pub revision: u64,
    pub compacted: u64,
    pub keys: u64,
    pub live_bytes: u64,
    pub history_revisions: u64,
    pub history_bytes: u64,
    pub disk_bytes: u64,
    pub segments: u64,
    pub snapshot_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_bytes: Option<u64>,
    pub watchers: u64,
    pub leases: u64,
    pub fsyncs: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fsync_p50_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fsync_p99_seconds: Option<f64>,
    /// Why puts are refused: `disk` or `quota`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full: Option<String>,
    /// The disk failed: nothing is written until the server is started again.
    pub failed: bool,
}

/// The external etcd and who leads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalReport {
    pub endpoints: Vec<String>,
    pub prefix: String,
    /// Whether this server leads. Only the leader serves.
    pub leading: bool,
    /// The other server that leads, as it calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// The lease of this server, when it leads, in the form of etcdctl.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
}

/// Where the socket is.
pub fn socket(instance: &Instance) -> PathBuf {
    instance.run_dir().join("control.sock")
}

/// What the running server says of its stores.
pub async fn store_report(instance: &Instance) -> anyhow::Result<StoreReport> {
    json(get(instance, STORE_STATUS).await?).await
}

/// An answer in JSON.
pub async fn json<T: serde::de::DeserializeOwned>(body: Incoming) -> anyhow::Result<T> {
    let body = body.collect().await.context("read the server's answer")?.to_bytes();
    serde_json::from_slice(&body).context("read the server's answer")
}

/// Asks the running server for something.
pub async fn get(instance: &Instance, path: &str) -> anyhow::Result<Incoming> {
    send(instance, Method::GET, path).await
}

/// Lets the running server do something.
pub async fn post(instance: &Instance, path: &str) -> anyhow::Result<Incoming> {
    send(instance, Method::POST, path).await
}

async fn send(instance: &Instance, method: Method, path: &str) -> anyhow::Result<Incoming> {
    let socket = socket(instance);
    let attempt = || format!("reach the server at {}", socket.display());
    let stream = UnixStream::connect(&socket).await.map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => anyhow::anyhow!("only root may ask the server that"),
        _ => anyhow::Error::new(error).context(attempt()),
    })?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.with_context(attempt)?;
    // It ends with the answer's body, or with this process.
    tokio::spawn(connection);
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::HOST, "sampan")
        .body(Empty::<Bytes>::new())
        .context("make a request")?;
    let response = sender.send_request(request).await.with_context(attempt)?;
    if response.status().is_success() {
        return Ok(response.into_body());
    }
    let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    bail!("the server says: {}", String::from_utf8_lossy(&body).trim())
}
