//! Brings the DNS table in line with the API whenever something changes.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use net::AddressRange;
use tokio::sync::watch;

use super::translate::translate;
use crate::cache::Cache;
use crate::services::endpoints::Slices;
use crate::shared::Shared;

/// Changes that come within this time are applied together.
const COALESCE: Duration = Duration::from_millis(5);

/// What DNS follows.
pub(crate) struct Inputs {
    pub services: Cache<Service>,
    pub slices: Cache<EndpointSlice>,
    pub pods: Cache<Pod>,
    /// The ranges whose reverse names are ours.
    pub ranges: Vec<AddressRange>,
}

/// Applies every change until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>, inputs: Inputs, mut changes: watch::Receiver<u64>) {
    let ready = inputs.services.listed().await
        && inputs.slices.listed().await
        && inputs.pods.listed().await;
    if !ready {
        return;
    }
    let mut applied = None;
    loop {
        changes.mark_unchanged();
        let (services, slices, pods) =
            (inputs.services.state(), inputs.slices.state(), inputs.pods.state());
        let slices = Slices::new(slices.iter().map(Arc::as_ref));
        let services = services.iter().map(Arc::as_ref);
        let pods = pods.iter().map(Arc::as_ref);
        let mut table = translate(&shared.cluster_domain, services, &slices, pods);
        table.ranges = inputs.ranges.clone();
        if applied.as_ref() != Some(&table) {
            shared.dns_table.store(table.clone());
            applied = Some(table);
        }
        if changes.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(COALESCE).await;
    }
}
