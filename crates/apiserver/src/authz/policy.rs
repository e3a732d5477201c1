//! The roles and bindings that every cluster has, read from the texts beside this file.

mod read;

use serde_json::{Value, json};

use self::read::Entry;
use super::{GROUP, Rule};

const CLUSTER_ROLES: &str = include_str!("policy/cluster-roles.txt");
const CONTROLLER_ROLES: &str = include_str!("policy/controller-roles.txt");
const ROLES: &str = include_str!("policy/roles.txt");
const BINDINGS: &str = include_str!("policy/bindings.txt");

/// How the names of controllers' roles begin.
const CONTROLLER: &str = "system:controller:";
/// Where the controllers' accounts live.
const SYSTEM: &str = "kube-system";
/// Says whether a start may add to an object what it lacks; `"false"` forbids it.
pub(crate) const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

/// The ClusterRoles, without their server's fields.
pub(crate) fn cluster_roles() -> Vec<Value> {
    let plain = read::entries(CLUSTER_ROLES).into_iter().map(|entry| cluster_role(&entry));
    let controllers = read::entries(CONTROLLER_ROLES).into_iter().map(|mut entry| {
        entry.name.insert_str(0, CONTROLLER);
        cluster_role(&entry)
    });
    plain.chain(controllers).collect()
}

/// The Roles.
pub(crate) fn roles() -> Vec<Value> {
    read::entries(ROLES).into_iter().map(|entry| object("Role", &entry)).collect()
}

/// The ClusterRoleBindings and RoleBindings.
pub(crate) fn bindings() -> Vec<Value> {
    let plain = read::entries(BINDINGS).into_iter().map(|entry| binding(&entry));
    let controllers = read::entries(CONTROLLER_ROLES).into_iter().map(|entry| {
        let subject = format!("ServiceAccount {SYSTEM}/{}", entry.name);
        let name = format!("{CONTROLLER}{}", entry.name);
        binding(&Entry { name, words: Vec::new(), lines: vec![subject] })
    });
    plain.chain(controllers).collect()
}

/// What a node may do, where it is no matter of which objects its pods use.
pub(super) fn node_rules() -> Vec<Rule> {
    let roles = read::entries(CLUSTER_ROLES);
    roles.iter().filter(|entry| entry.name == "system:node").flat_map(Entry::rules).collect()
}

fn cluster_role(entry: &Entry) -> Value {
    let mut role = object("ClusterRole", entry);
    if let Some(collected) = entry.word("collects=") {
        let label = aggregate_label(collected);
        role["aggregationRule"] =
            json!({"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]});
    }
    if let Some(fed) = entry.word("feeds=") {
        role["metadata"]["labels"][aggregate_label(fed)] = "true".into();
    }
    role
}

fn aggregate_label(role: &str) -> String {
    format!("{GROUP}/aggregate-to-{role}")
}

fn object(kind: &str, entry: &Entry) -> Value {
    let (namespace, name) = entry.place();
    let mut object = json!({
        "apiVersion": format!("{GROUP}/v1"),
        "kind": kind,
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
            "annotations": {AUTOUPDATE: "true"},
        },
    });
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = namespace.into();
    }
    if kind.ends_with("Role") {
        object["rules"] = json!(entry.rules());
    }
    object
}

fn binding(entry: &Entry) -> Value {
    let (namespace, name) = entry.place();
    let (kind, role_kind) = match namespace {
        "" => ("ClusterRoleBinding", "ClusterRole"),
        _ => ("RoleBinding", "Role"),
    };
    let role = entry.words.first().map_or(name, String::as_str);
    let mut object = object(kind, entry);
    object["roleRef"] = json!({"apiGroup": GROUP, "kind": role_kind, "name": role});
    let subjects: Vec<Value> = entry.lines.iter().map(|line| subject(line)).collect();
    if !subjects.is_empty() {
        object["subjects"] = subjects.into();
    }
    object
}

fn subject(line: &str) -> Value {
    let (kind, name) = line.split_once(' ').expect("a subject has a kind and a name");
    match (kind, name.split_once('/')) {
        ("ServiceAccount", Some((namespace, name))) => {
            json!({"kind": kind, "name": name, "namespace": namespace})
        }
        _ => json!({"apiGroup": GROUP, "kind": kind, "name": name}),
    }
}

#[cfg(test)]
mod tests;
