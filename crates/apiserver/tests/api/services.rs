//! Service addresses and node ports.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::{Value, json};

use super::support::Server;

const SERVICES: &str = "/api/v1/namespaces/default/services";

fn service(name: &str, spec: Value) -> Value {
    let mut object = json!({"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}});
    for (key, value) in spec.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    object
}

async fn make(server: &Server, name: &str, spec: Value) -> Value {
    server.check(&format!("POST {SERVICES}"), service(name, spec), 201, json!({})).await
}

#[tokio::test]
async fn the_api_is_a_service_of_its_own() {
    let server = Server::start().await;
    let expected = json!({"spec": {"clusterIP": "10.43.0.1", "ports": [{"name": "https", "port": 443, "targetPort": 6443}]}});
    server.check(&format!("GET {SERVICES}/kubernetes"), json!(null), 200, expected).await;
    let slice = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes";
    let expected = json!({"addressType": "IPv4", "endpoints": [{"addresses": ["10.42.0.1"]}], "ports": [{"port": 6443}]});
    server.check(&format!("GET {slice}"), json!(null), 200, expected).await;
    let before = server.store.revision();
    server.api.bootstrap().await.unwrap();
    assert_eq!(server.store.revision(), before);
}

#[tokio::test]
async fn services_made_at_once_get_addresses_of_their_own() {
    let server = Server::start().await;
    let names: Vec<String> = (0..40).map(|index| format!("s{index}")).collect();
    let made =
        join_all(names.iter().map(|name| make(&server, name, json!({"type": "NodePort"})))).await;
    let distinct = |pointer: &str| -> BTreeSet<String> {
        made.iter().map(|service| service.pointer(pointer).unwrap().to_string()).collect()
    };
    assert_eq!(distinct("/spec/clusterIP").len(), 40);
    assert_eq!(distinct("/spec/ports/0/nodePort").len(), 40);
    for service in &made {
        assert_eq!(service["spec"]["clusterIPs"][0], service["spec"]["clusterIP"]);
    }
}

#[tokio::test]
async fn an_address_in_use_is_refused_and_free_after_deletion() {
    let server = Server::start().await;
    let wanted = json!({"clusterIP": "10.43.0.77"});
    make(&server, "a", wanted.clone()).await;
    let post = format!("POST {SERVICES}");
    let taken = json!({"reason": "Invalid", "details": {"causes": [{"field": "spec.clusterIPs"}]}});
    server.check(&post, service("b", wanted.clone()), 422, taken).await;
    let foreign = json!({"clusterIP": "192.168.0.1"});
    server.check(&post, service("b", foreign), 422, json!({"reason": "Invalid"})).await;
    server.check(&format!("DELETE {SERVICES}/a"), json!(null), 200, json!({})).await;
    make(&server, "b", wanted).await;
}

#[tokio::test]
async fn a_headless_service_holds_no_address() {
    let server = Server::start().await;
    let made = make(&server, "a", json!({"clusterIP": "None"})).await;
    assert_eq!(made["spec"]["clusterIP"], "None");
    make(&server, "b", json!({"clusterIP": "None"})).await;
}

#[tokio::test]
async fn an_update_keeps_the_address_and_changes_of_type_free_ports() {
    let server = Server::start().await;
    let made = make(&server, "a", json!({"type": "NodePort"})).await;
    let port = made["spec"]["ports"][0]["nodePort"].clone();
    let mut bare = service("a", json!({"type": "NodePort"}));
    let kept =
        json!({"spec": {"clusterIP": made["spec"]["clusterIP"], "ports": [{"nodePort": port}]}});
    server.check(&format!("PUT {SERVICES}/a"), bare.clone(), 200, kept).await;
    bare["spec"]["type"] = "ClusterIP".into();
    let plain = server.check(&format!("PUT {SERVICES}/a"), bare, 200, json!({})).await;
    assert!(plain["spec"]["ports"][0].get("nodePort").is_none(), "{plain}");
    let again = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": port}]});
    make(&server, "b", again.clone()).await;
    let taken = json!({"reason": "Invalid"});
    server.check(&format!("POST {SERVICES}"), service("c", again), 422, taken).await;
}

#[tokio::test]
async fn a_full_range_says_so() {
    let server = Server::start().await;
    let mut made = 0;
    loop {
        let body = service(&format!("s{made}"), json!({}));
        let answer = server.ask(&format!("POST {SERVICES}"), body).await;
        if answer.code != 201 {
            assert_eq!(answer.code, 422, "{}", answer.body);
            assert!(answer.body["message"].as_str().unwrap().contains("is full"));
            break;
        }
        made += 1;
    }
    assert_eq!(made, 256 - 1 - 16);
}

#[tokio::test]
async fn a_service_changes_its_type_to_and_fro() {
    let server = Server::start().await;
    let made = make(&server, "web", json!({})).await;
    let path = format!("PATCH {SERVICES}/web");
    let to = |kind: &str| json!({"spec": {"type": kind}});
    let external = json!({"spec": {"externalTrafficPolicy": "Cluster"}});
    server.check(&path, to("NodePort"), 200, external.clone()).await;
    server.check(&path, to("LoadBalancer"), 200, external).await;
    let back = server.check(&path, to("ClusterIP"), 200, json!({})).await;
    assert_eq!(back["spec"], made["spec"]);
}
