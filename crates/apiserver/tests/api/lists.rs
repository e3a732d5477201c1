//! Lists: pages, selectors, revisions.

use serde_json::{Value, json};
use store::Revision;

use super::support::{CONFIG_MAPS, Server, admin, names, version};

async fn list(server: &Server, query: &str) -> Value {
    server.check(&format!("GET {CONFIG_MAPS}?{query}"), json!(null), 200, json!({})).await
}

async fn refused(server: &Server, query: &str, code: u16, reason: &str) {
    let expected = json!({"reason": reason});
    server.check(&format!("GET {CONFIG_MAPS}?{query}"), json!(null), code, expected).await;
}

async fn five(server: &Server) {
    for name in ["a", "b", "c", "d", "e"] {
        let parity = if matches!(name, "a" | "c" | "e") { "odd" } else { "even" };
        server.config_map(name, json!({"parity": parity})).await;
    }
}

#[tokio::test]
async fn a_list_is_at_the_stores_revision() {
    let server = Server::start().await;
    five(&server).await;
    let all = list(&server, "").await;
    assert_eq!(all["kind"], "ConfigMapList");
    assert_eq!(version(&all), server.store.revision().to_string());
    assert_eq!(names(&all), ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn pages_show_one_moment() {
    let server = Server::start().await;
    five(&server).await;
    let first = list(&server, "limit=2").await;
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    server.config_map("bb", json!({})).await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = list(&server, &format!("limit=2&continue={token}")).await;
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(version(&second), version(&first));
    let token = second["metadata"]["continue"].as_str().unwrap();
    let third = list(&server, &format!("limit=2&continue={token}")).await;
    assert_eq!(names(&third), ["e"]);
    assert!(third["metadata"].get("continue").is_none());
}

#[tokio::test]
async fn a_page_that_is_no_longer_kept_is_expired() {
    let server = Server::start().await;
    five(&server).await;
    let first = list(&server, "limit=2").await;
    server.config_map("f", json!({})).await;
    server.store.compact(server.store.revision()).await.unwrap();
    let token = first["metadata"]["continue"].as_str().unwrap();
    refused(&server, &format!("limit=2&continue={token}"), 410, "Expired").await;
    // The refusal says how to go on with what is there now.
    let refusal = server.ask(&format!("GET {CONFIG_MAPS}?continue={token}"), json!(null)).await;
    let onward = refusal.body["metadata"]["continue"].as_str().unwrap().to_owned();
    server.check(&format!("DELETE {CONFIG_MAPS}/c"), json!(null), 200, json!({})).await;
    assert_eq!(names(&list(&server, &format!("continue={onward}")).await), ["d", "e", "f"]);
    refused(&server, "continue=rubbish", 400, "BadRequest").await;
    refused(&server, &format!("continue={token}&resourceVersion=5"), 400, "BadRequest").await;
}

#[tokio::test]
async fn a_token_cannot_reach_other_namespaces() {
    let server = Server::start().await;
    five(&server).await;
    let first = list(&server, "limit=2").await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    let path = format!("GET /api/v1/namespaces/kube-system/configmaps?continue={token}");
    // As upstream, the token says after which name to go on, in the namespace that is asked for.
    let all = server.check(&path, json!(null), 200, json!({})).await;
    for item in all["items"].as_array().unwrap() {
        assert_eq!(item["metadata"]["namespace"], "kube-system");
    }
}

#[tokio::test]
async fn selectors_choose() {
    let server = Server::start().await;
    five(&server).await;
    let odd = list(&server, "labelSelector=parity%3Dodd").await;
    assert_eq!(names(&odd), ["a", "c", "e"]);
    let page = list(&server, "labelSelector=parity%3Dodd&limit=2").await;
    assert_eq!(names(&page), ["a", "c"]);
    let token = page["metadata"]["continue"].as_str().unwrap();
    let rest = list(&server, &format!("labelSelector=parity%3Dodd&limit=2&continue={token}")).await;
    assert_eq!(names(&rest), ["e"]);
    assert_eq!(names(&list(&server, "fieldSelector=metadata.name%3Db").await), ["b"]);
    assert_eq!(names(&list(&server, "fieldSelector=metadata.name!%3Db").await).len(), 4);
    refused(&server, "fieldSelector=data.k%3Dv", 400, "BadRequest").await;
    refused(&server, "labelSelector=%3D%3D", 400, "BadRequest").await;
}

#[tokio::test]
async fn a_list_may_be_of_the_past() {
    let server = Server::start().await;
    five(&server).await;
    let then = server.store.revision();
    server.config_map("f", json!({})).await;
    let past = format!("resourceVersion={then}&resourceVersionMatch=");
    assert_eq!(names(&list(&server, &format!("{past}Exact")).await).len(), 5);
    assert_eq!(names(&list(&server, &format!("{past}NotOlderThan")).await).len(), 6);
    server.store.compact(server.store.revision()).await.unwrap();
    refused(&server, &format!("{past}Exact"), 410, "Expired").await;
}

#[tokio::test]
async fn a_list_of_the_future_cannot_be_had() {
    let server = Server::start().await;
    let Revision(head) = server.store.revision();
    let future = head + 100;
    for how in ["Exact", "NotOlderThan"] {
        let query = format!("resourceVersion={future}&resourceVersionMatch={how}");
        refused(&server, &query, 504, "Timeout").await;
    }
    refused(&server, "resourceVersionMatch=Exact", 422, "Invalid").await;
    refused(&server, "sendInitialEvents=true", 422, "Invalid").await;
}

#[tokio::test]
async fn a_large_list_is_compressed_for_those_who_take_it() {
    let server = Server::start().await;
    let body = json!({"metadata": {"name": "big"}, "data": {"k": "x".repeat(200_000)}});
    server.check(&format!("POST {CONFIG_MAPS}"), body, 201, json!({})).await;
    let get = format!("GET {CONFIG_MAPS}");
    let packed = server.send(admin(), &get, &[("accept-encoding", "gzip")], "").await;
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let plain = server.send(admin(), &get, &[], "").await;
    assert!(!plain.headers().contains_key("content-encoding"));
}

#[tokio::test]
async fn a_table_has_a_row_for_each_object() {
    let server = Server::start().await;
    five(&server).await;
    let accept = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let get = format!("GET {CONFIG_MAPS}?includeObject=None");
    let table = server.ask_as(admin(), &get, &accept, "").await.body;
    assert_eq!(table["kind"], "Table");
    assert_eq!(table["rows"].as_array().unwrap().len(), 5);
    assert!(table["rows"][0].get("object").is_none());
    assert_eq!(table["columnDefinitions"][0]["name"], "Name");
}
