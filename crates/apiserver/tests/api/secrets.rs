//! Secrets at rest: sealed in the store, plain to their clients, and moved from key to key.

use axum::body::Body;
use http_body_util::BodyExt as _;
use sampan_apiserver::{ApiServer, Config, Pki};
use serde_json::{Value, json};
use store::{Op, Txn};

use super::support::{Server, admin, has};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const PLAIN: &str = "dHJlYXN1cmU=";

fn secret(name: &str) -> Value {
    json!({"metadata": {"name": name}, "data": {"gold": PLAIN}})
}

/// What the store has of a Secret.
fn stored(server: &Server, name: &str) -> String {
    let kv = server.store.get(format!("/registry/secrets/default/{name}").as_bytes()).unwrap();
    String::from_utf8_lossy(&kv.value).into_owned()
}

async fn put(server: &Server, key: &str, value: impl Into<Vec<u8>>) {
    let txn = Txn::new().then(Op::put(key.to_owned(), value.into()));
    server.store.commit(txn).await.unwrap();
}

/// The Secret is what its clients wrote, however they ask.
async fn check_readable(server: &Server, name: &str) {
    let data = json!({"data": {"gold": PLAIN}});
    server.check(&format!("GET {SECRETS}/{name}"), Value::Null, 200, data.clone()).await;
    let list = server.ask(&format!("GET {SECRETS}"), Value::Null).await;
    let items = list.body["items"].as_array().unwrap();
    let found = items.iter().find(|item| item["metadata"]["name"] == name).unwrap();
    assert!(has(found, &data), "{found}");
}

#[tokio::test]
async fn the_store_holds_nothing_of_a_secret_in_plain() {
    let server = Server::start().await;
    server.check(&format!("POST {SECRETS}"), secret("a"), 201, json!({"data": {}})).await;
    let patch = json!({"metadata": {"labels": {"tag": "sextant"}}, "stringData": {"more": "hold"}});
    server.check(&format!("PATCH {SECRETS}/a"), patch, 200, json!({})).await;
    check_readable(&server, "a").await;
    let text = stored(&server, "a");
    assert!(text.starts_with("sampan:aesgcm:v1:"), "{text}");
    for word in [PLAIN, "gold", "sextant", "aG9sZA"] {
        assert!(!text.contains(word), "{text}");
    }
    let selecting = format!("GET {SECRETS}?labelSelector=tag%3Dsextant");
    let selected = server.ask(&selecting, Value::Null).await;
    assert_eq!(selected.body["items"].as_array().unwrap().len(), 1);
    server.config_map("open", json!({})).await;
    let kv = server.store.get(b"/registry/configmaps/default/open").unwrap();
    assert!(kv.value.starts_with(b"{\"apiVersion\""), "other kinds are as they were");
}

#[tokio::test]
async fn watchers_see_secrets_in_plain_also_those_that_go() {
    let server = Server::start().await;
    let path = format!("GET {SECRETS}?watch=true&timeoutSeconds=1&resourceVersion=1");
    server.check(&format!("POST {SECRETS}"), secret("a"), 201, json!({})).await;
    server.check(&format!("DELETE {SECRETS}/a"), Value::Null, 200, json!({})).await;
    let watch = |path: String| {
        let server = &server;
        async move {
            let body: Body = server.send(admin(), &path, &[], "").await.into_body();
            String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
        }
    };
    // Two watchers: one opens what the other finds opened.
    for text in [watch(path.clone()).await, watch(path).await] {
        let events: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["ADDED", "DELETED"]);
        assert!(events.iter().all(|event| event["object"]["data"]["gold"] == PLAIN), "{text}");
    }
}

#[tokio::test]
async fn a_value_in_the_place_of_another_is_not_served() {
    let server = Server::start().await;
    for name in ["a", "b"] {
        server.check(&format!("POST {SECRETS}"), secret(name), 201, json!({})).await;
    }
    let kv = server.store.get(b"/registry/secrets/default/a").unwrap();
    put(&server, "/registry/secrets/default/b", kv.value).await;
    let failed = json!({"reason": "InternalError"});
    server.check(&format!("GET {SECRETS}/b"), Value::Null, 500, failed.clone()).await;
    server.check(&format!("GET {SECRETS}"), Value::Null, 500, failed.clone()).await;
    let table = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let answer = server.ask_as(admin(), &format!("GET {SECRETS}/b"), &table, "").await;
    assert_eq!(answer.code, 500);
    check_one(&server, "a").await;
}

async fn check_one(server: &Server, name: &str) {
    let data = json!({"data": {"gold": PLAIN}});
    server.check(&format!("GET {SECRETS}/{name}"), Value::Null, 200, data).await;
}

/// As the store of an older version has it.
fn old(name: &str) -> String {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name,
        "namespace": "default", "uid": "u"}, "data": {"gold": PLAIN}, "type": "Opaque"})
    .to_string()
}

#[tokio::test]
async fn secrets_from_before_are_read_and_sealed_when_they_are_written() {
    let server = Server::start().await;
    put(&server, "/registry/secrets/default/a", old("a")).await;
    put(&server, "/registry/secrets/default/b", old("b")).await;
    check_readable(&server, "a").await;
    assert_eq!(server.api.secrets_report().plain, 2);
    let patch = json!({"metadata": {"labels": {"x": "y"}}});
    server.check(&format!("PATCH {SECRETS}/a"), patch, 200, json!({})).await;
    assert!(stored(&server, "a").starts_with("sampan:aesgcm"));
    assert!(stored(&server, "b").contains(PLAIN));
    let rotated = server.api.rotate_secrets_key().await.unwrap();
    assert_eq!(rotated.rewritten, 2);
    assert_eq!(server.api.secrets_report().plain, 0);
    check_readable(&server, "b").await;
}

#[tokio::test]
async fn a_rotation_leaves_one_key_and_nothing_under_another() {
    let server = Server::start().await;
    for name in ["a", "b", "c"] {
        server.check(&format!("POST {SECRETS}"), secret(name), 201, json!({})).await;
    }
    let before = server.api.secrets_report();
    let rotated = server.api.rotate_secrets_key().await.unwrap();
    assert_eq!((rotated.rewritten, rotated.dropped), (3, before.keys.clone()));
    let after = server.api.secrets_report();
    assert_eq!(after.keys, std::slice::from_ref(&rotated.key));
    assert_eq!(after.sealed, [(rotated.key, 3)].into());
    let server = server.restart().await;
    check_readable(&server, "c").await;
    // No past is served that needs the old key.
    let past = format!("GET {SECRETS}?resourceVersion=5&resourceVersionMatch=Exact");
    assert_eq!(server.ask(&past, Value::Null).await.code, 410);
}

#[tokio::test]
async fn writers_go_on_during_a_rotation() {
    let server = Server::start().await;
    for number in 0..20 {
        let body = secret(&format!("s{number}"));
        server.check(&format!("POST {SECRETS}"), body, 201, json!({})).await;
    }
    let write = async {
        for number in (0..20).rev() {
            let patch = json!({"metadata": {"labels": {"n": number.to_string()}}});
            let path = format!("PATCH {SECRETS}/s{number}");
            server.check(&path, patch, 200, json!({})).await;
        }
    };
    let (rotated, ()) = tokio::join!(server.api.rotate_secrets_key(), write);
    let key = rotated.unwrap().key;
    assert_eq!(server.api.secrets_report().sealed, [(key, 20)].into());
    let server = server.restart().await;
    for number in 0..20 {
        let labels = json!({"metadata": {"labels": {"n": number.to_string()}}});
        server.check(&format!("GET {SECRETS}/s{number}"), Value::Null, 200, labels).await;
    }
}

#[tokio::test]
async fn an_interrupted_rotation_ends_after_the_next_start() {
    let server = Server::start().await;
    server.check(&format!("POST {SECRETS}"), secret("a"), 201, json!({})).await;
    // As after a kill between the new key and the first Secret under it.
    let key = server.pki.keyring().add().unwrap();
    let server = server.restart().await;
    let done = async {
        while server.api.secrets_report().keys != [key.clone()] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), done).await.unwrap();
    assert_eq!(server.api.secrets_report().sealed, [(key, 1)].into());
    check_readable(&server, "a").await;
}

#[tokio::test]
async fn without_the_key_a_server_does_not_start_and_makes_none() {
    let server = Server::start().await;
    server.check(&format!("POST {SECRETS}"), secret("a"), 201, json!({})).await;
    let key = server.api.secrets_report().keys.remove(0);
    let elsewhere = tempfile::tempdir().unwrap();
    let pki = std::sync::Arc::new(Pki::open(elsewhere.path()).unwrap());
    let api = ApiServer::new(Config {
        store: server.store.clone(),
        pki,
        service_range: "10.43.0.0/24".parse().unwrap(),
        node_address: std::net::Ipv4Addr::new(10, 42, 0, 1),
        secure_port: 6443,
        authorizer: std::sync::Arc::new(sampan_apiserver::authz::ClusterAuthorizer::new(
            server.store.clone(),
        )),
        access: Default::default(),
    });
    let error = api.bootstrap().await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    for part in ["1 Secrets", "default/a", &key, "encryption-keys.json", "backup"] {
        assert!(cause.contains(part), "{cause}");
    }
    assert!(!elsewhere.path().join("encryption-keys.json").exists());
}
