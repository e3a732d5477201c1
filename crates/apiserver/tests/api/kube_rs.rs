//! kube-rs in process, as the controllers use it: the router is the client's transport.

use std::time::Duration;

use futures::{Stream, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use tower::ServiceBuilder;

use super::support::{Server, admin, deployment, pod};

/// An event that does not come in this time never will.
const PATIENCE: Duration = Duration::from_secs(10);

fn client(server: &Server) -> Client {
    let service = ServiceBuilder::new()
        .map_request(|mut request: http::Request<kube::client::Body>| {
            request.extensions_mut().insert(admin());
            request
        })
        .service(server.api.router());
    Client::new(service, "default")
}

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"k": "v"}})).unwrap()
}

/// `Init a b InitDone`: what a watcher says until it is quiet about what was there.
async fn begin(
    events: &mut (impl Stream<Item = watcher::Result<Event<ConfigMap>>> + Unpin),
) -> String {
    let mut said = Vec::new();
    while said.last().is_none_or(|last| last != "InitDone") {
        said.push(next(events).await);
    }
    said.join(" ")
}

async fn next(
    events: &mut (impl Stream<Item = watcher::Result<Event<ConfigMap>>> + Unpin),
) -> String {
    let event = tokio::time::timeout(PATIENCE, events.try_next()).await.unwrap().unwrap().unwrap();
    match event {
        Event::Init => "Init".to_owned(),
        Event::InitApply(object) => object.name_any(),
        Event::InitDone => "InitDone".to_owned(),
        Event::Apply(object) => format!("apply {}", object.name_any()),
        Event::Delete(object) => format!("delete {}", object.name_any()),
    }
}

#[tokio::test]
async fn watchers_follow_with_streaming_lists_and_without() {
    let server = Server::start().await;
    let api: Api<ConfigMap> = Api::default_namespaced(client(&server));
    api.create(&PostParams::default(), &config_map("a")).await.unwrap();
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let mut events = watcher::watcher(api.clone(), config).boxed();
        assert_eq!(begin(&mut events).await, "Init a InitDone");
        api.create(&PostParams::default(), &config_map("b")).await.unwrap();
        assert_eq!(next(&mut events).await, "apply b");
        api.delete("b", &DeleteParams::default()).await.unwrap();
        assert_eq!(next(&mut events).await, "delete b");
    }
}

#[tokio::test]
async fn typed_requests_work() {
    let server = Server::start().await;
    let api: Api<Deployment> = Api::default_namespaced(client(&server));
    let object: Deployment = serde_json::from_value(deployment("web")).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
    let status = json!({"status": {"replicas": 2}});
    let merge = Patch::Merge(status);
    let written = api.patch_status("web", &PatchParams::default(), &merge).await.unwrap();
    assert_eq!(written.status.unwrap().replicas, Some(2));
    let scale = api.get_scale("web").await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(1));
    let size = Patch::Merge(json!({"spec": {"replicas": 3}}));
    api.patch_scale("web", &PatchParams::default(), &size).await.unwrap();
    assert_eq!(api.get("web").await.unwrap().spec.unwrap().replicas, Some(3));
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 1);
    assert_eq!(api.list_metadata(&ListParams::default()).await.unwrap().items.len(), 1);
    assert!(api.get_opt("none").await.unwrap().is_none());
}

#[tokio::test]
async fn apply_is_forced_and_repeated_without_a_new_version() {
    let server = Server::start().await;
    let api: Api<ConfigMap> = Api::default_namespaced(client(&server));
    let how = PatchParams::apply("controller").force();
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"}});
    let first = api.patch("a", &how, &Patch::Apply(&object)).await.unwrap();
    let again = api.patch("a", &how, &Patch::Apply(&object)).await.unwrap();
    assert_eq!(first.resource_version(), again.resource_version());
}

#[tokio::test]
async fn a_pod_s_status_is_applied() {
    let server = Server::start().await;
    let api: Api<Pod> = Api::default_namespaced(client(&server));
    let object: Pod = serde_json::from_value(pod("p")).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
    let how = PatchParams::apply("node").force();
    let status = json!({"apiVersion": "v1", "kind": "Pod",
        "status": {"phase": "Running", "podIP": "10.42.0.2", "podIPs": [{"ip": "10.42.0.2"}]}});
    let written = api.patch_status("p", &how, &Patch::Apply(&status)).await.unwrap();
    assert_eq!(written.status.unwrap().phase.as_deref(), Some("Running"));
    assert_eq!(written.spec.unwrap().containers.len(), 1);
}
