//! Starts every controller, each supervised under its own name.

use std::sync::Arc;

use kit::Tasks;
use kube::Client;

use crate::context::Context;
use crate::{
    account_tokens, certificates, claim_protection, cluster_roles, deployment, disruption,
    endpointmirror, endpoints, endpointslice, event_ttl, garbage, namespace, node_lifecycle,
    replicaset, replicationcontroller, resourcequota, root_ca, scheduler, serviceaccount,
    volume_protection,
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
    /// The controller of this name, which writes as the ServiceAccount of that name in kube-system.
    pub controller: Box<dyn Fn(&str) -> Client + Send + Sync>,
}

/// Starts all controllers in `tasks`; they end when its shutdown begins. One that fails is
/// reported and started again.
pub fn run(clients: Clients, tasks: &Tasks, config: ControllersConfig) {
    let context = |client| Arc::new(Context::new(client, tasks.clone(), config.clone()));
    let acts_as = |name: &str| context((clients.controller)(name));
    macro_rules! start {
        ($($context:expr => { $($name:literal: $run:path),* $(,)? })*) => {$(
            let context = $context;
            $(
                let its_context = context.clone();
                tasks.supervise($name, move || $run(its_context.clone()));
            )*
        )*};
    }
    start! {
        context(clients.scheduler) => { "scheduler": scheduler::run }
        // What upstream does without an account of its own, too, or not in a controller.
        context(clients.controllers) => {
            "controller/event-ttl": event_ttl::run,
            "controller/serviceaccount-token": account_tokens::run,
        }
        acts_as("certificate-controller") => {
            "controller/csr-approving": certificates::approve::run,
            "controller/csr-cleaner": certificates::clean::run,
            "controller/csr-signing": certificates::sign::run,
        }
        acts_as("clusterrole-aggregation-controller") => {
            "controller/clusterrole-aggregation": cluster_roles::run,
        }
        acts_as("deployment-controller") => { "controller/deployment": deployment::run }
        acts_as("disruption-controller") => { "controller/disruption": disruption::run }
        acts_as("endpoint-controller") => {
            "controller/endpoints": endpoints::run,
            "controller/endpoints-orphans": endpoints::orphans::run,
        }
        acts_as("endpointslice-controller") => { "controller/endpointslice": endpointslice::run }
        acts_as("endpointslicemirroring-controller") => {
            "controller/endpointslice-mirroring": endpointmirror::run,
        }
        acts_as("generic-garbage-collector") => { "controller/garbage-collector": garbage::run }
        acts_as("namespace-controller") => { "controller/namespace": namespace::run }
        acts_as("node-controller") => { "controller/node-lifecycle": node_lifecycle::run }
        acts_as("pv-protection-controller") => {
            "controller/pv-protection": volume_protection::run,
        }
        acts_as("pvc-protection-controller") => {
            "controller/pvc-protection": claim_protection::run,
        }
        acts_as("replicaset-controller") => { "controller/replicaset": replicaset::run }
        acts_as("replication-controller") => {
            "controller/replicationcontroller": replicationcontroller::run,
        }
        acts_as("resourcequota-controller") => { "controller/resourcequota": resourcequota::run }
        acts_as("root-ca-cert-publisher") => { "controller/root-ca-cert-publisher": root_ca::run }
        acts_as("service-account-controller") => {
            "controller/serviceaccount": serviceaccount::run,
        }
    }
}
