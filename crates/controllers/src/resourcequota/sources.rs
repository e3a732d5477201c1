//! Follows the kinds that quotas limit: what went, and what takes less than before.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use api::quota::{ResourceList, resource_of};
use futures::TryStreamExt;
use kube::api::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::discovery::{Discovery, Scope, verbs};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::report;
use crate::context::Context;
use crate::drive::ReconcileError;

/// Resources that take more or less by what is in them.
pub(super) const WHOLE: [&str; 3] = ["persistentvolumeclaims", "pods", "services"];
/// How often a kind that nobody serves is looked for.
const REDISCOVER: Duration = Duration::from_secs(10);

/// What a quota may have back.
#[derive(Debug)]
pub(super) struct Wake {
    pub resource: String,
    /// `None`: anywhere.
    pub namespace: Option<String>,
}

/// The watches that run, by resource.
pub(super) struct Sources {
    context: Arc<Context>,
    wakes: Sender<Wake>,
    kinds: BTreeMap<String, ApiResource>,
    running: BTreeMap<String, CancellationToken>,
    looked: Option<Instant>,
}

impl Sources {
    pub fn new(context: Arc<Context>, wakes: Sender<Wake>) -> Self {
        let (kinds, running) = (BTreeMap::new(), BTreeMap::new());
        Self { context, wakes, kinds, running, looked: None }
    }

    /// The kinds that are served, by resource.
    pub fn kinds(&self) -> &BTreeMap<String, ApiResource> {
        &self.kinds
    }

    /// The served resources that a quota limits, each once.
    pub fn of<'a>(&self, hard: &'a ResourceList) -> BTreeSet<&'a str> {
        let named = hard.names().filter_map(resource_of);
        named.filter(|resource| self.kinds.contains_key(*resource)).collect()
    }

    /// Follows these resources and no others.
    pub async fn follow(&mut self, resources: &BTreeSet<String>) -> Result<(), ReconcileError> {
        self.running.retain(|resource, watch| {
            let stays = resources.contains(resource);
            if !stays {
                watch.cancel();
            }
            stays
        });
        let is_new = |resource: &&String| !self.running.contains_key(*resource);
        let new: Vec<String> = resources.iter().filter(is_new).cloned().collect();
        if new.iter().any(|resource| !self.kinds.contains_key(resource)) {
            self.discover().await?;
        }
        for resource in new {
            if let Some(kind) = self.kinds.get(&resource) {
                let watch = self.start(&resource, kind.clone());
                self.running.insert(resource, watch);
            }
        }
        Ok(())
    }

    async fn discover(&mut self) -> Result<(), ReconcileError> {
        if self.looked.is_some_and(|at| at.elapsed() < REDISCOVER) {
            return Ok(());
        }
        let discovery = Discovery::new(self.context.client.clone()).run_aggregated().await?;
        let kinds = discovery.groups().flat_map(|group| group.recommended_resources());
        let countable = kinds.filter(|(_, can)| {
            can.scope == Scope::Namespaced
                && can.supports_operation(verbs::LIST)
                && can.supports_operation(verbs::WATCH)
        });
        self.kinds = countable.map(|(kind, _)| (resource_name(&kind), kind)).collect();
        self.looked = Some(Instant::now());
        Ok(())
    }

    fn start(&self, resource: &str, kind: ApiResource) -> CancellationToken {
        let stop = self.context.shutdown().child_token();
        let (until, wakes) = (stop.clone(), self.wakes.clone());
        let (client, of) = (self.context.client.clone(), resource.to_owned());
        let whole = WHOLE.contains(&resource);
        self.context.tasks.spawn(format!("resourcequota/{resource}"), async move {
            let watch = async {
                if whole {
                    let api: Api<DynamicObject> = Api::all_with(client, &kind);
                    feed(api, of, wakes, may_take_less).await;
                } else {
                    let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client, &kind);
                    feed(api, of, wakes, |_| false).await;
                }
            };
            until.run_until_cancelled(watch).await;
        });
        stop
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        self.running.values().for_each(CancellationToken::cancel);
    }
}

fn resource_name(kind: &ApiResource) -> String {
    match kind.group.as_str() {
        "" => kind.plural.clone(),
        group => format!("{}.{group}", kind.plural),
    }
}

/// May this object take less than it did? A pod does when it is over or was changed; what is new or
/// only reports has been charged already.
fn may_take_less(object: &DynamicObject) -> bool {
    let is_pod = object.types.as_ref().is_none_or(|types| types.kind == "Pod");
    let phase = object.data["status"]["phase"].as_str().unwrap_or_default();
    !is_pod
        || matches!(phase, "Succeeded" | "Failed")
        || object.metadata.generation.is_some_and(|generation| generation > 1)
}

/// Watches one kind for as long as somebody listens.
async fn feed<K>(api: Api<K>, resource: String, wakes: Sender<Wake>, concerns: fn(&K) -> bool)
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let watch = watch_objects(api, watcher::Config::default()).default_backoff();
    let mut watch = std::pin::pin!(watch);
    loop {
        let namespace = match watch.try_next().await {
            Ok(Some(Event::Delete(object))) => object.meta().namespace.clone(),
            Ok(Some(Event::Apply(object))) if concerns(&object) => object.meta().namespace.clone(),
            // What went while nobody watched is missing from the list.
            Ok(Some(Event::InitDone)) => None,
            Ok(Some(_)) => continue,
            Ok(None) => return,
            Err(error) => {
                report(&error, "watch for quotas ended; it starts again");
                continue;
            }
        };
        if wakes.send(Wake { resource: resource.clone(), namespace }).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(object: Value, expected: bool) {
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        assert_eq!(may_take_less(&object), expected);
    }

    #[test]
    fn a_pod_that_runs_takes_what_it_took() {
        let pod = |generation: i64, phase: &str| {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generation": generation},
                "status": {"phase": phase}})
        };
        check(pod(1, "Running"), false);
        check(pod(1, "Succeeded"), true);
        check(pod(2, "Running"), true);
        check(json!({"apiVersion": "v1", "kind": "Service", "metadata": {}}), true);
    }
}
