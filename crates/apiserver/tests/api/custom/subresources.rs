use serde_json::{Value, json};

use super::{TABS, server_with, tab, with_versions};
use crate::support::Server;

async fn server() -> Server {
    let count = json!({"type": "object", "properties": {"replicas": {"type": "integer"},
        "selector": {"type": "string"}}});
    server_with(with_versions(json!([{
        "name": "v1", "served": true, "storage": true,
        "schema": {"openAPIV3Schema": {"type": "object",
            "properties": {"spec": count, "status": count}}},
        "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector"}},
    }])))
    .await
}

fn with_status(spec: Value, status: Value) -> Value {
    let mut object = tab("one", spec);
    object["status"] = status;
    object
}

#[tokio::test]
async fn spec_and_status_are_written_apart() {
    let server = server().await;
    let object = with_status(json!({"replicas": 1}), json!({"replicas": 9}));
    let made = server.check(&format!("POST {TABS}"), object, 201, json!({})).await;
    assert!(made["status"].is_null());
    let both = json!({"spec": {"replicas": 2}, "status": {"replicas": 2}});
    let spec = server.check(&format!("PATCH {TABS}/one"), both.clone(), 200, json!({})).await;
    assert!(spec["status"].is_null());
    assert_eq!(spec["metadata"]["generation"], 2);
    let other = json!({"spec": {"replicas": 7}, "status": {"replicas": 2}});
    server
        .check(
            &format!("PATCH {TABS}/one/status"),
            other,
            200,
            json!({
            "spec": {"replicas": 2}, "status": {"replicas": 2}, "metadata": {"generation": 2}}),
        )
        .await;
    let wrong = json!({"status": {"replicas": "x"}});
    server.check(&format!("PATCH {TABS}/one/status"), wrong, 422, json!({})).await;
}

#[tokio::test]
async fn the_size_is_where_the_definition_says() {
    let server = server().await;
    let path = format!("{TABS}/one/scale");
    server.check(&format!("POST {TABS}"), tab("one", json!({"replicas": 1})), 201, json!({})).await;
    let status = json!({"status": {"replicas": 1, "selector": "a=b"}});
    server.check(&format!("PATCH {TABS}/one/status"), status, 200, json!({})).await;
    server
        .check(
            &format!("GET {path}"),
            json!(null),
            200,
            json!({"kind": "Scale",
            "spec": {"replicas": 1}, "status": {"replicas": 1, "selector": "a=b"}}),
        )
        .await;
    let five = json!({"spec": {"replicas": 5}});
    server.check(&format!("PATCH {path}"), five, 200, json!({"spec": {"replicas": 5}})).await;
    server
        .check(&format!("GET {TABS}/one"), json!(null), 200, json!({"spec": {"replicas": 5}}))
        .await;
    let refused = async |replicas: i64, why: &str| {
        let wrong = json!({"spec": {"replicas": replicas}});
        let why = format!(".spec.replicas: Invalid value: {replicas}: {why}");
        let message = format!("Tab.example.com \"one\" is invalid: {why}");
        let expected = json!({"message": message});
        server.check(&format!("PATCH {TABS}/one"), wrong.clone(), 422, expected.clone()).await;
        if i32::try_from(replicas).is_ok() {
            server.check(&format!("PATCH {path}"), wrong, 422, expected).await;
        }
    };
    refused(-1, "should be a non-negative integer").await;
    refused(2_147_483_648, "should be less than or equal to 2147483647").await;
}

#[tokio::test]
async fn an_object_without_a_size_has_no_scale_until_one_is_written() {
    let server = server().await;
    let path = format!("{TABS}/one/scale");
    server.check(&format!("POST {TABS}"), tab("one", json!({})), 201, json!({})).await;
    let message =
        "Internal error occurred: the spec replicas field \".spec.replicas\" does not exist";
    server.check(&format!("GET {path}"), json!(null), 500, json!({"message": message})).await;
    let three = json!({"spec": {"replicas": 3}});
    server.check(&format!("PATCH {path}"), three.clone(), 200, three).await;
    let zero = json!({"spec": {"replicas": 0}});
    let scale = server.check(&format!("PATCH {path}"), zero, 200, json!({})).await;
    assert_eq!((&scale["spec"], &scale["status"]), (&json!({}), &json!({"replicas": 0})));
    let unnamed = json!({"kind": "Scale", "apiVersion": "autoscaling/v1"});
    let message =
        "the name of the object (one based on URL) was undeterminable: name must be provided";
    server.check(&format!("PUT {path}"), unnamed, 400, json!({"message": message})).await;
}
