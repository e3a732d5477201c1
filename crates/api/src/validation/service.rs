//! Services. Addresses and node ports that are given away are the API server's to check.

mod update;

use std::collections::BTreeSet;

use serde_json::{Value, json};

pub(super) use self::update::update;
use super::field::Field;
use super::{address, metadata};
use crate::{names, read};

const KUBELET_PORT: i64 = 10250;
const ONE_DAY: i64 = 24 * 60 * 60;
const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const BALANCERS_ONLY: &str = "may only be used when `type` is 'LoadBalancer'";

pub(super) fn check(object: &Field<'_>) {
    topology_mode(&object.at("metadata").at("annotations"));
    let spec = object.at("spec");
    let headless = is_headless(spec.value);
    of_type(&spec, headless);
    ports(&spec.at("ports"));
    metadata::labels(&spec.at("selector"));
    affinity(&spec);
    addresses(&spec);
    spec.at("externalIPs").items().for_each(|ip| address::external(&ip));
    let kind = spec.at("type");
    kind.one_of(&TYPES);
    if kind.text() == "ClusterIP" {
        for port in spec.at("ports").items().map(|port| port.at("nodePort")) {
            if port.number() != 0 {
                port.forbidden("may not be used when `type` is 'ClusterIP'");
            }
        }
    }
    no_duplicates(&spec);
    source_ranges(object);
    balancer_fields(&spec);
    traffic_policies(&spec);
}

/// The old and the new name of one annotation.
fn topology_mode(annotations: &Field<'_>) {
    const OLD: &str = "service.kubernetes.io/topology-aware-hints";
    let (old, new) = (annotations.key(OLD), annotations.key("service.kubernetes.io/topology-mode"));
    if old.is_some() && new.is_some() && old.text() != new.text() {
        new.invalid(format!("must match annotations[{OLD}] when both are specified"));
    }
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
    if spec.at("type").text() == "ExternalName" {
        return;
    }
    let (one, all) = (spec.at("clusterIP"), spec.at("clusterIPs"));
    let first = all.items().next();
    if one.is_empty() && first.is_some() {
        all.invalid("must be empty when `clusterIP` is not specified");
    }
    if first.is_some_and(|first| !one.is_empty() && first.text() != one.text()) {
        all.invalid("first value must match `clusterIP`");
    }
    let mut seen = BTreeSet::new();
    for family in spec.at("ipFamilies").items() {
        family.one_of(&["IPv4", "IPv6"]);
        if !seen.insert(family.text()) {
            family.duplicate();
        }
    }
    let policy = spec.at("ipFamilyPolicy");
    if policy.is_some() {
        policy.one_of(&["PreferDualStack", "RequireDualStack", "SingleStack"]);
    }
    let before = spec.error_count();
    for (index, address) in all.items().enumerate() {
        match address.text() {
            "None" if index == 0 && all.len() > 1 => {
                all.invalid("'None' must be the first and only value");
            }
            "None" if index == 0 => {}
            _ => address::ip(&address),
        }
    }
    let fine = spec.error_count() == before;
    if all.len() > FAMILIES {
        all.invalid("may only hold up to 2 values");
    }
    if fine {
        of_families(spec, &all);
    }
}

/// Valid addresses, one of each family and in the families' order.
fn of_families(spec: &Field<'_>, all: &Field<'_>) {
    let is_new = |field: &Field<'_>| field.text().contains(':');
    let new = all.items().filter(is_new).count();
    if all.len() > 1 && (new == 0 || new == all.len()) {
        all.invalid("may specify no more than one IP for each IP family");
    }
    if is_headless(spec.value) {
        return;
    }
    for (index, (address, family)) in all.items().zip(spec.at("ipFamilies").items()).enumerate() {
        let wanted = family.text();
        let fits = match wanted {
            "IPv4" => !is_new(&address),
            "IPv6" => is_new(&address),
            _ => true,
        };
        if !fits {
            address.invalid(format!(
                "expected an {wanted} value as indicated by `ipFamilies[{index}]`"
            ));
        }
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
    let fields = ["allocateLoadBalancerNodePorts", "loadBalancerClass"];
    for field in fields.map(|field| spec.at(field)).into_iter().filter(Field::is_some) {
        field.forbidden(BALANCERS_ONLY);
    }
}

/// Whose packets a balancer takes, in the field or in the annotation that was before it. They may
/// have spaces around them, for old times' sake.
fn source_ranges(object: &Field<'_>) {
    const ANNOTATION: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
    let spec = object.at("spec");
    let is_balancer = spec.at("type").text() == "LoadBalancer";
    let given = spec.at("loadBalancerSourceRanges");
    // Upstream's path.
    let field = spec.at("LoadBalancerSourceRanges").showing(given.value);
    if !given.is_empty() {
        if !is_balancer {
            field.forbidden(BALANCERS_ONLY);
        }
        field.items().for_each(|range| address::range(&range, range.text().trim()));
        return;
    }
    let annotation = object.at("metadata").at("annotations").key(ANNOTATION);
    if annotation.is_some() && !is_balancer {
        annotation.forbidden(BALANCERS_ONLY);
    }
    let text = annotation.text().trim();
    if !text.is_empty() {
        text.split(',').for_each(|range| address::range(&annotation, range.trim()));
    }
}

fn traffic_policies(spec: &Field<'_>) {
    const POLICIES: [&str; 2] = ["Cluster", "Local"];
    let (internal, external) = (spec.at("internalTrafficPolicy"), spec.at("externalTrafficPolicy"));
    let kind = spec.at("type").text();
    let outside = matches!(kind, "NodePort" | "LoadBalancer") || !spec.at("externalIPs").is_empty();
    if !external.is_empty() {
        match outside {
            true if !POLICIES.contains(&external.text()) => external.unsupported(&POLICIES),
            true => {}
            false => external.invalid("may only be set for externally-accessible services"),
        }
    }
    if internal.is_some() && !POLICIES.contains(&internal.text()) {
        internal.unsupported(&POLICIES);
    } else if !internal.is_some() && TYPES.contains(&kind) && kind != "ExternalName" {
        internal.required("");
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
