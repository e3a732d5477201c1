//! Addresses, neighbours and routes.

use std::net::Ipv4Addr;

use nix::libc::{
    AF_INET, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, RT_TABLE_MAIN, RTM_DELROUTE, RTM_GETADDR,
    RTM_GETROUTE, RTM_NEWADDR, RTM_NEWNEIGH, RTM_NEWROUTE, RTN_UNICAST, RTN_UNREACHABLE,
};

use crate::AddressRange;
use crate::netlink::{CREATE, Message, NetlinkError, REPLACE, find, ipv4, u32_ne};

use super::{Mac, RouteSocket, ignore_missing};

/// Marks our routes, so that they can be told from anybody else's.
const ROUTE_PROTOCOL: u8 = 83;
/// Loses against every route that somebody sets on purpose.
const METRIC_LAST: u32 = 4_000_000;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NUD_PERMANENT: u16 = 0x80;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
/// The gateway is on the link, whatever the link's addresses say.
const NEXT_HOP_ONLINK: u32 = 4;

/// A route of the main table. `prefix` 0 is the default route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) to: Ipv4Addr,
    pub(crate) prefix: u8,
    pub(crate) link: Option<u32>,
    pub(crate) ours: bool,
}

impl RouteSocket {
    /// Gives a link a /32 address; one it has already is fine.
    pub(crate) fn add_address(
        &mut self,
        index: u32,
        address: Ipv4Addr,
    ) -> Result<(), NetlinkError> {
        let mut fixed = [AF_INET as u8, 32, 0, RT_SCOPE_UNIVERSE, 0, 0, 0, 0];
        fixed[4..].copy_from_slice(&index.to_ne_bytes());
        let attempted = format!("add address {address}");
        let message =
            Message::new(attempted, RTM_NEWADDR, CREATE | REPLACE, &fixed).with(|attrs| {
                attrs.attr(IFA_LOCAL, &address.octets()).attr(IFA_ADDRESS, &address.octets());
            });
        self.0.request(message)
    }

    /// All IPv4 addresses with the index of the link that has them.
    pub(crate) fn addresses(&mut self) -> Result<Vec<(u32, Ipv4Addr)>, NetlinkError> {
        let fixed = [AF_INET as u8, 0, 0, 0, 0, 0, 0, 0];
        let message = Message::new("list addresses", RTM_GETADDR, 0, &fixed);
        self.0.dump(message, |body| {
            let index = u32_ne(body.get(4..)?)?;
            Some((index, ipv4(find(body.get(8..)?, IFA_LOCAL)?)?))
        })
    }

    /// Says once and for all which link-layer address a neighbour has.
    pub(crate) fn add_neighbour(
        &mut self,
        index: u32,
        address: Ipv4Addr,
        mac: Mac,
    ) -> Result<(), NetlinkError> {
        let mut fixed = [AF_INET as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        fixed[4..8].copy_from_slice(&index.to_ne_bytes());
        fixed[8..10].copy_from_slice(&NUD_PERMANENT.to_ne_bytes());
        let attempted = format!("add neighbour {address}");
        let message =
            Message::new(attempted, RTM_NEWNEIGH, CREATE | REPLACE, &fixed).with(|attrs| {
                attrs.attr(NDA_DST, &address.octets()).attr(NDA_LLADDR, &mac);
            });
        self.0.request(message)
    }

    /// Routes addresses through a link, with the source address that local senders get.
    pub(crate) fn add_link_route(
        &mut self,
        to: Ipv4Addr,
        prefix: u8,
        index: u32,
        source: Ipv4Addr,
    ) -> Result<(), NetlinkError> {
        let fixed = route_header(prefix, RT_SCOPE_LINK, RTN_UNICAST, 0);
        let attempted = format!("add route {to}/{prefix}");
        let message =
            Message::new(attempted, RTM_NEWROUTE, CREATE | REPLACE, &fixed).with(|attrs| {
                attrs
                    .attr(RTA_DST, &to.octets())
                    .u32(RTA_OIF, index)
                    .attr(RTA_PREFSRC, &source.octets());
            });
        self.0.request(message)
    }

    /// Routes everything through a gateway that need not be in any subnet of the link.
    pub(crate) fn add_default_route(
        &mut self,
        index: u32,
        gateway: Ipv4Addr,
    ) -> Result<(), NetlinkError> {
        let fixed = route_header(0, RT_SCOPE_UNIVERSE, RTN_UNICAST, NEXT_HOP_ONLINK);
        let message = Message::new("add default route", RTM_NEWROUTE, CREATE | REPLACE, &fixed)
            .with(|attrs| {
                attrs.attr(RTA_GATEWAY, &gateway.octets()).u32(RTA_OIF, index);
            });
        self.0.request(message)
    }

    /// Answers "unreachable" for addresses of the range that no other route covers.
    pub(crate) fn add_unreachable(&mut self, range: &AddressRange) -> Result<(), NetlinkError> {
        let attempted = format!("add route unreachable {range}");
        self.0.request(unreachable(attempted, RTM_NEWROUTE, CREATE | REPLACE, range))
    }

    /// Takes [`RouteSocket::add_unreachable`] back; a route that is not there is fine.
    pub(crate) fn delete_unreachable(&mut self, range: &AddressRange) -> Result<(), NetlinkError> {
        let attempted = format!("delete route unreachable {range}");
        ignore_missing(self.0.request(unreachable(attempted, RTM_DELROUTE, 0, range)))
    }

    /// The routes of the main table.
    pub(crate) fn routes(&mut self) -> Result<Vec<Route>, NetlinkError> {
        let fixed = [AF_INET as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let message = Message::new("list routes", RTM_GETROUTE, 0, &fixed);
        self.0.dump(message, parse_route)
    }

    /// Takes 127.0.0.1 away from the loopback link: a namespace without it can send 127.0.0.0/8 elsewhere.
    #[cfg(test)]
    pub(crate) fn delete_loopback_address(&mut self) -> Result<(), NetlinkError> {
        let mut fixed = [AF_INET as u8, 8, 0, 0, 0, 0, 0, 0];
        fixed[4..].copy_from_slice(&super::LOOPBACK_INDEX.to_ne_bytes());
        let kind = nix::libc::RTM_DELADDR;
        let message = Message::new("delete address 127.0.0.1", kind, 0, &fixed).with(|attrs| {
            attrs.attr(IFA_LOCAL, &[127, 0, 0, 1]);
        });
        self.0.request(message)
    }
}

fn route_header(prefix: u8, scope: u8, kind: u8, flags: u32) -> [u8; 12] {
    let table = RT_TABLE_MAIN;
    let [a, b, c, d] = flags.to_ne_bytes();
    [AF_INET as u8, prefix, 0, 0, table, ROUTE_PROTOCOL, scope, kind, a, b, c, d]
}

fn unreachable(attempted: String, kind: u16, flags: u16, range: &AddressRange) -> Message {
    let fixed = route_header(range.prefix(), RT_SCOPE_UNIVERSE, RTN_UNREACHABLE, 0);
    Message::new(attempted, kind, flags, &fixed).with(|attrs| {
        attrs.attr(RTA_DST, &range.base().octets()).u32(RTA_PRIORITY, METRIC_LAST);
    })
}

fn parse_route(body: &[u8]) -> Option<Route> {
    let attrs = body.get(12..)?;
    if body[0] != AF_INET as u8 || body[4] != RT_TABLE_MAIN {
        return None;
    }
    Some(Route {
        to: find(attrs, RTA_DST).and_then(ipv4).unwrap_or(Ipv4Addr::UNSPECIFIED),
        prefix: body[1],
        link: find(attrs, RTA_OIF).and_then(u32_ne),
        ours: body[5] == ROUTE_PROTOCOL,
    })
}
