//! Writing a pod's status to the API: only when it changed, again when that failed.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams};

use super::restart::after;
use super::status::{self, View};
use super::worker::Worker;

/// The wait after a failed write.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Worker {
    /// Writes the status if it says anything new.
    pub(crate) async fn write_status(&mut self) {
        let now = Timestamp::now();
        let new = status::translate(&View {
            pod: &self.pod,
            slots: &self.slots,
            address: self.address,
            host_address: self.shared.node_address,
            sandbox: self.sandbox.is_some(),
            initialized: self.initialized,
            terminating: self.terminating,
            outcome: self.outcome.as_ref(),
            resize: &self.resize,
            start_time: self.start_time,
            now,
        });
        self.status_retry = None;
        let Some(body) = status::patch(&self.pod, &new) else { return };
        let name = self.pod.metadata.name.clone().unwrap_or_default();
        let params = PatchParams::default();
        match self.api().patch_status(&name, &params, &Patch::Strategic(body)).await {
            Ok(mut pod) => {
                pod.metadata.managed_fields = None;
                self.pod = Arc::new(pod);
            }
            // Gone, or another pod of the same name: the watch will tell.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(error) => {
                tracing::warn!(pod = self.uid, %error, "status not written; trying again");
                self.status_retry = Some(after(now, RETRY_AFTER));
            }
        }
    }

    pub(crate) fn api(&self) -> Api<Pod> {
        let namespace = self.pod.metadata.namespace.as_deref().unwrap_or_default();
        Api::namespaced(self.shared.client.clone(), namespace)
    }
}
