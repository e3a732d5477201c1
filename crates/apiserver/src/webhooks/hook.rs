//! One webhook of a configuration: whom to call, about what, and what if that fails.

use std::sync::Arc;
use std::time::Duration;

use api::policy::Conditions;
use serde_json::Value;

use super::GROUP;
use super::asked::Asked;
use super::matching::Matching;
use super::policy::Input;
use crate::callout::Callee;
use crate::error::{ApiError, ApiResult};
use crate::kinds::Kind;
use crate::object::{meta, text};
use crate::table::list;

/// How long a hook may take unless it says; defaulting fills it in.
const TIMEOUT_SECONDS: u64 = 10;

/// One webhook.
pub(super) struct Hook {
    pub(super) name: String,
    /// Its configuration and its place there: names alone need not be unique.
    pub(super) id: String,
    /// Whom to call.
    pub(super) callee: Callee,
    pub(super) timeout: Duration,
    /// A call that fails is as if it had not been made.
    pub(super) ignores_failure: bool,
    /// May it be called for a dry run?
    pub(super) takes_dry_run: bool,
    pub(super) reinvocable: bool,
    /// Of AdmissionReview: `v1` or `v1beta1`.
    pub(super) review_version: &'static str,
    matching: Matching,
    conditions: Conditions,
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
        Self {
            name: text(hook, "/name").to_owned(),
            id,
            callee: Callee::read(&hook["clientConfig"]),
            timeout: Duration::from_secs(timeout),
            ignores_failure: is("/failurePolicy", "Ignore"),
            takes_dry_run: is("/sideEffects", "None") || is("/sideEffects", "NoneOnDryRun"),
            reinvocable: is("/reinvocationPolicy", "IfNeeded"),
            review_version: versions.into_iter().find_map(known).unwrap_or("v1"),
            matching: Matching::of_hook(hook),
            conditions: Conditions::compile(&hook["matchConditions"], false),
        }
    }

    /// The kind in whose form the hook wants to see this write; `None` where it does not.
    pub(super) async fn wants(&self, asked: &Asked<'_>) -> ApiResult<Option<Arc<Kind>>> {
        if asked.call.kind.group == GROUP {
            return Ok(None);
        }
        let Some(kind) = self.matching.kind(asked)? else { return Ok(None) };
        if self.conditions.is_empty() {
            return Ok(Some(kind));
        }
        let input = Box::pin(Input::of(asked, &kind)).await?;
        match self.conditions.hold(&input.with(None)) {
            Ok(hold) => Ok(hold.then_some(kind)),
            Err(_) if self.ignores_failure => Ok(None),
            Err(why) => Err(ApiError::forbidden(asked.call.kind, &asked.name, &why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_review_version_that_is_known_is_spoken() {
        let read = |versions: Value| {
            Hook::read(&json!({"admissionReviewVersions": versions}), String::new()).review_version
        };
        assert_eq!(read(json!(["v2", "v1beta1", "v1"])), "v1beta1");
        assert_eq!(read(json!(["v1"])), "v1");
    }
}
