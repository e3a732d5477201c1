//! Services, endpoints and Ingresses.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Column, age_of, integer, labels, list, name, or, or_none, text, wide};
use crate::object::{meta, text as at};

/// So many endpoints are spelled out.
const ENDPOINTS_SHOWN: usize = 3;

/// And so many hosts.
const HOSTS_SHOWN: usize = 3;

pub(crate) const SERVICE: &[Column] = &[
    name(),
    text("Type"),
    text("Cluster-IP"),
    text("External-IP"),
    text("Port(s)"),
    text("Age"),
    wide("Selector"),
];

pub(crate) fn service(object: &Value) -> Vec<Value> {
    vec![
        meta(object, "name").into(),
        at(object, "/spec/type").into(),
        or_none(cluster_address(object)),
        external_address(object),
        or_none(&ports(object)),
        age_of(object),
        labels(object.pointer("/spec/selector")),
    ]
}

fn cluster_address(service: &Value) -> &str {
    match at(service, "/spec/clusterIPs/0") {
        "" => at(service, "/spec/clusterIP"),
        first => first,
    }
}

fn external_address(service: &Value) -> Value {
    let mut all: Vec<&str> =
        list(service, "/spec/externalIPs").iter().filter_map(Value::as_str).collect();
    match at(service, "/spec/type") {
        "ExternalName" => at(service, "/spec/externalName").into(),
        "LoadBalancer" => {
            let mut given = ingress_addresses(service);
            given.append(&mut all);
            or(&given.join(","), "<pending>")
        }
        "ClusterIP" | "NodePort" => or_none(&all.join(",")),
        _ => "<unknown>".into(),
    }
}

/// Each once, in order.
fn ingress_addresses(object: &Value) -> Vec<&str> {
    let all = list(object, "/status/loadBalancer/ingress").iter();
    let all: BTreeSet<&str> = all
        .map(|ingress| match at(ingress, "/ip") {
            "" => at(ingress, "/hostname"),
            address => address,
        })
        .filter(|address| !address.is_empty())
        .collect();
    all.into_iter().collect()
}

fn ports(service: &Value) -> String {
    let port = |port: &Value| {
        let (number, protocol) = (integer(port, "/port"), at(port, "/protocol"));
        match integer(port, "/nodePort") {
            0 => format!("{number}/{protocol}"),
            node_port => format!("{number}:{node_port}/{protocol}"),
        }
    };
    list(service, "/spec/ports").iter().map(port).collect::<Vec<_>>().join(",")
}

fn shortened(all: &[String]) -> String {
    match all.len().checked_sub(ENDPOINTS_SHOWN) {
        Some(more @ 1..) => format!("{} + {more} more...", all[..ENDPOINTS_SHOWN].join(",")),
        _ => all.join(","),
    }
}

pub(crate) const ENDPOINT_SLICE: &[Column] =
    &[name(), text("AddressType"), text("Ports"), text("Endpoints"), text("Age")];

pub(crate) fn endpoint_slice(object: &Value) -> Vec<Value> {
    let ports: Vec<String> = list(object, "/ports")
        .iter()
        .map(|port| match (port["port"].as_i64(), port["name"].as_str()) {
            (Some(number), _) => number.to_string(),
            (None, Some(name)) => name.to_owned(),
            (None, None) => "*".to_owned(),
        })
        .collect();
    let addresses: Vec<String> = list(object, "/endpoints")
        .iter()
        .flat_map(|endpoint| list(endpoint, "/addresses"))
        .filter_map(|address| address.as_str().map(str::to_owned))
        .collect();
    let unset = |text: String| or(&text, "<unset>");
    vec![
        meta(object, "name").into(),
        at(object, "/addressType").into(),
        unset(shortened(&ports)),
        unset(shortened(&addresses)),
        age_of(object),
    ]
}

pub(crate) const INGRESS: &[Column] =
    &[name(), text("Class"), text("Hosts"), text("Address"), text("Ports"), text("Age")];

pub(crate) fn ingress(object: &Value) -> Vec<Value> {
    let ports = if list(object, "/spec/tls").is_empty() { "80" } else { "80, 443" };
    vec![
        meta(object, "name").into(),
        or_none(at(object, "/spec/ingressClassName")),
        hosts(object),
        ingress_addresses(object).join(",").into(),
        ports.into(),
        age_of(object),
    ]
}

/// Three are spelled out; all rules behind the third are counted, those without a host too.
fn hosts(ingress: &Value) -> Value {
    let rules = list(ingress, "/spec/rules");
    let mut shown: Vec<&str> = Vec::new();
    for rule in rules {
        match at(rule, "/host") {
            _ if shown.len() == HOSTS_SHOWN => {
                let more = rules.len() - HOSTS_SHOWN;
                return format!("{} + {more} more...", shown.join(",")).into();
            }
            "" => {}
            host => shown.push(host),
        }
    }
    if shown.is_empty() { "*".into() } else { shown.join(",").into() }
}

pub(crate) const INGRESS_CLASS: &[Column] =
    &[name(), text("Controller"), text("Parameters"), text("Age")];

pub(crate) fn ingress_class(object: &Value) -> Vec<Value> {
    let parameters = &object["spec"]["parameters"];
    let kind = match at(parameters, "/apiGroup") {
        "" => at(parameters, "/kind").to_owned(),
        group => format!("{}.{group}", at(parameters, "/kind")),
    };
    let text = match parameters {
        Value::Null => String::new(),
        parameters => format!("{kind}/{}", at(parameters, "/name")),
    };
    vec![
        meta(object, "name").into(),
        at(object, "/spec/controller").into(),
        or_none(&text),
        age_of(object),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_shows_its_ports_with_node_ports() {
        let row = service(&json!({
            "metadata": {"name": "web"},
            "spec": {"type": "NodePort", "clusterIP": "10.43.0.7", "selector": {"app": "web"},
                "ports": [{"port": 80, "protocol": "TCP", "nodePort": 30080}, {"port": 53, "protocol": "UDP"}]},
        }));
        let expected = [
            json!("web"),
            json!("NodePort"),
            json!("10.43.0.7"),
            json!("<none>"),
            json!("80:30080/TCP,53/UDP"),
        ];
        assert_eq!(row[..5], expected);
        assert_eq!(row[6], "app=web");
    }

    #[test]
    fn a_load_balancer_without_address_is_pending() {
        let row = service(&json!({"metadata": {}, "spec": {"type": "LoadBalancer"}}));
        assert_eq!(row[3], "<pending>");
    }

    #[test]
    fn many_endpoints_are_counted() {
        let slice = json!({"metadata": {}, "addressType": "IPv4", "ports": [{"port": 80}],
            "endpoints": [{"addresses": ["a", "b"]}, {"addresses": ["c"]}, {"addresses": ["d"]}]});
        assert_eq!(endpoint_slice(&slice)[3], "a,b,c + 1 more...");
    }

    #[test]
    fn an_ingress_shows_class_hosts_and_ports() {
        let row = ingress(&json!({"metadata": {"name": "i"}, "spec": {
            "ingressClassName": "sampan", "tls": [{}], "rules": [{"host": "a.example"}, {}]}}));
        let expected =
            [json!("i"), json!("sampan"), json!("a.example"), json!(""), json!("80, 443")];
        assert_eq!(row[..5], expected);
    }
}
