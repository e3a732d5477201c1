//! Keeps the Endpoints of every Service that has a selector in step with its pods, for those who do
//! not read EndpointSlices yet.
//! Source: Kubernetes, "Service", <https://kubernetes.io/docs/concepts/services-networking/service/#endpoints>.

pub(crate) mod orphans;
mod subsets;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{EndpointSubset, Endpoints, Pod, Service};
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, watcher};

use crate::context::Context;
use crate::drive::{ReconcileError, drive};
use crate::owner::{name, namespace};
use crate::service_pods::{HEADLESS, is_headless, selected, services_near};

/// Says whose these Endpoints are: not somebody's own, which would be mirrored to slices.
const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const MANAGER: &str = "endpoint-controller";
/// On Endpoints that would have more addresses than they may.
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    let any = watcher::Config::default;
    let controller = Controller::new(context.all::<Service>(), any());
    let services = controller.store();
    let controller = controller
        .watches(context.all::<Pod>(), any(), move |pod| services_near(&services, &pod))
        .watches(context.all::<Endpoints>(), any(), its_service);
    drive(controller, context, reconcile).await
}

fn its_service(endpoints: Endpoints) -> Option<ObjectRef<Service>> {
    let place = endpoints.metadata.namespace.as_deref()?;
    is_ours(&endpoints).then(|| ObjectRef::new(name(&endpoints.metadata)).within(place))
}

/// Were these made here, rather than by hand?
pub(crate) fn is_ours(endpoints: &Endpoints) -> bool {
    let labels = endpoints.metadata.labels.as_ref();
    labels.and_then(|labels| labels.get(MANAGED_BY)).is_some_and(|manager| manager == MANAGER)
}

async fn reconcile(woken: Arc<Service>, ctx: Arc<Context>) -> Result<Action, ReconcileError> {
    let Some((service, pods)) = selected(&woken, &ctx).await? else {
        return Ok(Action::await_change());
    };
    let ns = namespace(&woken.metadata);
    write(&ctx.api(ns), &service, subsets::of(&service, &pods)).await?;
    Ok(Action::await_change())
}

/// Makes or replaces the Service's Endpoints, where they are not so already.
async fn write(
    api: &Api<Endpoints>,
    service: &Service,
    (subsets, truncated): (Vec<EndpointSubset>, bool),
) -> Result<(), ReconcileError> {
    let present = api.get_opt(name(&service.metadata)).await?;
    let new = wanted(service, present.as_ref(), subsets, truncated);
    match present {
        None => api.create(&PostParams::default(), &new).await.map(drop)?,
        Some(old) if is_same(&old, &new) => {}
        Some(_) => {
            api.replace(name(&service.metadata), &PostParams::default(), &new).await.map(drop)?;
        }
    }
    Ok(())
}

fn is_same(old: &Endpoints, new: &Endpoints) -> bool {
    let said = |endpoints: &Endpoints| endpoints.subsets.clone().unwrap_or_default();
    said(old) == said(new)
        && old.metadata.labels == new.metadata.labels
        && old.metadata.annotations == new.metadata.annotations
}

fn wanted(
    service: &Service,
    old: Option<&Endpoints>,
    subsets: Vec<EndpointSubset>,
    truncated: bool,
) -> Endpoints {
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.insert(MANAGED_BY.into(), MANAGER.into());
    if is_headless(service) {
        labels.insert(HEADLESS.into(), String::new());
    }
    let mut metadata = old.map(|old| old.metadata.clone()).unwrap_or_else(|| ObjectMeta {
        name: service.metadata.name.clone(),
        namespace: service.metadata.namespace.clone(),
        ..Default::default()
    });
    metadata.labels = Some(labels);
    let mut annotations = metadata.annotations.take().unwrap_or_default();
    annotations.remove(OVER_CAPACITY);
    if truncated {
        annotations.insert(OVER_CAPACITY.into(), "truncated".into());
    }
    metadata.annotations = Some(annotations).filter(|annotations| !annotations.is_empty());
    Endpoints { metadata, subsets: Some(subsets).filter(|subsets| !subsets.is_empty()) }
}
