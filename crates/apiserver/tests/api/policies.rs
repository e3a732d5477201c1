//! Admission policies: what expressions refuse, warn of and change, and where.

mod kubectl;
mod mutating;
mod parameters;

use serde_json::{Value, json};

use crate::support::{CONFIG_MAPS, Server, UserInfo, admin, deployment};

pub const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

pub fn rule(group: &str, resource: &str) -> Value {
    json!({"operations": ["CREATE", "UPDATE"], "apiGroups": [group], "apiVersions": ["v1"],
        "resources": [resource]})
}

/// Makes a policy, with more in its spec, for these resources.
pub async fn policy(server: &Server, name: &str, rules: Value, more: Value) -> Value {
    let mut spec = json!({"matchConstraints": {"resourceRules": rules}});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let kind = if more.get("mutations").is_some() { "mutating" } else { "validating" };
    let path = format!("POST {GROUP}/{kind}admissionpolicies");
    server.check(&path, json!({"metadata": {"name": name}, "spec": spec}), 201, json!({})).await
}

/// Puts a policy in force.
pub async fn bind(server: &Server, policy: &str, more: Value) {
    let mut spec = json!({"policyName": policy, "validationActions": ["Deny"]});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let body = json!({"metadata": {"name": format!("{policy}-binding")}, "spec": spec});
    let path = format!("POST {GROUP}/validatingadmissionpolicybindings");
    let made = server.check(&path, body, 201, json!({})).await;
    assert!(made["metadata"]["name"].is_string());
}

fn sized(name: &str, replicas: u32) -> Value {
    let mut deployment = deployment(name);
    deployment["spec"]["replicas"] = replicas.into();
    deployment
}

#[tokio::test]
async fn a_policy_refuses_what_violates_it_once_it_is_bound() {
    let server = Server::start().await;
    let validations = json!([
        {"expression": "object.spec.replicas > 1",
            "messageExpression": "'wants replicas > 1, got ' + object.spec.replicas"},
        {"expression": "namespaceObject.metadata.name == 'default'"},
    ]);
    let rules = json!([rule("apps", "deployments")]);
    policy(&server, "p", rules, json!({"validations": validations})).await;
    let post = format!("POST {DEPLOYMENTS}");
    server.check(&post, sized("free", 1), 201, json!({})).await;
    bind(&server, "p", json!({})).await;
    let message = "deployments.apps \"d\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p-binding' denied request: failed expression: object.spec.replicas > 1";
    let cause = message.split_once("forbidden: ").unwrap().1;
    let denied = json!({"message": message, "reason": "Invalid",
        "details": {"name": "d", "group": "apps", "kind": "deployments", "causes": [{"message": cause}]}});
    server.check(&post, sized("d", 1), 422, denied).await;
    server.check(&post, sized("d", 2), 201, json!({})).await;
    let patch = format!("PATCH {DEPLOYMENTS}/d");
    server.check(&patch, json!({"spec": {"replicas": 1}}), 422, json!({})).await;
    // Another resource is no matter of it, and neither is its own scale.
    server.check(&format!("{patch}/scale"), json!({"spec": {"replicas": 1}}), 200, json!({})).await;
    let off = format!("DELETE {GROUP}/validatingadmissionpolicybindings/p-binding");
    server.check(&off, Value::Null, 200, json!({})).await;
    server.check(&post, sized("e", 1), 201, json!({})).await;
}

#[tokio::test]
async fn variables_conditions_and_reasons_are_the_policys() {
    let server = Server::start().await;
    let more = json!({
        "matchConditions": [{"name": "not-free", "expression": "!object.metadata.name.startsWith('free')"}],
        "variables": [{"name": "size", "expression": "size(object.data)"},
            {"name": "odd", "expression": "variables.size % 2 == 1"}],
        "validations": [{"expression": "variables.odd", "message": "an odd number of keys",
            "reason": "Forbidden"}],
    });
    policy(&server, "odd", json!([rule("", "configmaps")]), more).await;
    bind(&server, "odd", json!({})).await;
    let map = |name: &str, data: Value| json!({"metadata": {"name": name}, "data": data});
    let post = format!("POST {CONFIG_MAPS}");
    let denied = json!({"code": 403, "reason": "Forbidden", "message":
        "configmaps \"a\" is forbidden: ValidatingAdmissionPolicy 'odd' with binding 'odd-binding' denied request: an odd number of keys"});
    server.check(&post, map("a", json!({"x": "1", "y": "2"})), 403, denied).await;
    server.check(&post, map("a", json!({"x": "1"})), 201, json!({})).await;
    server.check(&post, map("free-a", json!({"x": "1", "y": "2"})), 201, json!({})).await;
    // Without data there is no size: an error refuses unless the policy says otherwise.
    let answer = server.ask(&post, json!({"metadata": {"name": "b"}})).await;
    assert_eq!(answer.code, 422, "{}", answer.body);
    let ignore = json!({"spec": {"failurePolicy": "Ignore"}});
    let path = format!("PATCH {GROUP}/validatingadmissionpolicies/odd");
    server.check(&path, ignore, 200, json!({"metadata": {"generation": 2}})).await;
    server.check(&post, json!({"metadata": {"name": "b"}}), 201, json!({})).await;
}

#[tokio::test]
async fn a_binding_narrows_and_may_only_warn() {
    let server = Server::start().await;
    let more = json!({"validations": [{"expression": "false", "message": "no"}]});
    policy(&server, "never", json!([rule("", "configmaps")]), more).await;
    let only = json!({"validationActions": ["Warn"], "matchResources": {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}},
        "objectSelector": {"matchLabels": {"a": "b"}}}});
    bind(&server, "never", only).await;
    let post = format!("POST {CONFIG_MAPS}");
    let answer = server.ask(&post, json!({"metadata": {"name": "a", "labels": {"a": "b"}}})).await;
    assert_eq!(answer.code, 201, "{}", answer.body);
    assert_eq!(
        answer.headers["warning"],
        "299 - \"Validation failed for ValidatingAdmissionPolicy 'never' with binding 'never-binding': no\""
    );
    let answer = server.ask(&post, json!({"metadata": {"name": "b"}})).await;
    assert_eq!((answer.code, answer.headers.get("warning")), (201, None));
}

#[tokio::test]
async fn a_policy_may_ask_what_the_writer_may() {
    let server = Server::start().await;
    let expression = "authorizer.requestResource.check('approve').allowed()";
    let more = json!({"validations": [{"expression": expression, "message": "not yours"}]});
    policy(&server, "mine", json!([rule("", "configmaps")]), more).await;
    bind(&server, "mine", json!({})).await;
    let role = json!({"metadata": {"name": "writer"}, "rules": [
        {"verbs": ["create"], "apiGroups": [""], "resources": ["configmaps"]}]});
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    server.check(&format!("POST {rbac}/clusterroles"), role, 201, json!({})).await;
    let binding = json!({"metadata": {"name": "writer"},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "u"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "writer"}});
    server.check(&format!("POST {rbac}/clusterrolebindings"), binding, 201, json!({})).await;
    let ask = |user: UserInfo, name: &str| {
        let body = json!({"metadata": {"name": name}}).to_string();
        let server = &server;
        async move {
            let headers = [("content-type", "application/json")];
            server.ask_as(user, &format!("POST {CONFIG_MAPS}"), &headers, body).await.code
        }
    };
    assert_eq!(ask(UserInfo::new("u", ["g"]), "a").await, 422);
    assert_eq!(ask(admin(), "a").await, 201);
}

#[tokio::test]
async fn types_are_checked_as_a_policy_is_written_and_no_policy_judges_policies() {
    let server = Server::start().await;
    let more = json!({"validations": [{"expression": "object.spec.replicas > 1"}]});
    let rules = json!([rule("apps", "deployments")]);
    let made = policy(&server, "right", rules.clone(), more).await;
    assert_eq!(made["status"], json!({"observedGeneration": 1, "typeChecking": {}}));
    let more = json!({"validations": [{"expression": "object.spec.replicas > '1'"}]});
    let made = policy(&server, "confused", rules, more).await;
    let warning = &made["status"]["typeChecking"]["expressionWarnings"][0];
    assert_eq!(warning["fieldRef"], "spec.validations[0].expression");
    let text = warning["warning"].as_str().unwrap();
    assert!(text.contains("found no matching overload for '_>_' applied to '(int, string)'"));
    let all = json!([{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"],
        "resources": ["*/*"]}]);
    policy(&server, "nothing", all, json!({"validations": [{"expression": "false"}]})).await;
    bind(&server, "nothing", json!({})).await;
    let post = format!("POST {CONFIG_MAPS}");
    server.check(&post, json!({"metadata": {"name": "a"}}), 422, json!({})).await;
    let off = format!("DELETE {GROUP}/validatingadmissionpolicies/nothing");
    server.check(&off, Value::Null, 200, json!({})).await;
    server.check(&post, json!({"metadata": {"name": "a"}}), 201, json!({})).await;
}

#[tokio::test]
async fn policies_are_in_force_after_a_restart() {
    let server = Server::start().await;
    let more = json!({"validations": [{"expression": "false"}]});
    policy(&server, "never", json!([rule("", "configmaps")]), more).await;
    bind(&server, "never", json!({})).await;
    let server = server.restart().await;
    let post = format!("POST {CONFIG_MAPS}");
    server.check(&post, json!({"metadata": {"name": "a"}}), 422, json!({})).await;
}
