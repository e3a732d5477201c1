//! Starts every controller, each supervised under its own name.

use std::sync::Arc;

use kit::Tasks;
use kube::Client;

use crate::context::Context;
use crate::{
    cluster_roles, deployment, disruption, endpointmirror, endpoints, endpointslice, event_ttl,
    garbage, namespace, node_lifecycle, replicaset, replicationcontroller, resourcequota, root_ca,
    scheduler, serviceaccount,
};

/// What the controllers need to know beside the API.
#[derive(Clone)]
pub struct ControllersConfig {
    /// Tells the cluster's CA certificate as it is now, PEM, published as ConfigMap
    /// `kube-root-ca.crt`.
    pub root_ca_pem: Arc<dyn Fn() -> String + Send + Sync>,
}

/// Who the controllers are to the API: each client carries its own identity.
pub struct Clients {
    /// `system:kube-controller-manager`.
    pub controllers: Client,
    /// `system:kube-scheduler`.
    pub scheduler: Client,
}

/// Starts all controllers in `tasks`; they end when its shutdown begins. One that fails is
/// reported and started again.
pub fn run(clients: Clients, tasks: &Tasks, config: ControllersConfig) {
    let binds = Arc::new(Context::new(clients.scheduler, tasks.clone(), config.clone()));
    tasks.supervise("scheduler", move || scheduler::run(binds.clone()));
    let context = Arc::new(Context::new(clients.controllers, tasks.clone(), config));
    macro_rules! start {
        ($($name:literal => $run:path),* $(,)?) => {$(
            let its_context = context.clone();
            tasks.supervise(concat!("controller/", $name), move || $run(its_context.clone()));
        )*};
    }
    start! {
        "clusterrole-aggregation" => cluster_roles::run,
        "deployment" => deployment::run,
        "disruption" => disruption::run,
        "endpoints" => endpoints::run,
        "endpoints-orphans" => endpoints::orphans::run,
        "endpointslice" => endpointslice::run,
        "endpointslice-mirroring" => endpointmirror::run,
        "event-ttl" => event_ttl::run,
        "garbage-collector" => garbage::run,
        "namespace" => namespace::run,
        "node-lifecycle" => node_lifecycle::run,
        "replicaset" => replicaset::run,
        "replicationcontroller" => replicationcontroller::run,
        "resourcequota" => resourcequota::run,
        "root-ca-cert-publisher" => root_ca::run,
        "serviceaccount" => serviceaccount::run,
    }
}
