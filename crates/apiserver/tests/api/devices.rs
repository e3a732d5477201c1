//! Claims for devices: who may bind them, who tells of devices, and who may have those of others.

use sampan_apiserver::UserInfo;
use serde_json::{Value, json};

use super::support::Server;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const CLAIMS: &str = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims";

fn claim(exactly: Value) -> Value {
    let mut wanted = json!({"deviceClassName": "c"});
    wanted.as_object_mut().unwrap().extend(exactly.as_object().unwrap().clone());
    json!({"metadata": {"name": "a"}, "spec": {"devices": {"requests": [
        {"name": "gpu", "exactly": wanted}]}}})
}

fn given() -> Value {
    json!({"devices": {"results": [{"request": "gpu", "driver": "d.io", "pool": "p", "device": "x"}]}})
}

/// Gives bob these verbs on these resources.
async fn allow(server: &Server, name: &str, verbs: &[&str], resource: &str) {
    let role = json!({"metadata": {"name": name}, "rules": [
        {"apiGroups": ["resource.k8s.io"], "resources": [resource], "verbs": verbs}]});
    server.check(&format!("POST {RBAC}/clusterroles"), role, 201, json!({})).await;
    let binding = json!({"metadata": {"name": name}, "subjects": [{"kind": "User", "name": "bob",
        "apiGroup": "rbac.authorization.k8s.io"}], "roleRef": {"kind": "ClusterRole", "name": name,
        "apiGroup": "rbac.authorization.k8s.io"}});
    server.check(&format!("POST {RBAC}/clusterrolebindings"), binding, 201, json!({})).await;
}

/// Bob writes the claim's status; nothing, or what is said of it.
#[track_caller]
fn check_bob(server: &Server, status: Value, expected: &'static str) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let headers = [("content-type", "application/merge-patch+json")];
        let body = json!({"status": status}).to_string();
        let bob = UserInfo::new("bob", ["people"]);
        let answer = server.ask_as(bob, &format!("PATCH {CLAIMS}/a/status"), &headers, body).await;
        let code = if expected.is_empty() { 200 } else { 422 };
        assert_eq!(answer.code, code, "{caller}: {}", answer.body);
        let said = answer.body["message"].as_str().unwrap_or("");
        assert_eq!(said, expected, "{caller}");
    }
}

#[tokio::test]
async fn a_claim_is_bound_and_told_of_by_who_may() {
    let server = Server::start().await;
    server.check(&format!("POST {CLAIMS}"), claim(json!({})), 201, json!({})).await;
    allow(&server, "status", &["patch"], "resourceclaims/status").await;
    check_bob(
        &server,
        json!({"allocation": given()}),
        "ResourceClaim.resource.k8s.io \"a\" is invalid: status: Forbidden: changing status.allocation or status.reservedFor requires resource=\"resourceclaims/binding\", verb=\"patch\" permission: resourceclaims.resource.k8s.io is forbidden: User \"bob\" cannot patch resource \"resourceclaims/binding\" in API group \"resource.k8s.io\" at the cluster scope",
    )
    .await;
    allow(&server, "bind", &["patch"], "resourceclaims/binding").await;
    check_bob(&server, json!({"allocation": given()}), "").await;
    let device = json!({"devices": [{"driver": "d.io", "pool": "p", "device": "x"}]});
    check_bob(
        &server,
        device.clone(),
        "ResourceClaim.resource.k8s.io \"a\" is invalid: status.devices: Forbidden: changing status.devices requires resource=\"resourceclaims/driver\", verb=\"[arbitrary-node:patch]\" permission: resourceclaims.resource.k8s.io \"d.io\" is forbidden: User \"bob\" cannot arbitrary-node:patch resource \"resourceclaims/driver\" in API group \"resource.k8s.io\" in the namespace \"default\"",
    )
    .await;
    allow(&server, "driver", &["arbitrary-node:patch"], "resourceclaims/driver").await;
    check_bob(&server, device, "").await;
}

#[tokio::test]
async fn devices_of_others_are_for_namespaces_that_say_so() {
    let server = Server::start().await;
    let post = format!("POST {CLAIMS}");
    let refused = json!({"message": "ResourceClaim.resource.k8s.io \"a\" is invalid: spec.devices.requests[0].adminAccess: Forbidden: admin access to devices requires the `resource.kubernetes.io/admin-access: true` label on the containing namespace"});
    let wanted = claim(json!({"adminAccess": true}));
    server.check(&post, wanted.clone(), 422, refused).await;
    let label = json!({"metadata": {"labels": {"resource.kubernetes.io/admin-access": "true"}}});
    server.check("PATCH /api/v1/namespaces/default", label, 200, json!({})).await;
    server.check(&post, wanted, 201, json!({})).await;
}
