//! Who may do what: one question, asked of every request.
//!
//! [`Authorizer`] is the seam: today the written-down rules of the built-in components
//! ([`StaticAuthorizer`]); RBAC objects come behind the same trait.

mod components;

use crate::user::{MASTERS, UserInfo};

pub use self::components::Rule;

/// What a request wants, as rules judge it.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    /// Who asks.
    pub user: &'a UserInfo,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: &'a str,
    /// The resource's API group; empty for core.
    pub group: &'a str,
    /// The resource's plural; empty when a path is asked for.
    pub resource: &'a str,
    /// The subresource, or empty.
    pub subresource: &'a str,
    /// The namespace, or empty.
    pub namespace: &'a str,
    /// The object's name, or empty.
    pub name: &'a str,
    /// The URL path, when no resource is asked for.
    pub path: &'a str,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Allow,
    /// Refused; the reason may be empty.
    Deny(String),
}

/// Decides who may do what. Asked on every request, so it must not block.
pub trait Authorizer: Send + Sync {
    /// May this be done?
    fn authorize(&self, attributes: &Attributes<'_>) -> Decision;

    /// What this user may do in a namespace, for `kubectl auth can-i --list`.
    fn rules(&self, user: &UserInfo, namespace: &str) -> Vec<Rule>;
}

/// The rules of the built-in components, and everything for `system:masters`.
#[derive(Debug, Clone, Copy, Default)]
pub struct StaticAuthorizer;

impl Authorizer for StaticAuthorizer {
    fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        if attributes.user.in_group(MASTERS) {
            return Decision::Allow;
        }
        let node = components::node_name(attributes.user);
        let allowed = components::rules_of(attributes.user)
            .any(|rule| rule.allows(attributes) && components::own_node_only(node, attributes));
        if allowed { Decision::Allow } else { Decision::Deny(String::new()) }
    }

    fn rules(&self, user: &UserInfo, _namespace: &str) -> Vec<Rule> {
        if user.in_group(MASTERS) {
            return vec![components::EVERYTHING, components::EVERY_PATH];
        }
        components::rules_of(user).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `request` is `verb group/resource/subresource name`.
    #[track_caller]
    fn check(user: &str, group: &str, request: &str, allowed: bool) {
        let user = UserInfo::new(user, [group]);
        let parts: Vec<&str> = request.split(' ').collect();
        let resource: Vec<&str> = parts[1].split('/').collect();
        let attributes = Attributes {
            user: &user,
            verb: parts[0],
            group: resource[0],
            resource: resource[1],
            subresource: resource.get(2).copied().unwrap_or(""),
            namespace: "default",
            name: parts.get(2).copied().unwrap_or(""),
            path: "",
        };
        let decision = StaticAuthorizer.authorize(&attributes);
        assert_eq!(decision == Decision::Allow, allowed, "{} {request}", user.name);
    }

    fn check_path(user: &UserInfo, path: &str, allowed: bool) {
        let attributes = Attributes {
            user,
            verb: "get",
            group: "",
            resource: "",
            subresource: "",
            namespace: "",
            name: "",
            path,
        };
        let decision = StaticAuthorizer.authorize(&attributes);
        assert_eq!(decision == Decision::Allow, allowed, "{} {path}", user.name);
    }

    #[test]
    fn masters_may_everything() {
        check("admin", MASTERS, "delete /secrets x", true);
        check("admin", MASTERS, "create /pods/exec x", true);
    }

    #[test]
    fn the_scheduler_binds_pods_and_reads_no_secrets() {
        check("system:kube-scheduler", "", "create /pods/binding a", true);
        check("system:kube-scheduler", "", "patch /pods/status a", true);
        check("system:kube-scheduler", "", "get /secrets a", false);
        check("system:kube-scheduler", "", "create /pods", false);
    }

    #[test]
    fn the_controller_manager_writes_objects_but_enters_no_container() {
        check("system:kube-controller-manager", "", "create /pods", true);
        check("system:kube-controller-manager", "", "update apps/deployments/status a", true);
        check("system:kube-controller-manager", "", "create /pods/exec a", false);
    }

    #[test]
    fn a_node_writes_itself_and_no_other_node() {
        check("system:node:a", "system:nodes", "patch /nodes/status a", true);
        check("system:node:a", "system:nodes", "patch /nodes/status b", false);
        check("system:node:a", "system:nodes", "patch /pods/status x", true);
        check("system:node:a", "system:nodes", "create apps/deployments", false);
        check("system:node:a", "", "patch /pods/status x", false);
    }

    #[test]
    fn a_service_account_has_discovery_only() {
        let account = UserInfo::new(
            "system:serviceaccount:default:default",
            ["system:serviceaccounts", "system:serviceaccounts:default"],
        );
        check_path(&account, "/api/v1", true);
        check_path(&account, "/openapi/v3", true);
        check_path(&account, "/metrics", false);
        check(&account.name, "system:serviceaccounts", "list /pods", false);
    }

    #[test]
    fn nobody_has_health_and_version_only() {
        let nobody = UserInfo::anonymous();
        check_path(&nobody, "/version", true);
        check_path(&nobody, "/livez", true);
        check_path(&nobody, "/livez/ping", true);
        check_path(&nobody, "/api", false);
    }
}
