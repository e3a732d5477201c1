//! Services: their ClusterIP and node ports.

mod leftovers;

use std::net::Ipv4Addr;

use api::FieldError;
use api::validation::ErrorKind;
use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::kinds::Kind;
use crate::object::{child_mut, meta, text};
use crate::registry::{NODE_PORT_RANGE, Registry};

pub(super) fn initial_status(_: &Value) -> Value {
    json!({"loadBalancer": {}})
}

/// Gives a Service its address and node ports, keeping those it had.
pub(super) fn allocate(
    registry: &Registry,
    kind: &Kind,
    old: Option<&Value>,
    service: &mut Value,
) -> ApiResult<()> {
    if let Some(old) = old {
        leftovers::drop(old, service);
    }
    let owner = format!("{}/{}", meta(service, "namespace"), meta(service, "name"));
    let asked = Ask { registry, owner };
    let done = asked.address(old, service).and_then(|()| asked.node_ports(old, service));
    done.map_err(|error| ApiError::invalid(kind, meta(service, "name"), vec![error]))
}

struct Ask<'a> {
    registry: &'a Registry,
    owner: String,
}

impl Ask<'_> {
    fn address(&self, old: Option<&Value>, service: &mut Value) -> Result<(), FieldError> {
        let named = text(service, "/spec/type") == "ExternalName";
        let wanted = wanted_address(service);
        if named {
            return self.no_address(old, service);
        }
        // An update that does not name the address keeps it.
        let kept = old.filter(|old| text(old, "/spec/type") != "ExternalName");
        let had = kept.map_or("", |old| text(old, "/spec/clusterIP"));
        let wanted = if wanted.is_empty() { had.to_owned() } else { wanted };
        let address = match wanted.as_str() {
            "None" => "None".to_owned(),
            // What it has may not change, as validation says.
            given if !had.is_empty() => given.to_owned(),
            "" => self.any_address()?.to_string(),
            given => self.given_address(given)?,
        };
        let spec = child_mut(service, "spec");
        spec.insert("clusterIPs".to_owned(), json!([address]));
        spec.insert("clusterIP".to_owned(), address.into());
        Ok(())
    }

    fn no_address(&self, old: Option<&Value>, service: &mut Value) -> Result<(), FieldError> {
        let became = old.is_some_and(|old| text(old, "/spec/type") != "ExternalName");
        let given = text(service, "/spec/clusterIP").to_owned();
        if !became && !given.is_empty() {
            let detail = "may not be set when `type` is 'ExternalName'";
            return Err(refuse("spec.clusterIPs", ErrorKind::Forbidden, Value::Null, detail));
        }
        let spec = child_mut(service, "spec");
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            spec.remove(field);
        }
        Ok(())
    }

    fn any_address(&self) -> Result<Ipv4Addr, FieldError> {
        self.registry.free_address().ok_or_else(|| {
            let detail =
                format!("failed to allocate IP 0: range {} is full", self.registry.service_range());
            refuse("spec.clusterIPs", ErrorKind::Internal, Value::Null, &detail)
        })
    }

    fn given_address(&self, given: &str) -> Result<String, FieldError> {
        let refuse = |why: &str| {
            let detail = format!("failed to allocate IP {given}: {why}");
            refuse("spec.clusterIPs", ErrorKind::Invalid, json!([given]), &detail)
        };
        let range = self.registry.service_range();
        let address = given.parse::<Ipv4Addr>().map_err(|_| refuse("it is not an IPv4 address"))?;
        if !range.contains(address) {
            return Err(refuse(&format!(
                "the provided IP ({given}) is not in the valid range. The range of valid IPs is {range}"
            )));
        }
        match self.registry.address_holder(address) {
            Some(holder) if holder != self.owner => Err(refuse("provided IP is already allocated")),
            _ => Ok(address.to_string()),
        }
    }

    fn node_ports(&self, old: Option<&Value>, service: &mut Value) -> Result<(), FieldError> {
        let wants = matches!(text(service, "/spec/type"), "NodePort" | "LoadBalancer")
            && service["spec"]["allocateLoadBalancerNodePorts"] != false;
        let cluster_only = matches!(text(service, "/spec/type"), "ClusterIP" | "ExternalName");
        let had = old.map(|old| old["spec"]["ports"].clone()).unwrap_or_default();
        let Some(ports) = service.pointer_mut("/spec/ports").and_then(Value::as_array_mut) else {
            return Ok(());
        };
        let mut taken: Vec<u16> = ports.iter().filter_map(node_port).collect();
        for (index, port) in ports.iter_mut().enumerate() {
            let path = format!("spec.ports[{index}].nodePort");
            match node_port(port) {
                // Left over from when the Service was of another type.
                Some(number) if cluster_only && had_port(&had, number) => {
                    child_of(port).remove("nodePort");
                }
                Some(_) if cluster_only => {
                    let detail = "may not be used when `type` is 'ClusterIP'";
                    return Err(refuse(&path, ErrorKind::Forbidden, Value::Null, detail));
                }
                Some(number) => self.given_port(&path, number, text(port, "/protocol"))?,
                None if wants => {
                    let number = kept_port(&had, port, &taken)
                        .or_else(|| self.registry.free_node_port(text(port, "/protocol"), &taken))
                        .ok_or_else(|| {
                            refuse(
                                &path,
                                ErrorKind::Internal,
                                Value::Null,
                                "all node ports are in use",
                            )
                        })?;
                    taken.push(number);
                    child_of(port).insert("nodePort".to_owned(), number.into());
                }
                None => {}
            }
        }
        Ok(())
    }

    fn given_port(&self, path: &str, number: u16, protocol: &str) -> Result<(), FieldError> {
        if !NODE_PORT_RANGE.contains(&number) {
            let (low, high) = (NODE_PORT_RANGE.start(), NODE_PORT_RANGE.end());
            let detail = format!(
                "provided port is not in the valid range. The range of valid ports is {low}-{high}"
            );
            return Err(refuse(path, ErrorKind::Invalid, number.into(), &detail));
        }
        match self.registry.node_port_holder(number, protocol) {
            Some(holder) if holder != self.owner => Err(refuse(
                path,
                ErrorKind::Invalid,
                number.into(),
                "provided port is already allocated",
            )),
            _ => Ok(()),
        }
    }
}

fn wanted_address(service: &Value) -> String {
    match text(service, "/spec/clusterIP") {
        "" => text(service, "/spec/clusterIPs/0").to_owned(),
        address => address.to_owned(),
    }
}

fn node_port(port: &Value) -> Option<u16> {
    port["nodePort"].as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| *n != 0)
}

fn had_port(had: &Value, number: u16) -> bool {
    had.as_array().into_iter().flatten().any(|port| node_port(port) == Some(number))
}

/// The node port that the same port had before.
fn kept_port(had: &Value, port: &Value, taken: &[u16]) -> Option<u16> {
    had.as_array()
        .into_iter()
        .flatten()
        .find(|old| old["port"] == port["port"] && old["protocol"] == port["protocol"])
        .and_then(node_port)
        .filter(|number| !taken.contains(number))
}

fn child_of(port: &mut Value) -> &mut serde_json::Map<String, Value> {
    port.as_object_mut().expect("a port whose field was read is an object")
}

fn refuse(path: &str, kind: ErrorKind, value: Value, detail: &str) -> FieldError {
    FieldError { path: path.to_owned(), kind, value, detail: detail.to_owned() }
}
