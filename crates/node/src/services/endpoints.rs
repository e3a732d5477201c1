//! The endpoints behind a port of a Service, from its EndpointSlices: used by the balancer,
//! DNS and the ingress controller alike.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};

/// The label that names the Service of a slice.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Slices by namespace and name of their Service.
pub(crate) struct Slices<'a>(BTreeMap<(&'a str, &'a str), Vec<&'a EndpointSlice>>);

impl<'a> Slices<'a> {
    /// Only IPv4 slices count.
    pub(crate) fn new(slices: impl IntoIterator<Item = &'a EndpointSlice>) -> Self {
        let mut by_service: BTreeMap<_, Vec<&EndpointSlice>> = BTreeMap::new();
        for slice in slices.into_iter().filter(|slice| slice.address_type == "IPv4") {
            let labels = slice.metadata.labels.as_ref();
            let Some(service) = labels.and_then(|labels| labels.get(SERVICE_NAME)) else {
                continue;
            };
            let namespace = slice.metadata.namespace.as_deref().unwrap_or_default();
            by_service.entry((namespace, service.as_str())).or_default().push(slice);
        }
        Self(by_service)
    }

    pub(crate) fn of<'s>(&'s self, service: &'s Service) -> &'s [&'a EndpointSlice] {
        let meta = &service.metadata;
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        let name = meta.name.as_deref().unwrap_or_default();
        self.0.get(&(namespace, name)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Where connections to this port of `service` go, sorted.
    pub(crate) fn behind(&self, service: &Service, port: &ServicePort) -> Vec<SocketAddrV4> {
        let mut found = Vec::new();
        for slice in self.of(service) {
            let Some(number) = slice_port(slice, port) else { continue };
            for endpoint in slice.endpoints.iter().flatten().filter(|e| is_usable(e, service)) {
                found.extend(addresses(endpoint).map(|address| SocketAddrV4::new(address, number)));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// The number that a slice gives the port of that name.
fn slice_port(slice: &EndpointSlice, port: &ServicePort) -> Option<u16> {
    let name = port.name.as_deref().unwrap_or_default();
    let ports = slice.ports.iter().flatten();
    let mut same = ports.filter(|candidate| candidate.name.as_deref().unwrap_or_default() == name);
    u16::try_from(same.next()?.port?).ok()
}

/// Whether an endpoint gets traffic: it is ready, or the Service publishes those that are not.
pub(crate) fn is_usable(endpoint: &Endpoint, service: &Service) -> bool {
    let publish_not_ready =
        service.spec.as_ref().and_then(|spec| spec.publish_not_ready_addresses) == Some(true);
    let conditions = endpoint.conditions.as_ref();
    let ready = conditions.and_then(|conditions| conditions.ready).unwrap_or(true);
    let serving = conditions.and_then(|conditions| conditions.serving).unwrap_or(ready);
    ready || (publish_not_ready && serving)
}

pub(crate) fn addresses(endpoint: &Endpoint) -> impl Iterator<Item = Ipv4Addr> {
    endpoint.addresses.iter().filter_map(|address| address.parse().ok())
}
