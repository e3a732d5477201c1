//! Where a Service is: one of its endpoints that are ready.

use serde_json::Value;
use store::Range;

use crate::kinds;
use crate::object::{self, text};
use crate::registry::Registry;
use crate::table::list;

/// Why a Service cannot be called, in upstream's words.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum ServiceError {
    #[error("service {0:?} not found")]
    NotFound(String),
    #[error("no service port {port} found for service {name:?}")]
    NoPort { name: String, port: u16 },
    #[error("no endpoints available for service {0:?}")]
    NoEndpoints(String),
}

/// A host or address, and a port.
pub(crate) fn address(
    registry: &Registry,
    namespace: &str,
    name: &str,
    port: u16,
) -> Result<(String, u16), ServiceError> {
    let missing = || ServiceError::NotFound(name.to_owned());
    let services = kinds::find("", "v1", "services").expect("services are in the table");
    let kv = registry.get(services, namespace, name).ok_or_else(missing)?;
    let service = object::decode(&kv).map_err(|_| missing())?;
    if text(&service, "/spec/type") == "ExternalName" {
        return Ok((text(&service, "/spec/externalName").to_owned(), port));
    }
    let ports = list(&service, "/spec/ports");
    let wanted = ports
        .iter()
        .find(|entry| entry["port"] == port)
        .ok_or_else(|| ServiceError::NoPort { name: name.to_owned(), port })?;
    let slices = slices(registry, namespace);
    let mine = slices.iter().filter(|slice| of_service(slice, name));
    let all: Vec<(String, u16)> = mine.flat_map(|s| ready(s, text(wanted, "/name"))).collect();
    if all.is_empty() {
        return Err(ServiceError::NoEndpoints(name.to_owned()));
    }
    Ok(all[usize::from(rand::random::<u16>()) % all.len()].clone())
}

/// Does anybody say where the Service's endpoints are?
pub(crate) fn has_slices(registry: &Registry, namespace: &str, name: &str) -> bool {
    slices(registry, namespace).iter().any(|slice| of_service(slice, name))
}

fn slices(registry: &Registry, namespace: &str) -> Vec<Value> {
    let kind = kinds::find("discovery.k8s.io", "v1", "endpointslices");
    let kind = kind.expect("endpoint slices are in the table");
    let range: Range = Registry::range(kind, Some(namespace));
    let Ok(found) = registry.store.range(&range, None, 0) else { return Vec::new() };
    found.entries.iter().filter_map(|kv| object::decode(kv).ok()).collect()
}

fn of_service(slice: &Value, name: &str) -> bool {
    slice["metadata"]["labels"]["kubernetes.io/service-name"] == name
}

/// The endpoints of a slice that are ready, at the port of this name.
fn ready(slice: &Value, port_name: &str) -> Vec<(String, u16)> {
    let port = list(slice, "/ports").iter().find(|port| text(port, "/name") == port_name);
    let port = port.and_then(|port| u16::try_from(port["port"].as_u64()?).ok());
    let Some(port) = port else { return Vec::new() };
    let endpoints = list(slice, "/endpoints").iter();
    let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] != false);
    ready
        .filter_map(|endpoint| list(endpoint, "/addresses").first()?.as_str())
        .map(|address| (address.to_owned(), port))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_ready_endpoints_of_the_named_port_count() {
        let slice = json!({
            "ports": [{"name": "http", "port": 80}, {"name": "", "port": 8443}],
            "endpoints": [
                {"addresses": ["10.0.0.1"], "conditions": {"ready": true}},
                {"addresses": ["10.0.0.2"], "conditions": {"ready": false}},
                {"addresses": ["10.0.0.3"]},
            ],
        });
        let both = vec![("10.0.0.1".to_owned(), 8443), ("10.0.0.3".to_owned(), 8443)];
        assert_eq!(ready(&slice, ""), both);
        assert_eq!(ready(&slice, "other"), Vec::new());
    }
}
