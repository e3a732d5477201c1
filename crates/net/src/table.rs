//! What the balancer shall do, as plain data.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

/// A transport protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// The number in the IP header.
    pub fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        })
    }
}

/// One virtual address and port, and the endpoints behind it.
///
/// New connections are spread at random; without endpoints they are refused at once. A connection made
/// before an endpoint was removed goes on with it (UDP moves at once).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Names the service in logs, and decides who has a port that two claim.
    pub name: String,
    /// The virtual address.
    pub address: Ipv4Addr,
    /// The virtual port.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// A port that leads to the same endpoints on every address of the box, 127.0.0.1 included.
    pub node_port: Option<u16>,
    /// Where connections go.
    pub endpoints: Vec<SocketAddrV4>,
    /// Connections of one client address go to the same endpoint until it was silent for so long.
    pub affinity_seconds: Option<u32>,
}

/// One port of the box that leads to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// The box's address to listen at; none means every address.
    pub address: Option<Ipv4Addr>,
    /// The port on the box.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// Where connections go.
    pub endpoint: SocketAddrV4,
}

/// All that an instance balances. Where two entries claim the same address and port, the first in the
/// order services by name, then host ports, wins, and a warning is logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Virtual addresses.
    pub services: Vec<Service>,
    /// Ports of the box itself.
    pub host_ports: Vec<HostPort>,
}
