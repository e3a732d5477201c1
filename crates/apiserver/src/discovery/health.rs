//! `/healthz`, `/livez`, `/readyz`.

use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode, Uri};

use crate::error::{ApiError, ApiResult};
use crate::options::Query;
use crate::server::Shared;

/// One thing that is looked at.
struct Check {
    name: &'static str,
    /// Only readiness asks.
    readiness: bool,
    passes: fn(&Shared) -> bool,
}

/// The names are upstream's, as monitoring asks for them one by one. What are many steps there is one
/// here: the store is opened and what every cluster has is written before anything is answered.
const CHECKS: [Check; 6] = [
    Check { name: "ping", readiness: false, passes: |_| true },
    Check { name: "log", readiness: false, passes: |_| true },
    Check { name: "etcd", readiness: false, passes: has_store },
    Check { name: "etcd-readiness", readiness: true, passes: has_store },
    Check { name: "informer-sync", readiness: true, passes: is_bootstrapped },
    Check { name: "shutdown", readiness: true, passes: |shared| !shared.closing.is_cancelled() },
];

/// The steps of upstream's start.
const HOOKS: [&str; 27] = [
    "start-apiserver-admission-initializer",
    "generic-apiserver-start-informers",
    "priority-and-fairness-config-consumer",
    "priority-and-fairness-filter",
    "storage-object-count-tracker-hook",
    "start-apiextensions-informers",
    "start-apiextensions-controllers",
    "crd-informer-synced",
    "start-system-namespaces-controller",
    "start-cluster-authentication-info-controller",
    "start-kube-apiserver-identity-lease-controller",
    "start-kube-apiserver-identity-lease-garbage-collector",
    "storage-readiness",
    "start-legacy-token-tracking-controller",
    "start-service-ip-repair-controllers",
    "rbac/bootstrap-roles",
    "scheduling/bootstrap-system-priority-classes",
    "priority-and-fairness-config-producer",
    "bootstrap-controller",
    "start-kubernetes-service-cidr-controller",
    "aggregator-reload-proxy-client-cert",
    "start-kube-aggregator-informers",
    "apiservice-status-local-available-controller",
    "apiservice-status-remote-available-controller",
    "apiservice-registration-controller",
    "apiservice-discovery-controller",
    "kube-apiserver-autoregistration",
];
/// And those that come last.
const LAST_HOOKS: [&str; 2] = ["apiservice-openapi-controller", "apiservice-openapiv3-controller"];

fn has_store(shared: &Shared) -> bool {
    shared.registry.store.revision().0 > 0
}

fn is_bootstrapped(shared: &Shared) -> bool {
    shared.ready.get().is_some()
}

/// Every check of an endpoint, and whether it passes.
fn checks(shared: &Shared, readiness: bool) -> Vec<(String, bool)> {
    let own = CHECKS.iter().filter(|check| readiness || !check.readiness);
    let own = own.map(|check| (check.name.to_owned(), (check.passes)(shared)));
    // As upstream in the time that it gives a start, liveness does not wait for it.
    let started = !readiness || is_bootstrapped(shared);
    let hook = |name: &&str| (format!("poststarthook/{name}"), started);
    let hooks = HOOKS.iter().map(hook);
    let registered = std::iter::once(("autoregister-completion".to_owned(), started));
    own.chain(hooks).chain(registered).chain(LAST_HOOKS.iter().map(hook)).collect()
}

/// Answers `/livez` and its like, as a whole or for one check.
pub(super) fn answer(
    shared: &Shared,
    endpoint: &str,
    check: &[&str],
    uri: &Uri,
) -> ApiResult<Response> {
    let checks = checks(shared, endpoint == "readyz");
    if check.is_empty() {
        return Ok(all(endpoint, &checks, &Query::parse(uri)?));
    }
    let wanted = check.join("/");
    match checks.iter().find(|(name, _)| *name == wanted) {
        Some((_, true)) => Ok(plain(true, "ok".to_owned())),
        Some((name, false)) => {
            Ok(plain(false, format!("internal server error: {name}: not yet, or no longer\n")))
        }
        None => Err(ApiError::no_such_path()),
    }
}

fn all(endpoint: &str, checks: &[(String, bool)], query: &Query) -> Response {
    let excluded = query.all("exclude");
    let is_excluded = |name: &str| excluded.contains(&name);
    let line = |(name, passes): &(String, bool)| match (is_excluded(name), passes) {
        (true, _) => format!("[+]{name} excluded: ok\n"),
        (false, true) => format!("[+]{name} ok\n"),
        (false, false) => format!("[-]{name} failed: reason withheld\n"),
    };
    let mut lines: String = checks.iter().map(line).collect();
    let unknown = excluded.iter().filter(|name| !checks.iter().any(|(has, _)| has == *name));
    let unknown: Vec<String> = unknown.map(|name| format!("{name:?}")).collect();
    if !unknown.is_empty() {
        lines += "warn: some health checks cannot be excluded: no matches for ";
        lines += &unknown.join(", ");
        lines.push('\n');
    }
    let passed = checks.iter().all(|(name, passes)| *passes || is_excluded(name));
    let text = match (passed, query.has("verbose")) {
        (true, false) => "ok".to_owned(),
        (true, true) => format!("{lines}{endpoint} check passed\n"),
        (false, _) => format!("{lines}{endpoint} check failed\n"),
    };
    plain(passed, text)
}

fn plain(passed: bool, text: String) -> Response {
    let code = if passed { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    let mut response = (code, text).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}
