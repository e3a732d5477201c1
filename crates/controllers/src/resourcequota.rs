//! Keeps the status of ResourceQuotas: what is allowed, and how much of it is used.
//! Source: Kubernetes, "Resource Quotas", <https://kubernetes.io/docs/concepts/policy/resource-quotas/>.
//!
//! Admission charges a new object to its quotas in the transaction that writes it; what is given
//! back is found here, by counting. One task knows all quotas and follows only the kinds that some
//! quota names. A quota is read before its objects are listed and written only if it is still the
//! same: what was charged in between is never overlooked.

mod count;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use api::quota::{ResourceList, resource_of};
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::context::Context;
use crate::drive::ReconcileError;
use crate::owner::{name, namespace};
use sources::{Sources, Wake};

/// How many wakes may wait before the watches are held back.
const WAKES_MAX: usize = 1024;
/// How often everything is counted again (kube-controller-manager's --resource-quota-sync-period).
const RESYNC: Duration = Duration::from_secs(5 * 60);
/// How soon a quota that could not be written is tried again.
const RETRY: Duration = Duration::from_millis(500);

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    let (sender, mut wakes) = mpsc::channel(WAKES_MAX);
    let watch = watch_objects(context.all::<ResourceQuota>(), watcher::Config::default());
    let mut watch = std::pin::pin!(watch.default_backoff());
    let mut quotas = Quotas::default();
    let mut sources = Sources::new(context.clone(), sender);
    let mut resync = tokio::time::interval(RESYNC);
    let mut retry = tokio::time::interval(RETRY);
    let shutdown = context.shutdown();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            event = watch.try_next() => match event {
                Ok(Some(event)) => quotas.take(event),
                Ok(None) => return Ok(()),
                Err(error) => report(&error, "watch of the quotas ended; it starts again"),
            },
            Some(wake) = wakes.recv() => quotas.wake(&wake),
            _ = resync.tick() => quotas.wake_all(),
            _ = retry.tick(), if !quotas.dirty.is_empty() => {}
        }
        while let Ok(wake) = wakes.try_recv() {
            quotas.wake(&wake);
        }
        sources.follow(&quotas.resources()).await?;
        quotas.count(&context, &sources).await;
    }
}

fn report(error: &(dyn std::error::Error + 'static), what: &str) {
    tracing::debug!(error, "{what}");
}

/// Namespace and name.
type Key = (String, String);

/// All quotas, and which of them have to be counted.
#[derive(Default)]
struct Quotas {
    /// The resources that each limits.
    known: BTreeMap<Key, BTreeSet<String>>,
    dirty: BTreeSet<Key>,
}

impl Quotas {
    fn take(&mut self, event: Event<ResourceQuota>) {
        match event {
            Event::Init => self.known.clear(),
            Event::InitDone => self.dirty.retain(|key| self.known.contains_key(key)),
            Event::InitApply(quota) | Event::Apply(quota) => self.see(&quota),
            Event::Delete(quota) => {
                self.known.remove(&key(&quota));
                self.dirty.remove(&key(&quota));
            }
        }
    }

    fn see(&mut self, quota: &ResourceQuota) {
        let (hard, status) = (hard(quota), count::status(quota));
        let resources = hard.names().filter_map(resource_of).map(str::to_owned).collect();
        let counted = hard.names().all(|entry| status.used.get(entry).is_some());
        let same = self.known.insert(key(quota), resources).is_some();
        if !same || status.hard != hard || !counted {
            self.dirty.insert(key(quota));
        }
    }

    fn wake(&mut self, wake: &Wake) {
        let concerned = self.known.iter().filter(|((place, _), resources)| {
            let here = wake.namespace.as_ref().is_none_or(|namespace| namespace == place);
            here && resources.contains(&wake.resource)
        });
        let keys: Vec<Key> = concerned.map(|(key, _)| key.clone()).collect();
        self.dirty.extend(keys);
    }

    fn wake_all(&mut self) {
        self.dirty.extend(self.known.keys().cloned());
    }

    /// The resources that have to be followed.
    fn resources(&self) -> BTreeSet<String> {
        self.known.values().flatten().cloned().collect()
    }

    /// Counts what is dirty. What fails stays so for the next round.
    async fn count(&mut self, context: &Context, sources: &Sources) {
        for key in std::mem::take(&mut self.dirty) {
            match count::recount(&key.0, &key.1, context, sources).await {
                Ok(()) => {}
                Err(error) if error.is_conflict() || error.is_gone() => {
                    self.dirty.insert(key);
                }
                Err(error) => {
                    let (namespace, name) = (&key.0, &key.1);
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(namespace, name, error, "quota not counted; it is tried again");
                    self.dirty.insert(key);
                }
            }
        }
    }
}

fn key(quota: &ResourceQuota) -> Key {
    (namespace(&quota.metadata).to_owned(), name(&quota.metadata).to_owned())
}

/// What the quota allows.
fn hard(quota: &ResourceQuota) -> ResourceList {
    let hard = quota.spec.as_ref().and_then(|spec| spec.hard.as_ref());
    hard.map(|hard| read(serde_json::to_value(hard))).unwrap_or_default()
}

/// Amounts that the API has checked already.
fn read(field: Result<Value, serde_json::Error>) -> ResourceList {
    ResourceList::read(&field.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn quota(name: &str, hard: Value, status: Value) -> ResourceQuota {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "shop"}, "spec": {"hard": hard}, "status": status,
        }))
        .expect("a quota")
    }

    fn dirty(quotas: &mut Quotas) -> Vec<String> {
        std::mem::take(&mut quotas.dirty).into_iter().map(|(_, name)| name).collect()
    }

    fn counted(pods: &str) -> Value {
        json!({"hard": {"pods": pods}, "used": {"pods": "0"}})
    }

    #[test]
    fn a_quota_is_counted_when_it_is_new_or_says_something_else() {
        let mut quotas = Quotas::default();
        let mut check = |quota: ResourceQuota, expected: &[&str]| {
            quotas.take(Event::Apply(quota));
            assert_eq!(dirty(&mut quotas), expected);
        };
        check(quota("q", json!({"pods": "5"}), json!({})), &["q"]);
        check(quota("q", json!({"pods": "5"}), counted("5")), &[]);
        check(quota("q", json!({"pods": "6"}), counted("5")), &["q"]);
        check(quota("q", json!({"pods": "5"}), json!({"hard": {"pods": "5"}})), &["q"]);
    }

    #[test]
    fn a_wake_concerns_the_quotas_that_name_the_resource_there() {
        let mut quotas = Quotas::default();
        quotas.take(Event::Apply(quota("p", json!({"cpu": "1"}), json!({}))));
        quotas.take(Event::Apply(quota("s", json!({"services": "1"}), json!({}))));
        dirty(&mut quotas);
        assert_eq!(quotas.resources().into_iter().collect::<Vec<_>>(), ["pods", "services"]);
        let mut check = |resource: &str, namespace: Option<&str>, expected: &[&str]| {
            let namespace = namespace.map(str::to_owned);
            quotas.wake(&Wake { resource: resource.to_owned(), namespace });
            assert_eq!(dirty(&mut quotas), expected);
        };
        check("pods", Some("shop"), &["p"]);
        check("pods", Some("other"), &[]);
        check("services", None, &["s"]);
        check("secrets", Some("shop"), &[]);
    }

    #[test]
    fn a_quota_that_went_is_forgotten() {
        let mut quotas = Quotas::default();
        let gone = quota("q", json!({"pods": "5"}), json!({}));
        quotas.take(Event::Apply(gone.clone()));
        quotas.take(Event::Delete(gone));
        assert!(quotas.dirty.is_empty() && quotas.resources().is_empty());
    }
}
