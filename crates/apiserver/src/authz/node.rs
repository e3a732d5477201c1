//! What a node may do beside what roles give it: run its pods and report on them.
//!
//! Every pod of this cluster is on its one node, so unlike upstream there is no graph of which
//! Secret belongs to which node's pods. The node agent also routes Services and Ingresses, which
//! needs what upstream gives kube-proxy and an ingress controller.

use std::sync::LazyLock;

use super::{Attributes, Decision, Rule, policy};
use crate::user::UserInfo;

/// What is said where a node asks what it may do.
pub(super) const NO_RULES: &str = "node authorizer does not support user rule resolution";
/// Leases of nodes live here.
const LEASES: &str = "kube-node-lease";

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(policy::node_rules);

/// Is this a node?
pub(super) fn is_node(user: &UserInfo) -> bool {
    node_name(user).is_some()
}

/// The node a node identity speaks for.
fn node_name(user: &UserInfo) -> Option<&str> {
    user.name.strip_prefix("system:node:").filter(|_| user.in_group("system:nodes"))
}

/// `None`: not a node.
pub(super) fn authorize(asked: &Attributes<'_>) -> Option<Decision> {
    let node = node_name(asked.user)?;
    if let Some(reason) = not_its_own(node, asked) {
        return Some(Decision::Deny(reason));
    }
    let allowed = RULES.iter().any(|rule| rule.allows(asked));
    Some(if allowed { Decision::Allow(String::new()) } else { Decision::Deny(String::new()) })
}

/// Why this belongs to another node, in upstream's words.
fn not_its_own(node: &str, asked: &Attributes<'_>) -> Option<String> {
    // Creation names the object in the body.
    let other = asked.verb != "create" && !asked.name.is_empty() && asked.name != node;
    match (asked.group, asked.resource) {
        ("", "nodes") if other && matches!(asked.verb, "get" | "list" | "watch") => {
            Some(format!("node '{node}' cannot read '{}', only its own Node object", asked.name))
        }
        ("", "nodes") if other => {
            Some(format!("node {node:?} is not allowed to modify node {:?}", asked.name))
        }
        ("coordination.k8s.io", "leases") if asked.namespace != LEASES => {
            Some(format!("can only access leases in the {LEASES:?} system namespace"))
        }
        ("coordination.k8s.io", "leases") if other => {
            Some("can only access node lease with the same name as the requesting node".to_owned())
        }
        ("", "serviceaccounts") if asked.subresource != "token" && asked.verb == "create" => {
            Some("can only create token subresource of serviceaccount".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `asked` is `verb group/resource/subresource namespace name`.
    #[track_caller]
    fn check(asked: &str, expected: Result<(), &str>) {
        let user = UserInfo::new("system:node:a", ["system:nodes"]);
        let words: Vec<&str> = asked.split(' ').collect();
        let parts: Vec<&str> = words[1].split('/').collect();
        let at = |list: &[&'static str], index: usize| list.get(index).copied().unwrap_or("");
        let words: Vec<&'static str> = words.iter().map(|w| &*w.to_string().leak()).collect();
        let parts: Vec<&'static str> = parts.iter().map(|p| &*p.to_string().leak()).collect();
        let attributes = Attributes {
            user: &user,
            verb: words[0],
            group: parts[0],
            resource: parts[1],
            subresource: at(&parts, 2),
            namespace: at(&words, 2),
            name: at(&words, 3),
            path: "",
        };
        let expected = match expected {
            Ok(()) => Decision::Allow(String::new()),
            Err(reason) => Decision::Deny(reason.to_owned()),
        };
        assert_eq!(authorize(&attributes), Some(expected), "{asked}");
    }

    #[test]
    fn a_node_runs_pods_and_reports_on_them() {
        check("patch /pods/status shop x", Ok(()));
        check("delete /pods shop x", Ok(()));
        check("create /serviceaccounts/token shop web", Ok(()));
        check("get /secrets shop x", Ok(()));
        check("create apps/deployments shop x", Err(""));
        check("update /secrets shop x", Err(""));
    }

    #[test]
    fn a_node_writes_itself_and_no_other() {
        check("patch /nodes/status  a", Ok(()));
        check("patch /nodes/status  b", Err("node \"a\" is not allowed to modify node \"b\""));
        check("get /nodes  b", Err("node 'a' cannot read 'b', only its own Node object"));
        check("update coordination.k8s.io/leases kube-node-lease a", Ok(()));
        let theirs = "can only access node lease with the same name as the requesting node";
        check("update coordination.k8s.io/leases kube-node-lease b", Err(theirs));
        let elsewhere = "can only access leases in the \"kube-node-lease\" system namespace";
        check("update coordination.k8s.io/leases shop a", Err(elsewhere));
    }

    #[test]
    fn who_only_has_the_name_is_no_node() {
        let user = UserInfo::new("system:node:a", ["people"]);
        assert!(!is_node(&user));
        assert!(is_node(&UserInfo::new("system:node:a", ["system:nodes"])));
    }
}
