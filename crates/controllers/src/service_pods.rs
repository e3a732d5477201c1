//! A Service and the pods that its selector means, for all that is made of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::ListParams;
use kube::runtime::reflector::{ObjectRef, Store};

use crate::context::Context;
use crate::drive::ReconcileError;
use crate::owner::{name, namespace};

/// On all that belongs to a Service without an address of its own.
pub(crate) const HEADLESS: &str = "service.kubernetes.io/headless";

/// The Services that a changed pod may concern: all with a selector in its namespace, since
/// the pod may have had other labels before.
pub(crate) fn services_near(services: &Store<Service>, pod: &Pod) -> Vec<ObjectRef<Service>> {
    let near = |service: &&Arc<Service>| {
        service.metadata.namespace == pod.metadata.namespace && selector_of(service).is_some()
    };
    services
        .state()
        .iter()
        .filter(near)
        .map(|service| ObjectRef::from_obj(service.as_ref()))
        .collect()
}

/// The Service as it is now, and its pods; `None` where it has no say in them (any more).
pub(crate) async fn selected(
    woken: &Service,
    ctx: &Context,
) -> Result<Option<(Service, Vec<Pod>)>, ReconcileError> {
    let ns = namespace(&woken.metadata);
    let service = ctx.api::<Service>(ns).get_opt(name(&woken.metadata)).await?;
    let Some(service) = service.filter(|found| found.metadata.deletion_timestamp.is_none()) else {
        return Ok(None);
    };
    let Some(selector) = selector_of(&service) else { return Ok(None) };
    let pods = ctx.api::<Pod>(ns).list(&ListParams::default().labels(&to_query(selector))).await?;
    Ok(Some((service, pods.items)))
}

fn selector_of(service: &Service) -> Option<&BTreeMap<String, String>> {
    let spec = service.spec.as_ref()?;
    if spec.type_.as_deref() == Some("ExternalName") {
        return None;
    }
    spec.selector.as_ref().filter(|selector| !selector.is_empty())
}

fn to_query(selector: &BTreeMap<String, String>) -> String {
    let pairs: Vec<_> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}

pub(crate) fn is_headless(service: &Service) -> bool {
    service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref()) == Some("None")
}

/// What the tests of all that is made of pods begin with.
#[cfg(test)]
pub(crate) fn test_pod(name: &str, ip: &str, ready: bool) -> serde_json::Value {
    serde_json::json!({"metadata": {"name": name, "namespace": "shop", "uid": name},
        "spec": {"nodeName": "box", "containers": [{"name": "c", "ports":
            [{"name": "http", "containerPort": 8080}]}]},
        "status": {"podIP": ip, "phase": "Running", "conditions":
            [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}})
}
