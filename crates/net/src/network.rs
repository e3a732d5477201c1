//! Everything one instance has in the kernel's network stack.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use crate::{AddressRange, Table};

/// What an instance's network is made of.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// Six hex digits that name the instance; part of every link's and table's name.
    pub instance: String,
    /// `/run/sampan/<instance>`; its parent holds what all instances share.
    pub run_dir: PathBuf,
    /// Pod addresses. The first one is the node's own.
    pub pod_range: AddressRange,
    /// Virtual service addresses.
    pub service_range: AddressRange,
    /// Further addresses of the box itself, such as that of the DNS server.
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
    /// The configuration cannot work.
    #[error("{0}")]
    Config(String),
}

/// One instance's network. Clones share it.
#[derive(Clone, Debug)]
pub struct Network {
    config: NetworkConfig,
}

impl Network {
    /// Sets the box up: link, addresses, routes, forwarding, rules. What a former process of the same
    /// instance left is adopted and completed; its rules stay in force until the first [`Network::apply`].
    pub fn open(config: NetworkConfig) -> Result<Network, NetworkError> {
        Ok(Network { config })
    }

    /// The box's own address among the pods: the first one of the pod range.
    pub fn node_address(&self) -> Ipv4Addr {
        self.config.pod_range.first()
    }

    /// Connects a pod: `eth0` with its address and a default route, and the way back. Doing it twice is fine.
    pub async fn attach(&self, _link: &Link) -> Result<(), NetworkError> {
        todo!()
    }

    /// Takes a pod's link away. One that is gone already, with its namespace, is fine.
    pub async fn detach(&self, _id: &str) -> Result<(), NetworkError> {
        todo!()
    }

    /// The links that exist now, whoever made them: for adoption after a restart.
    pub async fn links(&self) -> Result<Vec<Link>, NetworkError> {
        todo!()
    }

    /// Makes the balancer do what the table says, in one transaction: all or nothing.
    pub async fn apply(&self, _table: &Table) -> Result<(), NetworkError> {
        todo!()
    }

    /// Removes all that the instance has in the network stack. Works when no server runs.
    pub async fn destroy(_config: &NetworkConfig) -> Result<(), NetworkError> {
        todo!()
    }
}
