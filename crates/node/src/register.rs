//! The Node object of this box and its Lease: made at start, kept fresh.

mod translate;

pub(crate) use self::translate::PODS_MAX;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, NodeCondition};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use crate::machine::Left;
use crate::shared::Shared;

/// How often the Lease is renewed and the box looked at.
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// How often the status is written though nothing changed.
const STATUS_EVERY: Duration = Duration::from_secs(300);
/// The wait after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Where Leases of nodes live.
const LEASE_NAMESPACE: &str = "kube-node-lease";

/// Keeps Node and Lease true until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut register = Register { shared, written: None };
    loop {
        let wait = match register.renew().await {
            Ok(()) => RENEW_EVERY,
            Err(error) => {
                tracing::warn!(%error, "node not registered; trying again");
                RETRY_AFTER
            }
        };
        tokio::time::sleep(wait).await;
    }
}

struct Register {
    shared: Arc<Shared>,
    /// The conditions last written, and when.
    written: Option<(Vec<NodeCondition>, Timestamp)>,
}

impl Register {
    async fn renew(&mut self) -> kube::Result<()> {
        let nodes = Api::<Node>::all(self.shared.client.clone());
        let node = match nodes.get_opt(&self.shared.name).await? {
            Some(node) => node,
            None => {
                self.written = None;
                let node =
                    nodes.create(&PostParams::default(), &translate::node(&self.shared)).await?;
                self.shared.recorder.node(&node, "Starting", "Starting the node");
                node
            }
        };
        self.write_status(&nodes, &node).await?;
        self.renew_lease(&node).await
    }

    async fn write_status(&mut self, nodes: &Api<Node>, node: &Node) -> kube::Result<()> {
        let now = Timestamp::now();
        let left = Left::read(&self.shared.data_dir);
        let conditions = translate::conditions(node, &left, now);
        if let Some((written, at)) = &self.written {
            let fresh =
                Duration::try_from(now.duration_since(*at)).is_ok_and(|age| age < STATUS_EVERY);
            if fresh && translate::same_conditions(written, &conditions) {
                return Ok(());
            }
        }
        if self.written.is_none() {
            let labels = json!({"metadata": {"labels": translate::labels(&self.shared.name)}});
            let merge = Patch::Merge(labels);
            nodes.patch(&self.shared.name, &PatchParams::default(), &merge).await?;
        }
        let mut status = translate::status(&self.shared, &left, self.images().await);
        status.conditions = Some(conditions.clone());
        let patch = Patch::Strategic(json!({"status": status}));
        nodes.patch_status(&self.shared.name, &PatchParams::default(), &patch).await?;
        self.written = Some((conditions, now));
        Ok(())
    }

    /// The images on this box, for `status.images`.
    async fn images(&self) -> Vec<image::Image> {
        let store = self.shared.images.clone();
        match tokio::task::spawn_blocking(move || store.list()).await {
            Ok(Ok(images)) => images,
            Ok(Err(error)) => {
                tracing::warn!(%error, "images of the node not listed");
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    }

    async fn renew_lease(&self, node: &Node) -> kube::Result<()> {
        let leases = Api::<Lease>::namespaced(self.shared.client.clone(), LEASE_NAMESPACE);
        let lease = translate::lease(node, Timestamp::now());
        let renewed = json!({"spec": lease.spec});
        let patch = Patch::Merge(renewed);
        match leases.patch(&self.shared.name, &PatchParams::default(), &patch).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {
                leases.create(&PostParams::default(), &lease).await.map(drop)
            }
            done => done.map(drop),
        }
    }
}
