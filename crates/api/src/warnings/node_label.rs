//! Labels of nodes that have other names now.

use serde_json::Value;

use crate::read;

/// What is said of an old label; nothing of others.
pub(super) fn replaced(label: &str) -> Option<String> {
    let (since, new) = match label {
        "beta.kubernetes.io/arch" => ("v1.14", "kubernetes.io/arch"),
        "beta.kubernetes.io/os" => ("v1.14", "kubernetes.io/os"),
        "failure-domain.beta.kubernetes.io/region" => ("v1.17", "topology.kubernetes.io/region"),
        "failure-domain.beta.kubernetes.io/zone" => ("v1.17", "topology.kubernetes.io/zone"),
        "beta.kubernetes.io/instance-type" => ("v1.17", "node.kubernetes.io/instance-type"),
        _ => return None,
    };
    Some(format!("deprecated since {since}; use {new:?} instead"))
}

/// The expressions of a term that selects nodes, `path` being the term's.
pub(super) fn of_term(path: &str, term: &Value, found: &mut Vec<String>) {
    for (index, expression) in read::list(term, "matchExpressions").iter().enumerate() {
        let key = read::text(expression, "key");
        if let Some(text) = replaced(key) {
            found.push(format!("{path}.matchExpressions[{index}].key: {key} is {text}"));
        }
    }
}
