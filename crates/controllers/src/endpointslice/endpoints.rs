//! A Service's pods as endpoints. Pure.

use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::{ObjectReference, Pod, Service, ServicePort};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::owner::{name, namespace};

/// The most endpoints in one slice (kube-controller-manager's --max-endpoints-per-slice).
const MAX_ENDPOINTS: usize = 100;

/// Endpoints that share the same ports.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slice {
    pub ports: Vec<EndpointPort>,
    pub endpoints: Vec<Endpoint>,
}

/// The slices that a Service should have, in a stable order. A Service without endpoints has one
/// empty slice.
pub(crate) fn slices(service: &Service, pods: &[Pod]) -> Vec<Slice> {
    let mut groups = groups(service, pods);
    if groups.is_empty() {
        groups.push(Slice { ports: Vec::new(), endpoints: Vec::new() });
    }
    groups.into_iter().flat_map(split).collect()
}

/// The endpoints by the ports they share, of any number.
pub(crate) fn groups(service: &Service, pods: &[Pod]) -> Vec<Slice> {
    let mut groups: Vec<Slice> = Vec::new();
    let mut pods: Vec<&Pod> = pods.iter().collect();
    pods.sort_by_key(|pod| name(&pod.metadata));
    for pod in pods {
        let Some(endpoint) = endpoint(service, pod) else { continue };
        let ports = ports(service, pod);
        match groups.iter_mut().find(|slice| slice.ports == ports) {
            Some(slice) => slice.endpoints.push(endpoint),
            None => groups.push(Slice { ports, endpoints: vec![endpoint] }),
        }
    }
    groups
}

/// Slices of a size that may be.
pub(crate) fn split(slice: Slice) -> Vec<Slice> {
    if slice.endpoints.len() <= MAX_ENDPOINTS {
        return vec![slice];
    }
    let chunks = slice.endpoints.chunks(MAX_ENDPOINTS);
    chunks.map(|some| Slice { ports: slice.ports.clone(), endpoints: some.to_vec() }).collect()
}

/// A pod as an endpoint, once it has an address and until it is over.
fn endpoint(service: &Service, pod: &Pod) -> Option<Endpoint> {
    let status = pod.status.as_ref()?;
    if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return None;
    }
    let address: Ipv4Addr = status.pod_ip.as_ref()?.parse().ok()?;
    let spec = pod.spec.as_ref()?;
    let in_domain = spec.subdomain.as_deref() == Some(name(&service.metadata));
    Some(Endpoint {
        addresses: vec![address.to_string()],
        conditions: Some(conditions(service, pod)),
        hostname: spec.hostname.clone().filter(|_| in_domain),
        node_name: spec.node_name.clone(),
        target_ref: Some(ObjectReference {
            kind: Some("Pod".into()),
            namespace: Some(namespace(&pod.metadata).into()),
            name: Some(name(&pod.metadata).into()),
            uid: pod.metadata.uid.clone(),
            ..Default::default()
        }),
        ..Default::default()
    })
}

fn conditions(service: &Service, pod: &Pod) -> EndpointConditions {
    let all = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let serving = all.into_iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True");
    let terminating = pod.metadata.deletion_timestamp.is_some();
    let publish = service.spec.as_ref().and_then(|spec| spec.publish_not_ready_addresses);
    EndpointConditions {
        ready: Some(publish == Some(true) || (serving && !terminating)),
        serving: Some(serving),
        terminating: Some(terminating),
    }
}

fn ports(service: &Service, pod: &Pod) -> Vec<EndpointPort> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_ref());
    ports.into_iter().flatten().filter_map(|port| resolve(port, pod)).collect()
}

/// A service port as this pod serves it; `None` when the pod has no port of that name.
fn resolve(port: &ServicePort, pod: &Pod) -> Option<EndpointPort> {
    let protocol = port.protocol.clone().unwrap_or_else(|| "TCP".into());
    let number = match &port.target_port {
        Some(IntOrString::Int(0)) | None => port.port,
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(wanted)) => named(pod, wanted, &protocol)?,
    };
    Some(EndpointPort {
        name: Some(port.name.clone().unwrap_or_default()),
        port: Some(number),
        protocol: Some(protocol),
        app_protocol: port.app_protocol.clone(),
    })
}

fn named(pod: &Pod, wanted: &str, protocol: &str) -> Option<i32> {
    let spec = pod.spec.as_ref()?;
    let init = spec.init_containers.iter().flatten();
    let sidecars = init.filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let mut ports = spec.containers.iter().chain(sidecars).flat_map(|c| c.ports.iter().flatten());
    let found = ports.find(|port| {
        port.name.as_deref() == Some(wanted)
            && port.protocol.as_deref().unwrap_or("TCP") == protocol
    });
    found.map(|port| port.container_port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    use crate::service_pods::test_pod as pod;

    fn service(spec: Value) -> Service {
        serde_json::from_value(json!({"metadata": {"name": "web"}, "spec": spec}))
            .expect("a Service")
    }

    fn check(service: Service, pods: Vec<Value>, expected: &[(i32, &[(&str, bool)])]) {
        let pods: Vec<Pod> =
            pods.into_iter().map(|pod| serde_json::from_value(pod).expect("a Pod")).collect();
        let slices = slices(&service, &pods);
        let seen: Vec<(i32, Vec<(&str, bool)>)> = slices
            .iter()
            .map(|slice| {
                let port = slice.ports.first().and_then(|port| port.port).unwrap_or(0);
                let ready =
                    |e: &Endpoint| e.conditions.as_ref().and_then(|c| c.ready) == Some(true);
                let all = slice.endpoints.iter().map(|e| (e.addresses[0].as_str(), ready(e)));
                (port, all.collect())
            })
            .collect();
        let seen: Vec<_> = seen.iter().map(|(port, all)| (*port, all.as_slice())).collect();
        assert_eq!(seen, expected);
    }

    fn by_name() -> Service {
        service(json!({"ports": [{"port": 80, "targetPort": "http"}]}))
    }

    #[test]
    fn readiness_decides_who_is_ready() {
        let pods = vec![pod("b", "10.0.0.2", false), pod("a", "10.0.0.1", true)];
        check(by_name(), pods, &[(8080, &[("10.0.0.1", true), ("10.0.0.2", false)])]);
    }

    #[test]
    fn a_terminating_pod_is_not_ready() {
        let mut leaving = pod("a", "10.0.0.1", true);
        leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        check(by_name(), vec![leaving], &[(8080, &[("10.0.0.1", false)])]);
    }

    #[test]
    fn publish_not_ready_addresses_makes_all_ready() {
        let spec = json!({"publishNotReadyAddresses": true, "ports": [{"port": 80}]});
        check(service(spec), vec![pod("a", "10.0.0.1", false)], &[(80, &[("10.0.0.1", true)])]);
    }

    #[test]
    fn finished_pods_and_pods_without_address_are_left_out() {
        let mut done = pod("a", "10.0.0.1", true);
        done["status"]["phase"] = json!("Succeeded");
        let mut early = pod("b", "", true);
        early["status"]["podIP"] = Value::Null;
        check(by_name(), vec![done, early], &[(0, &[])]);
    }

    #[test]
    fn pods_that_serve_a_named_port_elsewhere_get_their_own_slice() {
        let mut other = pod("b", "10.0.0.2", true);
        other["spec"]["containers"][0]["ports"][0]["containerPort"] = json!(9090);
        let pods = vec![pod("a", "10.0.0.1", true), other];
        check(by_name(), pods, &[(8080, &[("10.0.0.1", true)]), (9090, &[("10.0.0.2", true)])]);
    }

    #[test]
    fn more_than_a_hundred_endpoints_are_split() {
        let pods: Vec<Value> =
            (0..250).map(|i| pod(&format!("p{i:03}"), &format!("10.0.1.{i}"), true)).collect();
        let pods: Vec<Pod> =
            pods.into_iter().map(|pod| serde_json::from_value(pod).expect("a Pod")).collect();
        let sizes: Vec<_> = slices(&by_name(), &pods).iter().map(|s| s.endpoints.len()).collect();
        assert_eq!(sizes, [100, 100, 50]);
    }
}
