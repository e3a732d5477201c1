//! Local copies of API objects that follow a watch, and a signal when they change.

use std::fmt::Debug;
use std::hash::Hash;

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

/// Follows the objects of `api` in a task of its own, which calls `seen` after each event has
/// reached the store. What fails is tried again with a growing wait.
pub(crate) fn follow<K>(
    tasks: &Tasks,
    name: &'static str,
    api: Api<K>,
    config: watcher::Config,
    mut seen: impl FnMut(&Event<K>) + Send + 'static,
) -> Store<K>
where
    K: Resource + Lookup<DynamicType = <K as Resource>::DynamicType> + Clone + Debug,
    K: DeserializeOwned + Send + Sync + 'static,
    <K as Resource>::DynamicType: Default + Eq + Hash + Clone + Unpin,
{
    let (store, writer) = reflector::store();
    tasks.spawn_until_shutdown(name, async move {
        let events = watcher(api, config)
            .default_backoff()
            .modify(|object| object.meta_mut().managed_fields = None)
            .reflect(writer);
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => seen(&event),
                Err(error) => tracing::warn!(watch = name, %error, "watch failed; it is resumed"),
            }
        }
    });
    store
}
