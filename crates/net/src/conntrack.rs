//! Flows that the kernel tracks: those that go where they should not any more are forgotten.
//!
//! The kernel decides once per flow where it goes. A TCP connection ends by itself when its endpoint
//! does; a UDP flow never ends as long as its client sends, so it must be made to be decided anew.

use std::net::SocketAddrV4;

use crate::netlink::{Family, Message, NetlinkError, Socket, find, ipv4, u16_be};

const GET: u16 = 1 << 8 | 1;
const DELETE: u16 = 1 << 8 | 2;
const FAMILY_IPV4: u8 = 2;
const FIXED: [u8; 4] = [FAMILY_IPV4, 0, 0, 0];

const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTO: u16 = 2;
const IP_V4_SOURCE: u16 = 1;
const IP_V4_DESTINATION: u16 = 2;
const PROTO_NUMBER: u16 = 1;
const PROTO_SOURCE_PORT: u16 = 2;
const PROTO_DESTINATION_PORT: u16 = 3;
const CT_ID: u16 = 12;

/// A tracked flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) protocol: u8,
    /// Who started it.
    pub(crate) source: SocketAddrV4,
    /// Where its packets were sent to.
    pub(crate) destination: SocketAddrV4,
    /// Who answers.
    pub(crate) answered_by: SocketAddrV4,
    original: Vec<u8>,
    id: Vec<u8>,
}

/// Forgets the flows for which `stale` holds, and says how many there were.
pub(crate) fn forget(stale: impl Fn(&Flow) -> bool) -> Result<usize, NetlinkError> {
    let mut socket = Socket::open(Family::Netfilter)?;
    let message = Message::new("list tracked flows", GET, 0, &FIXED);
    let flows = socket.dump(message, |body| parse(body).filter(&stale))?;
    for flow in &flows {
        let message = Message::new("forget a tracked flow", DELETE, 0, &FIXED).with(|attrs| {
            attrs.attr(TUPLE_ORIGINAL | 0x8000, &flow.original).attr(CT_ID, &flow.id);
        });
        match socket.request(message) {
            Err(error) if !error.is_missing() => return Err(error),
            _ => {}
        }
    }
    Ok(flows.len())
}

fn parse(body: &[u8]) -> Option<Flow> {
    let attrs = body.get(FIXED.len()..)?;
    let original = find(attrs, TUPLE_ORIGINAL)?;
    let (protocol, source, destination) = parse_tuple(original)?;
    let (_, answered_by, _) = parse_tuple(find(attrs, TUPLE_REPLY)?)?;
    let id = find(attrs, CT_ID)?.to_vec();
    Some(Flow { protocol, source, destination, answered_by, original: original.to_vec(), id })
}

fn parse_tuple(tuple: &[u8]) -> Option<(u8, SocketAddrV4, SocketAddrV4)> {
    let (ip, proto) = (find(tuple, TUPLE_IP)?, find(tuple, TUPLE_PROTO)?);
    let port = |kind| find(proto, kind).and_then(u16_be);
    let source = SocketAddrV4::new(ipv4(find(ip, IP_V4_SOURCE)?)?, port(PROTO_SOURCE_PORT)?);
    let destination =
        SocketAddrV4::new(ipv4(find(ip, IP_V4_DESTINATION)?)?, port(PROTO_DESTINATION_PORT)?);
    Some((*find(proto, PROTO_NUMBER)?.first()?, source, destination))
}

#[cfg(test)]
impl Flow {
    /// A flow as the kernel would report it.
    pub(crate) fn for_test(
        protocol: u8,
        destination: SocketAddrV4,
        answered_by: SocketAddrV4,
    ) -> Flow {
        let source = SocketAddrV4::new(std::net::Ipv4Addr::new(10, 42, 0, 77), 40000);
        Flow { protocol, source, destination, answered_by, original: Vec::new(), id: Vec::new() }
    }
}
