//! One webhook of a configuration: whom to call, about what, and what if that fails.

use std::sync::Arc;
use std::time::Duration;

use api::selector::LabelSelector;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;
use serde_json::Value;

use super::asked::{Asked, Operation};
use super::connection;
use crate::error::{ApiError, ApiResult};
use crate::kinds;
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
    rules: Vec<Rule>,
    namespaces: LabelSelector,
    objects: LabelSelector,
    any_version: bool,
}

/// Whom to call.
#[derive(Debug, PartialEq)]
pub(super) enum Target {
    Url(String),
    Service { namespace: String, name: String, port: u16, path: String },
}

struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    scope: Scope,
}

#[derive(Clone, Copy, PartialEq)]
enum Scope {
    Cluster,
    Namespaced,
    All,
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
            rules: list(hook, "/rules").iter().map(Rule::read).collect(),
            namespaces: selector(&hook["namespaceSelector"]),
            objects: selector(&hook["objectSelector"]),
            any_version: !is("/matchPolicy", "Exact"),
        }
    }

    /// The kind in whose form the hook wants to see this write; `None` where it does not.
    pub(super) fn wants(&self, asked: &Asked<'_>) -> ApiResult<Option<Arc<Kind>>> {
        let Some(kind) = self.kind(asked) else { return Ok(None) };
        let selected = self.selects_object(asked) && self.selects_namespace(asked)?;
        Ok(selected.then_some(kind))
    }

    fn kind(&self, asked: &Asked<'_>) -> Option<Arc<Kind>> {
        let own = asked.call.kind;
        if self.rules.iter().any(|rule| rule.matches(asked, own)) {
            return Some(own.clone());
        }
        if !self.any_version {
            return None;
        }
        let served = asked.call.registry().kinds();
        let same = |kind: &&Arc<Kind>| kind.storage == own.storage && !Arc::ptr_eq(kind, own);
        // Earlier rules come first.
        self.rules.iter().find_map(|rule| {
            served.all().filter(same).find(|kind| rule.matches(asked, kind)).cloned()
        })
    }

    fn selects_object(&self, asked: &Asked<'_>) -> bool {
        let objects = [&asked.object, &asked.old].into_iter().flatten();
        self.objects.is_everything() || objects.into_iter().any(|o| self.objects.matches_object(o))
    }

    fn selects_namespace(&self, asked: &Asked<'_>) -> ApiResult<bool> {
        if self.namespaces.is_everything() || asked.namespace.is_empty() {
            return Ok(true);
        }
        let writes = matches!(asked.operation, Operation::Create | Operation::Update);
        if asked.is_namespace() && asked.subresource().is_empty() && writes {
            // The store does not know these labels yet.
            return Ok(asked.object.as_ref().is_some_and(|o| self.namespaces.matches_object(o)));
        }
        let registry = asked.call.registry();
        let missing = || {
            let kind = kinds::find("", "v1", "namespaces").expect("namespaces are in the table");
            ApiError::not_found(kind, &asked.namespace)
        };
        let kv = registry.namespace(&asked.namespace).ok_or_else(missing)?;
        Ok(self.namespaces.matches_object(&registry.decode(&kv)?))
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

/// None at all selects everything here: defaulting makes an empty one of it. What cannot be read
/// was refused before it was stored.
fn selector(object: &Value) -> LabelSelector {
    if object.is_null() {
        return LabelSelector::everything();
    }
    LabelSelector::from_object(object).unwrap_or_else(|_| LabelSelector::everything())
}

impl Rule {
    fn read(rule: &Value) -> Self {
        let texts = |pointer: &str| -> Vec<String> {
            list(rule, pointer).iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            operations: texts("/operations"),
            groups: texts("/apiGroups"),
            versions: texts("/apiVersions"),
            resources: texts("/resources"),
            scope: match text(rule, "/scope") {
                "Cluster" => Scope::Cluster,
                "Namespaced" => Scope::Namespaced,
                _ => Scope::All,
            },
        }
    }

    fn matches(&self, asked: &Asked<'_>, kind: &Kind) -> bool {
        has(&self.operations, asked.operation.name())
            && has(&self.groups, &kind.group)
            && has(&self.versions, &kind.version)
            && self.resources.iter().any(|r| names(r, &kind.plural, asked.subresource()))
            && self.is_in_scope(asked)
    }

    /// As upstream, a Namespace is an object of the cluster.
    fn is_in_scope(&self, asked: &Asked<'_>) -> bool {
        let cluster = asked.namespace.is_empty() || asked.is_namespace();
        match self.scope {
            Scope::All => true,
            Scope::Cluster => cluster,
            Scope::Namespaced => !cluster,
        }
    }
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|item| item == "*" || item == wanted)
}

/// Does `pods`, `pods/status`, `*/scale`, `*` or `*/*` name this?
fn names(rule: &str, plural: &str, subresource: &str) -> bool {
    let (resource, sub) = rule.split_once('/').unwrap_or((rule, ""));
    (resource == "*" || resource == plural) && (sub == "*" || sub == subresource)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_names_resources_and_subresources_by_wildcards() {
        let check = |rule: &str, plural: &str, sub: &str, expected: bool| {
            assert_eq!(names(rule, plural, sub), expected, "{rule} {plural}/{sub}");
        };
        check("pods", "pods", "", true);
        check("pods", "pods", "status", false);
        check("pods/*", "pods", "status", true);
        check("pods/*", "pods", "", true);
        check("*", "pods", "", true);
        check("*", "pods", "status", false);
        check("*/status", "pods", "status", true);
        check("*/status", "pods", "scale", false);
        check("*/*", "anything", "", true);
        check("*/*", "anything", "scale", true);
    }

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
