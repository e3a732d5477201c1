//! NetworkPolicies, Endpoints, and what addresses there are.

use std::net::IpAddr;

use serde_json::Value;

use super::field::Field;
use super::{address, metadata, pod, selector};
use crate::{names, read};

const CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

pub(super) fn policy(object: &Field<'_>) {
    let spec = object.at("spec");
    selector::check(&spec.at("podSelector"));
    for (side, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.at(side).items() {
            rule.at("ports").items().for_each(|port| policy_port(&port));
            rule.at(peers).items().for_each(|peer| policy_peer(&peer));
        }
    }
    let types = spec.at("policyTypes");
    if types.len() > 2 {
        types.invalid("may not specify more than two policyTypes");
        return;
    }
    for kind in types.items() {
        kind.one_of(&["Egress", "Ingress"]);
    }
}

fn policy_port(entry: &Field<'_>) {
    let (protocol, port, end) = (entry.at("protocol"), entry.at("port"), entry.at("endPort"));
    if protocol.is_some() {
        address::protocol(&protocol);
    }
    if port.is_some() {
        address::port_or_name(&port);
    }
    if !end.is_some() {
        return;
    }
    if !port.is_some() {
        end.required("may not be specified when `port` is not specified");
    } else if port.value.is_string() {
        end.required("may not be specified when `port` is non-numeric");
    } else if end.number() < port.number() {
        end.invalid("must be greater than or equal to `port`");
    }
}

fn policy_peer(peer: &Field<'_>) {
    let [pods, spaces, block] =
        ["podSelector", "namespaceSelector", "ipBlock"].map(|field| peer.at(field));
    for selected in [&pods, &spaces].into_iter().filter(|field| field.is_some()) {
        selector::check(selected);
    }
    let selects = pods.is_some() || spaces.is_some();
    if block.is_some() {
        ip_block(&block);
    }
    if block.is_some() && selects {
        peer.forbidden("may not specify both ipBlock and another peer");
    } else if !block.is_some() && !selects {
        peer.required("must specify a peer");
    }
}

/// A range of addresses and smaller ones that are not meant.
fn ip_block(block: &Field<'_>) {
    let range = block.at("cidr");
    if range.is_empty() {
        return range.required("");
    }
    let Some(whole) = cidr(&range) else { return };
    for part in block.at("except").items() {
        if cidr(&part).is_some_and(|part| !is_within(part, whole)) {
            part.invalid("must be a strict subset of `cidr`");
        }
    }
}

/// Is one range a smaller one in the other?
fn is_within((address, length): (IpAddr, u8), (whole, whole_length): (IpAddr, u8)) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let ((part, size), (all, other_size)) = (bits(address), bits(whole));
    // A range of all addresses would be shifted by all bits, which leaves nothing to compare.
    let rest = u32::from(size - whole_length.min(size));
    let same = part.checked_shr(rest).unwrap_or(0) == all.checked_shr(rest).unwrap_or(0);
    size == other_size && same && whole_length < length
}

/// A range of addresses; says so where it is none.
fn cidr(field: &Field<'_>) -> Option<(IpAddr, u8)> {
    let parsed = field.text().split_once('/').and_then(|(address, length)| {
        let (address, length): (IpAddr, u8) = (address.parse().ok()?, length.parse().ok()?);
        (length <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, length))
    });
    if parsed.is_none() {
        field.invalid_text(CIDR);
    }
    parsed
}

pub(super) fn service_range(object: &Field<'_>) {
    let ranges = object.at("spec").at("cidrs");
    match ranges.len() {
        0 => ranges.required("at least one CIDR required"),
        1 | 2 => {}
        _ => ranges.invalid("may only hold up to 2 values"),
    }
    let families: Vec<_> = ranges.items().filter_map(|range| cidr(&range)).collect();
    if let [(a, _), (b, _)] = families[..]
        && a.is_ipv4() == b.is_ipv4()
    {
        ranges.invalid("may specify no more than one IP for each IP family");
    }
}

pub(super) fn update_service_range(object: &Field<'_>, old: &Value) {
    object.at("spec").at("cidrs").immutable(read::at(old, &["spec", "cidrs"]));
}

pub(super) fn ip_address(object: &Field<'_>) {
    let parent = object.at("spec").at("parentRef");
    if !parent.is_some() {
        return parent.required("");
    }
    if !parent.at("group").is_empty() {
        parent.at("group").well_formed(names::dns_subdomain);
    }
    for field in ["resource", "name", "namespace"].map(|field| parent.at(field)) {
        if !field.is_empty() {
            field.well_formed(names::path_segment);
        } else if !field.path().ends_with("namespace") {
            field.required("");
        }
    }
}

pub(super) fn update_ip_address(object: &Field<'_>, old: &Value) {
    object.at("spec").at("parentRef").immutable(read::at(old, &["spec", "parentRef"]));
}

pub(super) fn endpoints(object: &Field<'_>) {
    for subset in object.at("subsets").items() {
        if subset.at("addresses").is_empty() && subset.at("notReadyAddresses").is_empty() {
            subset.required("must specify `addresses` or `notReadyAddresses`");
        }
        for list in ["addresses", "notReadyAddresses"] {
            subset.at(list).items().for_each(|entry| endpoint(&entry));
        }
        let many = subset.at("ports").len() > 1;
        for port in subset.at("ports").items() {
            let name = port.at("name");
            if many || !name.is_empty() {
                if name.is_empty() {
                    name.required("");
                } else {
                    name.well_formed(names::dns_label);
                }
            }
            address::port(&port.at("port"));
            address::protocol(&port.at("protocol"));
            let app = port.at("appProtocol");
            if app.is_some() {
                app.well_formed(names::qualified_name);
            }
        }
    }
}

fn endpoint(entry: &Field<'_>) {
    let (ip, hostname, node) = (entry.at("ip"), entry.at("hostname"), entry.at("nodeName"));
    match ip.text().parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => address::endpoint(&ip, "IPv4"),
        Ok(IpAddr::V6(_)) => address::endpoint(&ip, "IPv6"),
        Err(_) => address::ip(&ip),
    }
    if !hostname.is_empty() {
        hostname.well_formed(names::dns_label);
    }
    if node.is_some() {
        node.well_formed(names::dns_subdomain);
    }
}

pub(super) fn runtime_class(object: &Field<'_>) {
    object.at("handler").well_formed(names::dns_label);
    // Upstream leaves the field out of the path.
    let overhead = object.at("overhead");
    pod::overhead(&overhead.showing(overhead.at("podFixed").value));
    let placed = object.at("scheduling");
    metadata::labels(&placed.at("nodeSelector"));
    pod::tolerations(&placed.at("tolerations"));
}

pub(super) fn update_runtime_class(object: &Field<'_>, old: &Value) {
    object.at("handler").immutable(read::at(old, &["handler"]));
}
