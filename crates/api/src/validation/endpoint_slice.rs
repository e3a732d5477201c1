//! EndpointSlices.

use std::collections::BTreeSet;

use serde_json::Value;

use super::field::Field;
use super::{address, metadata};
use crate::{names, read};

const ENDPOINTS_MAX: usize = 1000;
const ADDRESSES_MAX: usize = 100;
/// Of what was known of an endpoint's place, and of hints.
const LABELS_MAX: usize = 16;
const HINTS_MAX: usize = 8;
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
        _ => addresses.too_many(ADDRESSES_MAX),
    }
    for item in addresses.items() {
        match family {
            "IPv4" | "IPv6" => address::endpoint(&item, family),
            "FQDN" => full_name(&item),
            _ => {}
        }
    }
    let (hostname, node) = (endpoint.at("hostname"), endpoint.at("nodeName"));
    if node.is_some() {
        node.well_formed(names::dns_subdomain);
    }
    let topology = endpoint.at("deprecatedTopology");
    if topology.len() > LABELS_MAX {
        topology.too_many(LABELS_MAX);
    }
    metadata::labels(&topology);
    if hostname.is_some() {
        hostname.well_formed(names::dns_label);
    }
    let hints = endpoint.at("hints");
    named(&hints.at("forZones"), names::label_value);
    named(&hints.at("forNodes"), names::dns_subdomain);
}

/// A name of at least two parts, which may end with a dot.
fn full_name(name: &Field<'_>) {
    let text = name.text();
    let plain = text.strip_suffix('.').unwrap_or(text);
    if text.is_empty() {
        return name.required("");
    }
    let problems = names::dns_subdomain(plain);
    let parts: Vec<&str> = plain.split('.').collect();
    if !problems.is_empty() {
        name.invalid_as(plain, problems.join(","));
    } else if parts.len() < 2 {
        name.invalid_as(plain, "should be a domain with at least two segments separated by dots");
    } else {
        let wrong = parts.into_iter().map(|part| (part, names::dns_label(part)));
        if let Some((part, problems)) = wrong.into_iter().find(|(_, wrong)| !wrong.is_empty()) {
            name.invalid_as(part, problems.join(","));
        }
    }
}

/// Where an endpoint is best used from, each once.
fn named(list: &Field<'_>, rule: fn(&str) -> Vec<String>) {
    if list.len() > HINTS_MAX {
        return list.too_many(HINTS_MAX);
    }
    let mut seen = BTreeSet::new();
    for name in list.items().map(|item| item.at("name")) {
        if !seen.insert(name.text()) {
            name.duplicate();
        }
        name.well_formed(rule);
    }
}

fn ports(ports: &Field<'_>) {
    if ports.len() > PORTS_MAX {
        return ports.too_many(PORTS_MAX);
    }
    let mut seen = BTreeSet::new();
    for port in ports.items() {
        let (name, app) = (port.at("name"), port.at("appProtocol"));
        if !name.is_empty() {
            name.well_formed(names::dns_label);
        }
        if !seen.insert(name.text()) {
            name.showing(&name.text().into()).duplicate();
        }
        address::protocol(&port.at("protocol"));
        if app.is_some() {
            app.well_formed(names::qualified_name);
        }
    }
}
