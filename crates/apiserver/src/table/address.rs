//! Endpoints, NetworkPolicies, and what addresses there are.

use serde_json::Value;

use super::workload::selector_cell;
use super::{Column, age_of, integer, list, name, or_none, text};
use crate::object::{meta, text as at};

/// So many endpoints are spelled out.
const ENDPOINTS_SHOWN: usize = 3;

pub(crate) const ENDPOINTS: &[Column] = &[name(), text("Endpoints"), text("Age")];

pub(crate) fn endpoints(object: &Value) -> Vec<Value> {
    let shown = match list(object, "/subsets") {
        [] => "<none>".to_owned(),
        // Those that are not ready are not shown.
        _ => all_endpoints(object),
    };
    vec![meta(object, "name").into(), shown.into(), age_of(object)]
}

fn all_endpoints(object: &Value) -> String {
    let mut all = Vec::new();
    for subset in list(object, "/subsets") {
        let addresses = list(subset, "/addresses").iter().map(|address| at(address, "/ip"));
        let ports = list(subset, "/ports");
        if ports.is_empty() {
            all.extend(addresses.map(str::to_owned));
            continue;
        }
        for port in ports {
            let port = integer(port, "/port");
            all.extend(addresses.clone().map(|address| match address.contains(':') {
                true => format!("[{address}]:{port}"),
                false => format!("{address}:{port}"),
            }));
        }
    }
    match all.len().checked_sub(ENDPOINTS_SHOWN) {
        Some(more @ 1..) => format!("{} + {more} more...", all[..ENDPOINTS_SHOWN].join(",")),
        _ => all.join(","),
    }
}

pub(crate) const NETWORK_POLICY: &[Column] = &[name(), text("Pod-Selector"), text("Age")];

pub(crate) fn network_policy(object: &Value) -> Vec<Value> {
    vec![meta(object, "name").into(), selector_cell(&object["spec"]["podSelector"]), age_of(object)]
}

pub(crate) const SERVICE_CIDR: &[Column] = &[name(), text("CIDRs"), text("Age")];

pub(crate) fn service_cidr(object: &Value) -> Vec<Value> {
    let all: Vec<&str> = list(object, "/spec/cidrs").iter().filter_map(Value::as_str).collect();
    vec![meta(object, "name").into(), all.join(",").into(), age_of(object)]
}

/// Upstream has no column for the age here.
pub(crate) const IP_ADDRESS: &[Column] = &[name(), text("ParentRef")];

pub(crate) fn ip_address(object: &Value) -> Vec<Value> {
    let parent = &object["spec"]["parentRef"];
    let resource = match at(parent, "/group") {
        "" => at(parent, "/resource").to_lowercase(),
        group => format!("{}.{group}", at(parent, "/resource")).to_lowercase(),
    };
    let parts = [resource.as_str(), at(parent, "/namespace"), at(parent, "/name")];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    vec![meta(object, "name").into(), or_none(&parts.join("/"))]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn endpoints_show_three_and_count_the_rest() {
        let with = |subsets: Value| all_endpoints(&json!({"subsets": subsets}));
        let two = json!({"addresses": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}],
            "ports": [{"port": 80}, {"port": 443}]});
        assert_eq!(with(json!([])), "");
        assert_eq!(with(json!([two])), "10.0.0.1:80,[fd00::1]:80,10.0.0.1:443 + 1 more...");
        assert_eq!(with(json!([{"addresses": [{"ip": "10.0.0.1"}]}])), "10.0.0.1");
    }

    #[test]
    fn an_address_shows_whose_it_is() {
        let row = ip_address(&json!({"metadata": {"name": "10.43.0.1"}, "spec": {"parentRef":
            {"resource": "services", "namespace": "default", "name": "kubernetes"}}}));
        assert_eq!(row[1], "services/default/kubernetes");
    }
}
