//! Addresses, ports and protocols, which several kinds have.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::field::Field;
use crate::names;

pub(super) const PORT_RANGE: &str = "must be between 1 and 65535, inclusive";
const IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

/// An address of either family.
pub(super) fn ip(field: &Field<'_>) {
    if field.text().parse::<IpAddr>().is_err() {
        field.invalid_text(IP);
    }
}

/// The name of an IPAddress object: its address as one writes it.
pub(super) fn name(text: &str) -> Vec<String> {
    match text.parse::<IpAddr>() {
        Ok(address) if address.to_string() == text => Vec::new(),
        Ok(address) => vec![format!("must be in canonical form (\"{address}\")")],
        Err(_) => vec![IP.to_owned()],
    }
}

/// Is it a host and a port, as `10.0.0.1:80` or `[::1]:80`?
pub(super) fn is_port_pair(text: &str) -> bool {
    match text.rsplit_once(':') {
        Some((host, _)) => !host.contains(':') || (host.starts_with('[') && host.ends_with(']')),
        None => false,
    }
}

/// An address that endpoints may have: one that another machine can reach.
pub(super) fn endpoint(field: &Field<'_>, family: &str) {
    match (family, field.text().parse()) {
        ("IPv4", Ok(IpAddr::V4(address))) => special(field, v4_problem(address)),
        ("IPv6", Ok(IpAddr::V6(address))) => special(field, v6_problem(address)),
        ("IPv4", _) => field.invalid_text("must be a valid IPv4 address"),
        _ => field.invalid_text("must be a valid IPv6 address"),
    }
}

/// A range of addresses, as in `text`; `at` is where it is said to be wrong.
pub(super) fn range(at: &Field<'_>, text: &str) {
    let fine = text.split_once('/').is_some_and(|(address, length)| {
        let bits = match address.parse::<IpAddr>() {
            Ok(address) if address.is_ipv4() => 32,
            Ok(_) => 128,
            Err(_) => return false,
        };
        length.parse::<u8>().is_ok_and(|length| length <= bits)
    });
    if !fine {
        at.invalid_as(text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    }
}

/// An address from outside that leads to a Service.
pub(super) fn external(field: &Field<'_>) {
    match field.text().parse() {
        Ok(IpAddr::V4(address)) => special(field, v4_problem(address)),
        Ok(IpAddr::V6(address)) => special(field, v6_problem(address)),
        Err(_) => field.invalid_text(IP),
    }
}

fn special(field: &Field<'_>, problem: Option<&str>) {
    if let Some(problem) = problem {
        field.invalid(problem);
    }
}

fn v4_problem(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, 0, 0, 0] => Some("may not be unspecified (0.0.0.0)"),
        [127, ..] => Some(LOOPBACK),
        [169, 254, ..] => Some(LINK_LOCAL),
        [224, 0, 0, _] => Some(MULTICAST),
        _ => None,
    }
}

fn v6_problem(address: Ipv6Addr) -> Option<&'static str> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("may not be unspecified (::)"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(LOOPBACK),
        [first, ..] if first & 0xffc0 == 0xfe80 => Some(LINK_LOCAL),
        [first, ..] if first & 0xff0f == 0xff02 => Some(MULTICAST),
        _ => None,
    }
}

const LOOPBACK: &str = "may not be in the loopback range (127.0.0.0/8, ::1/128)";
const LINK_LOCAL: &str = "may not be in the link-local range (169.254.0.0/16, fe80::/10)";
const MULTICAST: &str = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)";

/// Is it a port's number?
pub(super) fn is_port(number: i64) -> bool {
    (1..=65535).contains(&number)
}

/// A port's number.
pub(super) fn port(field: &Field<'_>) {
    if !is_port(field.number()) {
        field.invalid_number(PORT_RANGE);
    }
}

/// A port's number or a container port's name.
pub(super) fn port_or_name(field: &Field<'_>) {
    match field.value.is_string() {
        true => field.well_formed(names::port_name),
        false => port(field),
    }
}

/// TCP and its kin.
pub(super) fn protocol(field: &Field<'_>) {
    field.one_of(&PROTOCOLS);
}
