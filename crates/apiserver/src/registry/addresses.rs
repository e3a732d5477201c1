//! ClusterIPs and node ports. Each one in use is a key of its own, written in the same
//! transaction as its Service: two Services can never hold one, and nothing can leak.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use bytes::Bytes;
use serde_json::Value;
use store::{Compare, Op, Txn};

use super::Registry;
use crate::kinds::Kind;
use crate::object::{meta, text};
use crate::strategy::Allocation;
use crate::table::list;

/// Where the keys of addresses in use begin.
const ADDRESSES: &str = "/ranges/serviceips/";
/// Where the keys of node ports in use begin.
const NODE_PORTS: &str = "/ranges/servicenodeports/";
/// The node ports.
pub(crate) const NODE_PORT_RANGE: std::ops::RangeInclusive<u16> = 30000..=32767;

/// Adds to a Service's transaction what it newly holds and no longer holds.
pub(super) fn claim(mut txn: Txn, kind: &Kind, old: Option<&Value>, new: Option<&Value>) -> Txn {
    if kind.strategy.allocation != Allocation::Service {
        return txn;
    }
    let held = |service: Option<&Value>| service.map(keys).unwrap_or_default();
    let (before, after) = (held(old), held(new));
    let owner = new.or(old).map(|service| {
        Bytes::from(format!("{}/{}", meta(service, "namespace"), meta(service, "name")))
    });
    for key in after.difference(&before) {
        let owner = owner.clone().unwrap_or_default();
        txn = txn.when(Compare::absent(key.clone())).then(Op::put(key.clone(), owner));
    }
    for key in before.difference(&after) {
        txn = txn.then(Op::delete(key.clone()));
    }
    txn
}

/// The keys of all that a Service holds.
fn keys(service: &Value) -> BTreeSet<Bytes> {
    let mut keys = BTreeSet::new();
    for address in cluster_addresses(service) {
        keys.insert(address_key(address));
    }
    for port in list(service, "/spec/ports") {
        if let Some(number) = port["nodePort"].as_u64().and_then(|n| u16::try_from(n).ok())
            && number != 0
        {
            keys.insert(port_key(number, text(port, "/protocol")));
        }
    }
    if let Some(number) = health_port(service) {
        keys.insert(port_key(number, "TCP"));
    }
    keys
}

fn cluster_addresses(service: &Value) -> impl Iterator<Item = Ipv4Addr> {
    let all = list(service, "/spec/clusterIPs").iter().filter_map(Value::as_str);
    all.chain([text(service, "/spec/clusterIP")]).filter_map(|text| text.parse().ok())
}

fn health_port(service: &Value) -> Option<u16> {
    let number = service.pointer("/spec/healthCheckNodePort")?.as_u64()?;
    u16::try_from(number).ok().filter(|number| *number != 0)
}

fn address_key(address: Ipv4Addr) -> Bytes {
    format!("{ADDRESSES}{address}").into()
}

/// TCP and UDP ports of one number are two ports.
fn port_key(number: u16, protocol: &str) -> Bytes {
    let protocol = if protocol.is_empty() { "TCP" } else { protocol };
    format!("{NODE_PORTS}{number}/{protocol}").into()
}

impl Registry {
    pub(crate) fn service_range(&self) -> &crate::config::ServiceRange {
        &self.service_range
    }

    /// Who holds the address: `namespace/name`.
    pub(crate) fn address_holder(&self, address: Ipv4Addr) -> Option<String> {
        self.holder(&address_key(address))
    }

    /// Who holds the node port.
    pub(crate) fn node_port_holder(&self, number: u16, protocol: &str) -> Option<String> {
        self.holder(&port_key(number, protocol))
    }

    fn holder(&self, key: &[u8]) -> Option<String> {
        self.store.get(key).map(|kv| String::from_utf8_lossy(&kv.value).into_owned())
    }

    /// An address nobody holds now; `None` when the range is used up.
    pub(crate) fn free_address(&self) -> Option<Ipv4Addr> {
        self.service_range
            .dynamic(rand::random())
            .find(|address| self.store.get(&address_key(*address)).is_none())
    }

    /// A node port nobody holds now that is not among `taken`.
    pub(crate) fn free_node_port(&self, protocol: &str, taken: &[u16]) -> Option<u16> {
        let (low, count) = (*NODE_PORT_RANGE.start(), NODE_PORT_RANGE.len());
        let start = rand::random::<u16>();
        (0..count)
            .map(|step| low + ((usize::from(start) + step) % count) as u16)
            .find(|port| !taken.contains(port) && self.node_port_holder(*port, protocol).is_none())
    }
}
