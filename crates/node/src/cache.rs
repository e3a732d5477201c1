//! Local copies of API objects that follow a watch, and a signal when they change.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use futures::StreamExt;
use kit::Tasks;
use kube::runtime::reflector::{self, Lookup, Store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher::watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

/// Counts changes; a receiver wakes on each, and may take several as one.
#[derive(Clone)]
pub(crate) struct Changes(watch::Sender<u64>);

impl Changes {
    pub(crate) fn new() -> Self {
        Self(watch::channel(0).0)
    }

    pub(crate) fn notify(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

/// A local copy of all objects of a kind. Clones share it.
pub(crate) struct Cache<K>
where
    K: Lookup + 'static,
    K::DynamicType: Eq + Hash,
{
    store: Store<K>,
    /// The store's own readiness wakes only the last of several that wait for it.
    listed: watch::Receiver<bool>,
}

impl<K> Clone for Cache<K>
where
    K: Lookup + 'static,
    K::DynamicType: Eq + Hash,
{
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), listed: self.listed.clone() }
    }
}

impl<K> Cache<K>
where
    K: Lookup + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    /// Every object known now.
    pub(crate) fn state(&self) -> Vec<Arc<K>> {
        self.store.state()
    }

    /// Waits for the first complete list; false when the node shuts down before.
    pub(crate) async fn listed(&self) -> bool {
        self.listed.clone().wait_for(|listed| *listed).await.is_ok()
    }
}

/// Follows the objects of `api` in a task of its own, which calls `seen` after each event has
/// reached the store. What fails is tried again with a growing wait.
pub(crate) fn follow<K>(
    tasks: &Tasks,
    name: &'static str,
    api: Api<K>,
    config: watcher::Config,
    mut seen: impl FnMut(&Event<K>) + Send + 'static,
) -> Cache<K>
where
    K: Resource + Lookup<DynamicType = <K as Resource>::DynamicType> + Clone + Debug,
    K: DeserializeOwned + Send + Sync + 'static,
    <K as Resource>::DynamicType: Default + Eq + Hash + Clone + Unpin,
{
    let (store, writer) = reflector::store();
    let (ready, listed) = watch::channel(false);
    tasks.spawn_until_shutdown(name, async move {
        let events = watcher(api, config)
            .default_backoff()
            .modify(|object| object.meta_mut().managed_fields = None)
            .reflect(writer);
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    if matches!(event, Event::InitDone) {
                        ready.send_replace(true);
                    }
                    seen(&event);
                }
                Err(error) => tracing::warn!(watch = name, %error, "watch failed; it is resumed"),
            }
        }
    });
    Cache { store, listed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Uri;
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;
    use std::time::Duration;

    /// An API with one ConfigMap, whose watches stay open and silent.
    fn api() -> Api<ConfigMap> {
        async fn answer(uri: Uri) -> axum::response::Response {
            use axum::response::IntoResponse;
            if uri.query().is_some_and(|query| query.contains("watch=true")) {
                let silent = futures::stream::pending::<Result<String, std::io::Error>>();
                return axum::body::Body::from_stream(silent).into_response();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            let item =
                json!({"metadata": {"name": "conf", "namespace": "shop", "resourceVersion": "5"}});
            axum::Json(json!({"apiVersion": "v1", "kind": "ConfigMapList",
                "metadata": {"resourceVersion": "7"}, "items": [item]}))
            .into_response()
        }
        let router = axum::Router::new().fallback(answer);
        Api::all(kube::Client::new(router, "default"))
    }

    #[tokio::test]
    async fn everybody_who_waits_for_the_first_list_is_woken() {
        let tasks = Tasks::new();
        let cache = follow(&tasks, "test", api(), watcher::Config::default(), |_| {});
        // Each in a task of its own: tasks are what is woken.
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let cache = cache.clone();
                tokio::spawn(async move { cache.listed().await })
            })
            .collect();
        for task in waiting {
            let woken = tokio::time::timeout(Duration::from_secs(10), task).await;
            assert!(woken.expect("woken in time").unwrap());
        }
        assert_eq!(cache.state().len(), 1);
    }
}
