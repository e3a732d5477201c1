//! Services. Addresses and node ports that are given away are the API server's to check.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::field::Field;
use super::{address, metadata};
use crate::{names, read};

const KUBELET_PORT: i64 = 10250;
const ONE_DAY: i64 = 24 * 60 * 60;
const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const BALANCERS_ONLY: &str = "may only be used when `type` is 'LoadBalancer'";

pub(super) fn check(object: &Field<'_>) {
    let spec = object.at("spec");
    let headless = is_headless(spec.value);
    of_type(&spec, headless);
    ports(&spec.at("ports"));
    metadata::labels(&spec.at("selector"));
    affinity(&spec);
    addresses(&spec);
    spec.at("externalIPs").items().for_each(|ip| address::ip(&ip));
    spec.at("type").one_of(&TYPES);
    no_duplicates(&spec);
    balancer_fields(&spec);
    traffic_policies(&spec);
}

/// The address of a Service is known to its clients and must not change while it has one.
pub(super) fn update(object: &Field<'_>, old: &Value) {
    let (spec, old) = (object.at("spec"), read::at(old, &["spec"]));
    let had = read::text(old, "clusterIP");
    let named = [spec.value, old].iter().any(|spec| read::text(spec, "type") == "ExternalName");
    let now = spec.at("clusterIP").text();
    if named || had.is_empty() || had == now {
        return;
    }
    let addresses = spec.at("clusterIPs");
    let shown = if addresses.is_empty() { json!([now]) } else { addresses.value.clone() };
    let detail = match now.is_empty() {
        true => "primary clusterIP can not be unset",
        false => "may not change once set",
    };
    addresses.key("0").invalid_as(shown, detail);
}

fn is_headless(spec: &Value) -> bool {
    let first = read::list(spec, "clusterIPs").first().and_then(Value::as_str);
    read::text(spec, "clusterIP") == "None" || first == Some("None")
}

fn of_type(spec: &Field<'_>, headless: bool) {
    let (kind, ports) = (spec.at("type").text(), spec.at("ports"));
    if ports.is_empty() && !headless && kind != "ExternalName" {
        ports.required("");
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let detail = format!("may not be set to 'None' for {kind} services");
            spec.at("clusterIPs").key("0").invalid_as("None", detail);
        }
        "ExternalName" => external_name(spec),
        "ClusterIP" => ports.items().map(|port| port.at("nodePort")).for_each(|port| {
            if port.number() != 0 {
                port.forbidden("may not be used when `type` is 'ClusterIP'");
            }
        }),
        _ => {}
    }
    if kind == "LoadBalancer" {
        kubelet_port_is_not_exposed(&ports);
    }
}

fn kubelet_port_is_not_exposed(ports: &Field<'_>) {
    for port in ports.items() {
        if port.at("port").number() == KUBELET_PORT {
            let detail = format!(
                "may not expose port {KUBELET_PORT} externally since it is used by kubelet"
            );
            port.invalid_as(KUBELET_PORT, detail);
        }
    }
}

fn external_name(spec: &Field<'_>) {
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"].map(|field| spec.at(field)) {
        if !field.is_empty() {
            field.forbidden("may not be set for ExternalName services");
        }
    }
    let name = spec.at("externalName");
    match name.text().strip_suffix('.').unwrap_or(name.text()) {
        "" => name.required(""),
        plain => names::dns_subdomain(plain).into_iter().for_each(|problem| name.invalid(problem)),
    }
}

fn ports(ports: &Field<'_>) {
    let mut seen = BTreeSet::new();
    for port in ports.items() {
        let (name, protocol) = (port.at("name"), port.at("appProtocol"));
        match name.is_empty() {
            true if ports.len() > 1 => name.required(""),
            true => {}
            false => {
                name.well_formed(names::dns_label);
                if !seen.insert(name.text()) {
                    name.duplicate();
                }
            }
        }
        address::port(&port.at("port"));
        address::protocol(&port.at("protocol"));
        address::port_or_name(&port.at("targetPort"));
        if !protocol.is_empty() {
            protocol.well_formed(names::qualified_name);
        }
    }
}

fn affinity(spec: &Field<'_>) {
    let (kind, config) = (spec.at("sessionAffinity"), spec.at("sessionAffinityConfig"));
    kind.one_of(&["ClientIP", "None"]);
    let seconds = config.at("clientIP").at("timeoutSeconds");
    match kind.text() {
        "ClientIP" if !config.is_some() => {
            config.required("when session affinity type is ClientIP");
        }
        "ClientIP" if !(1..=ONE_DAY).contains(&seconds.number()) => {
            seconds.invalid_number(format!("must be greater than 0 and less than {ONE_DAY}"));
        }
        "None" if config.is_some() => {
            config.forbidden("must not be set when session affinity is None");
        }
        _ => {}
    }
}

fn addresses(spec: &Field<'_>) {
    const FAMILIES: usize = 2;
    let (one, all) = (spec.at("clusterIP"), spec.at("clusterIPs"));
    let first = all.items().next();
    if one.is_empty() && first.is_some() {
        all.forbidden("must be empty when `clusterIP` is not specified");
    }
    if first.is_some_and(|first| !one.is_empty() && first.text() != one.text()) {
        all.invalid("first value must match `clusterIP`");
    }
    if all.len() > FAMILIES {
        all.invalid("may only hold up to 2 values");
    }
    for address in all.items() {
        match address.text() {
            "None" if all.len() > 1 => all.invalid("'None' must be the first and only value"),
            "None" => {}
            _ => address::ip(&address),
        }
    }
    let families = spec.at("ipFamilies");
    families.items().for_each(|family| family.one_of(&["IPv4", "IPv6"]));
    let policy = spec.at("ipFamilyPolicy");
    if policy.is_some() {
        policy.one_of(&["PreferDualStack", "RequireDualStack", "SingleStack"]);
    }
}

/// Neither a port nor a node port is there twice for one protocol.
fn no_duplicates(spec: &Field<'_>) {
    let (mut ports, mut node_ports) = (BTreeSet::new(), BTreeSet::new());
    for port in spec.at("ports").items() {
        let protocol = port.at("protocol").text();
        let (number, node_port) = (port.at("port").number(), port.at("nodePort"));
        if node_port.number() != 0 && !node_ports.insert((protocol, node_port.number())) {
            node_port.duplicate();
        }
        if !ports.insert((protocol, number)) {
            port.showing(&json!({"port": number, "protocol": protocol})).duplicate();
        }
    }
}

fn balancer_fields(spec: &Field<'_>) {
    if spec.at("type").text() == "LoadBalancer" {
        let class = spec.at("loadBalancerClass");
        if class.is_some() {
            class.well_formed(names::qualified_name);
        }
        return;
    }
    let fields = ["loadBalancerSourceRanges", "allocateLoadBalancerNodePorts", "loadBalancerClass"];
    for field in fields.map(|field| spec.at(field)) {
        if field.is_some() && field.value.as_array().is_none_or(|ranges| !ranges.is_empty()) {
            field.forbidden(BALANCERS_ONLY);
        }
    }
}

fn traffic_policies(spec: &Field<'_>) {
    const POLICIES: [&str; 2] = ["Cluster", "Local"];
    let (internal, external) = (spec.at("internalTrafficPolicy"), spec.at("externalTrafficPolicy"));
    let kind = spec.at("type").text();
    let outside = matches!(kind, "NodePort" | "LoadBalancer") || !spec.at("externalIPs").is_empty();
    if !external.is_empty() {
        match outside {
            true => external.one_of(&POLICIES),
            false => external.invalid("may only be set for externally-accessible services"),
        }
    }
    if TYPES.contains(&kind) && kind != "ExternalName" {
        internal.one_of(&POLICIES);
    }
    let distribution = spec.at("trafficDistribution");
    if distribution.is_some() {
        distribution.one_of(&["PreferClose", "PreferSameNode", "PreferSameZone"]);
    }
    let health = spec.at("healthCheckNodePort");
    if health.number() != 0 && (kind != "LoadBalancer" || external.text() != "Local") {
        health.invalid(
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        );
    }
}
