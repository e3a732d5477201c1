//! Links, addresses, neighbours and routes: the few rtnetlink requests we make, as methods.

mod ways;

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc::{AF_INET, AF_UNSPEC, IFF_UP, RTM_DELLINK, RTM_GETLINK, RTM_NEWLINK, RTM_SETLINK};

use crate::netlink::{
    CREATE, EXCLUSIVE, Family, Message, NetlinkError, Socket, Writer, attributes, text, u32_ne,
};

pub(crate) use ways::Route;

/// Leaves the counters out of link dumps: most of their bytes.
const SKIP_STATS: u32 = 8;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_IFALIAS: u16 = 20;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_EXT_MASK: u16 = 29;
const VETH_INFO_PEER: u16 = 1;
const IFLA_INET_CONF: u16 = 1;
const DEVCONF_RP_FILTER: u16 = 8;
const DEVCONF_ROUTE_LOCALNET: u16 = 26;
const LOOPBACK_INDEX: u32 = 1;

/// A link-layer address.
pub(crate) type Mac = [u8; 6];

/// A link as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkInfo {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) alias: Option<String>,
    pub(crate) mtu: u32,
}

/// Both ends of a new veth pair.
#[derive(Debug)]
pub(crate) struct VethPair<'a> {
    pub(crate) name: &'a str,
    pub(crate) mac: Mac,
    pub(crate) mtu: u32,
    pub(crate) peer_name: &'a str,
    pub(crate) peer_mac: Mac,
    pub(crate) peer_netns: BorrowedFd<'a>,
}

/// rtnetlink in one network namespace.
#[derive(Debug)]
pub(crate) struct RouteSocket(Socket);

impl RouteSocket {
    /// Opens a socket in the calling thread's network namespace.
    pub(crate) fn open() -> Result<RouteSocket, NetlinkError> {
        Socket::open(Family::Route).map(RouteSocket)
    }

    /// The link of this name, if there is one.
    pub(crate) fn link(&mut self, name: &str) -> Result<Option<LinkInfo>, NetlinkError> {
        let message =
            link_message(format!("look up link {name}"), RTM_GETLINK, 0, 0, 0).with(|attrs| {
                attrs.text(IFLA_IFNAME, name).u32(IFLA_EXT_MASK, SKIP_STATS);
            });
        match self.0.get(message, parse_link) {
            Err(error) if error.is_missing() => Ok(None),
            other => other,
        }
    }

    /// All links.
    pub(crate) fn links(&mut self) -> Result<Vec<LinkInfo>, NetlinkError> {
        let message = link_message("list links", RTM_GETLINK, 0, 0, 0).with(|attrs| {
            attrs.u32(IFLA_EXT_MASK, SKIP_STATS);
        });
        self.0.dump(message, parse_link)
    }

    /// Makes a link of a kind that needs no parameters, down.
    pub(crate) fn add_link(&mut self, name: &str, kind: &str) -> Result<(), NetlinkError> {
        let attempted = format!("create {kind} link {name}");
        let message =
            link_message(attempted, RTM_NEWLINK, CREATE | EXCLUSIVE, 0, 0).with(|attrs| {
                attrs.text(IFLA_IFNAME, name).nest(IFLA_LINKINFO, |info| {
                    info.text(IFLA_INFO_KIND, kind);
                });
            });
        self.0.request(message)
    }

    /// Makes a veth pair, our end up, the peer in its own namespace from the start.
    pub(crate) fn add_veth(&mut self, pair: &VethPair<'_>) -> Result<(), NetlinkError> {
        let attempted = format!("create veth link {}", pair.name);
        let up = IFF_UP as u32;
        let message =
            link_message(attempted, RTM_NEWLINK, CREATE | EXCLUSIVE, 0, up).with(|attrs| {
                attrs
                    .text(IFLA_IFNAME, pair.name)
                    .attr(IFLA_ADDRESS, &pair.mac)
                    .u32(IFLA_MTU, pair.mtu)
                    .nest(IFLA_LINKINFO, |info| {
                        info.text(IFLA_INFO_KIND, "veth").nest(IFLA_INFO_DATA, |data| {
                            data.nest(VETH_INFO_PEER, |peer| {
                                peer_attributes(peer, pair);
                            });
                        });
                    });
            });
        self.0.request(message)
    }

    /// Brings a link up.
    pub(crate) fn set_up(&mut self, index: u32) -> Result<(), NetlinkError> {
        let up = IFF_UP as u32;
        self.0.request(link_message("bring a link up", RTM_NEWLINK, 0, index, up))
    }

    /// Brings the loopback link up.
    pub(crate) fn set_loopback_up(&mut self) -> Result<(), NetlinkError> {
        self.set_up(LOOPBACK_INDEX)
    }

    /// Makes a pod's link refuse sources that are not the pod's, and accept answers to 127.0.0.1.
    pub(crate) fn harden_pod_link(&mut self, index: u32) -> Result<(), NetlinkError> {
        let message =
            link_message("configure a pod link", RTM_SETLINK, 0, index, 0).with(|attrs| {
                attrs.nest(IFLA_AF_SPEC, |spec| {
                    spec.nest(AF_INET as u16, |inet| {
                        inet.nest(IFLA_INET_CONF, |conf| {
                            conf.u32(DEVCONF_RP_FILTER, 1).u32(DEVCONF_ROUTE_LOCALNET, 1);
                        });
                    });
                });
            });
        self.0.request(message)
    }

    /// Notes a text on a link.
    pub(crate) fn set_alias(&mut self, index: u32, alias: &str) -> Result<(), NetlinkError> {
        let message = link_message("set a link's alias", RTM_SETLINK, 0, index, 0).with(|attrs| {
            attrs.attr(IFLA_IFALIAS, alias.as_bytes());
        });
        self.0.request(message)
    }

    /// Removes a link; one that is gone already is fine.
    pub(crate) fn delete_link(&mut self, name: &str) -> Result<(), NetlinkError> {
        let message =
            link_message(format!("delete link {name}"), RTM_DELLINK, 0, 0, 0).with(|attrs| {
                attrs.text(IFLA_IFNAME, name);
            });
        ignore_missing(self.0.request(message))
    }
}

fn peer_attributes(peer: &mut Writer, pair: &VethPair<'_>) {
    // The kernel cannot bring the peer up before the two are joined.
    peer.raw(&link_header(0, 0))
        .text(IFLA_IFNAME, pair.peer_name)
        .attr(IFLA_ADDRESS, &pair.peer_mac)
        .u32(IFLA_MTU, pair.mtu)
        .u32(IFLA_NET_NS_FD, pair.peer_netns.as_raw_fd() as u32);
}

fn link_header(index: u32, flags: u32) -> [u8; 16] {
    let mut fixed = [0; 16];
    fixed[0] = AF_UNSPEC as u8;
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    fixed[8..12].copy_from_slice(&flags.to_ne_bytes());
    // The change mask: only the flags named are touched.
    fixed[12..].copy_from_slice(&flags.to_ne_bytes());
    fixed
}

fn link_message(
    attempted: impl Into<String>,
    kind: u16,
    flags: u16,
    index: u32,
    link_flags: u32,
) -> Message {
    Message::new(attempted, kind, flags, &link_header(index, link_flags))
}

fn parse_link(body: &[u8]) -> Option<LinkInfo> {
    let index = u32_ne(body.get(4..)?)?;
    let mut link = LinkInfo { index, name: String::new(), alias: None, mtu: 0 };
    for (kind, payload) in attributes(body.get(16..)?) {
        match kind {
            IFLA_IFNAME => link.name = text(payload).to_owned(),
            IFLA_IFALIAS => link.alias = Some(text(payload).to_owned()),
            IFLA_MTU => link.mtu = u32_ne(payload)?,
            _ => {}
        }
    }
    Some(link)
}

fn ignore_missing(result: Result<(), NetlinkError>) -> Result<(), NetlinkError> {
    match result {
        Err(error) if error.is_missing() => Ok(()),
        other => other,
    }
}

/// Whether the kernel does not have links of the kind asked for.
pub(crate) fn is_unknown_kind(error: &NetlinkError) -> bool {
    matches!(error.errno(), Errno::EOPNOTSUPP | Errno::ENODEV)
}
