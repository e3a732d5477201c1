//! Admission webhooks: a real HTTPS server that the API server calls.

pub mod server;

use serde_json::{Value, json};

use self::server::{Hooks, patch};
use crate::support::{CONFIG_MAPS, PODS, Server, admin, deployment, pod};

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

fn rule(operations: &[&str], group: &str, version: &str, resource: &str) -> Value {
    json!({"operations": operations, "apiGroups": [group], "apiVersions": [version],
        "resources": [resource]})
}

fn hook(client: Value, rules: Value) -> Value {
    json!({"name": "hook.example.com", "sideEffects": "None", "clientConfig": client,
        "admissionReviewVersions": ["v1", "v1beta1"], "timeoutSeconds": 10, "rules": rules})
}

async fn configure(server: &Server, kind: &str, name: &str, hooks: Value) {
    let path = format!("POST {GROUP}/{kind}webhookconfigurations");
    let body = json!({"metadata": {"name": name}, "webhooks": hooks});
    server.check(&path, body, 201, json!({})).await;
}

fn config_map(name: &str, data: Value) -> Value {
    json!({"metadata": {"name": name}, "data": data})
}

/// Refuses what has a key `no`, and counts what it sees.
fn refusing(request: &Value) -> Value {
    let refused =
        [&request["object"], &request["oldObject"]].iter().any(|o| o["data"]["no"] == "no");
    let why = json!({"message": "the data says no", "reason": "data", "code": 403});
    json!({"allowed": !refused, "status": if refused { why } else { Value::Null }})
}

#[tokio::test]
async fn a_validating_hook_refuses_creations_changes_and_deletions() {
    let (server, hooks) = (Server::start().await, Hooks::start(refusing).await);
    let all = json!([rule(&["CREATE", "UPDATE", "DELETE"], "", "v1", "configmaps")]);
    configure(&server, "validating", "v", json!([hook(hooks.service(&server).await, all)])).await;
    let denied = json!({"message":
        "admission webhook \"hook.example.com\" denied the request: the data says no"});
    let create = format!("POST {CONFIG_MAPS}");
    server.check(&create, config_map("a", json!({"no": "no"})), 403, denied.clone()).await;
    server.check(&create, config_map("a", json!({"yes": "yes"})), 201, json!({})).await;
    let patch = format!("PATCH {CONFIG_MAPS}/a");
    server.check(&patch, json!({"data": {"no": "no"}}), 403, denied.clone()).await;
    let put = format!("PUT {CONFIG_MAPS}/a");
    server.check(&put, config_map("a", json!({"no": "no"})), 403, denied.clone()).await;
    // Refused while it may not go, and gone once nobody minds.
    let off = format!("DELETE {GROUP}/validatingwebhookconfigurations/v");
    let delete = format!("DELETE {CONFIG_MAPS}/a");
    server.check(&off, Value::Null, 200, json!({})).await;
    server.check(&put, config_map("a", json!({"no": "no"})), 200, json!({})).await;
    let only = json!([rule(&["DELETE"], "", "v1", "configmaps")]);
    configure(&server, "validating", "w", json!([hook(hooks.client(), only)])).await;
    server.check(&delete, Value::Null, 403, denied.clone()).await;
    let all = format!("DELETE {CONFIG_MAPS}");
    server.check(&all, Value::Null, 403, denied).await;
    let off = format!("DELETE {GROUP}/validatingwebhookconfigurations/w");
    server.check(&off, Value::Null, 200, json!({})).await;
    server.check(&delete, Value::Null, 200, json!({})).await;
}

#[tokio::test]
async fn what_a_hook_calls_missing_or_taken_is_not_tried_again() {
    let refusing = |request: &Value| {
        let creates = request["operation"] == "CREATE";
        let (reason, code) = if creates { ("AlreadyExists", 409) } else { ("NotFound", 404) };
        json!({"allowed": false, "status": {"reason": reason, "code": code, "message": "no"}})
    };
    let (server, hooks) = (Server::start().await, Hooks::start(refusing).await);
    server.config_map("old", json!({})).await;
    let all = json!([rule(&["CREATE", "UPDATE"], "", "v1", "configmaps")]);
    configure(&server, "validating", "v", json!([hook(hooks.client(), all)])).await;
    let denied = json!("admission webhook \"hook.example.com\" denied the request: no");
    for (name, code) in [("new", 409), ("old", 404)] {
        let mut object = config_map(name, json!({"k": "v"}));
        object["apiVersion"] = "v1".into();
        object["kind"] = "ConfigMap".into();
        let apply = format!("PATCH {CONFIG_MAPS}/{name}?fieldManager=me");
        let headers = [("content-type", "application/apply-patch+yaml")];
        let answer = server.ask_as(admin(), &apply, &headers, object.to_string()).await;
        assert_eq!((answer.code, &answer.body["message"]), (code, &denied));
    }
}

#[tokio::test]
async fn a_review_tells_what_is_about_to_happen() {
    let (server, hooks) = (Server::start().await, Hooks::start(|_| json!({"allowed": true})).await);
    let all = json!([rule(&["*"], "", "v1", "*")]);
    configure(&server, "validating", "v", json!([hook(hooks.client(), all)])).await;
    let create = format!("POST {CONFIG_MAPS}?fieldManager=me&dryRun=All");
    server.check(&create, config_map("a", json!({"k": "v"})), 201, json!({})).await;
    let seen = hooks.last();
    let expected = json!({
        "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
        "resource": {"group": "", "version": "v1", "resource": "configmaps"},
        "name": "a", "namespace": "default", "operation": "CREATE", "dryRun": true,
        "oldObject": null,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1",
            "fieldManager": "me", "dryRun": ["All"]},
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(seen[field], *value, "{field}");
    }
    assert_eq!(seen["userInfo"]["username"], "admin");
    assert_eq!(seen["object"]["kind"], "ConfigMap");
    assert!(seen["object"]["metadata"]["uid"].is_string());
    server.config_map("a", json!({})).await;
    let delete = format!("DELETE {CONFIG_MAPS}/a?gracePeriodSeconds=5");
    server.check(&delete, Value::Null, 200, json!({})).await;
    let seen = hooks.last();
    assert_eq!((&seen["operation"], &seen["object"]), (&json!("DELETE"), &Value::Null));
    assert_eq!(seen["oldObject"]["metadata"]["name"], "a");
    assert_eq!(seen["options"]["gracePeriodSeconds"], 5);
}

/// Adds one key after the other, as the upstream test's hooks do.
fn staged(request: &Value) -> Value {
    let data = &request["object"]["data"];
    let mut steps = Vec::new();
    for (before, after) in [("start", "stage-1"), ("stage-1", "stage-2")] {
        if !data[before].is_null() && data[after].is_null() {
            steps.push(json!({"op": "add", "path": format!("/data/{after}"), "value": "yes"}));
        }
    }
    steps.truncate(1);
    patch(steps)
}

#[tokio::test]
async fn mutating_hooks_change_an_object_one_after_the_other_and_again_where_needed() {
    let (server, hooks) = (Server::start().await, Hooks::start(staged).await);
    let on = |name: &str, again: &str| {
        let rules = json!([rule(&["CREATE", "UPDATE"], "", "v1", "configmaps")]);
        let mut hook = hook(hooks.client(), rules);
        (hook["name"], hook["reinvocationPolicy"]) = (name.into(), again.into());
        hook
    };
    let both = json!([on("a.example.com", "Never"), on("b.example.com", "Never")]);
    configure(&server, "mutating", "m", both).await;
    let start = config_map("a", json!({"start": "yes"}));
    let expected = json!({"data": {"start": "yes", "stage-1": "yes", "stage-2": "yes"}});
    server.check(&format!("POST {CONFIG_MAPS}"), start, 201, expected.clone()).await;
    let renew = json!({"data": {"stage-2": null}});
    server.check(&format!("PATCH {CONFIG_MAPS}/a"), renew, 200, expected).await;
    let before = hooks.count();
    let off = format!("DELETE {GROUP}/mutatingwebhookconfigurations/m");
    server.check(&off, Value::Null, 200, json!({})).await;
    let again = json!([on("a.example.com", "IfNeeded"), on("b.example.com", "Never")]);
    configure(&server, "mutating", "m", again).await;
    let start = config_map("b", json!({"start": "yes"}));
    server.check(&format!("POST {CONFIG_MAPS}"), start, 201, json!({})).await;
    assert_eq!(hooks.count() - before, 3, "the first hook sees what the second one did");
}

#[tokio::test]
async fn what_a_hook_changes_is_defaulted_validated_and_pruned() {
    let hooks = Hooks::start(|request| {
        let add = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
        match request["kind"]["kind"].as_str() {
            Some("Pod") => {
                patch(vec![add("/spec/initContainers", json!([{"name": "w", "image": "i"}]))])
            }
            _ => patch(vec![add("/data", json!({"known": "yes", "other": "no"}))]),
        }
    });
    let (server, hooks) = (Server::start().await, hooks.await);
    let rules =
        json!([rule(&["CREATE"], "", "v1", "pods"), rule(&["CREATE"], "e.io", "v1", "ships")]);
    configure(&server, "mutating", "m", json!([hook(hooks.client(), rules)])).await;
    let expected = json!({"spec": {"initContainers": [
        {"name": "w", "terminationMessagePolicy": "File"}]}});
    server.check(&format!("POST {PODS}"), pod("p"), 201, expected).await;
    let schema = json!({"type": "object", "properties": {"data": {"type": "object",
        "properties": {"known": {"type": "string"}}}}});
    let definition = json!({"metadata": {"name": "ships.e.io"}, "spec": {"group": "e.io",
        "scope": "Namespaced", "names": {"plural": "ships", "kind": "Ship"},
        "versions": [{"name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": schema}}]}});
    server.check(&format!("POST {DEFINITIONS}"), definition, 201, json!({})).await;
    let ships = "POST /apis/e.io/v1/namespaces/default/ships";
    let ship = json!({"apiVersion": "e.io/v1", "kind": "Ship", "metadata": {"name": "s"}});
    let made = server.check(ships, ship, 201, json!({})).await;
    assert_eq!(made["data"], json!({"known": "yes"}));
}

#[tokio::test]
async fn a_hook_that_fails_refuses_or_is_ignored_as_it_says() {
    let (server, hooks) = (Server::start().await, Hooks::slow().await);
    let rules = json!([rule(&["CREATE"], "", "v1", "configmaps")]);
    let set = |client: Value, policy: &str| {
        let mut hook = hook(client, rules.clone());
        (hook["failurePolicy"], hook["timeoutSeconds"]) = (policy.into(), 1.into());
        json!([hook])
    };
    let off = format!("DELETE {GROUP}/validatingwebhookconfigurations/v");
    let create = format!("POST {CONFIG_MAPS}");
    configure(&server, "validating", "v", set(hooks.client(), "Fail")).await;
    let url = hooks.url();
    let late = format!(
        "Internal error occurred: failed calling webhook \"hook.example.com\": failed to call webhook: Post \"{url}?timeout=1s\": context deadline exceeded"
    );
    let expected = json!({"reason": "InternalError", "message": late});
    server.check(&create, config_map("a", json!({})), 500, expected).await;
    server.check(&off, Value::Null, 200, json!({})).await;
    configure(&server, "validating", "v", set(hooks.client(), "Ignore")).await;
    server.check(&create, config_map("a", json!({})), 201, json!({})).await;
    server.check(&off, Value::Null, 200, json!({})).await;
    // Nobody vouches for it.
    configure(&server, "validating", "v", set(json!({"url": url}), "Fail")).await;
    let answer = server.ask(&create, config_map("b", json!({}))).await;
    let message = answer.body["message"].as_str().unwrap();
    assert_eq!(answer.code, 500);
    assert!(message.ends_with("x509: certificate signed by unknown authority"), "{message}");
    server.check(&off, Value::Null, 200, json!({})).await;
    let nowhere = json!({"service": {"namespace": "default", "name": "none"}});
    configure(&server, "validating", "v", set(nowhere, "Fail")).await;
    let answer = server.ask(&create, config_map("b", json!({}))).await;
    let message = answer.body["message"].as_str().unwrap();
    assert!(message.ends_with(":443/?timeout=1s\": service \"none\" not found"), "{message}");
}

#[tokio::test]
async fn hooks_cannot_touch_what_decides_about_hooks_and_see_only_what_they_select() {
    let hooks = Hooks::start(|_| json!({"allowed": false})).await;
    let server = Server::start().await;
    let mut guard = hook(hooks.client(), json!([rule(&["*"], "*", "*", "*/*")]));
    guard["namespaceSelector"] = json!({"matchLabels": {"guarded": "yes"}});
    configure(&server, "validating", "v", json!([guard])).await;
    // The namespace is not selected.
    server.config_map("a", json!({})).await;
    server
        .check(
            "PATCH /api/v1/namespaces/default",
            json!({"metadata": {"labels": {"guarded": "yes"}}}),
            400,
            json!({}),
        )
        .await;
    configure(&server, "mutating", "m", json!([])).await;
    let off = format!("DELETE {GROUP}/validatingwebhookconfigurations/v");
    server.check(&off, Value::Null, 200, json!({})).await;
    let label = json!({"metadata": {"labels": {"guarded": "yes"}}});
    server.check("PATCH /api/v1/namespaces/default", label, 200, json!({})).await;
    let mut guard = hook(hooks.client(), json!([rule(&["CONNECT"], "", "v1", "pods/attach")]));
    guard["namespaceSelector"] = json!({"matchLabels": {"guarded": "yes"}});
    configure(&server, "validating", "v", json!([guard])).await;
    server.check(&format!("POST {PODS}"), pod("p"), 201, json!({})).await;
    let denied = json!({"message":
        "admission webhook \"hook.example.com\" denied the request without explanation"});
    server.check(&format!("POST {PODS}/p/attach?stdin=true"), Value::Null, 400, denied).await;
    let seen = hooks.last();
    assert_eq!(seen["kind"]["kind"], "PodAttachOptions");
    assert_eq!(seen["object"]["stdin"], true);
    assert_eq!((&seen["name"], &seen["subResource"]), (&json!("p"), &json!("attach")));
}

#[tokio::test]
async fn a_hook_with_side_effects_on_a_dry_run_cannot_be_configured_and_one_may_warn() {
    let hooks = Hooks::start(|_| json!({"allowed": true, "warnings": ["mind the gap"]})).await;
    let server = Server::start().await;
    let rules = json!([rule(&["CREATE"], "", "v1", "configmaps")]);
    let mut bad = hook(hooks.client(), rules.clone());
    bad["sideEffects"] = "Some".into();
    let path = format!("POST {GROUP}/validatingwebhookconfigurations");
    let body = json!({"metadata": {"name": "v"}, "webhooks": [bad]});
    server.check(&path, body, 422, json!({})).await;
    configure(&server, "validating", "v", json!([hook(hooks.client(), rules)])).await;
    let create = format!("POST {CONFIG_MAPS}");
    let answer = server.ask(&create, config_map("a", json!({}))).await;
    assert_eq!(answer.code, 201, "{}", answer.body);
    assert_eq!(answer.headers["warning"], "299 - \"mind the gap\"");
    // What comes after the hook refuses; what the hook said is told all the same.
    let again = server.ask(&create, config_map("a", json!({}))).await;
    assert_eq!((again.code, &again.headers["warning"]), (409, &answer.headers["warning"]));
}

#[tokio::test]
async fn a_subresource_shows_its_own_body_and_another_version_the_one_that_is_wanted() {
    let hooks = Hooks::start(|_| json!({"allowed": false})).await;
    let server = Server::start().await;
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    server.check(&format!("POST {deployments}"), deployment("d"), 201, json!({})).await;
    let rules = json!([
        rule(&["UPDATE"], "apps", "v1", "deployments/scale"),
        rule(&["CREATE"], "", "v1", "events"),
    ]);
    configure(&server, "validating", "v", json!([hook(hooks.client(), rules)])).await;
    let scale = format!("PATCH {deployments}/d/scale");
    server.check(&scale, json!({"spec": {"replicas": 3}}), 400, json!({})).await;
    let seen = hooks.last();
    assert_eq!(
        (&seen["kind"]["kind"], &seen["resource"]["resource"]),
        (&json!("Scale"), &json!("deployments"))
    );
    assert_eq!(
        (&seen["object"]["spec"]["replicas"], &seen["oldObject"]["spec"]["replicas"]),
        (&json!(3), &json!(1))
    );
    // The object itself is no matter of this rule.
    let all = format!("PATCH {deployments}/d");
    server.check(&all, json!({"spec": {"replicas": 2}}), 200, json!({})).await;
    let event = json!({"metadata": {"name": "e"}, "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "a.b/c", "reportingInstance": "i", "action": "a", "reason": "r",
        "type": "Normal", "note": "said", "regarding": {"namespace": "default"}});
    let events = "POST /apis/events.k8s.io/v1/namespaces/default/events";
    server.check(events, event, 400, json!({})).await;
    let seen = hooks.last();
    assert_eq!(
        (&seen["kind"]["group"], &seen["requestKind"]["group"]),
        (&json!(""), &json!("events.k8s.io"))
    );
    assert_eq!(seen["object"]["message"], "said");
}

#[tokio::test]
async fn a_hook_is_asked_only_where_its_conditions_hold() {
    let hooks = Hooks::start(|_| json!({"allowed": false})).await;
    let server = Server::start().await;
    let mut picky = hook(hooks.client(), json!([rule(&["CREATE"], "", "v1", "configmaps")]));
    picky["matchConditions"] = json!([
        {"name": "kind", "expression": "request.operation == 'CREATE'"},
        {"name": "expression-1", "expression": "object.data.k == 'no'"},
    ]);
    configure(&server, "validating", "v", json!([picky])).await;
    let post = format!("POST {CONFIG_MAPS}");
    server.check(&post, config_map("a", json!({"k": "yes"})), 201, json!({})).await;
    assert_eq!(hooks.count(), 0);
    server.check(&post, config_map("b", json!({"k": "no"})), 400, json!({})).await;
    // What cannot be evaluated is refused without asking.
    let why = "configmaps \"b\" is forbidden: expression 'object.data.k == 'no'' resulted in error: no such key: k";
    let expected = json!({"message": why, "reason": "Forbidden"});
    server.check(&post, config_map("b", json!({})), 403, expected).await;
    assert_eq!(hooks.count(), 1);
    let ignore = json!({"webhooks": null});
    let path = format!("{GROUP}/validatingwebhookconfigurations/v");
    server.check(&format!("PATCH {path}"), ignore, 200, json!({})).await;
    server.check(&post, config_map("b", json!({})), 201, json!({})).await;
}
