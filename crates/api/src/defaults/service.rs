//! Services, as far as no allocation is needed.

use serde_json::{Value, json};

use super::{each, fill, in_made, in_object, set};
use crate::read;

pub(super) fn apply(object: &mut Value) {
    in_made(object, "spec", |spec| {
        set(spec, "sessionAffinity", "None");
        set(spec, "type", "ClusterIP");
        session_affinity(spec);
        each(spec, "ports", ports);
        traffic_policies(spec);
        if read::text(spec, "type") == "LoadBalancer" {
            fill(spec, "allocateLoadBalancerNodePorts", json!(true));
        }
        addresses(spec);
    });
    fill(object, "status", json!({"loadBalancer": {}}));
    let balances = read::text(&object["spec"], "type") == "LoadBalancer";
    in_object(object, "status", |status| {
        fill(status, "loadBalancer", json!({}));
        if balances {
            in_object(status, "loadBalancer", |balancer| each(balancer, "ingress", address));
        }
    });
}

/// An address of a balancer is its own unless it says otherwise.
fn address(entry: &mut Value) {
    if !read::is_empty(entry, "ip") {
        fill(entry, "ipMode", json!("VIP"));
    }
}

fn session_affinity(spec: &mut Value) {
    const THREE_HOURS: i64 = 3 * 60 * 60;
    match read::text(spec, "sessionAffinity") {
        "ClientIP" => in_made(spec, "sessionAffinityConfig", |config| {
            in_made(config, "clientIP", |ip| fill(ip, "timeoutSeconds", json!(THREE_HOURS)));
        }),
        _ => {
            if let Some(fields) = spec.as_object_mut() {
                fields.remove("sessionAffinityConfig");
            }
        }
    }
}

fn ports(port: &mut Value) {
    set(port, "protocol", "TCP");
    let number = port.get("port").cloned().unwrap_or_default();
    let target = port.get("targetPort");
    let unset = target.is_none_or(|t| t.is_null() || *t == json!(0) || *t == json!(""));
    if unset && !number.is_null() {
        port["targetPort"] = number;
    }
}

fn traffic_policies(spec: &mut Value) {
    let kind = read::text(spec, "type").to_owned();
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        set(spec, "externalTrafficPolicy", "Cluster");
    }
    if kind != "ExternalName" {
        set(spec, "internalTrafficPolicy", "Cluster");
    }
}

/// `clusterIP` and `clusterIPs` tell the same; this box has IPv4 only.
fn addresses(spec: &mut Value) {
    if read::text(spec, "type") == "ExternalName" {
        return;
    }
    let first = spec.get("clusterIPs").and_then(|ips| ips.get(0)).cloned();
    match (read::text(spec, "clusterIP"), first) {
        ("", Some(first)) => spec["clusterIP"] = first,
        ("", None) => {}
        (address, None) => spec["clusterIPs"] = json!([address]),
        _ => {}
    }
    fill(spec, "ipFamilies", json!(["IPv4"]));
    set(spec, "ipFamilyPolicy", "SingleStack");
}
