//! A Service's pods as the subsets of Endpoints. Pure.

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Pod, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort as SlicePort};

use crate::endpointslice::endpoints::{Slice, groups};
use crate::service_pods::is_headless;

/// The most addresses that Endpoints have.
const ADDRESSES_MAX: usize = 1000;

/// The subsets that a Service's Endpoints should have, and whether addresses were left out of them.
pub(super) fn of(service: &Service, pods: &[Pod]) -> (Vec<EndpointSubset>, bool) {
    let spec = service.spec.as_ref();
    let publish = spec.and_then(|spec| spec.publish_not_ready_addresses) == Some(true);
    let portless = spec.is_none_or(|spec| spec.ports.as_ref().is_none_or(Vec::is_empty));
    let mut subsets: Vec<EndpointSubset> = groups(service, pods)
        .into_iter()
        // Only a headless Service may do without ports.
        .filter(|slice| !slice.ports.is_empty() || (portless && is_headless(service)))
        .map(|slice| subset(slice, publish))
        .filter(|subset| subset.addresses.is_some() || subset.not_ready_addresses.is_some())
        .collect();
    let truncated = truncate(&mut subsets);
    (subsets, truncated)
}

fn subset(slice: Slice, publish: bool) -> EndpointSubset {
    let stays = |endpoint: &Endpoint| publish || !has(endpoint, |all| all.terminating);
    let (ready, waiting): (Vec<Endpoint>, Vec<Endpoint>) = slice
        .endpoints
        .into_iter()
        .filter(stays)
        .partition(|endpoint| has(endpoint, |all| all.ready));
    let some = |all: Vec<Endpoint>| {
        let mut addresses: Vec<EndpointAddress> = all.into_iter().filter_map(address).collect();
        addresses.sort_by(|a, b| a.ip.cmp(&b.ip));
        Some(addresses).filter(|addresses| !addresses.is_empty())
    };
    let ports: Vec<EndpointPort> = slice.ports.into_iter().map(port).collect();
    EndpointSubset {
        addresses: some(ready),
        not_ready_addresses: some(waiting),
        ports: Some(ports).filter(|ports| !ports.is_empty()),
    }
}

fn has(
    endpoint: &Endpoint,
    which: fn(&k8s_openapi::api::discovery::v1::EndpointConditions) -> Option<bool>,
) -> bool {
    endpoint.conditions.as_ref().and_then(which) == Some(true)
}

fn address(endpoint: Endpoint) -> Option<EndpointAddress> {
    Some(EndpointAddress {
        ip: endpoint.addresses.into_iter().next()?,
        hostname: endpoint.hostname,
        node_name: endpoint.node_name,
        target_ref: endpoint.target_ref,
    })
}

fn port(port: SlicePort) -> EndpointPort {
    EndpointPort {
        name: port.name.filter(|name| !name.is_empty()),
        port: port.port.unwrap_or_default(),
        protocol: port.protocol,
        app_protocol: port.app_protocol,
    }
}

/// Leaves out what is more than may be: ready ones last.
fn truncate(subsets: &mut [EndpointSubset]) -> bool {
    let mut left = ADDRESSES_MAX;
    let mut truncated = false;
    let mut keep = |addresses: &mut Option<Vec<EndpointAddress>>| {
        let Some(addresses) = addresses else { return };
        truncated |= addresses.len() > left;
        addresses.truncate(left);
        left -= addresses.len();
    };
    subsets.iter_mut().for_each(|subset| keep(&mut subset.addresses));
    subsets.iter_mut().for_each(|subset| keep(&mut subset.not_ready_addresses));
    truncated
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    use crate::service_pods::test_pod as pod;

    fn subsets(spec: Value, pods: &[Value]) -> (Vec<EndpointSubset>, bool) {
        let service = json!({"metadata": {"name": "web"}, "spec": spec});
        let service: Service = serde_json::from_value(service).expect("a Service");
        let pods: Vec<Pod> =
            pods.iter().map(|pod| serde_json::from_value(pod.clone()).expect("a Pod")).collect();
        of(&service, &pods)
    }

    #[track_caller]
    fn check(spec: Value, pods: &[Value], expected: &[(&[&str], &[&str], Option<i32>)]) {
        let ips = |side: &Option<Vec<EndpointAddress>>| -> Vec<String> {
            side.iter().flatten().map(|address| address.ip.clone()).collect()
        };
        let found = subsets(spec, pods).0;
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (subset, (ready, waiting, port)) in found.iter().zip(expected) {
            assert_eq!(ips(&subset.addresses), *ready);
            assert_eq!(ips(&subset.not_ready_addresses), *waiting);
            assert_eq!(subset.ports.iter().flatten().next().map(|port| port.port), *port);
        }
    }

    #[test]
    fn ready_and_waiting_pods_stand_apart() {
        let pods =
            [pod("a", "10.0.0.2", true), pod("b", "10.0.0.1", true), pod("c", "10.0.0.3", false)];
        let spec = json!({"ports": [{"port": 80, "targetPort": "http"}]});
        let both: &[&str] = &["10.0.0.1", "10.0.0.2"];
        check(spec.clone(), &pods, &[(both, &["10.0.0.3"], Some(8080))]);
        check(spec, &[], &[]);
    }

    #[test]
    fn a_pod_on_its_way_out_is_gone_unless_all_are_published() {
        let mut leaving = pod("a", "10.0.0.1", true);
        leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let spec = json!({"ports": [{"port": 80}]});
        check(spec, std::slice::from_ref(&leaving), &[]);
        let all = json!({"publishNotReadyAddresses": true, "ports": [{"port": 80}]});
        check(all, &[leaving], &[(&["10.0.0.1"], &[], Some(80))]);
    }

    #[test]
    fn only_a_headless_service_does_without_ports() {
        let pods = [pod("a", "10.0.0.1", true)];
        check(json!({"clusterIP": "None"}), &pods, &[(&["10.0.0.1"], &[], None)]);
        check(json!({"clusterIP": "10.43.0.1"}), &pods, &[]);
        let unknown = json!({"ports": [{"port": 80, "targetPort": "nope"}]});
        check(unknown, &pods, &[]);
    }

    #[test]
    fn there_are_no_more_than_a_thousand_and_ready_ones_stay() {
        let waiting = (0..600)
            .map(|i| pod(&format!("w{i}"), &format!("10.0.{}.{}", i / 250, i % 250), false));
        let ready =
            (0..600).map(|i| pod(&format!("r{i}"), &format!("10.1.{}.{}", i / 250, i % 250), true));
        let pods: Vec<Value> = waiting.chain(ready).collect();
        let (found, truncated) = subsets(json!({"ports": [{"port": 80}]}), &pods);
        let count = |side: &Option<Vec<EndpointAddress>>| side.as_ref().map_or(0, Vec::len);
        assert!(truncated);
        assert_eq!((count(&found[0].addresses), count(&found[0].not_ready_addresses)), (600, 400));
    }
}
