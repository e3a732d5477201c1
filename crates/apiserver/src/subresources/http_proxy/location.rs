//! Where a proxy request goes: `name`, `name:port` or `scheme:name:port` of a pod, service or node.

use std::net::{IpAddr, SocketAddr};

use rand::seq::IndexedRandom as _;
use serde_json::Value;

use crate::error::{ApiError, ApiResult};
use crate::kinds::Subresource;
use crate::object::text;
use crate::registry::Registry;
use crate::request::Call;
use crate::table::list;

/// Who serves a service's port.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Where a kubelet listens, as far as anybody outside is concerned.
const KUBELET_PORT: &str = "10250";

/// Where a request goes.
#[derive(Debug)]
pub(super) enum Location {
    /// Our own node agent.
    Kubelet,
    Address(Address),
}

/// Something that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) at: SocketAddr,
    pub(super) https: bool,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.at.fmt(f)
    }
}

/// An id in its parts; the port may be a name or nothing.
#[derive(Debug, PartialEq, Eq)]
struct Id<'a> {
    https: bool,
    name: &'a str,
    port: &'a str,
}

impl<'a> Id<'a> {
    fn parse(id: &'a str) -> Option<Self> {
        let parts: Vec<&str> = id.split(':').collect();
        let (scheme, name, port) = match parts.as_slice() {
            [name] => ("", *name, ""),
            [name, port] => ("", *name, *port),
            [scheme, name, port] => (*scheme, *name, *port),
            _ => return None,
        };
        let known = matches!(scheme, "" | "http" | "https");
        (known && !name.is_empty()).then_some(Self { https: scheme == "https", name, port })
    }
}

pub(super) fn find(call: &Call<'_>, subresource: Subresource) -> ApiResult<Location> {
    let (word, locate): (_, fn(&Call<'_>, &Id<'_>) -> ApiResult<Location>) = match subresource {
        Subresource::ServiceProxy => ("service", service),
        Subresource::NodeProxy => ("node", node),
        _ => ("pod", pod),
    };
    let id = Id::parse(call.name()).ok_or_else(|| {
        ApiError::bad_request(format!("invalid {word} request {:?}", call.name()))
    })?;
    match locate(call, &id)? {
        Location::Address(address) => Ok(Location::Address(Address { https: id.https, ..address })),
        Location::Kubelet => Ok(Location::Kubelet),
    }
}

fn object(call: &Call<'_>, name: &str) -> ApiResult<Value> {
    let kv = call
        .registry()
        .get(call.kind, call.namespace(), name)
        .ok_or_else(|| ApiError::not_found(call.kind, name))?;
    call.registry().decode(&kv)
}

/// The first address of a pod, and the port asked for, or its first one, or the scheme's.
fn pod(call: &Call<'_>, id: &Id<'_>) -> ApiResult<Location> {
    let pod = object(call, id.name)?;
    let ports = list(&pod, "/spec/containers").iter().flat_map(|c| list(c, "/ports"));
    let declared = ports.filter_map(|port| port["containerPort"].as_u64()).next();
    let port = match id.port {
        "" => declared.and_then(|port| u16::try_from(port).ok()).unwrap_or(if id.https {
            443
        } else {
            80
        }),
        port => number(port)?,
    };
    address(text(&pod, "/status/podIP"), port)
}

/// Any ready endpoint of the port that is asked for.
fn service(call: &Call<'_>, id: &Id<'_>) -> ApiResult<Location> {
    let service = object(call, id.name)?;
    let port = port_name(&service, id)?;
    let mut addresses = Vec::new();
    for slice in slices(call, id.name)? {
        let ports = list(&slice, "/ports").iter();
        let found = ports.filter(|slot| slot["name"].as_str().unwrap_or("") == port);
        let Some(number) = found.filter_map(|slot| slot["port"].as_u64()).next() else { continue };
        let endpoints = list(&slice, "/endpoints").iter();
        let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] != false);
        addresses.extend(
            ready.filter_map(|endpoint| {
                Some((endpoint["addresses"][0].as_str()?.to_owned(), number))
            }),
        );
    }
    let (ip, port) = addresses.choose(&mut rand::rng()).ok_or_else(|| {
        ApiError::unavailable(format!("no endpoints available for service {:?}", id.name))
    })?;
    address(ip, u16::try_from(*port).unwrap_or(0))
}

/// The name of the port that is asked for; a number is looked up among the declared ones.
fn port_name<'a>(service: &'a Value, id: &Id<'a>) -> ApiResult<&'a str> {
    let Ok(number) = id.port.parse::<i64>() else {
        return Ok(id.port);
    };
    let mut ports = list(service, "/spec/ports").iter();
    let found = ports.find(|port| port["port"].as_i64() == Some(number));
    found.map(|port| port["name"].as_str().unwrap_or("")).ok_or_else(|| {
        let name = id.name;
        ApiError::unavailable(format!("no service port {number} found for service {name:?}"))
    })
}

fn slices(call: &Call<'_>, service: &str) -> ApiResult<Vec<Value>> {
    let kinds = call.registry().kinds();
    let kind = kinds
        .find("discovery.k8s.io", "v1", "endpointslices")
        .expect("EndpointSlice is a built-in kind");
    let place = Registry::range(kind, Some(call.namespace()));
    let all = call.registry().store.range(&place, None, 0);
    let all = all.map_err(|error| ApiError::internal("read endpoint slices", &error))?;
    let decoded = all.entries.iter().map(|kv| call.registry().decode(kv));
    let of_service =
        |slice: &Value| slice["metadata"]["labels"][SERVICE_NAME].as_str() == Some(service);
    decoded.filter(|slice| slice.as_ref().map_or(true, of_service)).collect()
}

fn node(call: &Call<'_>, id: &Id<'_>) -> ApiResult<Location> {
    let node = object(call, id.name)?;
    if matches!(id.port, "" | KUBELET_PORT) {
        return Ok(Location::Kubelet);
    }
    let mut addresses = list(&node, "/status/addresses").iter();
    let internal = addresses.find(|address| address["type"] == "InternalIP");
    address(internal.map_or("", |address| text(address, "/address")), number(id.port)?)
}

fn number(port: &str) -> ApiResult<u16> {
    port.parse().map_err(|_| {
        let why =
            format!("error trying to reach service: dial tcp: lookup tcp/{port}: unknown port");
        ApiError::unavailable(why)
    })
}

/// Only what others could reach as well: nothing of the box itself.
fn address(ip: &str, port: u16) -> ApiResult<Location> {
    match ip.parse::<IpAddr>() {
        Ok(ip) if may_be_reached(&ip) => {
            Ok(Location::Address(Address { at: (ip, port).into(), https: false }))
        }
        _ => Err(ApiError::bad_request("address not allowed")),
    }
}

fn may_be_reached(ip: &IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || link_local)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(id: &str, expected: Option<(bool, &str, &str)>) {
        let expected = expected.map(|(https, name, port)| Id { https, name, port });
        assert_eq!(Id::parse(id), expected, "{id}");
    }

    #[test]
    fn an_id_has_up_to_three_parts() {
        check("a", Some((false, "a", "")));
        check("a:", Some((false, "a", "")));
        check("a:80", Some((false, "a", "80")));
        check("http:a:web", Some((false, "a", "web")));
        check("https:a:", Some((true, "a", "")));
        check(":a:80", Some((false, "a", "80")));
        check("ftp:a:80", None);
        check(":80", None);
        check("http:a:80:x", None);
    }

    #[test]
    fn a_services_port_is_meant_by_number_or_name() {
        let service = json!({"spec": {"ports": [{"name": "web", "port": 80}, {"port": 81}]}});
        let name = |id| port_name(&service, &Id::parse(id).unwrap()).map_err(|error| error.code());
        assert_eq!(name("a:80"), Ok("web"));
        assert_eq!(name("a:81"), Ok(""));
        assert_eq!(name("a:other"), Ok("other"));
        assert_eq!(name("a"), Ok(""));
        assert_eq!(name("a:82"), Err(503));
    }

    #[test]
    fn the_boxs_own_addresses_are_not_reached() {
        for ip in ["127.0.0.1", "0.0.0.0", "169.254.169.254", "224.0.0.1", "::1", "fe80::1", ""] {
            assert_eq!(address(ip, 80).unwrap_err().code(), 400, "{ip}");
        }
        assert!(address("10.0.0.1", 80).is_ok());
    }
}
