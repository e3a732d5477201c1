//! Roles and bindings: what they give, to whom, and who may give it.

use sampan_apiserver::UserInfo;
use serde_json::{Value, json};

use super::support::{CONFIG_MAPS, PODS, Server, names, pod};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const LOCAL: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";

fn bob() -> UserInfo {
    UserInfo::new("bob", ["people"])
}

/// A role of one rule on core resources.
fn role(name: &str, verbs: &[&str], resources: &[&str], objects: &[&str]) -> Value {
    json!({"metadata": {"name": name}, "rules": [
        {"verbs": verbs, "apiGroups": [""], "resources": resources, "resourceNames": objects},
    ]})
}

fn binding(kind: &str, role: &str) -> Value {
    json!({
        "metadata": {"name": "to-bob"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"kind": "User", "name": "bob"}],
    })
}

/// Bob asks; the answer has this code and message.
#[track_caller]
fn check_bob(
    server: &Server,
    request: &str,
    body: Value,
    code: u16,
    message: &str,
) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("content-type", "application/json")];
        let answer = server.ask_as(bob(), request, &headers, body).await;
        assert_eq!(answer.code, code, "{caller}: {request}: {}", answer.body);
        let said = answer.body["message"].as_str().unwrap_or("");
        assert_eq!(said, message, "{caller}: {request}");
    }
}

async fn make(server: &Server, place: &str, body: Value) -> Value {
    server.check(&format!("POST {place}"), body, 201, json!({})).await
}

const NO_PODS: &str = "pods is forbidden: User \"bob\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"";

#[tokio::test]
async fn a_binding_gives_what_its_role_says_where_it_is() {
    let server = Server::start().await;
    let list = format!("GET {PODS}");
    check_bob(&server, &list, json!(null), 403, NO_PODS).await;
    make(&server, &format!("{LOCAL}/roles"), role("r", &["list"], &["pods"], &[])).await;
    let made = make(&server, &format!("{LOCAL}/rolebindings"), binding("Role", "r")).await;
    assert_eq!(made["subjects"][0]["apiGroup"], "rbac.authorization.k8s.io");
    check_bob(&server, &list, json!(null), 200, "").await;
    let elsewhere = "pods is forbidden: User \"bob\" cannot list resource \"pods\" in API group \"\" at the cluster scope";
    check_bob(&server, "GET /api/v1/pods", json!(null), 403, elsewhere).await;
    let log = "pods \"x\" is forbidden: User \"bob\" cannot get resource \"pods/log\" in API group \"\" in the namespace \"default\"";
    check_bob(&server, &format!("GET {PODS}/x/log"), json!(null), 403, log).await;
    server.check(&format!("DELETE {LOCAL}/roles/r"), json!(null), 200, json!({})).await;
    let gone = format!("{NO_PODS}: RBAC: role.rbac.authorization.k8s.io \"r\" not found");
    check_bob(&server, &list, json!(null), 403, &gone).await;
    let binding = format!("DELETE {LOCAL}/rolebindings/to-bob");
    server.check(&binding, json!(null), 200, json!({})).await;
    check_bob(&server, &list, json!(null), 403, NO_PODS).await;
}

#[tokio::test]
async fn names_narrow_a_rule_for_lists_of_one_too() {
    let server = Server::start().await;
    server.config_map("a", json!({})).await;
    let role = role("r", &["get", "list"], &["configmaps"], &["a"]);
    make(&server, &format!("{RBAC}/clusterroles"), role).await;
    make(&server, &format!("{LOCAL}/rolebindings"), binding("ClusterRole", "r")).await;
    check_bob(&server, &format!("GET {CONFIG_MAPS}/a"), json!(null), 200, "").await;
    let one = format!("GET {CONFIG_MAPS}?fieldSelector=metadata.name%3Da");
    check_bob(&server, &one, json!(null), 200, "").await;
    let all = "configmaps is forbidden: User \"bob\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"default\"";
    check_bob(&server, &format!("GET {CONFIG_MAPS}"), json!(null), 403, all).await;
}

#[tokio::test]
async fn who_sees_into_a_namespace_sees_the_namespace() {
    let server = Server::start().await;
    make(&server, &format!("{RBAC}/clusterroles"), role("r", &["get"], &["namespaces"], &[])).await;
    make(&server, &format!("{LOCAL}/rolebindings"), binding("ClusterRole", "r")).await;
    check_bob(&server, "GET /api/v1/namespaces/default", json!(null), 200, "").await;
    let other = "namespaces \"kube-system\" is forbidden: User \"bob\" cannot get resource \"namespaces\" in API group \"\" in the namespace \"kube-system\"";
    check_bob(&server, "GET /api/v1/namespaces/kube-system", json!(null), 403, other).await;
}

#[tokio::test]
async fn who_may_only_change_objects_makes_none_by_applying_them() {
    let server = Server::start().await;
    let rights = role("r", &["patch"], &["configmaps"], &[]);
    make(&server, &format!("{LOCAL}/roles"), rights).await;
    make(&server, &format!("{LOCAL}/rolebindings"), binding("Role", "r")).await;
    let apply = async |code: u16, message: &str| {
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}});
        let headers = [("content-type", "application/apply-patch+yaml")];
        let request = format!("PATCH {CONFIG_MAPS}/new?fieldManager=bob");
        let answer = server.ask_as(bob(), &request, &headers, body.to_string()).await;
        let said = answer.body["message"].as_str().unwrap_or("");
        assert_eq!((answer.code, said), (code, message));
    };
    let no = "configmaps \"new\" is forbidden: User \"bob\" cannot create resource \"configmaps\" in API group \"\" in the namespace \"default\"";
    apply(403, no).await;
    let rights = role("r", &["create", "patch"], &["configmaps"], &[]);
    server.check(&format!("PUT {LOCAL}/roles/r"), rights, 200, json!({})).await;
    apply(201, "").await;
    let rights = role("r", &["patch"], &["configmaps"], &[]);
    server.check(&format!("PUT {LOCAL}/roles/r"), rights, 200, json!({})).await;
    apply(200, "").await;
}

#[tokio::test]
async fn who_may_only_read_enters_no_container() {
    let server = Server::start().await;
    make(&server, PODS, pod("p")).await;
    make(&server, &format!("{LOCAL}/roles"), role("r", &["get"], &["pods/exec"], &[])).await;
    make(&server, &format!("{LOCAL}/rolebindings"), binding("Role", "r")).await;
    let no = "pods \"p\" is forbidden: User \"bob\" cannot create resource \"pods/exec\" in API group \"\" in the namespace \"default\"";
    check_bob(&server, &format!("GET {PODS}/p/exec?command=ls"), json!(null), 403, no).await;
    let both = role("r", &["create", "get"], &["pods/exec"], &[]);
    server.check(&format!("PUT {LOCAL}/roles/r"), both, 200, json!({})).await;
    let unassigned = "pod p does not have a host assigned";
    check_bob(&server, &format!("GET {PODS}/p/exec?command=ls"), json!(null), 400, unassigned)
        .await;
}

#[tokio::test]
async fn a_binding_keeps_its_role() {
    let server = Server::start().await;
    let made =
        make(&server, &format!("{LOCAL}/rolebindings"), binding("ClusterRole", "view")).await;
    let mut other = made;
    other["roleRef"]["name"] = "edit".into();
    let refused = server.ask(&format!("PUT {LOCAL}/rolebindings/to-bob"), other).await;
    assert_eq!(refused.code, 422);
    let message = refused.body["message"].as_str().unwrap();
    assert!(message.ends_with("cannot change roleRef"), "{message}");
    assert_eq!(refused.body["details"]["causes"][0]["field"], "roleRef");
}

/// Bob writes roles and bindings of `default`, and reads pods there.
async fn bob_writes_roles(server: &Server) {
    let write = json!({"metadata": {"name": "writer"}, "rules": [
        {"verbs": ["*"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"]},
        {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]},
    ]});
    make(server, &format!("{RBAC}/clusterroles"), write).await;
    make(server, &format!("{LOCAL}/rolebindings"), binding("ClusterRole", "writer")).await;
}

#[tokio::test]
async fn nobody_gives_what_he_has_not() {
    let server = Server::start().await;
    bob_writes_roles(&server).await;
    // All verbs on roles are more than he should have here.
    let rules = json!([
        {"verbs": ["create", "update", "patch"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"]},
        {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]},
    ]);
    let less = json!({"metadata": {"name": "writer"}, "rules": rules});
    server.check(&format!("PUT {RBAC}/clusterroles/writer"), less, 200, json!({})).await;
    let roles = format!("POST {LOCAL}/roles");
    check_bob(&server, &roles, role("mine", &["get"], &["pods"], &[]), 201, "").await;
    let more = role("more", &["get", "delete", "watch"], &["pods", "secrets"], &[]);
    let message = "roles.rbac.authorization.k8s.io \"more\" is forbidden: user \"bob\" (groups=[\"people\" \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n\
        {APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\" \"watch\"]}\n\
        {APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"delete\" \"watch\"]}";
    check_bob(&server, &roles, more, 403, message).await;
    let wider = role("mine", &["get"], &["secrets"], &[]);
    let message = "roles.rbac.authorization.k8s.io \"mine\" is forbidden: user \"bob\" (groups=[\"people\" \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n\
        {APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\"]}";
    check_bob(&server, &format!("PUT {LOCAL}/roles/mine"), wider, 403, message).await;
    let mut own = binding("Role", "mine");
    own["metadata"]["name"] = "own".into();
    check_bob(&server, &format!("POST {LOCAL}/rolebindings"), own, 201, "").await;
    let mut admin = binding("ClusterRole", "cluster-admin");
    admin["metadata"]["name"] = "admin".into();
    let message = "rolebindings.rbac.authorization.k8s.io \"admin\" is forbidden: user \"bob\" (groups=[\"people\" \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n\
        {APIGroups:[\"*\"], Resources:[\"*\"], Verbs:[\"*\"]}\n\
        {NonResourceURLs:[\"*\"], Verbs:[\"*\"]}";
    check_bob(&server, &format!("POST {LOCAL}/rolebindings"), admin, 403, message).await;
    let mut none = binding("Role", "none");
    none["metadata"]["name"] = "none".into();
    let message = "roles.rbac.authorization.k8s.io \"none\" not found";
    check_bob(&server, &format!("POST {LOCAL}/rolebindings"), none, 404, message).await;
}

#[tokio::test]
async fn who_may_escalate_or_bind_gives_anything() {
    let server = Server::start().await;
    // `*` on roles are escalate and bind too.
    bob_writes_roles(&server).await;
    let more = role("more", &["get"], &["secrets"], &[]);
    check_bob(&server, &format!("POST {LOCAL}/roles"), more, 201, "").await;
    let mut bound = binding("Role", "more");
    bound["metadata"]["name"] = "more".into();
    check_bob(&server, &format!("POST {LOCAL}/rolebindings"), bound, 201, "").await;
}

#[tokio::test]
async fn aggregation_is_for_cluster_admins() {
    let server = Server::start().await;
    let write = json!({"metadata": {"name": "writer"}, "rules": [
        {"verbs": ["create"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"]},
    ]});
    make(&server, &format!("{RBAC}/clusterroles"), write).await;
    make(&server, &format!("{RBAC}/clusterrolebindings"), binding("ClusterRole", "writer")).await;
    let all = json!({"metadata": {"name": "all"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}});
    let message = "clusterroles.rbac.authorization.k8s.io \"all\" is forbidden: must have cluster-admin privileges to use the aggregationRule";
    check_bob(&server, &format!("POST {RBAC}/clusterroles"), all, 403, message).await;
}

#[tokio::test]
async fn every_cluster_has_the_default_roles_and_gets_them_back() {
    let server = Server::start().await;
    let all = server.check(&format!("GET {RBAC}/clusterroles"), json!(null), 200, json!({})).await;
    for name in ["cluster-admin", "admin", "edit", "view", "system:controller:job-controller"] {
        assert!(names(&all).contains(&name), "{name}");
    }
    let discovery = format!("{RBAC}/clusterroles/system:discovery");
    server.check(&format!("DELETE {discovery}"), json!(null), 200, json!({})).await;
    let mine = json!({"metadata": {"labels": {"mine": "yes"}}, "rules": [
        {"verbs": ["get"], "nonResourceURLs": ["/mine"]},
    ]});
    server
        .check(&format!("PATCH {RBAC}/clusterroles/system:monitoring"), mine, 200, json!({}))
        .await;
    let keep = json!({"metadata": {"annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}},
        "subjects": []});
    server
        .check(&format!("PATCH {RBAC}/clusterrolebindings/system:basic-user"), keep, 200, json!({}))
        .await;
    server.api.bootstrap().await.unwrap();
    let back = server.check(&format!("GET {discovery}"), json!(null), 200, json!({})).await;
    assert_eq!(back["rules"][0]["verbs"], json!(["get"]));
    let monitoring = format!("GET {RBAC}/clusterroles/system:monitoring");
    let labels = json!({"metadata": {"labels": {"mine": "yes"}}});
    let monitoring = server.check(&monitoring, json!(null), 200, labels).await;
    assert!(monitoring["rules"].as_array().unwrap().len() > 1, "{}", monitoring["rules"]);
    let kept = format!("GET {RBAC}/clusterrolebindings/system:basic-user");
    let kept = server.check(&kept, json!(null), 200, json!({})).await;
    assert!(kept["subjects"].as_array().is_none_or(Vec::is_empty));
    let before = server.store.revision();
    server.api.bootstrap().await.unwrap();
    assert_eq!(server.store.revision(), before, "a second start changes nothing");
}

#[tokio::test]
async fn a_list_of_bindings_shows_who_has_what() {
    let server = Server::start().await;
    make(&server, &format!("{LOCAL}/rolebindings"), binding("ClusterRole", "view")).await;
    let table = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let admin = UserInfo::new("admin", ["system:masters"]);
    let request = format!("GET {LOCAL}/rolebindings");
    let answer = server.ask_as(admin, &request, &table, "").await;
    let columns = answer.body["columnDefinitions"].as_array().unwrap();
    let columns: Vec<&str> =
        columns.iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(columns, ["Name", "Role", "Age", "Users", "Groups", "ServiceAccounts"]);
    assert_eq!(answer.body["rows"][0]["cells"][1], "ClusterRole/view");
    assert_eq!(answer.body["rows"][0]["cells"][3], "bob");
}
