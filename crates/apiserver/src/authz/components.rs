//! The written-down rules of the built-in identities.

use super::Attributes;
use crate::user::{ANONYMOUS, AUTHENTICATED, UserInfo};

/// What may be done: verbs on resources, or verbs on paths. `*` is anything; a resource
/// `*` covers no subresource, `*/status` covers that subresource of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The verbs.
    pub verbs: &'static [&'static str],
    /// The API groups.
    pub groups: &'static [&'static str],
    /// The resources, as `pods` or `pods/status`.
    pub resources: &'static [&'static str],
    /// URL paths; one that ends in `*` is a prefix.
    pub paths: &'static [&'static str],
}

impl Rule {
    const fn on(
        verbs: &'static [&'static str],
        groups: &'static [&'static str],
        resources: &'static [&'static str],
    ) -> Self {
        Self { verbs, groups, resources, paths: &[] }
    }

    const fn at(paths: &'static [&'static str]) -> Self {
        Self { verbs: &["get", "head"], groups: &[], resources: &[], paths }
    }

    pub(super) fn allows(&self, attributes: &Attributes<'_>) -> bool {
        if !has(self.verbs, attributes.verb) {
            return false;
        }
        if attributes.resource.is_empty() {
            return self.paths.iter().any(|path| path_fits(path, attributes.path));
        }
        has(self.groups, attributes.group)
            && self.resources.iter().any(|rule| resource_fits(rule, attributes))
    }
}

fn has(list: &[&str], item: &str) -> bool {
    list.iter().any(|have| *have == "*" || *have == item)
}

fn path_fits(rule: &str, path: &str) -> bool {
    match rule.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => rule == path,
    }
}

fn resource_fits(rule: &str, attributes: &Attributes<'_>) -> bool {
    if rule == "**" {
        return true;
    }
    let (resource, subresource) = rule.split_once('/').unwrap_or((rule, ""));
    (resource == "*" || resource == attributes.resource) && subresource == attributes.subresource
}

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const CHANGE: &[&str] = &["get", "update", "patch"];
const EVENT_GROUPS: &[&str] = &["", "events.k8s.io"];

/// What `system:masters` may do on resources.
pub(super) const EVERYTHING: Rule = Rule::on(&["*"], &["*"], &["**"]);
/// What `system:masters` may do on paths.
pub(super) const EVERY_PATH: Rule =
    Rule { verbs: &["*"], groups: &[], resources: &[], paths: &["*"] };

static HEALTH: [Rule; 1] = [Rule::at(&[
    "/healthz",
    "/livez",
    "/readyz",
    "/healthz/*",
    "/livez/*",
    "/readyz/*",
    "/version",
    "/version/",
])];

static DISCOVERY: [Rule; 2] = [
    Rule::at(&[
        "/",
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/openapi",
        "/openapi/*",
        "/.well-known/openid-configuration",
        "/openid/v1/jwks",
    ]),
    Rule::on(
        &["create"],
        &["authorization.k8s.io", "authentication.k8s.io"],
        &["selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"],
    ),
];

static SCHEDULER: [Rule; 6] = [
    Rule::on(
        READ,
        &["", "apps", "scheduling.k8s.io"],
        &["nodes", "namespaces", "pods", "services", "replicasets", "priorityclasses"],
    ),
    Rule::on(&["delete"], &[""], &["pods"]),
    Rule::on(&["create"], &[""], &["pods/binding", "bindings"]),
    Rule::on(CHANGE, &[""], &["pods/status"]),
    Rule::on(&["create", "update", "patch"], EVENT_GROUPS, &["events"]),
    Rule::on(
        &["get", "list", "watch", "create", "update", "patch"],
        &["coordination.k8s.io"],
        &["leases"],
    ),
];

static CONTROLLER_MANAGER: [Rule; 4] = [
    Rule::on(READ, &["*"], &["*"]),
    Rule::on(WRITE, &["*"], &["*"]),
    Rule::on(CHANGE, &["*"], &["*/status", "*/scale", "*/finalize"]),
    Rule::on(&["create"], &[""], &["serviceaccounts/token", "pods/eviction"]),
];

static NODE: [Rule; 10] = [
    Rule::on(
        READ,
        &["", "discovery.k8s.io", "networking.k8s.io", "coordination.k8s.io"],
        &[
            "nodes",
            "namespaces",
            "pods",
            "services",
            "endpoints",
            "endpointslices",
            "configmaps",
            "secrets",
            "serviceaccounts",
            "ingresses",
            "ingressclasses",
            "leases",
        ],
    ),
    Rule::on(&["create", "update", "patch", "delete"], &[""], &["nodes"]),
    Rule::on(CHANGE, &[""], &["nodes/status"]),
    Rule::on(&["create", "delete"], &[""], &["pods"]),
    Rule::on(CHANGE, &[""], &["pods/status"]),
    Rule::on(&["create"], &[""], &["pods/eviction", "serviceaccounts/token"]),
    Rule::on(&["create", "update", "patch"], EVENT_GROUPS, &["events"]),
    Rule::on(&["create", "update", "patch", "delete"], &["coordination.k8s.io"], &["leases"]),
    // The gateway is in the node agent: it admits Ingresses and brings its own class.
    Rule::on(CHANGE, &["networking.k8s.io"], &["ingresses/status"]),
    Rule::on(&["create", "update", "patch"], &["networking.k8s.io"], &["ingressclasses"]),
];

/// The rules that hold for this user.
pub(super) fn rules_of(user: &UserInfo) -> impl Iterator<Item = &'static Rule> {
    let component: &'static [Rule] = match user.name.as_str() {
        "system:kube-scheduler" => &SCHEDULER,
        "system:kube-controller-manager" => &CONTROLLER_MANAGER,
        _ if node_name(user).is_some() => &NODE,
        _ => &[],
    };
    let known = user.name != ANONYMOUS && user.in_group(AUTHENTICATED);
    let discovery: &'static [Rule] = if known { &DISCOVERY } else { &[] };
    HEALTH.iter().chain(discovery).chain(component)
}

/// The node a node identity speaks for.
pub(super) fn node_name(user: &UserInfo) -> Option<&str> {
    user.name.strip_prefix("system:node:").filter(|_| user.in_group("system:nodes"))
}

/// A node writes its own Node object only (creation names it in the body, so it is free).
pub(super) fn own_node_only(node: Option<&str>, attributes: &Attributes<'_>) -> bool {
    let writes_node = attributes.resource == "nodes"
        && attributes.group.is_empty()
        && !READ.contains(&attributes.verb)
        && attributes.verb != "create";
    match node {
        Some(node) if writes_node => attributes.name == node,
        _ => true,
    }
}
