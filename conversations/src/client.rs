//! The server that is spoken to.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use flate2::read::GzDecoder;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;

/// How long a reply may take.
const REPLY_TIME_MAX: Duration = Duration::from_secs(90);

/// A Kubernetes server, with and without our credentials.
#[derive(Clone)]
pub struct Server {
    own: Client,
    bare: Client,
}

/// A reply read to its end.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP code.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, unpacked where it came as gzip.
    pub text: String,
}

impl Server {
    /// The one that a kubeconfig's context names (the current one without a name).
    pub async fn of_kubeconfig(path: &Path, context: Option<String>) -> Result<Self> {
        let file = Kubeconfig::read_from(path)?;
        let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
        Self::of_config(Config::from_custom_kubeconfig(file, &options).await?)
    }

    /// The one at a URL, trusted by a CA in PEM or, without one, not verified.
    pub fn at(url: &str, token: Option<String>, authority: Option<&Path>) -> Result<Self> {
        let mut config = Config::new(url.parse().with_context(|| format!("the URL {url}"))?);
        config.auth_info = AuthInfo { token: token.map(Into::into), ..AuthInfo::default() };
        config.accept_invalid_certs = authority.is_none();
        config.root_cert_file = authority.map(Path::to_owned);
        Self::of_config(config)
    }

    fn of_config(mut config: Config) -> Result<Self> {
        // Every reply is judged as it is; a watch may be silent.
        config.default_retry = false;
        config.read_timeout = None;
        let mut bare = config.clone();
        bare.auth_info = AuthInfo::default();
        Ok(Self { own: Client::try_from(config)?, bare: Client::try_from(bare)? })
    }

    /// Sends a request: as ourselves, or with none of our credentials. The body is not read yet.
    pub async fn send(&self, own: bool, request: Request<Vec<u8>>) -> Result<http::Response<Body>> {
        let client = if own { &self.own } else { &self.bare };
        let reply = client.send(request.map(Body::from));
        tokio::time::timeout(REPLY_TIME_MAX, reply)
            .await
            .context("no reply in time")?
            .context("send the request")
    }

    /// Sends a request and reads the reply.
    pub async fn ask(&self, own: bool, request: Request<Vec<u8>>) -> Result<Reply> {
        let (head, body) = self.send(own, request).await?.into_parts();
        let bytes = tokio::time::timeout(REPLY_TIME_MAX, body.collect())
            .await
            .context("the reply does not end")?
            .context("read the reply")?
            .to_bytes();
        let packed = head.headers.get(CONTENT_ENCODING).is_some_and(|value| value == "gzip");
        let bytes = if packed { unpack(&bytes)? } else { bytes.into() };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, text })
    }
}

fn unpack(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).context("the reply is no gzip")?;
    Ok(plain)
}

impl Reply {
    /// The body as JSON, null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

/// A watch's stream, cut into events.
pub struct Events {
    body: Body,
    buffer: Vec<u8>,
}

impl Events {
    /// Those of a reply that has begun.
    pub fn new(body: Body) -> Self {
        Self { body, buffer: Vec::new() }
    }

    /// The next event; nothing when the server has ended the watch.
    pub async fn next(&mut self, patience: Duration) -> Result<Option<Value>> {
        tokio::time::timeout(patience, self.read()).await.context("no event in time")?
    }

    async fn read(&mut self) -> Result<Option<Value>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(Some(serde_json::from_slice(&line).context("an event is no JSON")?));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame.context("read the watch")?.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

/// The watches of a conversation, by name.
pub type Watches = HashMap<String, Events>;
