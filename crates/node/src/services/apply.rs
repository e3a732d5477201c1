//! Brings the balancer in line with the API whenever something changes.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use tokio::sync::watch;

use super::endpoints::Slices;
use super::translate::{routed, translate};
use crate::cache::Cache;
use crate::shared::Shared;

/// Changes that come within this time are applied together.
const COALESCE: Duration = Duration::from_millis(3);
/// The first wait after the kernel refused a table; it doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// What the balancer follows.
pub(crate) struct Inputs {
    pub services: Cache<Service>,
    pub slices: Cache<EndpointSlice>,
    pub pods: Cache<Pod>,
}

impl Inputs {
    /// Waits for the first complete lists: an empty one must not wipe the rules of the server
    /// before this one. False when the node is shutting down.
    pub(crate) async fn ready(&self) -> bool {
        self.services.listed().await && self.slices.listed().await && self.pods.listed().await
    }

    fn table(&self) -> net::Table {
        let (services, slices, pods) =
            (self.services.state(), self.slices.state(), self.pods.state());
        let slices = Slices::new(slices.iter().map(Arc::as_ref));
        let services = services.iter().map(Arc::as_ref);
        translate(services, &slices, pods.iter().map(Arc::as_ref))
    }
}

/// Applies every change until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>, inputs: Inputs, mut changes: watch::Receiver<u64>) {
    if !inputs.ready().await {
        return;
    }
    let mut applied: Option<net::Table> = None;
    let mut retry = RETRY_MIN;
    loop {
        changes.mark_unchanged();
        let table = inputs.table();
        if applied.as_ref() != Some(&table) {
            match shared.network.apply(&table).await {
                Ok(()) => {
                    shared.routed.services.send_replace(Arc::new(routed(&table)));
                    applied = Some(table);
                    retry = RETRY_MIN;
                }
                Err(error) => {
                    tracing::warn!(%error, wait = ?retry, "services not applied; trying again");
                    tokio::time::sleep(retry).await;
                    retry = (retry * 2).min(RETRY_MAX);
                    continue;
                }
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(COALESCE).await;
    }
}
