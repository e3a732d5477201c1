//! Everything one instance has in the kernel's network stack.

mod flows;
mod pod_link;
mod setup;
#[cfg(test)]
mod tests;

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::debug;

use crate::netlink::NetlinkError;
use crate::nft::{Plan, Ruleset};
use crate::route::RouteSocket;
use crate::sysctl::{Shared, SysctlError};
use crate::{AddressRange, Table};

/// What an instance's network is made of.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// Up to six letters and digits that name the instance; part of every link's and table's name.
    pub instance: String,
    /// `/run/sampan/<instance>`; its parent holds what all instances share.
    pub run_dir: PathBuf,
    /// Pod addresses. The first one is the node's own.
    pub pod_range: AddressRange,
    /// Virtual service addresses.
    pub service_range: AddressRange,
    /// Further addresses of the box itself, such as that of the DNS server. While nobody listens there
    /// packets are dropped and not refused, so that a client asks again.
    pub addresses_on_dummy: Vec<Ipv4Addr>,
}

/// One pod's connection to the box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The pod's id.
    pub id: String,
    /// The pod's network namespace, as `/proc/<pid>/ns/net`.
    pub netns: PathBuf,
    /// The pod's address.
    pub address: Ipv4Addr,
}

/// Why a network operation failed.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The configuration cannot work, whatever the machine is like.
    #[error("{0}")]
    Config(String),
    /// Somebody else on this machine uses addresses of ours.
    #[error("addresses of {range} are in use on this machine by link {link}: choose another range")]
    RangeInUse {
        /// The pod or service range.
        range: AddressRange,
        /// Who has them.
        link: String,
    },
    /// The kernel refused a request.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// A kernel switch could not be read or set.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// A pod's network namespace cannot be reached; usually the pod is gone.
    #[error("enter network namespace {}", path.display())]
    Namespace {
        /// The namespace's file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A pod link's description does not fit where the kernel keeps it.
    #[error("pod id or namespace path of {id} is too long")]
    LinkTooLong {
        /// The pod's id.
        id: String,
    },
    /// The runtime is shutting down, and the operation was not begun.
    #[error("network operation not begun: shutting down")]
    ShuttingDown,
}

/// One instance's network. Clones share it.
#[derive(Clone, Debug)]
pub struct Network {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: NetworkConfig,
    mtu: u32,
    route: Mutex<RouteSocket>,
    ruleset: Mutex<Ruleset>,
}

impl Network {
    /// Sets the box up: link, addresses, routes, forwarding, rules. What a former process of the same
    /// instance left is adopted and completed; its rules stay in force until the first [`Network::apply`].
    pub fn open(config: NetworkConfig) -> Result<Network, NetworkError> {
        setup::validate(&config)?;
        let shared = Shared::lock(&config.run_dir)?;
        let mut route = RouteSocket::open()?;
        let mtu = setup::prepare(&config, &shared, &mut route)?;
        let ruleset = Ruleset::open(setup::frame(&config))?;
        debug!(instance = config.instance, mtu, "network ready");
        let (route, ruleset) = (Mutex::new(route), Mutex::new(ruleset));
        Ok(Network { inner: Arc::new(Inner { config, mtu, route, ruleset }) })
    }

    /// The box's own address among the pods: the first one of the pod range.
    pub fn node_address(&self) -> Ipv4Addr {
        self.inner.config.pod_range.first()
    }

    /// The name of the link that carries the node's address.
    pub fn node_link(&self) -> String {
        setup::link_prefix(&self.inner.config)
    }

    /// Connects a pod: `eth0` with its address and a default route, and the way back. Doing it twice is fine.
    pub async fn attach(&self, link: &Link) -> Result<(), NetworkError> {
        let (inner, link) = (self.inner.clone(), link.clone());
        blocking(move || pod_link::attach(&inner.config, inner.mtu, &mut lock(&inner.route), &link))
            .await
    }

    /// Takes a pod's link away. One that is gone already, with its namespace, is fine.
    pub async fn detach(&self, id: &str) -> Result<(), NetworkError> {
        let inner = self.inner.clone();
        let name = pod_link::name(&inner.config, id);
        blocking(move || Ok(lock(&inner.route).delete_link(&name)?)).await
    }

    /// The links that exist now, whoever made them: for adoption after a restart.
    pub async fn links(&self) -> Result<Vec<Link>, NetworkError> {
        let inner = self.inner.clone();
        blocking(move || pod_link::list(&inner.config, &mut lock(&inner.route))).await
    }

    /// Makes the balancer do what the table says, in one transaction: all or nothing. The first apply after
    /// [`Network::open`], and one after a failure, writes all; others write what changed.
    pub async fn apply(&self, table: &Table) -> Result<(), NetworkError> {
        let (inner, plan) = (self.inner.clone(), Plan::new(table));
        blocking(move || {
            let mut ruleset = lock(&inner.ruleset);
            if ruleset.apply(plan)?.moves_udp {
                flows::forget_misdirected(&ruleset)?;
            }
            Ok(())
        })
        .await
    }

    /// Removes all that the instance has in the network stack. Works when no server runs.
    pub async fn destroy(config: &NetworkConfig) -> Result<(), NetworkError> {
        let config = config.clone();
        blocking(move || setup::destroy(&config)).await
    }
}

/// A panic while a lock was held leaves nothing half-done: the ruleset forgets what it knew before it writes.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs off the async threads: the kernel may take a while.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NetworkError> + Send + 'static,
) -> Result<T, NetworkError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(NetworkError::ShuttingDown),
        },
    }
}
