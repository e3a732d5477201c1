//! Starts every controller, each supervised under its own name.

use std::sync::Arc;

use kit::Tasks;
use kube::Client;

use crate::context::Context;
use crate::{
    account_tokens, certificates, cluster_roles, deployment, disruption, endpointmirror, endpoints,
    endpointslice, event_ttl, garbage, namespace, node_lifecycle, replicaset,
    replicationcontroller, resourcequota, root_ca, scheduler, serviceaccount,
};

/// What the controllers need to know beside the API.
#[derive(Clone)]
pub struct ControllersConfig {
    /// Tells the cluster's CA certificate as it is now, PEM, published as ConfigMap
    /// `kube-root-ca.crt`.
    pub root_ca_pem: Arc<dyn Fn() -> String + Send + Sync>,
    /// The cluster's keys.
    pub signer: Arc<dyn Signer>,
}

/// Why something was not signed.
pub type SignError = Box<dyn std::error::Error + Send + Sync>;

/// The cluster's keys, which controllers use and never see.
pub trait Signer: Send + Sync {
    /// The token of a ServiceAccount (by name and uid) that a Secret is to hold.
    fn account_token(
        &self,
        namespace: &str,
        secret: &str,
        account: &str,
        account_uid: &str,
    ) -> Result<String, SignError>;

    /// The certificate, PEM, that a certificate request (PEM) asks for, for these usages and so
    /// many seconds.
    fn certificate(
        &self,
        request_pem: &[u8],
        usages: &[String],
        seconds: Option<i64>,
    ) -> Result<String, SignError>;
}

/// Who the controllers are to the API: each client carries its own identity.
pub struct Clients {
    /// `system:kube-controller-manager`.
    pub controllers: Client,
    /// `system:kube-scheduler`.
    pub scheduler: Client,
    /// The ServiceAccount of kube-system with this name.
    pub account: Box<dyn Fn(&str) -> Client + Send + Sync>,
}

/// Starts all controllers in `tasks`; they end when its shutdown begins. One that fails is
/// reported and started again.
pub fn run(clients: Clients, tasks: &Tasks, config: ControllersConfig) {
    let binds = Arc::new(Context::new(clients.scheduler, tasks.clone(), config.clone()));
    tasks.supervise("scheduler", move || scheduler::run(binds.clone()));
    let certifies = (clients.account)("certificate-controller");
    let certifies = Arc::new(Context::new(certifies, tasks.clone(), config.clone()));
    let context = Arc::new(Context::new(clients.controllers, tasks.clone(), config));
    macro_rules! start {
        ($context:ident: $($name:literal => $run:path),* $(,)?) => {$(
            let its_context = $context.clone();
            tasks.supervise(concat!("controller/", $name), move || $run(its_context.clone()));
        )*};
    }
    start! { certifies:
        "csr-approving" => certificates::approve::run,
        "csr-cleaner" => certificates::clean::run,
        "csr-signing" => certificates::sign::run,
    }
    start! { context:
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
        "serviceaccount-token" => account_tokens::run,
    }
}
