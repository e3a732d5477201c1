//! What helm does over the API, step by step: releases kept in Secrets, definitions before what they
//! define, hooks, upgrades by three-way patches (helm 3) and by server-side apply (helm 4), rollback,
//! and an end that waits until all is gone.

mod release;

use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use crate::boat::{Boat, PATIENCE, texts};
use crate::toolbox;
use release::{HISTORY_MAX, Release};

/// What client-go asks of discovery.
const DISCOVERY: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const APPLY: &str = "application/apply-patch+yaml";
/// helm asks every two seconds; tests are in a hurry.
const POLL: Duration = Duration::from_millis(100);

/// A client of the API, and what discovery told it: kinds with their paths.
pub struct Helm {
    client: kube::Client,
    kinds: Vec<(String, String, String)>,
}

/// What a watch tells, one event a line.
struct Events {
    body: Body,
    rest: Vec<u8>,
}

impl Events {
    async fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return serde_json::from_slice(&line).expect("an event");
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await;
            let frame = frame.expect("an event in time").expect("the watch goes on");
            self.rest.extend_from_slice(&frame.expect("a frame").into_data().unwrap_or_default());
        }
    }
}

impl Helm {
    async fn of(boat: &Boat) -> Self {
        let file = Kubeconfig::read_from(boat.data_dir().join("kubeconfig")).expect("a kubeconfig");
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(file, &options).await.expect("its use");
        let client = kube::Client::try_from(config).expect("a client");
        let mut helm = Self { client, kinds: Vec::new() };
        helm.discover().await;
        helm
    }

    /// One request: its code and its reply.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        media: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let accept = if method == "GET" { media } else { "application/json" };
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("accept", accept)
            .header("content-type", media)
            .body(Body::from(body.map_or_else(Vec::new, |body| body.to_string().into_bytes())))
            .expect("a request");
        let response = self.client.send(request).await.expect("a reply");
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("the whole reply").to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    pub async fn get(&self, path: &str) -> Value {
        self.ask("GET", path, "application/json", None).await.1
    }

    /// One request that goes well.
    pub async fn well(&self, method: &str, path: &str, media: &str, body: &Value) -> Value {
        let (code, reply) = self.ask(method, path, media, Some(body)).await;
        assert!((200..300).contains(&code), "{method} {path}: {code}: {reply}");
        reply
    }

    /// Reads which kinds there are, as a client does when it has made new ones.
    async fn discover(&mut self) {
        self.kinds.clear();
        for root in ["/api", "/apis"] {
            let (code, groups) = self.ask("GET", root, DISCOVERY, None).await;
            assert_eq!((code, &groups["kind"]), (200, &json!("APIGroupDiscoveryList")));
            for group in array(&groups["items"]) {
                let name = text(&group["metadata"]["name"]);
                for version in array(&group["versions"]) {
                    self.learn(root, name, version);
                }
            }
        }
    }

    fn learn(&mut self, root: &str, group: &str, version: &Value) {
        let number = text(&version["version"]);
        let (base, api_version) = match group {
            "" => (format!("{root}/{number}"), number.to_owned()),
            group => (format!("{root}/{group}/{number}"), format!("{group}/{number}")),
        };
        for resource in array(&version["resources"]) {
            let plural = text(&resource["resource"]);
            let path = match resource["scope"] == "Namespaced" {
                true => format!("{base}/namespaces/default/{plural}"),
                false => format!("{base}/{plural}"),
            };
            let kind = text(&resource["responseKind"]["kind"]).to_owned();
            self.kinds.push((api_version.clone(), kind, path));
        }
    }

    /// Where objects of this one's kind are.
    fn collection(&self, object: &Value) -> String {
        let is = |(version, kind, _): &&(String, String, String)| {
            object["apiVersion"] == version.as_str() && object["kind"] == kind.as_str()
        };
        let known = self.kinds.iter().find(is);
        known.unwrap_or_else(|| panic!("no kind {object}")).2.clone()
    }

    fn path(&self, object: &Value) -> String {
        format!("{}/{}", self.collection(object), text(&object["metadata"]["name"]))
    }

    async fn create(&self, object: &Value) -> Value {
        let path = format!("{}?fieldManager=helm", self.collection(object));
        self.well("POST", &path, "application/json", object).await
    }

    /// Asks for an object until it is so.
    async fn until(&self, object: &Value, what: &str, so: impl Fn(u16, &Value) -> bool) {
        let (path, deadline) = (self.path(object), Instant::now() + PATIENCE);
        loop {
            let (code, now) = self.ask("GET", &path, "application/json", None).await;
            if so(code, &now) {
                return;
            }
            assert!(Instant::now() < deadline, "{path} never is {what}: {now}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// What helm calls ready (pkg/kube/ready.go).
    async fn ready(&self, object: &Value) {
        match text(&object["kind"]) {
            "Deployment" => {
                let wanted = object["spec"]["replicas"].clone();
                self.until(object, "ready", |_, now| {
                    now["status"]["observedGeneration"] == now["metadata"]["generation"]
                        && now["status"]["updatedReplicas"] == wanted
                        && now["status"]["readyReplicas"] == wanted
                        && now["status"]["replicas"] == wanted
                })
                .await;
            }
            "Service" => {
                let so = |_, now: &Value| !text(&now["spec"]["clusterIP"]).is_empty();
                self.until(object, "given an address", so).await;
            }
            _ => self.until(object, "there", |code, _| code == 200).await,
        }
    }

    /// Runs a hook: anew if it was there, and to its end, which a watch tells.
    async fn hook(&self, pod: &Value) {
        let path = self.path(pod);
        let background = json!({"propagationPolicy": "Background"});
        self.ask("DELETE", &path, "application/json", Some(&background)).await;
        self.until(pod, "gone", |code, _| code == 404).await;
        self.create(pod).await;
        let name = text(&pod["metadata"]["name"]);
        let one = format!("{}?fieldSelector=metadata.name%3D{name}", self.collection(pod));
        let list = self.get(&one).await;
        let phase = |pod: &Value| text(&pod["status"]["phase"]).to_owned();
        let mut last = array(&list["items"]).first().map(phase).expect("the hook");
        let version = text(&list["metadata"]["resourceVersion"]);
        let mut events = self.watch(&format!("{one}&watch=true&resourceVersion={version}")).await;
        while last != "Succeeded" {
            assert!(matches!(last.as_str(), "Pending" | "Running"), "the hook is {last}");
            last = phase(&events.next().await["object"]);
        }
    }

    async fn watch(&self, path: &str) -> Events {
        let request = http::Request::get(path).body(Body::empty()).expect("a request");
        let response = self.client.send(request).await.expect("a reply");
        assert_eq!(response.status().as_u16(), 200);
        Events { body: response.into_body(), rest: Vec::new() }
    }
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn definition() -> Value {
    let spec = json!({"type": "object", "properties": {"size": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}}}});
    let schema = json!({"type": "object", "properties": {"spec": spec}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "boats.helm.example.com"},
        "spec": {"group": "helm.example.com", "scope": "Namespaced",
            "names": {"plural": "boats", "kind": "Boat"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema}}]}})
}

fn hook_pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "app-hook", "annotations": {"helm.sh/hook": "pre-install,pre-upgrade",
            "helm.sh/hook-delete-policy": "before-hook-creation"}},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "hook", "image": "box:1", "command": ["true"]}]}})
}

/// The chart's objects in helm's order of kinds, as one set of values makes them.
fn chart(replicas: u64, word: &str) -> Vec<Value> {
    let metadata = json!({"name": "app", "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": "app", "meta.helm.sh/release-namespace": "default"}});
    let label = json!({"app": "app"});
    let container = json!({"name": "box", "image": "box:1",
        "env": [{"name": "WORD", "value": word}, {"name": "KEPT", "value": "yes"}]});
    let pod = json!({"terminationGracePeriodSeconds": 0, "containers": [container]});
    vec![
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {word: "x", "all": "y"}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"selector": label, "ports": [{"name": "http", "port": 80}]}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": {"replicas": replicas, "selector": {"matchLabels": label},
                "template": {"metadata": {"labels": label}, "spec": pod}}}),
        json!({"apiVersion": "helm.example.com/v1", "kind": "Boat", "metadata": metadata,
            "spec": {"size": replicas, "tags": [word]}}),
    ]
}

/// What helm 3 works out from the old chart, the new one and what is there.
fn patches(replicas: u64, (old, word): (&str, &str)) -> [(&'static str, Value); 4] {
    let env = json!({"$setElementOrder/env": [{"name": "WORD"}, {"name": "KEPT"}], "name": "box",
        "env": [{"name": "WORD", "value": word}]});
    let containers = json!({"$setElementOrder/containers": [{"name": "box"}], "containers": [env]});
    [
        (STRATEGIC, json!({"data": {word: "x", old: null}})),
        (STRATEGIC, json!({})),
        (STRATEGIC, json!({"spec": {"replicas": replicas, "template": {"spec": containers}}})),
        (MERGE, json!({"spec": {"size": replicas, "tags": [word]}})),
    ]
}

async fn install(helm: &mut Helm) -> Release {
    // What is to be made is checked against the server's own description first.
    let root = helm.get("/openapi/v3").await;
    let path = text(&root["paths"]["apis/apps/v1"]["serverRelativeURL"]).to_owned();
    let document = helm.get(&path).await;
    let schema = &document["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"];
    assert_eq!(schema["x-kubernetes-group-version-kind"][0]["kind"], "Deployment", "{path}");
    helm.create(&definition()).await;
    helm.until(&definition(), "established", |_, now| {
        let conditions = array(&now["status"]["conditions"]).iter();
        conditions.filter(|c| c["type"] == "Established").any(|c| c["status"] == "True")
    })
    .await;
    helm.discover().await;
    let objects = chart(1, "one");
    for object in &objects {
        // helm refuses to take over what is there already, so it looks first.
        let (code, _) = helm.ask("GET", &helm.path(object), "application/json", None).await;
        assert_eq!(code, 404);
    }
    let release = Release::begin(helm, "app").await;
    helm.hook(&hook_pod()).await;
    for object in &objects {
        helm.create(object).await;
    }
    for object in &objects {
        helm.ready(object).await;
    }
    release.deployed(helm).await;
    release
}

/// As helm 3 does: patches between what was, what is to be and what is.
async fn upgrade(helm: &Helm, release: &mut Release, replicas: u64, words: (&str, &str)) {
    release.next(helm).await;
    helm.hook(&hook_pod()).await;
    let objects = chart(replicas, words.1);
    for (object, (media, patch)) in objects.iter().zip(patches(replicas, words)) {
        let path = format!("{}?fieldManager=helm", helm.path(object));
        helm.well("PATCH", &path, media, &patch).await;
    }
    for object in &objects {
        helm.ready(object).await;
    }
    release.deployed(helm).await;
}

/// As helm 4 does: what the older one made becomes what was applied, then it is applied.
async fn apply(helm: &Helm, release: &mut Release, replicas: u64, word: &str) {
    release.next(helm).await;
    let objects = chart(replicas, word);
    let query = "fieldManager=helm&fieldValidation=Strict&force=false";
    let deployment = &objects[2];
    let path = format!("{}?{query}", helm.path(deployment));
    let (code, conflict) = helm.ask("PATCH", &path, APPLY, Some(deployment)).await;
    let said = text(&conflict["message"]);
    assert!(code == 409 && said.contains("conflicts with \"helm\" using apps/v1:"), "{conflict}");
    for object in &objects {
        let path = helm.path(object);
        let now = helm.get(&path).await;
        let mut managers = now["metadata"]["managedFields"].clone();
        for entry in managers.as_array_mut().expect("managers") {
            if entry["manager"] == "helm" {
                entry["operation"] = "Apply".into();
            }
        }
        let version = &now["metadata"]["resourceVersion"];
        let moved = json!([
            {"op": "replace", "path": "/metadata/managedFields", "value": managers},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": version}]);
        helm.well("PATCH", &path, JSON_PATCH, &moved).await;
        helm.well("PATCH", &format!("{path}?{query}"), APPLY, object).await;
    }
    for object in &objects {
        helm.ready(object).await;
    }
    release.deployed(helm).await;
}

async fn uninstall(helm: &Helm, release: &mut Release) {
    let background = json!({"propagationPolicy": "Background"});
    let objects = chart(1, "one");
    for object in objects.iter().rev() {
        helm.well("DELETE", &helm.path(object), "application/json", &background).await;
    }
    for object in &objects {
        helm.until(object, "gone", |code, _| code == 404).await;
    }
    release.purge(helm).await;
}

async fn story(boat: &Boat) {
    let mut helm = Helm::of(boat).await;
    let mut release = install(&mut helm).await;
    boat.kubectl_ok(&["label", "deployment", "app", "somebody=else"]);
    upgrade(&helm, &mut release, 2, ("one", "two")).await;
    let deployment = helm.get(&helm.path(&chart(2, "two")[2])).await;
    let env = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!(env, &json!([{"name": "WORD", "value": "two"}, {"name": "KEPT", "value": "yes"}]));
    // What others did to it stays.
    assert_eq!(deployment["metadata"]["labels"]["somebody"], "else");
    // A rollback is an upgrade to what was.
    upgrade(&helm, &mut release, 1, ("two", "one")).await;
    apply(&helm, &mut release, 2, "three").await;
    let map = helm.get(&helm.path(&chart(2, "three")[0])).await;
    assert_eq!(map["data"], json!({"three": "x", "all": "y"}), "what is applied no more is gone");
    let boat_now = helm.get(&helm.path(&chart(2, "three")[3])).await;
    assert_eq!(boat_now["spec"], json!({"size": 2, "tags": ["three"]}));
    for _ in 0..HISTORY_MAX {
        release.next(&helm).await;
        release.deployed(&helm).await;
    }
    assert_eq!(release.history(&helm).await.len(), HISTORY_MAX);
    release::too_large(&helm).await;
    uninstall(&helm, &mut release).await;
    assert!(release.history(&helm).await.is_empty());
    let pods = crate::boat::eventually("its pods are gone", || {
        let pods = boat.kubectl(&["get", "pods,replicasets", "-l", "app=app", "-o", "name"]);
        texts(&pods).0.trim().is_empty().then_some(pods)
    });
    assert!(pods.status.success());
}

#[test]
fn a_release_is_installed_upgraded_rolled_back_and_uninstalled() {
    let Some(boat) = toolbox::afloat("helm") else { return };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(story(&boat));
}
