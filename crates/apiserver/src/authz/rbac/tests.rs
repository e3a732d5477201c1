use bytes::Bytes;
use serde_json::{Value, json};
use store::{Op, Options, Txn};

use super::*;

/// Writes an object as the registry does, or removes it where it is null.
async fn write(store: &Store, key: &str, object: Value) {
    let key = Bytes::from(format!("{PREFIX}{key}"));
    let op = match object {
        Value::Null => Op::delete(key),
        object => Op::put(key, object::encode(&object)),
    };
    assert!(store.commit(Txn::new().then(op)).await.unwrap().succeeded);
}

fn role(verbs: &[&str]) -> Value {
    json!({"metadata": {}, "rules": [{"verbs": verbs, "apiGroups": [""], "resources": ["pods"]}]})
}

fn to_bob(role: &str) -> Value {
    json!({"metadata": {}, "roleRef": {"kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "name": "bob"}]})
}

const ROLE: &str = "clusterroles.rbac.authorization.k8s.io/reader";
const BINDING: &str = "clusterrolebindings.rbac.authorization.k8s.io/bob";

#[track_caller]
fn check(authorizer: &ClusterAuthorizer, user: &UserInfo, verb: &str, expected: &Decision) {
    let attributes = Attributes {
        user,
        verb,
        group: "",
        resource: "pods",
        subresource: "",
        namespace: "default",
        name: "",
        path: "",
        fields: &[],
    };
    assert_eq!(authorizer.authorize(&attributes), *expected);
}

fn no(reason: &str) -> Decision {
    Decision::Deny(reason.to_owned())
}

fn yes() -> Decision {
    let reason =
        "RBAC: allowed by ClusterRoleBinding \"bob\" of ClusterRole \"reader\" to User \"bob\"";
    Decision::Allow(reason.to_owned())
}

#[tokio::test]
async fn what_was_written_holds_from_the_next_question_on() {
    let store = Store::in_memory();
    let authorizer = ClusterAuthorizer::new(store.clone());
    let bob = UserInfo::new("bob", [""; 0]);
    check(&authorizer, &bob, "list", &no(""));
    write(&store, BINDING, to_bob("reader")).await;
    let missing = "RBAC: clusterrole.rbac.authorization.k8s.io \"reader\" not found";
    check(&authorizer, &bob, "list", &no(missing));
    write(&store, ROLE, role(&["list"])).await;
    check(&authorizer, &bob, "list", &yes());
    check(&authorizer, &bob, "get", &no(""));
    write(&store, ROLE, role(&["get"])).await;
    check(&authorizer, &bob, "list", &no(""));
    check(&authorizer, &bob, "get", &yes());
    write(&store, BINDING, Value::Null).await;
    check(&authorizer, &bob, "get", &no(""));
}

#[tokio::test]
async fn it_begins_anew_when_the_store_forgot_what_it_had_not_seen() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { history_revisions_max: 4, ..Options::default() };
    let store = Store::open(directory.path(), options).unwrap();
    let authorizer = ClusterAuthorizer::new(store.clone());
    let bob = UserInfo::new("bob", [""; 0]);
    check(&authorizer, &bob, "get", &no(""));
    write(&store, ROLE, role(&["get"])).await;
    write(&store, BINDING, to_bob("reader")).await;
    for count in 0..32 {
        write(&store, "configmaps/default/other", json!({"metadata": {}, "data": {"n": count}}))
            .await;
    }
    check(&authorizer, &bob, "get", &yes());
}

#[tokio::test]
async fn masters_may_everything_without_a_role() {
    let authorizer = ClusterAuthorizer::new(Store::in_memory());
    let admin = UserInfo::new("admin", [MASTERS]);
    check(&authorizer, &admin, "delete", &Decision::Allow(String::new()));
}

#[tokio::test]
async fn the_rules_of_a_user_are_those_of_all_bindings() {
    let store = Store::in_memory();
    let authorizer = ClusterAuthorizer::new(store.clone());
    write(&store, ROLE, role(&["list"])).await;
    write(&store, BINDING, to_bob("reader")).await;
    write(&store, "clusterrolebindings.rbac.authorization.k8s.io/no", to_bob("no")).await;
    let rules = authorizer.rules(&UserInfo::new("bob", [""; 0]), "default");
    assert_eq!(rules.rules.len(), 1);
    assert_eq!(rules.error, "clusterrole.rbac.authorization.k8s.io \"no\" not found");
    assert!(!rules.incomplete);
    assert!(authorizer.rules(&UserInfo::new("system:node:a", ["system:nodes"]), "").incomplete);
    assert!(authorizer.role(None, "reader").is_some());
    assert!(authorizer.role(Some("default"), "reader").is_none());
}
