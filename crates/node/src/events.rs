//! Events about pods and the node: written in the background, equal ones counted together.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, Node, ObjectReference, Pod};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kit::Tasks;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::mpsc;

use crate::pod::ephemeral;

/// Events that wait to be written; more are dropped, and that is logged.
const QUEUE_LEN_MAX: usize = 1024;
/// Series that are remembered for counting.
const SERIES_LEN_MAX: usize = 1024;
/// A series that was silent for so long is begun anew.
const SERIES_AGE_MAX: Duration = Duration::from_secs(600);
/// The longest message the API takes.
const MESSAGE_LEN_MAX: usize = 1024;
const COMPONENT: &str = "kubelet";

/// Whether somebody should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Level {
    Normal,
    Warning,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone)]
struct Note {
    about: ObjectReference,
    level: Level,
    reason: &'static str,
    message: String,
    at: Timestamp,
}

/// Takes notes; never waits, never fails its caller. Clones share it.
#[derive(Clone)]
pub(crate) struct Recorder {
    queue: mpsc::Sender<Note>,
}

impl Recorder {
    /// A recorder whose writer runs in `tasks`.
    pub(crate) fn start(client: Client, host: String, tasks: &Tasks) -> Self {
        let (queue, notes) = mpsc::channel(QUEUE_LEN_MAX);
        let writer = Writer { client, host, series: HashMap::new() };
        tasks.spawn_until_shutdown("node events", writer.run(notes));
        Self { queue }
    }

    /// Notes something about a pod, or about the container of it that `field` names.
    pub(crate) fn pod(
        &self,
        pod: &Pod,
        field: Option<&str>,
        level: Level,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        let meta = &pod.metadata;
        let about = ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: meta.name.clone(),
            namespace: meta.namespace.clone(),
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
            field_path: field.map(|name| format!("{}{{{name}}}", list_of(pod, name))),
        };
        self.note(about, level, reason, message.into());
    }

    /// Notes something about the node.
    pub(crate) fn node(&self, node: &Node, reason: &'static str, message: impl Into<String>) {
        let about = ObjectReference {
            kind: Some("Node".to_owned()),
            name: node.metadata.name.clone(),
            uid: node.metadata.uid.clone(),
            ..ObjectReference::default()
        };
        self.note(about, Level::Normal, reason, message.into());
    }

    /// Warns about an Ingress.
    pub(crate) fn ingress(
        &self,
        ingress: &Ingress,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        let meta = &ingress.metadata;
        let about = ObjectReference {
            api_version: Some("networking.k8s.io/v1".to_owned()),
            kind: Some("Ingress".to_owned()),
            name: meta.name.clone(),
            namespace: meta.namespace.clone(),
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
            ..ObjectReference::default()
        };
        self.note(about, Level::Warning, reason, message.into());
    }

    fn note(&self, about: ObjectReference, level: Level, reason: &'static str, message: String) {
        let message = message.chars().take(MESSAGE_LEN_MAX).collect();
        let note = Note { about, level, reason, message, at: Timestamp::now() };
        if let Err(error) = self.queue.try_send(note) {
            tracing::warn!(reason, %error, "event dropped");
        }
    }
}

/// What makes two notes one event.
type Key = (Option<String>, Option<String>, Level, &'static str, String);

struct Series {
    name: String,
    count: i32,
    last: Timestamp,
}

struct Writer {
    client: Client,
    host: String,
    series: HashMap<Key, Series>,
}

impl Writer {
    async fn run(mut self, mut notes: mpsc::Receiver<Note>) {
        while let Some(note) = notes.recv().await {
            let (reason, about) = (note.reason, note.about.name.clone());
            match self.write(note).await {
                Err(error) if is_gone(&error) => {
                    tracing::debug!(reason, ?about, %error, "event not written");
                }
                Err(error) => tracing::warn!(reason, ?about, %error, "event not written"),
                Ok(()) => {}
            }
        }
    }

    async fn write(&mut self, note: Note) -> kube::Result<()> {
        self.forget(note.at);
        let about = &note.about;
        let namespace = about.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let events = Api::<Event>::namespaced(self.client.clone(), &namespace);
        let key = (
            about.uid.clone(),
            about.field_path.clone(),
            note.level,
            note.reason,
            note.message.clone(),
        );
        if let Some(series) = self.series.get_mut(&key) {
            (series.count, series.last) = (series.count + 1, note.at);
            let change = json!({"count": series.count, "lastTimestamp": Time(note.at)});
            match events.patch(&series.name, &PatchParams::default(), &Patch::Merge(change)).await {
                // It has expired meanwhile: write it anew.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                done => return done.map(drop),
            }
        }
        let event = self.event(&note, &namespace);
        let name = event.metadata.name.clone().unwrap_or_default();
        events.create(&PostParams::default(), &event).await?;
        self.series.insert(key, Series { name, count: 1, last: note.at });
        Ok(())
    }

    fn event(&self, note: &Note, namespace: &str) -> Event {
        let about = note.about.name.as_deref().unwrap_or_default();
        Event {
            metadata: ObjectMeta {
                // As client-go names them: the object and the time, so that they sort by age.
                name: Some(format!("{about}.{:x}", Timestamp::now().as_nanosecond())),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            involved_object: note.about.clone(),
            reason: Some(note.reason.to_owned()),
            message: Some(note.message.clone()),
            type_: Some(note.level.word().to_owned()),
            count: Some(1),
            first_timestamp: Some(Time(note.at)),
            last_timestamp: Some(Time(note.at)),
            source: Some(EventSource {
                component: Some(COMPONENT.to_owned()),
                host: Some(self.host.clone()),
            }),
            reporting_component: Some(COMPONENT.to_owned()),
            reporting_instance: Some(self.host.clone()),
            ..Event::default()
        }
    }

    /// Drops series that were silent long, and all of them when there are too many.
    fn forget(&mut self, now: Timestamp) {
        let age = |series: &Series| Duration::try_from(now.duration_since(series.last));
        self.series.retain(|_, series| age(series).is_ok_and(|age| age < SERIES_AGE_MAX));
        if self.series.len() >= SERIES_LEN_MAX {
            self.series.clear();
        }
    }
}

/// Whether the namespace of an event is gone or going, with all that it could be about.
fn is_gone(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    let mut causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 404 || causes.any(|cause| cause.reason == "NamespaceTerminating")
}

/// The list that a container of that name is in.
fn list_of(pod: &Pod, name: &str) -> &'static str {
    let inits = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
    if inits.into_iter().any(|container| container.name == name) {
        return "spec.initContainers";
    }
    if ephemeral::all(pod).any(|container| container.name == name) {
        return "spec.ephemeralContainers";
    }
    "spec.containers"
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::State;
    use axum::http::Request;
    use std::sync::{Arc, Mutex};

    type Seen = Arc<Mutex<Vec<(String, serde_json::Value)>>>;

    /// An API that keeps what it is sent and answers with an empty Event.
    fn api(seen: Seen) -> Client {
        async fn keep(State(seen): State<Seen>, request: Request<axum::body::Body>) -> String {
            let method = request.method().to_string();
            let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
            seen.lock().unwrap().push((method, serde_json::from_slice(&body).unwrap()));
            json!({"apiVersion": "v1", "kind": "Event", "metadata": {}, "involvedObject": {}})
                .to_string()
        }
        Client::new(axum::Router::new().fallback(keep).with_state(seen), "default")
    }

    #[tokio::test]
    async fn equal_events_are_counted_and_others_written() {
        let seen = Seen::default();
        let tasks = Tasks::new();
        let recorder = Recorder::start(api(seen.clone()), "box".into(), &tasks);
        let pod: Pod = serde_json::from_value(
            json!({"metadata": {"name": "web", "namespace": "shop", "uid": "u1"}}),
        )
        .unwrap();
        for reason in ["BackOff", "BackOff", "Failed"] {
            recorder.pod(&pod, Some("main"), Level::Warning, reason, "no image");
        }
        let bound = tokio::time::Instant::now() + Duration::from_secs(10);
        while seen.lock().unwrap().len() < 3 && tokio::time::Instant::now() < bound {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let seen = seen.lock().unwrap();
        let methods: Vec<&str> = seen.iter().map(|(method, _)| method.as_str()).collect();
        assert_eq!(methods, ["POST", "PATCH", "POST"]);
        assert_eq!(seen[0].1["involvedObject"]["fieldPath"], "spec.containers{main}");
        assert_eq!(seen[0].1["source"], json!({"component": "kubelet", "host": "box"}));
        assert_eq!(seen[1].1["count"], 2);
        assert_eq!(seen[2].1["reason"], "Failed");
    }
}
