//! EndpointSlices.

use std::collections::BTreeSet;

use serde_json::Value;

use super::field::Field;
use super::{address, metadata};
use crate::{names, read};

const ENDPOINTS_MAX: usize = 1000;
const ADDRESSES_MAX: usize = 100;
const PORTS_MAX: usize = 20_000;
const FAMILIES: [&str; 3] = ["FQDN", "IPv4", "IPv6"];

pub(super) fn check(object: &Field<'_>) {
    let family = object.at("addressType");
    family.one_of(&FAMILIES);
    let endpoints = object.at("endpoints");
    if endpoints.len() > ENDPOINTS_MAX {
        endpoints.too_many(ENDPOINTS_MAX);
    } else {
        endpoints.items().for_each(|item| endpoint(&item, family.text()));
    }
    ports(&object.at("ports"));
}

pub(super) fn update(object: &Field<'_>, old: &Value) {
    object.at("addressType").immutable(read::at(old, &["addressType"]));
}

fn endpoint(endpoint: &Field<'_>, family: &str) {
    let addresses = endpoint.at("addresses");
    match addresses.len() {
        0 => addresses.required("must contain at least 1 address"),
        1..=ADDRESSES_MAX => {}
        _ => return addresses.too_many(ADDRESSES_MAX),
    }
    for item in addresses.items() {
        match family {
            "IPv4" | "IPv6" => address::endpoint(&item, family),
            "FQDN" => item.well_formed(names::dns_subdomain),
            _ => {}
        }
    }
    let (hostname, node) = (endpoint.at("hostname"), endpoint.at("nodeName"));
    if hostname.is_some() {
        hostname.well_formed(names::dns_label);
    }
    if node.is_some() {
        node.well_formed(names::dns_subdomain);
    }
    metadata::labels(&endpoint.at("deprecatedTopology"));
}

fn ports(ports: &Field<'_>) {
    if ports.len() > PORTS_MAX {
        return ports.too_many(PORTS_MAX);
    }
    let mut seen = BTreeSet::new();
    for port in ports.items() {
        let (name, number, app) = (port.at("name"), port.at("port"), port.at("appProtocol"));
        if !name.is_empty() {
            name.well_formed(names::dns_label);
        }
        if !seen.insert(name.text()) {
            name.showing(&name.text().into()).duplicate();
        }
        if number.is_some() {
            address::port(&number);
        }
        address::protocol(&port.at("protocol"));
        if !app.is_empty() {
            app.well_formed(names::qualified_name);
        }
    }
}
