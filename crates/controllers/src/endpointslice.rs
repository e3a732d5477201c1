//! Keeps the EndpointSlices of every Service that has a selector in step with its pods.
//! Source: Kubernetes, "EndpointSlices", <https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/>.

pub(crate) mod endpoints;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};
use serde_json::json;

use crate::context::Context;
use crate::drive::{ReconcileError, drive};
use crate::merge::difference;
use crate::owner::{controller_ref, name, namespace};
use crate::service_pods::{HEADLESS, is_headless, selected, services_near};
use endpoints::Slice;

/// Names the Service that a slice belongs to.
pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";
pub(crate) const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    let controller = Controller::new(context.all::<Service>(), watcher::Config::default());
    let services = controller.store();
    let controller = controller
        .owns(context.all::<EndpointSlice>(), watcher::Config::default())
        .watches(context.all::<Pod>(), watcher::Config::default(), move |pod| {
            services_near(&services, &pod)
        });
    drive(controller, context, reconcile).await
}

async fn reconcile(woken: Arc<Service>, ctx: Arc<Context>) -> Result<Action, ReconcileError> {
    let Some((service, pods)) = selected(&woken, &ctx).await? else {
        return Ok(Action::await_change());
    };
    let ns = namespace(&woken.metadata);
    let wanted = endpoints::slices(&service, &pods);
    let api: Api<EndpointSlice> = ctx.api(ns);
    let ours = format!("{SERVICE_NAME}={},{MANAGED_BY}={MANAGER}", name(&service.metadata));
    let present = api.list(&ListParams::default().labels(&ours)).await?.items;
    write(&api, wanted, present, |slice| new_slice(&service, slice)).await?;
    Ok(Action::await_change())
}

/// Turns the present slices into the wanted ones, pairing those with the same ports first so
/// that a watcher sees as few changes as possible.
pub(crate) async fn write(
    api: &Api<EndpointSlice>,
    wanted: Vec<Slice>,
    mut present: Vec<EndpointSlice>,
    new: impl Fn(Slice) -> EndpointSlice,
) -> Result<(), ReconcileError> {
    for slice in wanted {
        let same = present.iter().position(|old| old.ports.as_ref() == Some(&slice.ports));
        match same.or_else(|| (!present.is_empty()).then_some(0)).map(|at| present.swap_remove(at))
        {
            Some(old) => update(api, &old, &slice).await?,
            None => {
                api.create(&PostParams::default(), &new(slice)).await?;
            }
        }
    }
    for surplus in present {
        match api.delete(name(&surplus.metadata), &DeleteParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn update(
    api: &Api<EndpointSlice>,
    old: &EndpointSlice,
    slice: &Slice,
) -> Result<(), ReconcileError> {
    let before = json!({"endpoints": old.endpoints, "ports": old.ports});
    let now = json!({"endpoints": slice.endpoints, "ports": slice.ports});
    if let Some(change) = difference(&before, &now) {
        api.patch(name(&old.metadata), &PatchParams::default(), &Patch::Merge(change)).await?;
    }
    Ok(())
}

fn new_slice(service: &Service, slice: Slice) -> EndpointSlice {
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.insert(SERVICE_NAME.into(), name(&service.metadata).into());
    labels.insert(MANAGED_BY.into(), MANAGER.into());
    if is_headless(service) {
        labels.insert(HEADLESS.into(), String::new());
    }
    EndpointSlice {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", name(&service.metadata))),
            namespace: service.metadata.namespace.clone(),
            labels: Some(labels),
            owner_references: Some(controller_ref(service)),
            ..Default::default()
        },
        address_type: "IPv4".into(),
        endpoints: Some(slice.endpoints),
        ports: Some(slice.ports),
    }
}
