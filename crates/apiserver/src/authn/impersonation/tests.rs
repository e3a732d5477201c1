use bytes::Bytes;
use http::Method;
use serde_json::json;
use store::{Op, Store, Txn};

use super::*;
use crate::authz::ClusterAuthorizer;
use crate::user::{ANONYMOUS, AUTHENTICATED, MASTERS, UNAUTHENTICATED};

/// Asks for the pods of `shop` with these headers.
fn ask_of(
    store: Store,
    user: UserInfo,
    headers: &[(&'static str, &'static str)],
) -> ApiResult<UserInfo> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    let uri = "/api/v1/namespaces/shop/pods".parse().unwrap();
    effective(&ClusterAuthorizer::new(store), user, &map, || Asked::read(&Method::GET, &uri))
}

fn ask(group: &str, headers: &[(&'static str, &'static str)]) -> ApiResult<UserInfo> {
    ask_of(Store::in_memory(), UserInfo::new("me", [group]), headers)
}

#[track_caller]
fn check(headers: &[(&'static str, &'static str)], name: &str, groups: &[&str]) {
    let user = ask(MASTERS, headers).unwrap();
    let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
    assert_eq!((user.name.as_str(), user.groups), (name, groups));
}

#[test]
fn who_may_is_the_other_one() {
    check(&[], "me", &[MASTERS, AUTHENTICATED]);
    check(&[(USER, "bob")], "bob", &[AUTHENTICATED]);
    check(&[(USER, "bob"), (GROUP, "a"), (GROUP, "b")], "bob", &["a", "b", AUTHENTICATED]);
    check(&[(USER, ANONYMOUS)], ANONYMOUS, &[UNAUTHENTICATED]);
    let account = "system:serviceaccount:shop:web";
    let groups = ["system:serviceaccounts", "system:serviceaccounts:shop", AUTHENTICATED];
    check(&[(USER, account)], account, &groups);
    check(&[(USER, "bob"), (GROUP, MASTERS)], "bob", &[MASTERS, AUTHENTICATED]);
    check(&[(USER, "system:node:a")], "system:node:a", &["system:nodes", AUTHENTICATED]);
}

#[test]
fn who_may_not_is_refused() {
    let refused = |headers: &[_], expected: &str| {
        let error = ask("people", headers).unwrap_err();
        assert_eq!((error.code(), error.status().message.as_str()), (403, expected));
    };
    let on = |mode: &str| {
        format!(
            "pods is forbidden: User \"me\" cannot impersonate-on:{mode}:list resource \"pods\" in API group \"\" in the namespace \"shop\""
        )
    };
    refused(&[(USER, "bob")], &on("user-info"));
    refused(&[(USER, "system:serviceaccount:shop:web")], &on("serviceaccount"));
    refused(&[(USER, "system:node:a")], &on("arbitrary-node"));
    // A ServiceAccount with groups of somebody's choice is for the old verb only.
    let account = [(USER, "system:serviceaccount:shop:web"), (GROUP, "a")];
    refused(
        &account,
        "serviceaccounts \"web\" is forbidden: User \"me\" cannot impersonate resource \"serviceaccounts\" in API group \"\" in the namespace \"shop\"",
    );
    assert_eq!(ask(MASTERS, &[(GROUP, "a")]).unwrap_err().code(), 400);
}

#[test]
fn what_else_is_known_of_a_user_comes_along() {
    let user = ask(MASTERS, &[(USER, "bob"), ("impersonate-extra-a%2fb", "c")]).unwrap();
    assert_eq!(user.extra["a/b"], ["c"]);
}

/// A cluster where `me` may do these verbs on these resources of a group.
async fn with(rules: serde_json::Value) -> Store {
    let store = Store::in_memory();
    let role = json!({"metadata": {}, "rules": rules});
    let binding = json!({"metadata": {}, "roleRef": {"kind": "ClusterRole", "name": "r"},
        "subjects": [{"kind": "User", "name": "me"}]});
    for (kind, object) in [("clusterroles", role), ("clusterrolebindings", binding)] {
        let key = format!("/registry/{kind}.rbac.authorization.k8s.io/r");
        let put = Op::put(Bytes::from(key), crate::object::encode(&object));
        assert!(store.commit(Txn::new().then(put)).await.unwrap().succeeded);
    }
    store
}

#[tokio::test]
async fn a_narrow_right_is_for_some_users_and_some_requests() {
    let users = json!({"verbs": ["impersonate:user-info"], "apiGroups": ["authentication.k8s.io"],
        "resources": ["users"], "resourceNames": ["bob"]});
    let on = |verb: &str| json!({"verbs": [format!("impersonate-on:user-info:{verb}")], "apiGroups": [""], "resources": ["pods"]});
    let me = || UserInfo::new("me", ["people"]);
    let store = with(json!([users, on("list")])).await;
    assert_eq!(ask_of(store.clone(), me(), &[(USER, "bob")]).unwrap().name, "bob");
    let amy = ask_of(store.clone(), me(), &[(USER, "amy")]).unwrap_err();
    assert_eq!(
        amy.status().message,
        "users.authentication.k8s.io \"amy\" is forbidden: User \"me\" cannot impersonate:user-info resource \"users\" in API group \"authentication.k8s.io\" at the cluster scope"
    );
    let masters = ask_of(store, me(), &[(USER, "bob"), (GROUP, MASTERS)]).unwrap_err();
    assert!(
        masters.status().message.ends_with("impersonating the system:masters group is not allowed")
    );
    let other = with(json!([users, on("delete")])).await;
    assert_eq!(ask_of(other, me(), &[(USER, "bob")]).unwrap_err().code(), 403);
}

#[tokio::test]
async fn a_pods_account_may_be_the_node_that_it_is_on() {
    let rules = json!([
        {"verbs": ["impersonate:associated-node"], "apiGroups": ["authentication.k8s.io"], "resources": ["nodes"]},
        {"verbs": ["impersonate-on:associated-node:list"], "apiGroups": [""], "resources": ["pods"]},
    ]);
    let store = with(rules).await;
    let binding = json!({"metadata": {}, "roleRef": {"kind": "ClusterRole", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": "agent", "namespace": "shop"}]});
    let key = Bytes::from("/registry/clusterrolebindings.rbac.authorization.k8s.io/r");
    let put = Op::put(key, crate::object::encode(&binding));
    assert!(store.commit(Txn::new().then(put)).await.unwrap().succeeded);
    let mut agent = UserInfo::new("system:serviceaccount:shop:agent", ["system:serviceaccounts"]);
    agent.extra.insert("authentication.kubernetes.io/node-name".to_owned(), vec!["a".to_owned()]);
    let node = ask_of(store.clone(), agent.clone(), &[(USER, "system:node:a")]).unwrap();
    assert_eq!(node.groups, ["system:nodes", AUTHENTICATED]);
    assert_eq!(ask_of(store, agent, &[(USER, "system:node:b")]).unwrap_err().code(), 403);
}
