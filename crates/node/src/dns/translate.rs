//! Services, EndpointSlices and pods as DNS records, by the Kubernetes DNS specification: pure.

use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::{Pod, Service, ServicePort, ServiceSpec};
use net::dns::{DnsTable, Srv};

use crate::services::endpoints::{Slices, addresses, is_usable};
use crate::services::translate::number;

/// The version of the specification, answered at `dns-version.<domain>`.
const SPECIFICATION: &str = "1.1.0";
/// All records of one name are equals.
const WEIGHT: u16 = 1;

/// The records of everything under `domain`.
pub(crate) fn translate<'a>(
    domain: &str,
    services: impl IntoIterator<Item = &'a Service>,
    slices: &Slices<'_>,
    pods: impl IntoIterator<Item = &'a Pod>,
) -> DnsTable {
    let mut table = DnsTable { domain: domain.to_owned(), ..DnsTable::default() };
    table.txt.insert(format!("dns-version.{domain}"), vec![SPECIFICATION.to_owned()]);
    for service in services {
        let Some(spec) = &service.spec else { continue };
        let meta = &service.metadata;
        let name = format!(
            "{}.{}.svc.{domain}",
            meta.name.as_deref().unwrap_or_default(),
            meta.namespace.as_deref().unwrap_or_default()
        );
        add_service(service, spec, &name, slices, &mut table);
    }
    for pod in pods {
        add_pod(pod, domain, &mut table);
    }
    for list in table.a.values_mut() {
        list.sort_unstable();
        list.dedup();
    }
    table
}

fn add_service(
    service: &Service,
    spec: &ServiceSpec,
    name: &str,
    slices: &Slices<'_>,
    table: &mut DnsTable,
) {
    if spec.type_.as_deref() == Some("ExternalName") {
        let target = spec.external_name.as_deref().unwrap_or_default();
        let target = target.trim_end_matches('.').to_lowercase();
        table.cname.insert(name.to_owned(), target);
        return;
    }
    match spec.cluster_ip.as_deref().map(str::parse::<Ipv4Addr>) {
        Some(Ok(address)) => add_balanced(spec, name, address, table),
        _ => add_headless(service, name, slices, table),
    }
}

/// A Service with an address: the address itself, and where its named ports are.
fn add_balanced(spec: &ServiceSpec, name: &str, address: Ipv4Addr, table: &mut DnsTable) {
    table.a.insert(name.to_owned(), vec![address]);
    table.ptr.insert(address, name.to_owned());
    for port in spec.ports.iter().flatten() {
        if let (Some(owner), Some(number)) = (srv_owner(port, name), number(port.port)) {
            table.srv.entry(owner).or_default().push(srv(number, name));
        }
    }
}

/// A Service without an address: its endpoints, each under a name of its own.
fn add_headless(service: &Service, name: &str, slices: &Slices<'_>, table: &mut DnsTable) {
    for slice in slices.of(service) {
        for endpoint in slice.endpoints.iter().flatten().filter(|e| is_usable(e, service)) {
            for address in addresses(endpoint) {
                let own = endpoint.hostname.as_deref().filter(|name| !name.is_empty());
                let host = own.map_or_else(|| dashed(address), str::to_lowercase);
                let host = format!("{host}.{name}");
                table.a.entry(name.to_owned()).or_default().push(address);
                table.a.entry(host.clone()).or_default().push(address);
                if own.is_some() {
                    table.ptr.insert(address, host.clone());
                }
                for port in slice.ports.iter().flatten() {
                    let Some(port_name) = port.name.as_deref().filter(|name| !name.is_empty())
                    else {
                        continue;
                    };
                    let protocol = port.protocol.as_deref().unwrap_or("TCP").to_lowercase();
                    let owner = format!("_{port_name}._{protocol}.{name}");
                    if let Some(number) = port.port.and_then(number) {
                        table.srv.entry(owner).or_default().push(srv(number, &host));
                    }
                }
            }
        }
    }
}

/// `_port._protocol.service`, for a port that has a name.
fn srv_owner(port: &ServicePort, service: &str) -> Option<String> {
    let name = port.name.as_deref().filter(|name| !name.is_empty())?;
    let protocol = port.protocol.as_deref().unwrap_or("TCP").to_lowercase();
    Some(format!("_{name}._{protocol}.{service}"))
}

fn srv(port: u16, target: &str) -> Srv {
    Srv { priority: 0, weight: WEIGHT, port, target: target.to_owned() }
}

fn add_pod(pod: &Pod, domain: &str, table: &mut DnsTable) {
    let Some(status) = &pod.status else { return };
    if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return;
    }
    let Some(address) = status.pod_ip.as_deref().and_then(|ip| ip.parse().ok()) else { return };
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let name = format!("{}.{namespace}.pod.{domain}", dashed(address));
    table.a.entry(name).or_default().push(address);
}

/// `10.42.0.9` as `10-42-0-9`.
fn dashed(address: Ipv4Addr) -> String {
    address.to_string().replace('.', "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::discovery::v1::EndpointSlice;
    use serde_json::{Value, json};

    fn slice() -> EndpointSlice {
        serde_json::from_value(json!({
            "metadata": {"name": "db-1", "namespace": "shop",
                "labels": {"kubernetes.io/service-name": "db"}},
            "addressType": "IPv4", "ports": [{"name": "sql", "port": 5432}],
            "endpoints": [{"addresses": ["10.42.0.9"], "hostname": "db-0"},
                {"addresses": ["10.42.0.8"]},
                {"addresses": ["10.42.0.7"], "conditions": {"ready": false}}]
        }))
        .unwrap()
    }

    /// All records but the version's, one sorted line each.
    fn check(spec: Value, expected: &[&str]) {
        let meta = json!({"name": "db", "namespace": "shop"});
        let service = serde_json::from_value(json!({"metadata": meta, "spec": spec})).unwrap();
        let slice = slice();
        let table = translate("c.local", [&service], &Slices::new([&slice]), []);
        assert_eq!(lines(&table), expected);
    }

    fn lines(table: &DnsTable) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, addresses) in &table.a {
            lines.push(format!("{name} A {addresses:?}"));
        }
        for (name, records) in &table.srv {
            lines.extend(
                records.iter().map(|srv| format!("{name} SRV {} {}", srv.port, srv.target)),
            );
        }
        lines.extend(table.ptr.iter().map(|(address, name)| format!("{address} PTR {name}")));
        lines.extend(table.cname.iter().map(|(name, target)| format!("{name} CNAME {target}")));
        lines.sort();
        lines
    }

    #[test]
    fn a_service_with_an_address_has_that_and_its_ports() {
        check(
            json!({"clusterIP": "10.43.0.7", "ports": [{"name": "sql", "port": 5432}, {"port": 1}]}),
            &[
                "10.43.0.7 PTR db.shop.svc.c.local",
                "_sql._tcp.db.shop.svc.c.local SRV 5432 db.shop.svc.c.local",
                "db.shop.svc.c.local A [10.43.0.7]",
            ],
        );
    }

    #[test]
    fn a_headless_service_has_its_ready_endpoints() {
        check(
            json!({"clusterIP": "None", "ports": [{"name": "sql", "port": 5432}]}),
            &[
                "10-42-0-8.db.shop.svc.c.local A [10.42.0.8]",
                "10.42.0.9 PTR db-0.db.shop.svc.c.local",
                "_sql._tcp.db.shop.svc.c.local SRV 5432 10-42-0-8.db.shop.svc.c.local",
                "_sql._tcp.db.shop.svc.c.local SRV 5432 db-0.db.shop.svc.c.local",
                "db-0.db.shop.svc.c.local A [10.42.0.9]",
                "db.shop.svc.c.local A [10.42.0.8, 10.42.0.9]",
            ],
        );
    }

    #[test]
    fn an_external_name_is_an_alias() {
        check(
            json!({"type": "ExternalName", "externalName": "Db.Example.com."}),
            &["db.shop.svc.c.local CNAME db.example.com"],
        );
    }

    #[test]
    fn pods_have_a_name_by_their_address() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {"namespace": "shop"},
            "status": {"phase": "Running", "podIP": "10.42.0.9"}}))
        .unwrap();
        let table = translate("c.local", [], &Slices::new([]), [&pod]);
        assert_eq!(lines(&table), ["10-42-0-9.shop.pod.c.local A [10.42.0.9]"]);
        assert_eq!(table.txt["dns-version.c.local"], ["1.1.0"]);
    }
}
