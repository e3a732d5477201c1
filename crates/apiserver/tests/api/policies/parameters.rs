//! What bindings give to policies.

use serde_json::{Value, json};

use super::{bind, policy, rule};
use crate::support::{CONFIG_MAPS, Server, pod};

const PODS: &str = "/api/v1/namespaces/default/pods";

async fn limited(reference: Value) -> Server {
    let server = Server::start().await;
    let more = json!({
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "validations": [{"expression": "size(object.metadata.name) <= int(params.data.max)",
            "messageExpression": "'at most ' + params.data.max"}],
    });
    policy(&server, "short", json!([rule("", "pods")]), more).await;
    bind(&server, "short", json!({"paramRef": reference})).await;
    server
}

async fn limit(server: &Server, name: &str, max: &str) {
    let map = json!({"metadata": {"name": name, "labels": {"limit": "yes"}}, "data": {"max": max}});
    server.check(&format!("POST {CONFIG_MAPS}"), map, 201, json!({})).await;
}

fn denied(why: &str) -> Value {
    let why = format!(
        "pods \"long\" is forbidden: ValidatingAdmissionPolicy 'short' with binding 'short-binding' denied request: {why}"
    );
    json!({ "message": why })
}

#[tokio::test]
async fn a_named_parameter_is_looked_up_where_the_object_is() {
    let server = limited(json!({"name": "limit", "parameterNotFoundAction": "Deny"})).await;
    let post = format!("POST {PODS}");
    let why = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction";
    server.check(&post, pod("long"), 422, denied(why)).await;
    limit(&server, "limit", "3").await;
    server.check(&post, pod("long"), 422, denied("at most 3")).await;
    server.check(&post, pod("abc"), 201, json!({})).await;
    let more = json!({"data": {"max": "4"}});
    server.check(&format!("PATCH {CONFIG_MAPS}/limit"), more, 200, json!({})).await;
    server.check(&post, pod("long"), 201, json!({})).await;
}

#[tokio::test]
async fn every_selected_parameter_counts_and_none_is_enough_where_that_is_allowed() {
    let selector = json!({"matchLabels": {"limit": "yes"}});
    let reference = json!({"selector": selector, "parameterNotFoundAction": "Allow"});
    let server = limited(reference).await;
    let post = format!("POST {PODS}");
    server.check(&post, pod("whatever"), 201, json!({})).await;
    limit(&server, "a", "9").await;
    limit(&server, "b", "3").await;
    server.check(&post, pod("long"), 422, denied("at most 3")).await;
}

#[tokio::test]
async fn a_kind_of_parameters_that_is_not_served_is_the_policys_fault() {
    let server = Server::start().await;
    let more = json!({"paramKind": {"apiVersion": "example.com/v1", "kind": "Limit"},
        "validations": [{"expression": "true"}]});
    policy(&server, "short", json!([rule("", "pods")]), more).await;
    let reference = json!({"name": "a", "parameterNotFoundAction": "Allow"});
    bind(&server, "short", json!({"paramRef": reference})).await;
    let why = "pods \"long\" is forbidden: ValidatingAdmissionPolicy 'short' denied request: failed to configure policy: failed to find resource referenced by paramKind: 'example.com/v1, Kind=Limit'";
    server.check(&format!("POST {PODS}"), pod("long"), 422, json!({ "message": why })).await;
}
