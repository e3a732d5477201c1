//! Policies that change what is written.

use serde_json::{Value, json};

use super::{GROUP, policy, rule};
use crate::support::{CONFIG_MAPS, Server, deployment};

async fn bind(server: &Server, policy: &str) {
    let body = json!({"metadata": {"name": policy}, "spec": {"policyName": policy}});
    let path = format!("POST {GROUP}/mutatingadmissionpolicybindings");
    server.check(&path, body, 201, json!({})).await;
}

fn apply(expression: &str) -> Value {
    json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}})
}

fn patch(expression: &str) -> Value {
    json!({"patchType": "JSONPatch", "jsonPatch": {"expression": expression}})
}

async fn mutating(server: &Server, name: &str, rules: Value, again: &str, mutations: Value) {
    let more = json!({"reinvocationPolicy": again, "mutations": mutations});
    policy(server, name, rules, more).await;
    bind(server, name).await;
}

#[tokio::test]
async fn a_policy_merges_a_configuration_into_what_is_written() {
    let server = Server::start().await;
    let expression = "Object{metadata: Object.metadata{annotations: {'mutated-by': 'admission-policy'}}, \
        spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{\
        initContainers: [Object.spec.template.spec.initContainers{name: 'mesh', image: 'm'}]}}}}";
    let rules = json!([rule("apps", "deployments")]);
    mutating(&server, "m", rules, "Never", json!([apply(expression)])).await;
    let post = "POST /apis/apps/v1/namespaces/default/deployments";
    let expected = json!({"metadata": {"annotations": {"mutated-by": "admission-policy"}},
        "spec": {"template": {"spec": {"containers": [{"name": "a"}],
            "initContainers": [{"name": "mesh", "terminationMessagePolicy": "File"}]}}}});
    server.check(post, deployment("d"), 201, expected).await;
    let annotation = json!({"metadata": {"annotations": {"mutated-by": "me"}}});
    let expected = json!({"metadata": {"annotations": {"mutated-by": "admission-policy"}}});
    let patch = "PATCH /apis/apps/v1/namespaces/default/deployments/d";
    server.check(patch, annotation, 200, expected).await;
}

#[tokio::test]
async fn policies_see_what_others_did_and_run_again_where_they_ask_for_it() {
    let server = Server::start().await;
    let rules = json!([rule("", "configmaps")]);
    let step = |from: &str, to: &str| {
        patch(&format!(
            "has(object.data.{from}) && !has(object.data.{to}) ? \
             [JSONPatch{{op: 'add', path: '/data/{to}', value: 'yes'}}] : []"
        ))
    };
    mutating(&server, "a", rules.clone(), "IfNeeded", json!([step("two", "three")])).await;
    mutating(&server, "b", rules, "Never", json!([step("one", "two")])).await;
    let map = json!({"metadata": {"name": "a"}, "data": {"one": "yes"}});
    let expected = json!({"data": {"one": "yes", "two": "yes", "three": "yes"}});
    server.check(&format!("POST {CONFIG_MAPS}"), map, 201, expected).await;
}

#[tokio::test]
async fn a_test_in_a_patch_says_whether_the_rest_is_wanted() {
    let server = Server::start().await;
    let expression = "[JSONPatch{op: 'test', path: '/data/k', value: 'v'}, \
        JSONPatch{op: 'replace', path: '/data/k', value: 'w'}]";
    let rules = json!([rule("", "configmaps")]);
    mutating(&server, "t", rules, "Never", json!([patch(expression)])).await;
    let post = format!("POST {CONFIG_MAPS}");
    let map = |name: &str, k: &str| json!({"metadata": {"name": name}, "data": {"k": k}});
    server.check(&post, map("a", "v"), 201, json!({"data": {"k": "w"}})).await;
    server.check(&post, map("b", "x"), 201, json!({"data": {"k": "x"}})).await;
}

#[tokio::test]
async fn a_mutation_that_fails_refuses_the_write() {
    let server = Server::start().await;
    let rules = json!([rule("", "configmaps")]);
    let failing = json!([patch("[JSONPatch{op: 'remove', path: '/data/none'}]")]);
    mutating(&server, "f", rules, "Never", failing).await;
    let post = format!("POST {CONFIG_MAPS}");
    let answer = server.ask(&post, json!({"metadata": {"name": "a"}, "data": {"k": "v"}})).await;
    assert_eq!(answer.code, 422, "{}", answer.body);
    let message = answer.body["message"].as_str().unwrap();
    let start = "policy 'f' with binding 'f' denied request: JSON Patch: ";
    assert!(message.starts_with(start), "{message}");
}
