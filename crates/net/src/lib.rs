//! The network of one box, from plain tables: pod links, L4 balancing by nftables, DNS.
//!
//! * [`Network`] owns everything one instance has in the kernel: a link that carries the node's
//!   address, a routed veth pair per pod, routes, and one nftables table.
//! * [`Table`] says which addresses and ports lead to which endpoints; [`Network::apply`] makes it
//!   so in one transaction.
//! * [`AddressPool`] hands out pod addresses.
//! * [`dns`] answers for the cluster domain and forwards the rest.
//!
//! Nothing here knows what a Pod or a Service object is, and no external program is run: the kernel
//! is spoken to by netlink. Network policy is not here yet.

mod conntrack;
pub mod dns;
#[cfg(test)]
mod lab;
mod netlink;
mod network;
mod nft;
mod pool;
mod range;
mod route;
mod sysctl;
mod table;

pub use netlink::NetlinkError;
pub use network::{Link, Network, NetworkConfig, NetworkError};
pub use pool::{AddressPool, PoolError};
pub use range::{AddressRange, RangeError};
pub use sysctl::SysctlError;
pub use table::{HostPort, Protocol, Service, Table};
