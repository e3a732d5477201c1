use serde_json::json;

use super::*;

fn index() -> Index {
    let mut index = Index::default();
    let read = json!({"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]});
    index.put(Source::ClusterRoles, "reader", &read);
    index.put(Source::Roles, "shop/local", &read);
    index
}

fn binding(kind: &str, role: &str, namespace: &str, subjects: Value) -> Value {
    json!({"metadata": {"namespace": namespace}, "roleRef": {"kind": kind, "name": role}, "subjects": subjects})
}

/// What the user is given in a namespace, as upstream describes it.
#[track_caller]
fn check(index: &Index, user: &UserInfo, namespace: &str, expected: &[&str]) {
    let mut seen = Vec::new();
    index.visit(user, namespace, &mut |grant| {
        seen.push(match &grant.rules {
            Ok(_) => grant.to_string(),
            Err(error) => error.to_string(),
        });
        Seen::More
    });
    assert_eq!(seen, expected);
}

#[test]
fn users_groups_and_accounts_are_bound() {
    let mut index = index();
    let subjects = json!([{"kind": "User", "name": "bob"}, {"kind": "Group", "name": "people"}]);
    index.put(Source::ClusterRoleBindings, "all", &binding("ClusterRole", "reader", "", subjects));
    let account = json!([{"kind": "ServiceAccount", "name": "web"}]);
    index.put(Source::RoleBindings, "shop/web", &binding("Role", "local", "shop", account));
    let bob = UserInfo::new("bob", ["people"]);
    let to_bob = "ClusterRoleBinding \"all\" of ClusterRole \"reader\" to User \"bob\"";
    check(&index, &bob, "", &[to_bob]);
    check(&index, &bob, "shop", &[to_bob]);
    let amy = UserInfo::new("amy", ["people"]);
    let to_people = "ClusterRoleBinding \"all\" of ClusterRole \"reader\" to Group \"people\"";
    check(&index, &amy, "", &[to_people]);
    let web = UserInfo::new("system:serviceaccount:shop:web", ["others"]);
    let to_web = "RoleBinding \"web/shop\" of Role \"local\" to ServiceAccount \"web/shop\"";
    check(&index, &web, "shop", &[to_web]);
    check(&index, &web, "", &[]);
    check(&index, &web, "other", &[]);
}

#[test]
fn what_goes_or_changes_gives_nothing_any_more() {
    let mut index = index();
    let bob = json!([{"kind": "User", "name": "bob"}]);
    let amy = json!([{"kind": "User", "name": "amy"}]);
    index.put(Source::ClusterRoleBindings, "all", &binding("ClusterRole", "reader", "", bob));
    index.put(Source::ClusterRoleBindings, "all", &binding("ClusterRole", "reader", "", amy));
    check(&index, &UserInfo::new("bob", [""]), "", &[]);
    index.remove(Source::ClusterRoles, "reader");
    let missing = "clusterrole.rbac.authorization.k8s.io \"reader\" not found";
    check(&index, &UserInfo::new("amy", [""]), "", &[missing]);
    index.remove(Source::ClusterRoleBindings, "all");
    check(&index, &UserInfo::new("amy", [""]), "", &[]);
    assert!(index.bound.is_empty() && index.bindings.is_empty());
}

#[test]
fn a_role_is_found_in_its_own_namespace_only() {
    let mut index = index();
    let bob = json!([{"kind": "User", "name": "bob"}]);
    index.put(Source::RoleBindings, "other/b", &binding("Role", "local", "other", bob.clone()));
    let missing = "role.rbac.authorization.k8s.io \"local\" not found";
    check(&index, &UserInfo::new("bob", [""]), "other", &[missing]);
    index.put(Source::ClusterRoleBindings, "b", &binding("Role", "local", "", bob));
    check(&index, &UserInfo::new("bob", [""]), "", &[missing]);
}
