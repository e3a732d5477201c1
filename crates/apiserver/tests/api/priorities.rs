//! PriorityClasses, and what pods get from them.

use serde_json::{Value, json};

use crate::support::{PODS, Server, pod};

const CLASSES: &str = "/apis/scheduling.k8s.io/v1/priorityclasses";

fn with(name: &str, field: &str, value: Value) -> Value {
    let mut pod = pod(name);
    pod["spec"][field] = value;
    pod
}

fn forbidden(pod: &str, why: &str) -> Value {
    json!({"reason": "Forbidden", "message": format!("pods \"{pod}\" is forbidden: {why}")})
}

#[tokio::test]
async fn a_pod_has_the_priority_of_its_class() {
    let server = Server::start().await;
    let post = format!("POST {PODS}");
    let plain = json!({"spec": {"priority": 0, "preemptionPolicy": "PreemptLowerPriority"}});
    server.check(&post, pod("plain"), 201, plain).await;
    let critical = with("a", "priorityClassName", "system-node-critical".into());
    server.check(&post, critical, 201, json!({"spec": {"priority": 2_000_001_000}})).await;
    let why = "no PriorityClass with name nope was found";
    let wrong = with("b", "priorityClassName", "nope".into());
    server.check(&post, wrong, 403, forbidden("b", why)).await;
    let why = "the integer value of priority (7) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name";
    server.check(&post, with("c", "priority", 7.into()), 403, forbidden("c", why)).await;
}

#[tokio::test]
async fn one_class_may_be_everybodys() {
    let server = Server::start().await;
    let post = format!("POST {CLASSES}");
    let class = |name: &str, default: bool| json!({"metadata": {"name": name}, "value": 5, "globalDefault": default, "preemptionPolicy": "Never"});
    server.check(&post, class("usual", true), 201, json!({})).await;
    let why = json!({"message": "priorityclasses.scheduling.k8s.io \"other\" is forbidden: PriorityClass usual is already marked as default. Only one default can exist"});
    server.check(&post, class("other", true), 403, why.clone()).await;
    server.check(&post, class("other", false), 201, json!({})).await;
    let change = json!({"globalDefault": true});
    server.check(&format!("PATCH {CLASSES}/other"), change, 403, why).await;
    let spec = json!({"priorityClassName": "usual", "priority": 5, "preemptionPolicy": "Never"});
    server.check(&format!("POST {PODS}"), pod("a"), 201, json!({ "spec": spec })).await;
}
