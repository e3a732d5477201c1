//! Mirrors Endpoints that somebody made by hand, for a Service without a selector, to
//! EndpointSlices, which is what is read.
//! Source: Kubernetes, "EndpointSlices", <https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#endpointslice-mirroring>.

use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointSubset, Endpoints, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use kube::Api;
use kube::api::{ListParams, ObjectMeta};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, watcher};

use crate::context::Context;
use crate::drive::{ReconcileError, drive};
use crate::endpoints::is_ours;
use crate::endpointslice::endpoints::{Slice, split};
use crate::endpointslice::{MANAGED_BY, SERVICE_NAME, write};
use crate::owner::{controller_ref, name, namespace};
use crate::service_pods::HEADLESS;

const MANAGER: &str = "endpointslicemirroring-controller.k8s.io";
/// On Endpoints that shall not be mirrored.
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";
/// On Endpoints that are no endpoints but somebody's lock.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
/// Annotations that are about the Endpoints themselves.
const NOT_COPIED: [&str; 2] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "endpoints.kubernetes.io/last-change-trigger-time",
];

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    let any = watcher::Config::default;
    let controller = Controller::new(context.all::<Endpoints>(), any())
        .owns(context.all::<EndpointSlice>(), any())
        .watches(context.all::<Service>(), any(), its_endpoints);
    drive(controller, context, reconcile).await
}

fn its_endpoints(service: Service) -> Option<ObjectRef<Endpoints>> {
    let place = service.metadata.namespace.as_deref()?;
    Some(ObjectRef::new(name(&service.metadata)).within(place))
}

async fn reconcile(woken: Arc<Endpoints>, ctx: Arc<Context>) -> Result<Action, ReconcileError> {
    let ns = namespace(&woken.metadata);
    if is_ours(&woken) {
        return Ok(Action::await_change());
    }
    let all: Api<Endpoints> = ctx.api(ns);
    // Slices of Endpoints that went have an owner that went.
    let Some(endpoints) = all.get_opt(name(&woken.metadata)).await? else {
        return Ok(Action::await_change());
    };
    let service = ctx.api::<Service>(ns).get_opt(name(&endpoints.metadata)).await?;
    let mirrored = is_mirrored(&endpoints, service.as_ref());
    let api: Api<EndpointSlice> = ctx.api(ns);
    let ours = format!("{SERVICE_NAME}={},{MANAGED_BY}={MANAGER}", name(&endpoints.metadata));
    let present = api.list(&ListParams::default().labels(&ours)).await?.items;
    for (family, is_of) in FAMILIES {
        let wanted = if mirrored { slices(&endpoints, is_of) } else { Vec::new() };
        let present = present.iter().filter(|slice| slice.address_type == family);
        let present = present.cloned().collect();
        write(&api, wanted, present, |slice| new_slice(&endpoints, family, slice)).await?;
    }
    Ok(Action::await_change())
}

type IsOf = fn(&IpAddr) -> bool;
const FAMILIES: [(&str, IsOf); 2] = [("IPv4", IpAddr::is_ipv4), ("IPv6", IpAddr::is_ipv6)];

/// Are these a person's endpoints of a Service that selects none itself?
fn is_mirrored(endpoints: &Endpoints, service: Option<&Service>) -> bool {
    let labels = endpoints.metadata.labels.as_ref();
    let skipped = labels.and_then(|labels| labels.get(SKIP)).is_some_and(|skip| skip == "true");
    let annotations = endpoints.metadata.annotations.as_ref();
    let lock = annotations.is_some_and(|annotations| annotations.contains_key(LEADER));
    let selects = |service: &Service| {
        service
            .spec
            .as_ref()
            .is_some_and(|spec| spec.selector.as_ref().is_some_and(|s| !s.is_empty()))
    };
    !skipped && !lock && !is_ours(endpoints) && service.is_some_and(|service| !selects(service))
}

/// One slice, or more, for each subset that has addresses of the family.
fn slices(endpoints: &Endpoints, is_of: IsOf) -> Vec<Slice> {
    let subsets = endpoints.subsets.iter().flatten();
    let mirrored = subsets.map(|subset| Slice {
        ports: ports(subset),
        endpoints: [(&subset.addresses, true), (&subset.not_ready_addresses, false)]
            .into_iter()
            .flat_map(|(side, ready)| side.iter().flatten().map(move |address| (address, ready)))
            .filter(|(address, _)| address.ip.parse().is_ok_and(|ip| is_of(&ip)))
            .map(|(address, ready)| endpoint(address, ready))
            .collect(),
    });
    mirrored.filter(|slice| !slice.endpoints.is_empty()).flat_map(split).collect()
}

fn ports(subset: &EndpointSubset) -> Vec<EndpointPort> {
    let ports = subset.ports.iter().flatten().map(|port| EndpointPort {
        name: Some(port.name.clone().unwrap_or_default()),
        port: Some(port.port),
        protocol: Some(port.protocol.clone().unwrap_or_else(|| "TCP".into())),
        app_protocol: port.app_protocol.clone(),
    });
    ports.collect()
}

fn endpoint(address: &EndpointAddress, ready: bool) -> Endpoint {
    Endpoint {
        addresses: vec![address.ip.clone()],
        conditions: Some(EndpointConditions { ready: Some(ready), ..Default::default() }),
        hostname: address.hostname.clone(),
        node_name: address.node_name.clone(),
        target_ref: address.target_ref.clone(),
        ..Default::default()
    }
}

fn new_slice(endpoints: &Endpoints, family: &str, slice: Slice) -> EndpointSlice {
    let mut labels = endpoints.metadata.labels.clone().unwrap_or_default();
    labels.remove(HEADLESS);
    labels.insert(SERVICE_NAME.into(), name(&endpoints.metadata).into());
    labels.insert(MANAGED_BY.into(), MANAGER.into());
    let mut annotations = endpoints.metadata.annotations.clone().unwrap_or_default();
    annotations.retain(|key, _| !NOT_COPIED.contains(&key.as_str()));
    EndpointSlice {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", name(&endpoints.metadata))),
            namespace: endpoints.metadata.namespace.clone(),
            labels: Some(labels),
            annotations: Some(annotations).filter(|annotations| !annotations.is_empty()),
            owner_references: Some(controller_ref(endpoints)),
            ..Default::default()
        },
        address_type: family.into(),
        endpoints: Some(slice.endpoints),
        ports: Some(slice.ports),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn endpoints(metadata: Value) -> Endpoints {
        serde_json::from_value(json!({"metadata": metadata, "subsets": [{
            "addresses": [{"ip": "10.1.2.3"}, {"ip": "fd00::1"}],
            "notReadyAddresses": [{"ip": "10.1.2.4"}],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}]}))
        .expect("Endpoints")
    }

    #[test]
    fn each_family_has_its_slices() {
        let endpoints = endpoints(json!({"name": "own"}));
        let found = |is_of: IsOf| -> Vec<(String, Option<bool>)> {
            let all = slices(&endpoints, is_of).into_iter().flat_map(|slice| slice.endpoints);
            all.map(|e| (e.addresses[0].clone(), e.conditions.and_then(|c| c.ready))).collect()
        };
        let four = [("10.1.2.3".to_owned(), Some(true)), ("10.1.2.4".to_owned(), Some(false))];
        assert_eq!(found(IpAddr::is_ipv4), four);
        assert_eq!(found(IpAddr::is_ipv6), [("fd00::1".to_owned(), Some(true))]);
    }

    #[test]
    fn only_what_a_person_made_for_a_service_without_selector_is_mirrored() {
        let service = |selector: Value| -> Service {
            serde_json::from_value(json!({"spec": {"selector": selector}})).expect("a Service")
        };
        let check = |metadata: Value, service: Option<&Service>, expected: bool| {
            assert_eq!(is_mirrored(&endpoints(metadata), service), expected);
        };
        let (plain, selecting) = (service(Value::Null), service(json!({"app": "web"})));
        check(json!({}), Some(&plain), true);
        check(json!({}), Some(&selecting), false);
        check(json!({}), None, false);
        check(json!({"labels": {SKIP: "true"}}), Some(&plain), false);
        check(json!({"annotations": {LEADER: "{}"}}), Some(&plain), false);
    }
}
