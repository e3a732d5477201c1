//! What a node may write: itself, its Lease, and what becomes of its own pods.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sampan_apiserver::UserInfo;
use serde_json::{Value, json};

use super::support::{PODS, Server, pod};

const NODES: &str = "/api/v1/nodes";
const TOKEN: &str = "/api/v1/namespaces/default/serviceaccounts/web/token";

/// Node `a` asks; the answer has this code and message.
#[track_caller]
fn check(
    server: &Server,
    request: &str,
    body: Value,
    code: u16,
    message: &str,
) -> impl Future<Output = Value> {
    let caller = std::panic::Location::caller();
    async move {
        let headers = match request.starts_with("PATCH") {
            true => [("content-type", "application/merge-patch+json")],
            false => [("content-type", "application/json")],
        };
        let user = UserInfo::new("system:node:a", ["system:nodes"]);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = server.ask_as(user, request, &headers, body).await;
        assert_eq!(answer.code, code, "{caller}: {request}: {}", answer.body);
        let said = answer.body["message"].as_str().unwrap_or("");
        assert_eq!(said, message, "{caller}: {request}");
        answer.body
    }
}

/// A pod of account `web` on this node.
async fn pod_on(server: &Server, name: &str, node: &str) -> Value {
    let mut object = pod(name);
    object["spec"]["nodeName"] = node.into();
    object["spec"]["serviceAccountName"] = "web".into();
    server.check(&format!("POST {PODS}"), object, 201, json!({})).await
}

async fn account(server: &Server) {
    let account = json!({"metadata": {"name": "web"}});
    server.check("POST /api/v1/namespaces/default/serviceaccounts", account, 201, json!({})).await;
}

#[tokio::test]
async fn a_node_makes_itself_without_labels_of_the_administrators() {
    let server = Server::start().await;
    let node =
        |name: &str, label: &str| json!({"metadata": {"name": name, "labels": {label: "x"}}});
    let make = format!("POST {NODES}");
    let other = "nodes \"b\" is forbidden: node \"a\" is not allowed to modify node \"b\"";
    check(&server, &make, node("b", "kubernetes.io/os"), 403, other).await;
    let reserved = "nodes \"a\" is forbidden: node \"a\" is not allowed to set the following labels: node-restriction.kubernetes.io/team";
    let label = "node-restriction.kubernetes.io/team";
    check(&server, &make, node("a", label), 403, reserved).await;
    check(&server, &make, node("a", "kubernetes.io/os"), 201, "").await;
    let itself = format!("PATCH {NODES}/a");
    let taints = json!({"spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}});
    let message = "nodes \"a\" is forbidden: node \"a\" is not allowed to modify taints";
    check(&server, &itself, taints, 403, message).await;
    let owner = json!({"apiVersion": "v1", "kind": "Namespace", "name": "gone", "uid": "u"});
    let owned = json!({"metadata": {"ownerReferences": [owner]}});
    let message = "nodes \"a\" is forbidden: node \"a\" is not allowed to modify ownerReferences";
    check(&server, &itself, owned, 403, message).await;
    let role = json!({"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}});
    let message = "nodes \"a\" is forbidden: is not allowed to modify labels: node-role.kubernetes.io/control-plane";
    check(&server, &itself, role, 403, message).await;
    let own = json!({"metadata": {"labels": {"example.com/disk": "ssd"}}});
    check(&server, &itself, own, 200, "").await;
}

#[tokio::test]
async fn a_node_reports_on_its_own_pods_only() {
    let server = Server::start().await;
    account(&server).await;
    pod_on(&server, "mine", "a").await;
    pod_on(&server, "theirs", "b").await;
    let running = json!({"status": {"phase": "Running"}});
    let status = |name: &str| format!("PATCH {PODS}/{name}/status");
    check(&server, &status("mine"), running.clone(), 200, "").await;
    let message = "pods \"theirs\" is forbidden: node \"a\" can only update pod status for pods with spec.nodeName set to itself";
    check(&server, &status("theirs"), running, 403, message).await;
    let relabel = json!({"metadata": {"labels": {"a": "b"}}});
    let message = "pods \"mine\" is forbidden: node \"a\" cannot update labels through pod status";
    check(&server, &status("mine"), relabel, 403, message).await;
    let message = "pods \"theirs\" is forbidden: node \"a\" can only delete pods with spec.nodeName set to itself";
    check(&server, &format!("DELETE {PODS}/theirs"), json!(null), 403, message).await;
    let eviction =
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "theirs"}});
    let message =
        "pods \"theirs\" is forbidden: node a can only evict pods with spec.nodeName set to itself";
    check(&server, &format!("POST {PODS}/theirs/eviction"), eviction, 403, message).await;
    let now = json!({"gracePeriodSeconds": 0});
    check(&server, &format!("DELETE {PODS}/mine"), now, 200, "").await;
}

#[tokio::test]
async fn a_node_makes_mirrors_of_its_files_and_no_other_pods() {
    let server = Server::start().await;
    account(&server).await;
    let make = format!("POST {PODS}");
    let message = "pods \"p\" is forbidden: pod does not have \"kubernetes.io/config.mirror\" annotation, node \"a\" can only create mirror pods";
    check(&server, &make, pod("p"), 403, message).await;
    let mut mirror = pod("p");
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "hash"});
    mirror["spec"]["nodeName"] = "a".into();
    let message = "pods \"p\" is forbidden: node \"a\" can only create pods with an owner reference set to itself";
    check(&server, &make, mirror.clone(), 403, message).await;
    let node = json!({"metadata": {"name": "a"}});
    let node = server.check(&format!("POST {NODES}"), node, 201, json!({})).await;
    let owner = json!({"apiVersion": "v1", "kind": "Node", "name": "a", "controller": true, "uid": node["metadata"]["uid"]});
    mirror["metadata"]["ownerReferences"] = json!([owner]);
    let mut greedy = mirror.clone();
    greedy["spec"]["volumes"] = json!([{"name": "v", "secret": {"secretName": "s"}}]);
    let message = "pods \"p\" is forbidden: node \"a\" can not create pods that reference secrets";
    check(&server, &make, greedy.clone(), 403, message).await;
    let token = json!({"sources": [{"serviceAccountToken": {"path": "t"}}]});
    greedy["spec"]["volumes"] = json!([{"name": "v", "projected": token}]);
    let message = "pods \"p\" is forbidden: node \"a\" can not create pods that reference serviceaccounts (via projected volumes)";
    check(&server, &make, greedy.clone(), 403, message).await;
    greedy["spec"]["volumes"] = json!([]);
    greedy["spec"]["resourceClaims"] = json!([{"name": "gpu", "resourceClaimName": "theirs"}]);
    let message =
        "pods \"p\" is forbidden: node \"a\" can not create pods that reference resourceclaims";
    check(&server, &make, greedy, 403, message).await;
    mirror["spec"]["nodeSelector"] = json!({"secret": "label"});
    check(&server, &make, mirror, 201, "").await;
}

/// Asks for a certificate in somebody's name.
fn request_for(name: &str, signer: &str) -> Value {
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "system:nodes");
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = params.serialize_request(&key).unwrap().pem().unwrap();
    let usages = ["digital signature", "client auth"];
    json!({"metadata": {"generateName": "csr-"}, "spec": {"request": STANDARD.encode(pem),
        "signerName": signer, "usages": usages}})
}

#[tokio::test]
async fn a_node_asks_for_certificates_of_its_own_name_only() {
    let server = Server::start().await;
    let make = "POST /apis/certificates.k8s.io/v1/certificatesigningrequests";
    let signer = "kubernetes.io/kube-apiserver-client-kubelet";
    check(&server, make, request_for("system:node:a", signer), 201, "").await;
    let user = UserInfo::new("system:node:a", ["system:nodes"]);
    let foreign = request_for("system:node:b", signer).to_string();
    let answer = server.ask_as(user, make, &[("content-type", "application/json")], foreign).await;
    assert_eq!(answer.code, 403, "{}", answer.body);
    let said = answer.body["message"].as_str().unwrap();
    assert!(said.ends_with("can only create a node CSR with CN=system:node:a"), "{said}");
}

#[tokio::test]
async fn a_node_has_tokens_for_its_pods_only() {
    let server = Server::start().await;
    account(&server).await;
    let pod = pod_on(&server, "mine", "a").await;
    let ask = |bound: Value| json!({"spec": {"boundObjectRef": bound}});
    let token = format!("POST {TOKEN}");
    let message = "serviceaccounts \"web\" is forbidden: node requested token not bound to a pod";
    check(&server, &token, json!({"spec": {}}), 403, message).await;
    let bound =
        |uid: &Value| json!({"apiVersion": "v1", "kind": "Pod", "name": "mine", "uid": uid});
    let message = "serviceaccounts \"web\" is forbidden: node requested token with a pod binding without a uid";
    check(&server, &token, ask(bound(&json!(null))), 403, message).await;
    check(&server, &token, ask(bound(&pod["metadata"]["uid"])), 201, "").await;
    // What pods ask for by themselves lives on, for clients that do not ask again.
    let mut usual = ask(bound(&pod["metadata"]["uid"]));
    usual["spec"]["expirationSeconds"] = 3607.into();
    let given = check(&server, &token, usual, 201, "").await;
    let now = jiff::Timestamp::now().as_second();
    let claims = server.pki.tokens().verify(given["status"]["token"].as_str().unwrap(), now);
    let claims = claims.unwrap();
    assert_eq!(claims.exp - claims.iat, 365 * 24 * 3600);
    assert_eq!(claims.kubernetes.warnafter, Some(claims.iat + 3607));
    let end: jiff::Timestamp =
        given["status"]["expirationTimestamp"].as_str().unwrap().parse().unwrap();
    assert_eq!(end.as_second(), claims.iat + 3607);
    let mut foreign = ask(bound(&pod["metadata"]["uid"]));
    foreign["spec"]["audiences"] = json!(["vault"]);
    let message =
        "serviceaccounts \"web\" is forbidden: audience \"vault\" not found in pod spec volume";
    check(&server, &token, foreign, 403, message).await;
    let message = "serviceaccounts \"default\" is forbidden: User \"system:node:a\" cannot create resource \"serviceaccounts/token\" in API group \"\" in the namespace \"default\": no relationship found between node 'a' and this object";
    let other = "POST /api/v1/namespaces/default/serviceaccounts/default/token";
    check(&server, other, json!({"spec": {}}), 403, message).await;
}

#[tokio::test]
async fn a_node_reads_the_secrets_of_its_pods() {
    let server = Server::start().await;
    account(&server).await;
    let secrets = "/api/v1/namespaces/default/secrets";
    let secret = json!({"metadata": {"name": "key"}});
    server.check(&format!("POST {secrets}"), secret, 201, json!({})).await;
    let message = "secrets \"key\" is forbidden: User \"system:node:a\" cannot get resource \"secrets\" in API group \"\" in the namespace \"default\": no relationship found between node 'a' and this object";
    check(&server, &format!("GET {secrets}/key"), json!(null), 403, message).await;
    let mut object = pod("mine");
    object["spec"]["nodeName"] = "a".into();
    object["spec"]["serviceAccountName"] = "web".into();
    object["spec"]["volumes"] = json!([{"name": "v", "secret": {"secretName": "key"}}]);
    server.check(&format!("POST {PODS}"), object, 201, json!({})).await;
    check(&server, &format!("GET {secrets}/key"), json!(null), 200, "").await;
    let one = format!("GET {secrets}?fieldSelector=metadata.name%3Dkey");
    check(&server, &one, json!(null), 200, "").await;
    let own = format!("GET {PODS}?fieldSelector=spec.nodeName%3Da");
    check(&server, &own, json!(null), 200, "").await;
    // What looks like a term is part of a value that nothing has.
    let tricky = format!("GET {PODS}?fieldSelector=metadata.name!%3Dx%5C,spec.nodeName%3Da");
    let message = "pods is forbidden: User \"system:node:a\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\": can only list/watch pods with spec.nodeName field selector";
    check(&server, &tricky, json!(null), 403, message).await;
    let tricky = format!("GET {secrets}?fieldSelector=type!%3Dx%5C,metadata.name%3Dkey");
    let message = "secrets is forbidden: User \"system:node:a\" cannot list resource \"secrets\" in API group \"\" in the namespace \"default\": No Object name found";
    check(&server, &tricky, json!(null), 403, message).await;
}

#[tokio::test]
async fn claims_and_volumes_are_protected_from_the_start() {
    let server = Server::start().await;
    let claims = "/api/v1/namespaces/default/persistentvolumeclaims";
    let claim = json!({"metadata": {"name": "data"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let protected = json!({"metadata": {"finalizers": ["kubernetes.io/pvc-protection"]}});
    server.check(&format!("POST {claims}"), claim, 201, protected).await;
    let going = server.check(&format!("DELETE {claims}/data"), json!(null), 200, json!({})).await;
    assert!(going["metadata"]["deletionTimestamp"].is_string(), "{going}");
    let volume = json!({"metadata": {"name": "disk"}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}});
    let protected = json!({"metadata": {"finalizers": ["kubernetes.io/pv-protection"]}});
    server.check("POST /api/v1/persistentvolumes", volume, 201, protected).await;
}
