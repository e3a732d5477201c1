//! Watches: from any revision, in order, never losing in silence.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use store::Revision;

use super::support::{CONFIG_MAPS, Server, admin};

/// A watch that does not say anything for so long is broken.
const PATIENCE: Duration = Duration::from_secs(10);

struct Watch {
    body: Body,
    lines: Vec<u8>,
}

impl Watch {
    async fn open(server: &Server, query: &str) -> Self {
        let request = format!("GET {CONFIG_MAPS}?watch=true&{query}");
        let response = server.send(admin(), &request, &[], "").await;
        assert_eq!(response.status(), 200, "{query}");
        Self { body: response.into_body(), lines: Vec::new() }
    }

    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.lines.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.lines.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.unwrap();
            self.lines.extend(frame?.unwrap().into_data().unwrap());
        }
    }

    /// `TYPE name`.
    async fn check(&mut self, expected: &str) -> Value {
        let event = self.next().await.expect("an event");
        let name = event["object"]["metadata"]["name"].as_str().unwrap_or("-");
        assert_eq!(format!("{} {name}", event["type"].as_str().unwrap()), expected, "{event}");
        event
    }
}

async fn relabel(server: &Server, name: &str, app: &str) {
    let patch = json!({"metadata": {"labels": {"app": app}}});
    server.check(&format!("PATCH {CONFIG_MAPS}/{name}"), patch, 200, json!({})).await;
}

#[tokio::test]
async fn changes_come_in_order_from_a_revision() {
    let server = Server::start().await;
    let from = server.store.revision();
    server.config_map("a", json!({})).await;
    let mut watch = Watch::open(&server, &format!("resourceVersion={from}")).await;
    watch.check("ADDED a").await;
    relabel(&server, "a", "x").await;
    let modified = watch.check("MODIFIED a").await;
    let now = server.check(&format!("GET {CONFIG_MAPS}/a"), json!(null), 200, json!({})).await;
    assert_eq!(revision_of(&modified["object"]), revision_of(&now));
    server.check(&format!("DELETE {CONFIG_MAPS}/a"), json!(null), 200, json!({})).await;
    let deleted = watch.check("DELETED a").await;
    let Revision(head) = server.store.revision();
    // Of its end, and not of its last change; others may have written meanwhile.
    assert!((revision_of(&now) + 1..=head).contains(&revision_of(&deleted["object"])));
}

fn revision_of(object: &Value) -> u64 {
    let version = object["metadata"]["resourceVersion"].as_str().expect("a version");
    version.parse().expect("a number")
}

#[tokio::test]
async fn a_watch_without_a_revision_begins_with_what_is_there() {
    let server = Server::start().await;
    server.config_map("a", json!({})).await;
    let mut watch = Watch::open(&server, "").await;
    watch.check("ADDED a").await;
    server.config_map("b", json!({})).await;
    watch.check("ADDED b").await;
}

#[tokio::test]
async fn what_was_there_is_told_from_what_came() {
    let server = Server::start().await;
    server.config_map("a", json!({})).await;
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = Watch::open(&server, query).await;
    watch.check("ADDED a").await;
    let end = watch.check("BOOKMARK -").await;
    assert_eq!(end["object"]["kind"], "ConfigMap");
    let metadata = &end["object"]["metadata"];
    assert_eq!(metadata["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!(metadata["resourceVersion"], *server.store.revision().to_string());
    server.config_map("b", json!({})).await;
    watch.check("ADDED b").await;
}

#[tokio::test]
async fn objects_enter_and_leave_a_selection() {
    let server = Server::start().await;
    let from = server.store.revision();
    let query = format!("labelSelector=app%3Dx&resourceVersion={from}");
    let mut watch = Watch::open(&server, &query).await;
    server.config_map("a", json!({"app": "y"})).await;
    relabel(&server, "a", "x").await;
    watch.check("ADDED a").await;
    relabel(&server, "a", "z").await;
    let left = watch.check("DELETED a").await;
    assert_eq!(left["object"]["metadata"]["labels"]["app"], "x");
    server.check(&format!("DELETE {CONFIG_MAPS}/a"), json!(null), 200, json!({})).await;
    server.config_map("b", json!({"app": "x"})).await;
    watch.check("ADDED b").await;
}

#[tokio::test]
async fn a_watch_of_one_name_sees_no_other() {
    let server = Server::start().await;
    let from = server.store.revision();
    let query = format!("fieldSelector=metadata.name%3Db&resourceVersion={from}");
    let mut watch = Watch::open(&server, &query).await;
    server.config_map("a", json!({})).await;
    server.config_map("b", json!({})).await;
    watch.check("ADDED b").await;
}

#[tokio::test]
async fn a_watch_from_what_is_no_longer_kept_ends_with_410() {
    let server = Server::start().await;
    let from = server.store.revision();
    server.config_map("a", json!({})).await;
    server.config_map("b", json!({})).await;
    server.store.compact(server.store.revision()).await.unwrap();
    let mut watch = Watch::open(&server, &format!("resourceVersion={from}")).await;
    let event = watch.check("ERROR -").await;
    assert_eq!(event["object"]["code"], 410);
    assert_eq!(event["object"]["reason"], "Expired");
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn a_watch_ends_in_its_time_with_a_bookmark() {
    let server = Server::start().await;
    let from = server.store.revision();
    let query = format!("resourceVersion={from}&timeoutSeconds=1&allowWatchBookmarks=true");
    let mut watch = Watch::open(&server, &query).await;
    watch.check("BOOKMARK -").await;
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn watches_end_when_the_server_does() {
    let server = Server::start().await;
    let from = server.store.revision();
    let mut watch = Watch::open(&server, &format!("resourceVersion={from}")).await;
    server.api.close();
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn what_cannot_be_watched_is_refused() {
    let server = Server::start().await;
    for query in [
        "sendInitialEvents=true",
        "resourceVersionMatch=Exact",
        "sendInitialEvents=true&resourceVersionMatch=Exact",
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=x",
    ] {
        let request = format!("GET {CONFIG_MAPS}?watch=true&{query}");
        server.check(&request, json!(null), 422, json!({"reason": "Invalid"})).await;
    }
    let soon = format!("GET {CONFIG_MAPS}?watch=true&resourceVersion=soon");
    let why = "resourceVersion: Invalid value: \"soon\": strconv.ParseUint: parsing \"soon\": \
               invalid syntax";
    server.check(&soon, json!(null), 500, json!({"message": why})).await;
}

#[tokio::test]
async fn tables_are_watched_too() {
    let server = Server::start().await;
    server.config_map("a", json!({})).await;
    let accept = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let request = format!("GET {CONFIG_MAPS}?watch=true");
    let response = server.send(admin(), &request, &accept, "").await;
    let mut watch = Watch { body: response.into_body(), lines: Vec::new() };
    let event = watch.next().await.unwrap();
    assert_eq!(event["object"]["rows"][0]["cells"][0], "a");
}
