//! Services, EndpointSlices and host ports as the balancer's table: pure.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddrV4};

use k8s_openapi::api::core::v1::{Container, Pod, Service, ServicePort, ServiceSpec};
use net::{HostPort, Protocol, Table};

use super::endpoints::Slices;

/// How long a client sticks to an endpoint when the Service does not say.
const AFFINITY_SECONDS: u32 = 10_800;

/// The table for all Services and the host ports of all pods, in a stable order.
pub(crate) fn translate<'a>(
    services: impl IntoIterator<Item = &'a Service>,
    slices: &Slices<'_>,
    pods: impl IntoIterator<Item = &'a Pod>,
) -> Table {
    let mut table = Table::default();
    for service in services {
        if let Some(spec) = &service.spec {
            add_service(service, spec, slices, &mut table);
        }
    }
    table
        .services
        .sort_by(|a, b| (&a.name, a.port, a.protocol).cmp(&(&b.name, b.port, b.protocol)));
    for pod in pods {
        add_host_ports(pod, &mut table);
    }
    table.host_ports.sort_unstable();
    table
}

/// Every address the table leads to.
pub(crate) fn routed(table: &Table) -> HashSet<Ipv4Addr> {
    let services = table.services.iter().flat_map(|service| &service.endpoints);
    let host_ports = table.host_ports.iter().map(|port| &port.endpoint);
    services.chain(host_ports).map(|endpoint| *endpoint.ip()).collect()
}

fn add_service(service: &Service, spec: &ServiceSpec, slices: &Slices<'_>, table: &mut Table) {
    if spec.type_.as_deref() == Some("ExternalName") {
        return;
    }
    let meta = &service.metadata;
    let name = format!(
        "{}/{}",
        meta.namespace.as_deref().unwrap_or_default(),
        meta.name.as_deref().unwrap_or_default()
    );
    // A headless Service has no address that parses.
    let cluster = spec.cluster_ip.as_deref().and_then(|ip| ip.parse().ok());
    let balanced = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let balanced = balanced.and_then(|balancer| balancer.ingress.as_ref()).into_iter().flatten();
    let external = spec.external_ips.iter().flatten().chain(balanced.filter_map(|i| i.ip.as_ref()));
    let external = external.filter_map(|ip| ip.parse::<Ipv4Addr>().ok());
    for port in spec.ports.iter().flatten() {
        let Some(entry) = entry(spec, port) else { continue };
        let endpoints = slices.behind(service, port);
        if let Some(address) = cluster {
            let name = name.clone();
            table.services.push(net::Service {
                name,
                address,
                endpoints: endpoints.clone(),
                ..entry.clone()
            });
        }
        for address in external.clone() {
            let (name, endpoints) = (format!("{name}@{address}"), endpoints.clone());
            table.services.push(net::Service {
                name,
                address,
                endpoints,
                node_port: None,
                ..entry.clone()
            });
        }
    }
}

/// The part of an entry that all addresses of a port share; None when the numbers are no ports.
fn entry(spec: &ServiceSpec, port: &ServicePort) -> Option<net::Service> {
    Some(net::Service {
        name: String::new(),
        address: Ipv4Addr::UNSPECIFIED,
        port: number(port.port)?,
        protocol: protocol(port.protocol.as_deref()),
        node_port: port.node_port.and_then(number),
        endpoints: Vec::new(),
        affinity_seconds: affinity(spec),
    })
}

fn affinity(spec: &ServiceSpec) -> Option<u32> {
    if spec.session_affinity.as_deref() != Some("ClientIP") {
        return None;
    }
    let config = spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref());
    let seconds = config.and_then(|client| client.timeout_seconds);
    Some(seconds.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(AFFINITY_SECONDS))
}

/// The host ports of a pod that runs on a network of its own.
fn add_host_ports(pod: &Pod, table: &mut Table) {
    let (Some(spec), Some(status)) = (&pod.spec, &pod.status) else { return };
    let over = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"))
        || pod.metadata.deletion_timestamp.is_some();
    let address = status.pod_ip.as_deref().and_then(|ip| ip.parse::<Ipv4Addr>().ok());
    let Some(address) = address.filter(|_| !over && spec.host_network != Some(true)) else {
        return;
    };
    let sidecars = spec.init_containers.iter().flatten().filter(|c| c.restart_policy.is_some());
    for container in spec.containers.iter().chain(sidecars) {
        table.host_ports.extend(host_ports(container, address));
    }
}

fn host_ports(container: &Container, address: Ipv4Addr) -> impl Iterator<Item = HostPort> {
    container.ports.iter().flatten().filter_map(move |port| {
        let at = port.host_ip.as_deref().and_then(|ip| ip.parse::<Ipv4Addr>().ok());
        Some(HostPort {
            address: at.filter(|at| !at.is_unspecified()),
            port: port.host_port.and_then(number).filter(|port| *port > 0)?,
            protocol: protocol(port.protocol.as_deref()),
            endpoint: SocketAddrV4::new(address, number(port.container_port)?),
        })
    })
}

pub(crate) fn number(port: i32) -> Option<u16> {
    u16::try_from(port).ok()
}

pub(crate) fn protocol(word: Option<&str>) -> Protocol {
    match word {
        Some("UDP") => Protocol::Udp,
        Some("SCTP") => Protocol::Sctp,
        _ => Protocol::Tcp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::discovery::v1::EndpointSlice;
    use serde_json::{Value, json};

    fn service(spec: Value) -> Service {
        let meta = json!({"name": "web", "namespace": "shop"});
        serde_json::from_value(json!({"metadata": meta, "spec": spec})).unwrap()
    }

    fn slices() -> Vec<EndpointSlice> {
        let meta = json!({"name": "web-1", "namespace": "shop",
            "labels": {"kubernetes.io/service-name": "web"}});
        let endpoint = |ip: &str, ready: bool, serving: bool| json!({"addresses": [ip], "conditions": {"ready": ready, "serving": serving}});
        vec![
            serde_json::from_value(json!({"metadata": meta, "addressType": "IPv4",
                "ports": [{"name": "http", "port": 8080}, {"name": "grpc", "port": 9000}],
                "endpoints": [endpoint("10.42.0.9", true, true), endpoint("10.42.0.8", true, true),
                    endpoint("10.42.0.7", false, true), endpoint("10.42.0.6", false, false)]}))
            .unwrap(),
        ]
    }

    /// One line an entry: `name address:port/protocol [nodePort] -> endpoints`.
    fn check(spec: Value, expected: &[&str]) {
        let (service, slices) = (service(spec), slices());
        let table = translate([&service], &Slices::new(&slices), []);
        let line = |entry: &net::Service| {
            let endpoints: Vec<String> = entry.endpoints.iter().map(ToString::to_string).collect();
            let node_port = entry.node_port.map(|port| format!(" :{port}")).unwrap_or_default();
            let affinity = entry.affinity_seconds.map(|s| format!(" {s}s")).unwrap_or_default();
            let net::Service { name, address, port, protocol, .. } = entry;
            format!(
                "{name} {address}:{port}/{protocol}{node_port}{affinity} -> {}",
                endpoints.join(" ")
            )
        };
        assert_eq!(table.services.iter().map(line).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn ready_endpoints_stand_behind_their_named_port() {
        check(
            json!({"clusterIP": "10.43.0.7", "ports": [{"name": "http", "port": 80},
                {"name": "grpc", "port": 81, "nodePort": 30081}, {"name": "none", "port": 82}]}),
            &[
                "shop/web 10.43.0.7:80/tcp -> 10.42.0.8:8080 10.42.0.9:8080",
                "shop/web 10.43.0.7:81/tcp :30081 -> 10.42.0.8:9000 10.42.0.9:9000",
                "shop/web 10.43.0.7:82/tcp -> ",
            ],
        );
    }

    #[test]
    fn serving_endpoints_count_when_not_ready_ones_are_published() {
        check(
            json!({"clusterIP": "10.43.0.7", "publishNotReadyAddresses": true,
                "ports": [{"name": "http", "port": 80}]}),
            &["shop/web 10.43.0.7:80/tcp -> 10.42.0.7:8080 10.42.0.8:8080 10.42.0.9:8080"],
        );
    }

    #[test]
    fn services_without_an_address_are_not_balanced() {
        check(json!({"clusterIP": "None", "ports": [{"name": "http", "port": 80}]}), &[]);
        check(json!({"type": "ExternalName", "externalName": "x.y", "ports": [{"port": 80}]}), &[]);
    }

    #[test]
    fn affinity_and_external_addresses_are_kept() {
        check(
            json!({"clusterIP": "10.43.0.7", "externalIPs": ["192.0.2.1"],
                "sessionAffinity": "ClientIP",
                "ports": [{"name": "http", "port": 80, "protocol": "UDP"}]}),
            &[
                "shop/web 10.43.0.7:80/udp 10800s -> 10.42.0.8:8080 10.42.0.9:8080",
                "shop/web@192.0.2.1 192.0.2.1:80/udp 10800s -> 10.42.0.8:8080 10.42.0.9:8080",
            ],
        );
    }

    #[test]
    fn host_ports_lead_to_their_pod() {
        let pod: Pod = serde_json::from_value(json!({"spec": {"containers": [{"name": "c",
            "ports": [{"containerPort": 80, "hostPort": 8088, "hostIP": "0.0.0.0"},
                {"containerPort": 81}]}]}, "status": {"phase": "Running", "podIP": "10.42.0.9"}}))
        .unwrap();
        let table = translate([], &Slices::new([]), [&pod]);
        assert_eq!(
            table.host_ports,
            [HostPort {
                address: None,
                port: 8088,
                protocol: Protocol::Tcp,
                endpoint: "10.42.0.9:80".parse().unwrap()
            }]
        );
        assert_eq!(routed(&table), HashSet::from([Ipv4Addr::new(10, 42, 0, 9)]));
    }
}
