//! One webhook of a configuration: whom to call, about what, and what if that fails.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;
use serde_json::Value;

use super::asked::Asked;
use super::connection;
use super::matching::Matching;
use crate::error::ApiResult;
use crate::kinds::Kind;
use crate::object::{meta, text};
use crate::table::list;

/// How long a hook may take unless it says; defaulting fills it in.
const TIMEOUT_SECONDS: u64 = 10;
/// The port of a Service unless the hook says.
const PORT: u16 = 443;

/// One webhook.
pub(super) struct Hook {
    pub(super) name: String,
    /// Its configuration and its place there: names alone need not be unique.
    pub(super) id: String,
    pub(super) target: Target,
    /// Made once, so that a second call resumes the session; or why it cannot be.
    pub(super) tls: Result<Arc<ClientConfig>, String>,
    pub(super) timeout: Duration,
    /// A call that fails is as if it had not been made.
    pub(super) ignores_failure: bool,
    /// May it be called for a dry run?
    pub(super) takes_dry_run: bool,
    pub(super) reinvocable: bool,
    /// Of AdmissionReview: `v1` or `v1beta1`.
    pub(super) review_version: &'static str,
    matching: Matching,
}

/// Whom to call.
#[derive(Debug, PartialEq)]
pub(super) enum Target {
    Url(String),
    Service { namespace: String, name: String, port: u16, path: String },
}

impl Hook {
    /// The hooks of a configuration.
    pub(super) fn all(configuration: &Value) -> impl Iterator<Item = Self> {
        let name = meta(configuration, "name");
        let hooks = list(configuration, "/webhooks").iter().enumerate();
        hooks.map(move |(index, hook)| Self::read(hook, format!("{name}/{index}")))
    }

    fn read(hook: &Value, id: String) -> Self {
        let is = |pointer: &str, word: &str| text(hook, pointer) == word;
        let timeout = hook["timeoutSeconds"].as_u64().unwrap_or(TIMEOUT_SECONDS);
        let versions = list(hook, "/admissionReviewVersions").iter().filter_map(Value::as_str);
        let known = |version: &str| ["v1", "v1beta1"].into_iter().find(|known| *known == version);
        let bundle = STANDARD.decode(text(hook, "/clientConfig/caBundle")).unwrap_or_default();
        Self {
            name: text(hook, "/name").to_owned(),
            id,
            target: Target::read(&hook["clientConfig"]),
            tls: connection::trusting(&bundle),
            timeout: Duration::from_secs(timeout),
            ignores_failure: is("/failurePolicy", "Ignore"),
            takes_dry_run: is("/sideEffects", "None") || is("/sideEffects", "NoneOnDryRun"),
            reinvocable: is("/reinvocationPolicy", "IfNeeded"),
            review_version: versions.into_iter().find_map(known).unwrap_or("v1"),
            matching: Matching::of_hook(hook),
        }
    }

    /// The kind in whose form the hook wants to see this write; `None` where it does not.
    pub(super) fn wants(&self, asked: &Asked<'_>) -> ApiResult<Option<Arc<Kind>>> {
        self.matching.kind(asked)
    }
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
    fn a_hook_says_whom_to_call() {
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

    #[test]
    fn the_first_review_version_that_is_known_is_spoken() {
        let read = |versions: Value| {
            Hook::read(&json!({"admissionReviewVersions": versions}), String::new()).review_version
        };
        assert_eq!(read(json!(["v2", "v1beta1", "v1"])), "v1beta1");
        assert_eq!(read(json!(["v1"])), "v1");
    }
}
