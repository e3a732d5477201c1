//! What the node's parts share: client, engines, addresses, and what the data plane does.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use tokio::sync::watch;

use crate::NodeConfig;
use crate::cache::Cache;
use crate::config::Paths;
use crate::events::Recorder;
use crate::machine::Machine;
use crate::pod::fields::Place;
use crate::pods::Registry;

/// Shared by all tasks of a node.
pub(crate) struct Shared {
    pub client: kube::Client,
    pub routing: kube::Client,
    pub name: String,
    pub version: String,
    pub data_dir: PathBuf,
    pub paths: Paths,
    pub runtime: container::Runtime,
    pub images: image::ImageStore,
    pub network: net::Network,
    pub dns_table: net::dns::Handle,
    pub gateway: gateway::Gateway,
    pub node_address: Ipv4Addr,
    pub dns_address: Ipv4Addr,
    pub cluster_domain: String,
    pub machine: Machine,
    pub recorder: Recorder,
    pub registry: Registry,
    pub routed: Routed,
    addresses: Mutex<net::AddressPool>,
    /// All Services, for the variables of service links; set when they are followed.
    pub services: OnceLock<Cache<Service>>,
    /// What adoption found, until the worker of the pod takes it.
    found: Mutex<HashMap<String, container::Found>>,
}

impl Shared {
    pub(crate) fn new(config: NodeConfig, recorder: Recorder) -> Self {
        Self {
            paths: Paths::new(&config.data_dir, &config.run_dir),
            client: config.client,
            routing: config.routing,
            name: config.name,
            version: config.version,
            data_dir: config.data_dir,
            runtime: config.runtime,
            images: config.images,
            network: config.network,
            dns_table: config.dns_table,
            gateway: config.gateway,
            node_address: config.node_address,
            dns_address: config.dns_address,
            cluster_domain: config.cluster_domain,
            machine: Machine::read(),
            recorder,
            registry: Registry::default(),
            routed: Routed::new(),
            addresses: Mutex::new(config.addresses),
            services: OnceLock::new(),
            found: Mutex::default(),
        }
    }

    pub(crate) fn addresses(&self) -> MutexGuard<'_, net::AddressPool> {
        lock(&self.addresses)
    }

    pub(crate) fn found(&self) -> MutexGuard<'_, HashMap<String, container::Found>> {
        lock(&self.found)
    }

    /// What the downward API tells a pod of this node.
    pub(crate) fn place(&self, address: Option<Ipv4Addr>) -> Place {
        Place {
            node_name: self.name.clone(),
            host_ip: self.node_address.to_string(),
            pod_ip: address.map(|address| address.to_string()),
            node_cpu_millis: self.machine.cpus * 1000,
            node_memory_bytes: self.machine.memory_bytes,
        }
    }
}

/// The data stays whole whatever panicked while it was held: every change is one call.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The addresses that the rules and routes in force lead to.
pub(crate) struct Routed {
    /// By the balancer, for Services.
    pub services: watch::Sender<Arc<HashSet<Ipv4Addr>>>,
    /// By the gateway, for Ingresses.
    pub ingresses: watch::Sender<Arc<HashSet<Ipv4Addr>>>,
}

impl Routed {
    fn new() -> Self {
        Self {
            services: watch::channel(Arc::default()).0,
            ingresses: watch::channel(Arc::default()).0,
        }
    }

    /// Whether anything leads to `address` now.
    pub(crate) fn contains(&self, address: Ipv4Addr) -> bool {
        self.services.borrow().contains(&address) || self.ingresses.borrow().contains(&address)
    }

    /// Waits until nothing leads to `address` any more, for at most `limit`. Says whether
    /// that came true.
    pub(crate) async fn withdrawn(&self, address: Ipv4Addr, limit: Duration) -> bool {
        let mut services = self.services.subscribe();
        let mut ingresses = self.ingresses.subscribe();
        let both = async {
            loop {
                let gone = |set: &Arc<HashSet<Ipv4Addr>>| !set.contains(&address);
                if services.wait_for(gone).await.is_err() || ingresses.wait_for(gone).await.is_err()
                {
                    return;
                }
                if gone(&services.borrow()) {
                    return;
                }
            }
        };
        tokio::time::timeout(limit, both).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: Ipv4Addr = Ipv4Addr::new(10, 42, 0, 9);

    #[tokio::test(start_paused = true)]
    async fn an_address_is_withdrawn_when_both_planes_let_go() {
        let routed = Routed::new();
        let set = || Arc::new(HashSet::from([POD]));
        routed.services.send_replace(set());
        routed.ingresses.send_replace(set());
        assert!(routed.contains(POD));
        assert!(!routed.withdrawn(POD, Duration::from_secs(1)).await);
        routed.services.send_replace(Arc::default());
        assert!(!routed.withdrawn(POD, Duration::from_secs(1)).await);
        routed.ingresses.send_replace(Arc::default());
        assert!(routed.withdrawn(POD, Duration::from_secs(1)).await);
    }
}
