//! Calls out of this server, over HTTPS: to webhooks by their URL or behind a Service, and to
//! what stands behind a Service at all.

mod connection;
pub(crate) mod exchange;
pub(crate) mod fetch;
mod secured;
pub(crate) mod service;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rustls::ClientConfig;
use serde_json::Value;

pub(crate) use self::secured::{Secured, Trust};
use crate::object::text;
use crate::registry::Registry;

/// The port of a Service unless its caller says.
pub(crate) const PORT: u16 = 443;

/// One webhook's place, and whom its certificate must be signed by.
pub(crate) struct Callee {
    target: Target,
    /// Made once, so that a second call resumes the session; or why it cannot be.
    tls: Result<Arc<ClientConfig>, String>,
}

/// Whom to call.
#[derive(Debug, PartialEq)]
enum Target {
    Url(String),
    Service { namespace: String, name: String, port: u16, path: String },
}

/// Why there is no reply, in upstream's words.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum CallError {
    /// Nobody can be called so.
    #[error("could not get REST client: {0}")]
    Client(String),
    /// The call was made, or tried.
    #[error("{0}")]
    Call(String),
}

/// What is sent.
pub(crate) struct Question {
    pub(crate) body: Bytes,
    pub(crate) user_agent: &'static str,
    pub(crate) timeout: Duration,
}

impl Callee {
    /// What a `clientConfig` says: `url` or `service`, and `caBundle`.
    pub(crate) fn read(config: &Value) -> Self {
        let tls = bundle(config).and_then(|bundle| connection::trusting(&bundle));
        Self { target: Target::read(config), tls }
    }

    /// Posts a question and reads the JSON reply.
    pub(crate) async fn post(
        &self,
        registry: &Registry,
        question: Question,
    ) -> Result<Value, CallError> {
        let tls = self.tls.clone().map_err(CallError::Client)?;
        connection::call(registry, &self.target, tls, question).await.map_err(CallError::Call)
    }
}

/// The authorities that a `caBundle` has. What cannot be read is no reason to trust the system's.
pub(crate) fn bundle(config: &Value) -> Result<Vec<u8>, String> {
    let encoded = STANDARD.decode(text(config, "/caBundle"));
    encoded.map_err(|error| format!("unable to load root certificates: {error}"))
}

impl Target {
    fn read(config: &Value) -> Self {
        if let Some(url) = config["url"].as_str() {
            return Self::Url(url.to_owned());
        }
        let port = config["service"]["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        Self::Service {
            namespace: text(config, "/service/namespace").to_owned(),
            name: text(config, "/service/name").to_owned(),
            port: port.unwrap_or(PORT),
            path: text(config, "/service/path").to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_bundle_that_cannot_be_read_trusts_nobody() {
        let tls = |bundle: &str| Callee::read(&json!({"url": "https://h", "caBundle": bundle})).tls;
        assert!(tls("").is_ok());
        assert!(tls("!").is_err());
    }

    #[test]
    fn a_client_config_says_whom_to_call() {
        let service = json!({"service": {"namespace": "a", "name": "b", "path": "/x"}});
        let expected = Target::Service {
            namespace: "a".to_owned(),
            name: "b".to_owned(),
            port: 443,
            path: "/x".to_owned(),
        };
        assert_eq!(Target::read(&service), expected);
        let url = json!({"url": "https://h/p"});
        assert_eq!(Target::read(&url), Target::Url("https://h/p".to_owned()));
    }
}
