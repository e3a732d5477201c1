//! Pods are woken when a ConfigMap or Secret that they use changes. Contents are not read here.
//!
//! ConfigMaps are watched in the namespaces whose pods use some: most of those that controllers
//! and operators write are no pod's. Secrets are watched everywhere, as Ingresses name them too.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kit::Tasks;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Resource, ResourceExt};
use tokio::task::{AbortHandle, JoinSet};

use crate::cache::Changes;
use crate::named::Named;
use crate::shared::Shared;

/// Starts to wake pods; `routes` hears of each Secret too.
pub(crate) fn follow(shared: &Arc<Shared>, tasks: &Tasks, routes: &Changes) {
    tasks.spawn_until_shutdown("watch configmaps", config_maps(shared.clone()));
    let (registry, routes) = (shared.clone(), routes.clone());
    let secrets = Api::<Named<Secret>>::all(shared.routing.clone());
    let work = each_change(secrets, move |namespace, name| {
        registry.registry.wake(namespace, |uses| uses.secrets.contains(name));
        routes.notify();
    });
    tasks.spawn_until_shutdown("watch secrets", work);
}

/// Watches the ConfigMaps of each namespace for as long as a pod in it uses some.
async fn config_maps(shared: Arc<Shared>) {
    let mut wanted = shared.registry.with_config_maps();
    let mut watches = Watches::default();
    loop {
        let namespaces = wanted.borrow_and_update().clone();
        watches.keep(&namespaces, |namespace| watch_config_maps(shared.clone(), namespace));
        if wanted.changed().await.is_err() {
            return;
        }
    }
}

async fn watch_config_maps(shared: Arc<Shared>, namespace: String) {
    let maps = Api::<Named<ConfigMap>>::namespaced(shared.routing.clone(), &namespace);
    each_change(maps, |namespace, name| {
        shared.registry.wake(namespace, |uses| uses.config_maps.contains(name));
    })
    .await;
}

/// One task for each namespace. They end with it.
#[derive(Default)]
struct Watches {
    tasks: JoinSet<()>,
    by_namespace: HashMap<String, AbortHandle>,
}

impl Watches {
    /// Ends those of other namespaces and starts those that are missing.
    fn keep<W>(&mut self, namespaces: &BTreeSet<String>, watch: impl Fn(String) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        self.by_namespace.retain(|namespace, task| {
            let stays = namespaces.contains(namespace);
            if !stays {
                task.abort();
            }
            stays
        });
        for namespace in namespaces {
            if !self.by_namespace.contains_key(namespace) {
                let task = self.tasks.spawn(watch(namespace.clone()));
                self.by_namespace.insert(namespace.clone(), task);
            }
        }
        while self.tasks.try_join_next().is_some() {}
    }
}

async fn each_change<K>(api: Api<Named<K>>, changed: impl Fn(&str, &str))
where
    K: Resource + Clone + Debug + Send + 'static,
    K::DynamicType: Default,
{
    let events = watcher::watcher(api, watcher::Config::default()).default_backoff();
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(object) | Event::InitApply(object) | Event::Delete(object)) => {
                changed(&object.namespace().unwrap_or_default(), &object.name_any());
            }
            Ok(Event::Init | Event::InitDone) => {}
            Err(error) => tracing::warn!(%error, "watch failed; it is resumed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_namespace_is_watched_while_it_is_wanted_and_once() {
        let mut watches = Watches::default();
        let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
        let mut keep = |namespaces: &[&str]| {
            let namespaces = namespaces.iter().map(|name| (*name).to_owned()).collect();
            watches.keep(&namespaces, |namespace| {
                started.send(namespace).expect("it is read below");
                std::future::pending()
            });
            let mut watched: Vec<_> = watches.by_namespace.keys().cloned().collect();
            watched.sort();
            watched
        };
        assert_eq!(keep(&["a", "b"]), ["a", "b"]);
        assert_eq!(keep(&["b", "c"]), ["b", "c"]);
        assert!(keep(&[]).is_empty());
        assert_eq!(keep(&["b"]), ["b"]);
        let mut all = Vec::new();
        starts.recv_many(&mut all, 9).await;
        assert_eq!(all, ["a", "b", "c", "b"]);
    }
}
